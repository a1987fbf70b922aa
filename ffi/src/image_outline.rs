//! What a picture file says about itself before anything is decoded: format, size, orientation,
//! frames, and what decoding it would take. The walk reaches the end of the file's own structure,
//! because the decoders do not notice every file that was cut short, and refuses what no decoder
//! should be asked for.

use std::ops::Range;

use image::metadata::Orientation;

use crate::guard::Failure;
use crate::image_exif::orientation;
use crate::image_outline_gif::gif;
use crate::image_outline_jpeg::jpeg;
use crate::image_outline_png_bmp::{bmp, png};
use crate::image_outline_webp::webp;
use crate::image_reader::Reader;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Limits {
    /// Width times height.
    pub max_pixels: u64,
    /// What a picture may take while it is decoded: its file, its pixels, the decoder's memory.
    pub max_memory: u64,
    /// Of an animation.
    pub max_frames: u32,
    /// Width times height of an animation.
    pub max_frame_pixels: u64,
    /// For the frames of an animation that are decoded; see `Frame::work`.
    pub max_work: u64,
    /// Of the processor, for all frames of an animation.
    pub max_milliseconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    Png,
    Jpeg,
    WebP,
    Gif,
    Bmp,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Format::Png => "PNG",
            Format::Jpeg => "JPEG",
            Format::WebP => "WebP",
            Format::Gif => "GIF",
            Format::Bmp => "BMP",
        }
    }

    fn detect(data: &[u8]) -> Result<Format, Failure> {
        match data {
            [] => Err(Failure::bad_input("empty, expected a picture")),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(Format::Png),
            [0xff, 0xd8, 0xff, ..] => Ok(Format::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Format::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Format::Gif),
            [b'B', b'M', ..] => Ok(Format::Bmp),
            _ => Err(Failure::bad_input(
                "not a picture that can be read, expected PNG, JPEG, WebP, GIF or BMP",
            )),
        }
    }
}

/// A rectangle of the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl Area {
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// A picture of an animation, or the only one of a GIF.
#[derive(Debug)]
pub struct Frame {
    pub area: Area,
    /// Milliseconds that it is shown.
    pub delay: u32,
    /// Where its image data lie in the file; of a WebP, its chunks.
    pub data: Range<usize>,
    /// It leaves nothing of the frames before in its area.
    pub opaque: bool,
    /// WebP: transparent pixels let the frame before shine through.
    pub blend: bool,
    /// WebP: its area becomes transparent before the next one.
    pub dispose: bool,
}

impl Frame {
    /// What decoding it takes, in units of two nanoseconds or so: those of a pixel of a plain GIF.
    /// Narrow rows take as long as wider ones, and a frame is not free however small.
    pub fn work(&self, format: Format) -> u64 {
        const OF_A_FRAME: u64 = 4096;
        const LEAST_WIDTH: u64 = 32;
        let (of_a_pixel, of_a_byte) = if format == Format::WebP { (8, 20) } else { (1, 6) };
        let pixels = u64::from(self.area.width).max(LEAST_WIDTH) * u64::from(self.area.height);
        OF_A_FRAME + of_a_pixel * pixels + of_a_byte * self.data.len() as u64
    }
}

#[derive(Debug)]
pub struct Outline {
    pub format: Format,
    pub width: u32,
    pub height: u32,
    pub orientation: Orientation,
    /// None if the file is no animation.
    pub frames: Vec<Frame>,
    /// GIF: the colour around a first frame that is smaller than the picture.
    pub around: [u8; 3],
    /// PNG, GIF: the one colour that stands for transparency. Of an animation, in its first frame.
    pub transparent: Option<[u8; 3]>,
    /// WebP: where the lossy bit stream of a still picture lies if an alpha channel lies beside it.
    pub lossy_data: Option<Range<usize>>,
    /// JPEG: where its end-of-image marker lies.
    pub end: usize,
    /// At most so many bytes of a pixel leave the decoder, before they are brought to three.
    pub pixel_bytes: u64,
    /// Bytes that decoding takes beside the file and the pixels.
    pub decoder_bytes: u64,
}

