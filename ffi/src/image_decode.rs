//! Pictures as 8-bit RGB, as transformers' processor reads files with Pillow: alpha is dropped, but
//! a single transparent colour becomes white. They are decoded into memory of the caller's: a copy
//! of a large picture would take more than its decoder.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use crate::guard::Failure;
use crate::image_gif::read_gif;
use crate::image_jpeg::read_jpeg;
use crate::image_outline::{Format, Limits, Outline};
use crate::image_png::read_png;
use crate::image_rgb::to_rgb;
use crate::image_turn::{Pixel, swaps_sides, turn};
use crate::image_webp::{WebPAnimation, read_webp};

pub const WHITE: Pixel = [255; 3];

/// The picture that will come out.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
    /// What decoding needs of the caller, at least those of 8-bit RGB.
    pub bytes: u64,
}

impl Size {
    pub fn of(outline: &Outline, bytes: u64) -> Size {
        let (width, height) = (outline.width, outline.height);
        if swaps_sides(outline.orientation) {
            Size { width: height, height: width, bytes }
        } else {
            Size { width, height, bytes }
        }
    }
}

pub fn measure(data: &[u8], limits: &Limits) -> Result<Size, Failure> {
    let outline = Outline::of(data, limits)?;
    outline.check_memory(data.len(), limits)?;
    Ok(Size::of(&outline, outline.buffer_bytes()))
}

/// Leaves the picture in the first three bytes of every pixel of `out`, which has as many bytes as
/// `measure` says.
pub fn decode(data: &[u8], limits: &Limits, out: &mut [u8]) -> Result<(), Failure> {
    let outline = Outline::of(data, limits)?;
    outline.check_memory(data.len(), limits)?;
    let named = |failure: Failure| Failure {
        message: format!("{}: {}", outline.format.name(), failure.message),
        ..failure
    };
    if (out.len() as u64) < outline.buffer_bytes() {
        return Err(named(Failure::bad_input("too little room for the picture")));
    }
    let color = read(data, &outline, limits, out).map_err(named)?;
    to_rgb(out, outline.pixels() as usize, color).map_err(named)?;
    whiten(&outline, out);
    finish(&outline, out);
    Ok(())
}

/// Puts white where the transparent colour is, in a picture of three bytes a pixel. Whatever was
/// painted in the same colour becomes white as well.
pub fn whiten(outline: &Outline, rgb: &mut [u8]) {
    let Some(transparent) = outline.transparent else { return };
    for pixel in &mut rgb.as_chunks_mut::<3>().0[..outline.pixels() as usize] {
        if *pixel == transparent {
            *pixel = WHITE;
        }
    }
}

/// Turns a picture of three bytes a pixel.
pub fn finish(outline: &Outline, rgb: &mut [u8]) {
    let pixels = &mut rgb.as_chunks_mut::<3>().0[..outline.pixels() as usize];
    turn(pixels, outline.width as usize, outline.height as usize, outline.orientation);
}

fn read(
    data: &[u8],
    outline: &Outline,
    limits: &Limits,
    out: &mut [u8],
) -> Result<ColorType, Failure> {
    match outline.format {
        Format::Png => {
            let taken = outline.buffer_bytes() + data.len() as u64;
            read_png(data, outline, limits.max_memory.saturating_sub(taken), out)
        }
        Format::Bmp => read_bmp(data, outline, out),
        Format::Jpeg => read_jpeg(data, outline, out),
        Format::WebP if outline.frames.is_empty() => read_webp(data, outline, out),
        Format::WebP => {
            let mut animation = WebPAnimation::new(data, outline);
            animation.advance(&outline.frames[0])?;
            animation.copy_to(out);
            Ok(ColorType::Rgb8)
        }
        Format::Gif => {
            read_gif(data, outline, &mut out.as_chunks_mut().0[..outline.pixels() as usize])?;
            Ok(ColorType::Rgb8)
        }
    }
}

fn read_bmp(data: &[u8], outline: &Outline, out: &mut [u8]) -> Result<ColorType, Failure> {
    let decoder = BmpDecoder::new(Cursor::new(data)).map_err(decoder_failure)?;
    let (width, height) = decoder.dimensions();
    if (width, height) != (outline.width, outline.height) {
        return Err(Failure::bad_input(format!(
            "{width}x{height} pixels, the header says {}x{}",
            outline.width, outline.height
        )));
    }
    let (size, color) = (decoder.total_bytes(), decoder.color_type());
    let out = usize::try_from(size).ok().and_then(|size| out.get_mut(..size)).ok_or_else(|| {
        Failure::bad_input(format!("{width}x{height} pixels of the unexpected kind {color:?}"))
    })?;
    decoder.read_image(out).map_err(decoder_failure)?;
    Ok(color)
}

fn decoder_failure(error: ImageError) -> Failure {
    Failure::bad_input(format!("cannot be decoded: {error}"))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub const NO_LIMITS: Limits = Limits {
        max_pixels: 1 << 40,
        max_memory: 1 << 40,
        max_frames: 1 << 20,
        max_frame_pixels: 1 << 40,
        max_work: 1 << 40,
        max_milliseconds: 1 << 20,
    };

    fn goldens() -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/image/files")
    }

    /// A picture that the tests of the whole program share.
    pub fn golden(name: &str) -> Vec<u8> {
        std::fs::read(goldens().join(name)).unwrap()
    }

    pub fn decoded(file: &[u8]) -> Result<Vec<u8>, Failure> {
        let size = measure(file, &NO_LIMITS)?;
        let mut out = vec![0; size.bytes as usize];
        decode(file, &NO_LIMITS, &mut out)?;
        out.truncate(3 * (size.width * size.height) as usize);
        Ok(out)
    }

    #[test]
    fn all_goldens_fit_the_room_that_was_measured() {
        let mut count = 0;
        for entry in std::fs::read_dir(goldens()).unwrap() {
            let path = entry.unwrap().path();
            let file = std::fs::read(&path).unwrap();
            let size = measure(&file, &NO_LIMITS).unwrap();
            assert!(size.bytes >= 3 * u64::from(size.width * size.height));
            decoded(&file).unwrap_or_else(|failure| panic!("{path:?}: {}", failure.message));
            let mut less = vec![0; size.bytes as usize - 1];
            assert!(decode(&file, &NO_LIMITS, &mut less).is_err());
            count += 1;
        }
        assert_eq!(count, 17);
    }

    #[test]
    fn memory_is_compared_before_anything_is_decoded() {
        for (name, pixel_bytes, of_decoder) in [
            ("rgb.png", 3, 3 * 3 * 23),
            ("still.gif", 3, 17 * 23),
            ("rgb.jpg", 3, golden("rgb.jpg").len() - 2),
            ("lossless.webp", 4, 0),
        ] {
            let file = golden(name);
            let most = (pixel_bytes * 17 * 23 + of_decoder + file.len()) as u64;
            assert!(measure(&file, &Limits { max_memory: most, ..NO_LIMITS }).is_ok(), "{name}");
            let limits = Limits { max_memory: most - 1, ..NO_LIMITS };
            let failure = measure(&file, &limits).expect_err(name);
            assert!(failure.message.contains("bytes to decode"), "{}", failure.message);
            assert!(decode(&file, &limits, &mut vec![0; most as usize]).is_err());
        }
    }
}
