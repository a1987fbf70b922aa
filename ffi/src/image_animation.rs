//! Animated GIF and WebP, frame by frame.

use std::io::Cursor;
use std::time::{Duration, Instant};

use image::codecs::{gif::GifDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{AnimationDecoder, DynamicImage, Frames, RgbImage};

use crate::guard::Failure;
use crate::image_decode::decoder_failure;
use crate::image_outline::{Format, Limits, Outline};

pub struct Animation {
    frames: Frames<'static>,
    /// Index of the frame that `frames` gives next.
    next: u32,
    delays: Vec<u32>,
    orientation: Orientation,
    time: Duration,
    deadline: Instant,
}

impl Animation {
    pub fn open(data: &[u8], limits: &Limits) -> Result<Animation, Failure> {
        let outline = Outline::of(data, limits)?;
        if outline.delays.is_empty() {
            return Err(Failure::bad_input(format!(
                "{}: not an animation, expected an animated GIF or WebP",
                outline.format.name()
            )));
        }
        let pixels = u64::from(outline.width) * u64::from(outline.height);
        if pixels * outline.delays.len() as u64 > limits.max_animation_pixels {
            return Err(Failure::bad_input(format!(
                "{} frames of {}x{} pixels, expected at most {} pixels in all",
                outline.delays.len(),
                outline.width,
                outline.height,
                limits.max_animation_pixels
            )));
        }
        let cursor = Cursor::new(data.to_vec());
        let frames = match outline.format {
            Format::WebP => WebPDecoder::new(cursor).map_err(decoder_failure)?.into_frames(),
            _ => GifDecoder::new(cursor).map_err(decoder_failure)?.into_frames(),
        };
        let time = Duration::from_millis(limits.max_milliseconds);
        Ok(Animation {
            frames,
            next: 0,
            delays: outline.delays,
            orientation: outline.orientation,
            time,
            deadline: Instant::now() + time,
        })
    }

    /// Milliseconds that each frame is shown.
    pub fn delays(&self) -> &[u32] {
        &self.delays
    }

    /// Decodes on to frame `index`, which must not have been passed. Pixels that no frame has painted
    /// are black.
    pub fn read(&mut self, index: u32) -> Result<RgbImage, Failure> {
        if index < self.next {
            return Err(Failure::bad_input(format!("frame {index} has been passed")));
        }
        loop {
            if Instant::now() > self.deadline {
                return Err(Failure::bad_input(format!(
                    "frame {} is not reached within {} seconds",
                    index,
                    self.time.as_secs_f64()
                )));
            }
            let frame = self
                .frames
                .next()
                .ok_or_else(|| Failure::bad_input(format!("no frame {}", self.next)))?
                .map_err(|error| {
                    let failure = decoder_failure(error);
                    Failure {
                        message: format!("frame {} {}", self.next, failure.message),
                        ..failure
                    }
                })?;
            self.next += 1;
            if self.next == index + 1 {
                let mut picture = DynamicImage::from(frame.into_buffer());
                picture.apply_orientation(self.orientation);
                return Ok(picture.into_rgb8());
            }
        }
    }
}
