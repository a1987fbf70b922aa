//! Animated GIF and WebP, frame by frame. All frames are decoded, those too that nobody asks for:
//! none may be damaged. Of one that is too long for that, only what the chosen frames show.

use std::time::Duration;

use crate::guard::Failure;
use crate::image_decode::{Size, finish, whiten};
use crate::image_gif::GifAnimation;
use crate::image_outline::{Format, Frame, Limits, Outline};
use crate::image_webp::WebPAnimation;

const ADVICE: &str = "a folder of frames may be longer";

pub struct Animation<'a> {
    outline: Outline,
    canvas: Canvas<'a>,
    /// Which frames are decoded.
    needed: Vec<bool>,
    max_work: u64,
    /// Index of the frame that comes next.
    next: u32,
    /// How much of the processor's time the frames have taken.
    spent: Duration,
    most: Duration,
}

enum Canvas<'a> {
    Gif(Box<GifAnimation<'a>>),
    WebP(WebPAnimation<'a>),
}

impl<'a> Animation<'a> {
    pub fn open(data: &'a [u8], limits: &Limits) -> Result<Self, Failure> {
        let outline = Outline::of(data, limits)?;
        check(&outline, limits).map_err(|message| {
            Failure::bad_input(format!("{}: {message}", outline.format.name()))
        })?;
        let canvas = match outline.format {
            Format::WebP => Canvas::WebP(WebPAnimation::new(data, &outline)),
            _ => Canvas::Gif(Box::new(GifAnimation::open(data, &outline)?)),
        };
        let most = Duration::from_millis(limits.max_milliseconds);
        let needed = vec![true; outline.frames.len()];
        let max_work = limits.max_work;
        Ok(Animation { outline, canvas, needed, max_work, next: 0, spent: Duration::ZERO, most })
    }

    /// Says which frames will be read, in rising order. Refuses what would take too long.
    pub fn choose(&mut self, frames: &[u32]) -> Result<(), Failure> {
        if self.work() > self.max_work {
            self.needed = needed_for(frames, &self.outline);
        }
        let (work, most) = (self.work(), self.max_work);
        if work <= most {
            return Ok(());
        }
        let needed = self.needed.iter().filter(|needed| **needed).count();
        Err(Failure::bad_input(format!(
            "{}: {needed} frames in {}x{} pixels take {work} units of work, expected at most \
             {most}: {ADVICE}",
            self.outline.format.name(),
            self.outline.width,
            self.outline.height
        )))
    }

    fn work(&self) -> u64 {
        let frames = self.outline.frames.iter().zip(&self.needed);
        let needed = frames.filter(|(_, needed)| **needed);
        needed.map(|(frame, _)| frame.work(self.outline.format)).sum()
    }

    /// Of every frame.
    pub fn size(&self) -> Size {
        Size::of(&self.outline, 3 * self.outline.pixels())
    }

    pub fn frames(&self) -> &[Frame] {
        &self.outline.frames
    }

    /// Decodes on to frame `index`, one of the chosen that has not been passed, into `out`, which has as many
    /// bytes as `size` says. What no frame has painted is white in a GIF with transparent colours,
    /// and black in a WebP.
    pub fn read(&mut self, index: u32, out: &mut [u8]) -> Result<(), Failure> {
        if index < self.next {
            return Err(Failure::bad_input(format!("frame {index} has been passed")));
        }
        if out.len() as u64 != self.size().bytes {
            return Err(Failure::bad_input("another room than the frame's"));
        }
        if !self.needed.get(index as usize).copied().unwrap_or(true) {
            return Err(Failure::bad_input(format!("frame {index} was not chosen")));
        }
        while self.next <= index {
            self.advance()?;
        }
        match &self.canvas {
            Canvas::Gif(canvas) => out.copy_from_slice(canvas.canvas().as_flattened()),
            Canvas::WebP(canvas) => canvas.copy_to(out),
        }
        if index == 0 {
            whiten(&self.outline, out); // so that it is the file read as a picture
        }
        finish(&self.outline, out);
        Ok(())
    }

    /// Decodes the frames that are left.
    pub fn finish(&mut self) -> Result<(), Failure> {
        while (self.next as usize) < self.outline.frames.len() {
            self.advance()?;
        }
        Ok(())
    }

    /// Decodes the next frame, or skips it.
    fn advance(&mut self) -> Result<(), Failure> {
        let index = self.next;
        let Some(frame) = self.outline.frames.get(index as usize) else {
            return Err(Failure::bad_input(format!("no frame {index}")));
        };
        if !self.needed[index as usize] {
            self.next += 1;
            return Ok(());
        }
        if self.spent >= self.most {
            return Err(Failure::bad_input(format!(
                "frame {index} is not reached within {} seconds: {ADVICE}",
                self.most.as_secs_f64()
            )));
        }
        let begin = processor_time();
        let painted = match &mut self.canvas {
            Canvas::Gif(canvas) => canvas.advance(),
            Canvas::WebP(canvas) => canvas.advance(frame),
        };
        painted.map_err(|failure| Failure {
            message: format!("frame {index} {}", failure.message),
            ..failure
        })?;
        self.spent += processor_time().saturating_sub(begin);
        self.next += 1;
        Ok(())
    }
}

/// What is wrong with an animation before it is decoded.
fn check(outline: &Outline, limits: &Limits) -> Result<(), String> {
    let (width, height) = (outline.width, outline.height);
    if outline.frames.is_empty() {
        return Err("not an animation, expected an animated GIF or WebP".into());
    }
    if outline.pixels() > limits.max_frame_pixels {
        let most = limits.max_frame_pixels;
        return Err(format!("frames of {width}x{height} pixels, expected at most {most} in all"));
    }
    Ok(())
}

/// The chosen frames, and those before that shine through.
fn needed_for(chosen: &[u32], outline: &Outline) -> Vec<bool> {
    let whole = outline.pixels();
    let starts_anew = |frame: &Frame| frame.opaque && frame.area.pixels() == whole;
    let mut needed = vec![false; outline.frames.len()];
    for &index in chosen {
        for (frame, needed) in outline.frames.iter().zip(&mut needed).take(index as usize + 1).rev()
        {
            if std::mem::replace(needed, true) || starts_anew(frame) {
                break;
            }
        }
    }
    needed
}

/// Of this thread: how busy the machine is otherwise must not decide which animations are read.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_decode::tests::{NO_LIMITS, decoded, golden};
    use crate::image_outline::Area;

    fn read(animation: &mut Animation, index: u32) -> Result<Vec<u8>, Failure> {
        let mut out = vec![0; animation.size().bytes as usize];
        animation.read(index, &mut out).map(|()| out)
    }

    fn frame(color: u8, column: u8, disposal: u8) -> Vec<u8> {
        let mut frame = vec![0x21, 0xf9, 4, disposal << 2, 7, 0, 0, 0];
        frame.extend_from_slice(&[0x2c, column, 0, 0, 0, 1, 0, 1, 0, 0]);
        // Codes of three bits: clear, the colour, end.
        let codes = 4 | u16::from(color) << 3 | 5 << 6;
        frame.extend_from_slice(&[2, 2]);
        frame.extend_from_slice(&codes.to_le_bytes());
        frame.push(0);
        frame
    }

    /// Of 4x1 pixels, every frame one of them; colour n is [n, n, n].
    fn gif(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut file = b"GIF89a\x04\0\x01\0\x81\0\0".to_vec();
        file.extend_from_slice(&[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
        file.extend(frames.concat());
        file.push(0x3b);
        file
    }

    #[test]
    fn frames_of_a_gif_stay_vanish_or_restore() {
        const KEEP: u8 = 1;
        const CLEAR: u8 = 2;
        const RESTORE: u8 = 3;
        let file = gif(&[
            frame(1, 0, KEEP),
            frame(2, 1, CLEAR),
            frame(3, 0, RESTORE),
            frame(2, 2, KEEP),
            frame(3, 3, 0),
        ]);
        let mut animation = Animation::open(&file, &NO_LIMITS).unwrap();
        let expected = [[1, 0, 0, 0], [1, 2, 0, 0], [3, 0, 0, 0], [1, 0, 2, 0], [1, 0, 2, 3]];
        for (index, levels) in expected.iter().enumerate() {
            let frame = read(&mut animation, index as u32).unwrap();
            assert_eq!(frame, levels.map(|level| [level; 3]).concat(), "frame {index}");
            assert_eq!(animation.frames()[index].delay, 70);
        }
        assert!(read(&mut animation, 2).unwrap_err().message.contains("has been passed"));
        assert!(read(&mut animation, 5).unwrap_err().message.contains("no frame 5"));
    }

    fn with_transparent(mut frame: Vec<u8>, index: u8) -> Vec<u8> {
        frame[3] |= 1;
        frame[6] = index;
        frame
    }

    #[test]
    fn the_first_frame_is_the_file_as_a_picture() {
        let painted = || with_transparent(frame(1, 1, 1), 1); // in the transparent colour
        for frames in [vec![frame(3, 1, 1)], vec![painted()], vec![frame(3, 1, 1), painted()]] {
            let file = gif(&frames);
            let mut animation = Animation::open(&file, &NO_LIMITS).unwrap();
            assert_eq!(read(&mut animation, 0).unwrap(), decoded(&file).unwrap());
        }
    }

    #[test]
    fn what_is_transparent_is_white() {
        const CLEAR: u8 = 2;
        let file = gif(&[
            with_transparent(frame(1, 0, 1), 2),
            frame(3, 1, CLEAR),
            with_transparent(frame(3, 0, 1), 3), // lets 1 shine through
        ]);
        let mut animation = Animation::open(&file, &NO_LIMITS).unwrap();
        let expected = [[1, 255, 255, 255], [1, 3, 255, 255], [1, 255, 255, 255]];
        for (index, levels) in (0..).zip(expected) {
            assert_eq!(
                read(&mut animation, index).unwrap(),
                levels.map(|level| [level; 3]).concat()
            );
        }
        let file = gif(&[frame(1, 0, 1), with_transparent(frame(3, 1, CLEAR), 2), frame(1, 2, 1)]);
        let mut animation = Animation::open(&file, &NO_LIMITS).unwrap();
        let last = [1, 255, 1, 0].map(|level| [level; 3]).concat();
        assert_eq!(read(&mut animation, 2).unwrap(), last);
    }

    #[test]
    fn damage_behind_the_last_frame_that_is_read_is_noticed() {
        let mut broken = frame(1, 0, 1);
        let size = broken.len();
        broken[size - 4..].copy_from_slice(&[1, 4 | 5 << 3, 0, 0]); // ends before its pixel
        let file = gif(&[frame(1, 0, 1), frame(2, 0, 1), broken]);
        let mut animation = Animation::open(&file, &NO_LIMITS).unwrap();
        read(&mut animation, 1).unwrap();
        let failure = animation.finish().unwrap_err();
        assert!(failure.message.starts_with("frame 2 "), "{}", failure.message);
    }

    #[test]
    fn limits() {
        let refused = |file: &[u8], limits: Limits, part: &str| {
            let failure = match Animation::open(file, &limits) {
                Ok(mut animation) => {
                    animation.choose(&[0]).and_then(|()| animation.finish()).expect_err(part)
                }
                Err(failure) => failure,
            };
            assert!(failure.message.contains(part), "{}", failure.message);
        };
        for file in [golden("animated.gif"), golden("animated.webp")] {
            Animation::open(&file, &NO_LIMITS).unwrap().finish().unwrap();
            refused(&file, Limits { max_frames: 2, ..NO_LIMITS }, "more than 2 frames");
            refused(&file, Limits { max_frame_pixels: 390, ..NO_LIMITS }, "expected at most 390");
            refused(&file, Limits { max_work: 10, ..NO_LIMITS }, "expected at most 10: ");
            refused(&file, Limits { max_milliseconds: 0, ..NO_LIMITS }, "within 0 seconds");
        }
        refused(&golden("rgb.png"), NO_LIMITS, "not an animation");
    }

    #[test]
    fn of_long_animations_no_more_is_decoded_than_what_is_seen() {
        let mut outline = Outline::new(Format::WebP);
        (outline.width, outline.height) = (4, 1);
        let frame = |opaque: bool, width: u32| Frame {
            area: Area { left: 0, top: 0, width, height: 1 },
            delay: 0,
            data: 0..0,
            opaque,
            blend: true,
            dispose: false,
        };
        let frames = [(true, 4), (false, 4), (true, 4), (true, 3), (false, 1), (true, 4)];
        outline.frames = frames.map(|(opaque, width)| frame(opaque, width)).into();
        let needed = |chosen: &[u32]| -> Vec<usize> {
            let needed = needed_for(chosen, &outline);
            needed.iter().enumerate().filter(|(_, needed)| **needed).map(|(i, _)| i).collect()
        };
        assert_eq!(needed(&[0]), [0]);
        assert_eq!(needed(&[1]), [0, 1]);
        assert_eq!(needed(&[4]), [2, 3, 4]);
        assert_eq!(needed(&[3, 5]), [2, 3, 5]);
        assert_eq!(needed(&[0, 3, 4]), [0, 2, 3, 4]);
    }

    fn riff(chunks: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        for (name, data) in chunks {
            file.extend_from_slice(name);
            file.extend_from_slice(&(data.len() as u32).to_le_bytes());
            file.extend_from_slice(data);
            file.resize(file.len() + data.len() % 2, 0);
        }
        let size = file.len() as u32 - 8;
        file[4..8].copy_from_slice(&size.to_le_bytes());
        file
    }

    /// Two kinds of frame by turns, both of the whole canvas of 23x17: one without alpha, and one with
    /// it, below which the first one shines through.
    fn alternating(count: usize) -> Vec<u8> {
        let chunk_of = |name: &str, kind: &[u8]| {
            let file = golden(name);
            let begin = file.windows(4).position(|four| four == kind).unwrap();
            let size = u32::from_le_bytes(file[begin + 4..begin + 8].try_into().unwrap()) as usize;
            file[begin..begin + 8 + size + size % 2].to_vec()
        };
        let kinds = [chunk_of("lossy.webp", b"VP8 "), chunk_of("lossless.webp", b"VP8L")];
        let head = [0, 0, 0, 0, 0, 0, 22, 0, 0, 16, 0, 0, 50, 0, 0, 0];
        let frames: Vec<Vec<u8>> =
            (0..count).map(|index| [&head, &kinds[index % 2][..]].concat()).collect();
        let extended = [0x12, 0, 0, 0, 22, 0, 0, 16, 0, 0];
        let mut chunks: Vec<(&[u8], &[u8])> = vec![(b"VP8X", &extended), (b"ANIM", &[0; 6])];
        chunks.extend(frames.iter().map(|frame| (&b"ANMF"[..], &frame[..])));
        riff(&chunks)
    }

    #[test]
    fn frames_that_are_skipped_do_not_change_the_others() {
        const CHOSEN: [u32; 3] = [1, 4, 7];
        let file = alternating(9);
        let mut whole = Animation::open(&file, &NO_LIMITS).unwrap();
        whole.choose(&CHOSEN).unwrap();
        let limits = Limits { max_work: whole.work() - 1, ..NO_LIMITS };
        let mut part = Animation::open(&file, &limits).unwrap();
        part.choose(&CHOSEN).unwrap();
        assert_eq!(part.needed.iter().filter(|needed| **needed).count(), 5); // 0, 1, 4, 6, 7
        let expected = CHOSEN.map(|index| read(&mut whole, index).unwrap());
        assert_eq!(CHOSEN.map(|index| read(&mut part, index).unwrap()), expected);
        assert_ne!(expected[0], expected[1]);
        part.finish().unwrap();
        let mut part = Animation::open(&file, &limits).unwrap();
        part.choose(&CHOSEN).unwrap();
        assert!(read(&mut part, 2).unwrap_err().message.contains("was not chosen"));
    }
}