impl Outline {
    pub fn of(data: &[u8], limits: &Limits) -> Result<Outline, Failure> {
        let format = Format::detect(data)?;
        let walk = match format {
            Format::Png => png,
            Format::Jpeg => jpeg,
            Format::WebP => webp,
            Format::Gif => gif,
            Format::Bmp => bmp,
        };
        walk(Reader::new(data), Outline::new(format), limits).map_err(|failure| Failure {
            message: format!("{}: {}", format.name(), failure.message),
            ..failure
        })
    }

    /// Nothing is known yet but the format.
    pub fn new(format: Format) -> Self {
        Outline {
            format,
            width: 0,
            height: 0,
            orientation: Orientation::NoTransforms,
            frames: Vec::new(),
            around: [0; 3],
            transparent: None,
            lossy_data: None,
            end: 0,
            pixel_bytes: 3,
            decoder_bytes: 0,
        }
    }

    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    pub fn set_size(&mut self, width: u32, height: u32, limits: &Limits) -> Result<(), Failure> {
        if width == 0 || height == 0 {
            return Err(damaged(format!("{width}x{height} pixels, expected at least 1x1")));
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > limits.max_pixels {
            return Err(damaged(format!(
                "{width}x{height} pixels, expected at most {} in all",
                limits.max_pixels
            )));
        }
        (self.width, self.height) = (width, height);
        Ok(())
    }

    /// EXIF as PNG and WebP hold it, or with JPEG's preamble. What does not parse turns nothing.
    pub fn set_exif(&mut self, exif: &[u8]) {
        let exif = exif.strip_prefix(EXIF_PREAMBLE).unwrap_or(exif);
        self.orientation = orientation(exif).unwrap_or(Orientation::NoTransforms);
    }

    pub fn add_frame(&mut self, frame: Frame, limits: &Limits) -> Result<(), Failure> {
        let area = &frame.area;
        if area.width == 0
            || area.height == 0
            || area.left + area.width > self.width
            || area.top + area.height > self.height
        {
            return Err(damaged(format!(
                "frame {} of {}x{} pixels at ({}, {}) is not inside the picture of {}x{}",
                self.frames.len(),
                area.width,
                area.height,
                area.left,
                area.top,
                self.width,
                self.height
            )));
        }
        self.frames.push(frame);
        if self.frames.len() as u64 > u64::from(limits.max_frames) {
            return Err(damaged(format!(
                "more than {} frames, the most that are read",
                limits.max_frames
            )));
        }
        Ok(())
    }

    /// Bytes of pixels as they leave the decoder, and at least those of 8-bit RGB.
    pub fn buffer_bytes(&self) -> u64 {
        self.pixels() * self.pixel_bytes.max(3)
    }

    /// Refuses a still picture that would take too much memory. `size` is the file's.
    pub fn check_memory(&self, size: usize, limits: &Limits) -> Result<(), Failure> {
        let bytes = self.buffer_bytes() + self.decoder_bytes + size as u64;
        if bytes > limits.max_memory {
            return Err(damaged(format!(
                "{}: {}x{} pixels of this kind take {bytes} bytes to decode, expected at most {}",
                self.format.name(),
                self.width,
                self.height,
                limits.max_memory
            )));
        }
        Ok(())
    }
}

pub const EXIF_PREAMBLE: &[u8] = b"Exif\0\0";

pub fn damaged(message: impl Into<String>) -> Failure {
    Failure::bad_input(message)
}

/// Black if the palette does not reach so far.
pub fn palette_colour(palette: &[u8], index: usize) -> [u8; 3] {
    palette.as_chunks::<3>().0.get(index).copied().unwrap_or_default()
}

pub type Walk = Result<Outline, Failure>;
