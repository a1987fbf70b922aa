//! Pictures as 8-bit RGB, by the `image` crate, as Pillow's `convert("RGB")` gives them: alpha is
//! dropped, of 16 bits the high byte is kept.

use std::io::Cursor;

use image::codecs::{
    bmp::BmpDecoder, gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder,
};
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, RgbImage};

use crate::guard::Failure;
use crate::image_outline::{Area, Format, Limits, Outline};

pub fn decode(data: &[u8], limits: &Limits) -> Result<RgbImage, Failure> {
    let outline = Outline::of(data, limits)?;
    let mut picture = read(data, &outline, limits).map_err(|failure| Failure {
        message: format!("{}: {}", outline.format.name(), failure.message),
        ..failure
    })?;
    if let Some((area, colour)) = outline.first_frame {
        fill_around(&mut picture, area, colour);
    }
    let mut picture = DynamicImage::from(picture);
    picture.apply_orientation(outline.orientation);
    Ok(picture.into_rgb8())
}

pub fn decoder_failure(error: ImageError) -> Failure {
    Failure::bad_input(format!("cannot be decoded: {error}"))
}

fn read(data: &[u8], outline: &Outline, limits: &Limits) -> Result<RgbImage, Failure> {
    let cursor = Cursor::new(data);
    match outline.format {
        Format::Png => {
            // So that compressed texts and profiles stay small, too.
            let mut decoder_limits = image::Limits::no_limits();
            decoder_limits.max_alloc = Some(max_bytes(limits));
            read_with(PngDecoder::with_limits(cursor, decoder_limits), outline, limits)
        }
        Format::Jpeg => read_with(JpegDecoder::new(cursor), outline, limits),
        Format::WebP => match outline.lossy_data {
            Some(payload) => {
                let file = Cursor::new(lossy_webp(payload));
                read_with(WebPDecoder::new(file), outline, limits)
            }
            None => read_with(WebPDecoder::new(cursor), outline, limits),
        },
        Format::Gif => read_with(GifDecoder::new(cursor), outline, limits),
        Format::Bmp => read_with(BmpDecoder::new(cursor), outline, limits),
    }
}

/// Four bytes of every pixel, the most that 8-bit pictures take: those of 16 bits may have half
/// the pixels.
fn max_bytes(limits: &Limits) -> u64 {
    limits.max_pixels.saturating_mul(4)
}

/// A file of nothing but the lossy bit stream. Its alpha channel would be dropped anyway, and
/// decoding it takes as much memory and time again.
fn lossy_webp(payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32; // within a RIFF chunk
    let mut file = Vec::with_capacity(payload.len() + 21);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(12 + length + length % 2).to_le_bytes());
    file.extend_from_slice(b"WEBPVP8 ");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(payload);
    file.resize(file.len() + payload.len() % 2, 0);
    file
}

fn read_with(
    decoder: Result<impl ImageDecoder, ImageError>,
    outline: &Outline,
    limits: &Limits,
) -> Result<RgbImage, Failure> {
    let decoder = decoder.map_err(decoder_failure)?;
    let (width, height) = decoder.dimensions();
    if (width, height) != (outline.width, outline.height) {
        return Err(Failure::bad_input(format!(
            "{width}x{height} pixels, the header says {}x{}",
            outline.width, outline.height
        )));
    }
    let size = decoder.total_bytes();
    if size > max_bytes(limits) {
        return Err(Failure::bad_input(format!(
            "{width}x{height} pixels take {size} bytes, expected at most {}",
            max_bytes(limits)
        )));
    }
    let color = decoder.color_type();
    let mut pixels = vec![0; size as usize];
    decoder.read_image(&mut pixels).map_err(decoder_failure)?;
    let rgb = to_rgb(pixels, color)?;
    RgbImage::from_raw(width, height, rgb)
        .ok_or_else(|| Failure::bad_input(format!("{width}x{height} pixels of another size")))
}

/// Reduces pixels of any kind to three bytes, in place where they have at least as many.
fn to_rgb(mut pixels: Vec<u8>, color: ColorType) -> Result<Vec<u8>, Failure> {
    match color {
        ColorType::Rgb8 => {}
        ColorType::Rgba8 => compact::<4>(&mut pixels, |pixel| [pixel[0], pixel[1], pixel[2]]),
        ColorType::Rgb16 => compact::<6>(&mut pixels, |p| [high(p, 0), high(p, 1), high(p, 2)]),
        ColorType::Rgba16 => compact::<8>(&mut pixels, |p| [high(p, 0), high(p, 1), high(p, 2)]),
        ColorType::La16 => compact::<4>(&mut pixels, |pixel| [high(pixel, 0); 3]),
        ColorType::L8 => return Ok(grey(&pixels, 1, |pixel| pixel[0])),
        ColorType::La8 => return Ok(grey(&pixels, 2, |pixel| pixel[0])),
        ColorType::L16 => return Ok(grey(&pixels, 2, |pixel| high(pixel, 0))),
        other => return Err(Failure::bad_input(format!("unexpected pixels {other:?}"))),
    }
    Ok(pixels)
}

/// High byte of a channel of 16 bits in the machine's order.
fn high(pixel: &[u8], channel: usize) -> u8 {
    (u16::from_ne_bytes([pixel[2 * channel], pixel[2 * channel + 1]]) >> 8) as u8
}

fn compact<const SIZE: usize>(pixels: &mut Vec<u8>, rgb: impl Fn(&[u8]) -> [u8; 3]) {
    let count = pixels.len() / SIZE;
    for index in 0..count {
        let pixel = rgb(&pixels[index * SIZE..(index + 1) * SIZE]);
        pixels[index * 3..(index + 1) * 3].copy_from_slice(&pixel);
    }
    pixels.truncate(count * 3);
    pixels.shrink_to_fit();
}

fn grey(pixels: &[u8], size: usize, level: impl Fn(&[u8]) -> u8) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(pixels.len() / size * 3);
    for pixel in pixels.chunks_exact(size) {
        rgb.extend_from_slice(&[level(pixel); 3]);
    }
    rgb
}

/// What the first frame of a GIF leaves open shows its transparent colour, or the first one.
fn fill_around(picture: &mut RgbImage, area: Area, colour: [u8; 3]) {
    if (area.width, area.height) == picture.dimensions() {
        return;
    }
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        if x.wrapping_sub(area.left) >= area.width || y.wrapping_sub(area.top) >= area.height {
            pixel.0 = colour;
        }
    }
}
