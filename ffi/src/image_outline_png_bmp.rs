//! Outlines of PNG and BMP files.

use crate::image_outline::{Limits, Outline, Walk, damaged, palette_colour};
use crate::image_reader::{Reader, be, le};

/// How many rows the decoder of PNG keeps: short pictures can be long.
const ROWS: u64 = 3;

// Kinds of pixels. Those of the kind 3 are entries of a palette.
const GREY: u8 = 0;
const RGB: u8 = 2;
const GREY_ALPHA: u8 = 4;
const RGBA: u8 = 6;

/// Signature, then chunks of length, name, data, CRC, up to IEND.
pub fn png(mut reader: Reader, mut outline: Outline, limits: &Limits) -> Walk {
    reader.take(8, "the signature")?;
    let (mut channels, mut depth, mut kind) = (0, 0, 0);
    let (mut palette, mut transparency): (&[u8], &[u8]) = (&[], &[]);
    loop {
        let header = reader.take(8, "the header of a chunk")?;
        let data = reader.take(be(&header[..4]) as usize, "a chunk")?;
        reader.take(4, "the checksum of a chunk")?;
        let name = &header[4..];
        if outline.width == 0 {
            if name != b"IHDR" || data.len() != 13 {
                return Err(damaged("begins with another chunk than IHDR of 13 bytes"));
            }
            outline.set_size(be(&data[..4]), be(&data[4..8]), limits)?;
            (depth, kind) = (data[8], data[9]);
            channels = match kind {
                GREY => 1,
                GREY_ALPHA => 2,
                RGBA => 4,
                _ => 3,
            };
        } else if name == b"eXIf" {
            outline.set_exif(data);
        } else if name == b"PLTE" {
            palette = data;
        } else if name == b"tRNS" && channels % 2 == 1 {
            transparency = data;
        } else if name == b"IEND" {
            channels += u64::from(!transparency.is_empty() && channels % 2 == 1); // as alpha
            outline.transparent = match kind {
                GREY => transparent_grey(transparency, depth),
                RGB => transparent_rgb(transparency),
                _ => transparent_entry(transparency, palette),
            };
            outline.pixel_bytes = channels;
            let row = channels * u64::from(outline.width) * if depth == 16 { 2 } else { 1 };
            outline.decoder_bytes = ROWS * row;
            return Ok(outline);
        }
    }
}

/// The level of grey that is transparent. Pillow looks for the sample of the chunk among levels of
/// 8 bits, to which samples of 2 and 4 have been scaled, and forgets it where there are 16.
fn transparent_grey(chunk: &[u8], depth: u8) -> Option<[u8; 3]> {
    let sample = be(chunk.get(..2)?);
    match depth {
        1 if sample > 0 => Some([255; 3]),
        16 => None,
        _ => Some([sample.min(255) as u8; 3]),
    }
}

/// Of the samples of 16 bits Pillow takes the low ones, however many a pixel has.
fn transparent_rgb(chunk: &[u8]) -> Option<[u8; 3]> {
    Some([*chunk.get(1)?, *chunk.get(3)?, *chunk.get(5)?])
}

/// The entry of the palette that is transparent, if one alone is, and wholly. Otherwise all degrees
/// of transparency are dropped, as alpha is.
fn transparent_entry(alphas: &[u8], palette: &[u8]) -> Option<[u8; 3]> {
    let mut less_than_opaque = (0..).zip(alphas).filter(|(_, alpha)| **alpha != 255);
    match (less_than_opaque.next(), less_than_opaque.next()) {
        (Some((index, 0)), None) => Some(palette_colour(palette, index)),
        _ => None,
    }
}

/// File header and info header, of which the oldest kind has 12 bytes.
pub fn bmp(mut reader: Reader, mut outline: Outline, limits: &Limits) -> Walk {
    let file_header = reader.take(14, "the header")?;
    let pixel_offset = u64::from(le(&file_header[10..14]));
    let header_size = le(reader.take(4, "the header")?);
    let (width, height, bits, compression, data_size) = if header_size == 12 {
        let fields = reader.take(8, "the header")?;
        (le(&fields[..2]) as i32, le(&fields[2..4]) as i32, le(&fields[6..8]), 0, 0)
    } else {
        let fields = reader.take(20, "the header")?;
        let number = |index: usize| le(&fields[index..index + 4]);
        (number(0) as i32, number(4) as i32, le(&fields[10..12]), number(12), number(16))
    };
    if width < 0 {
        return Err(damaged(format!("width {width}, expected at least 1")));
    }
    outline.set_size(width as u32, height.unsigned_abs(), limits)?; // negative: from the top down
    const PLAIN: [u32; 3] = [0, 3, 6]; // without compression, with bit masks
    let needed = if PLAIN.contains(&compression) {
        let bits_of_row = u64::from(outline.width) * u64::from(bits);
        let row = bits_of_row.div_ceil(32) * 4; // padded, which the last one need not be
        row * u64::from(outline.height - 1) + bits_of_row.div_ceil(8)
    } else {
        u64::from(data_size)
    };
    let size = (reader.position + reader.rest().len()) as u64;
    if size < pixel_offset + needed {
        let expected = pixel_offset + needed;
        return Err(damaged(format!("truncated: {size} bytes, expected {expected}")));
    }
    outline.pixel_bytes = if bits >= 16 { 4 } else { 3 }; // some have alpha
    Ok(outline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_transparent_colour() {
        assert_eq!(transparent_grey(&[0, 0], 1), Some([0; 3]));
        assert_eq!(transparent_grey(&[0, 1], 1), Some([255; 3]));
        assert_eq!(transparent_grey(&[0, 2], 4), Some([2; 3]));
        assert_eq!(transparent_grey(&[1, 2], 8), Some([255; 3]));
        assert_eq!(transparent_grey(&[1, 2], 16), None);
        assert_eq!(transparent_rgb(&[0, 1, 9, 2, 0, 3]), Some([1, 2, 3]));
        for short in [&[][..], &[0]] {
            assert_eq!(transparent_grey(short, 8), None);
            assert_eq!(transparent_rgb(short), None);
        }
    }

    #[test]
    fn one_transparent_entry_of_a_palette() {
        const PALETTE: [u8; 6] = [1, 2, 3, 4, 5, 6];
        assert_eq!(transparent_entry(&[0], &PALETTE), Some([1, 2, 3]));
        assert_eq!(transparent_entry(&[255, 0, 255], &PALETTE), Some([4, 5, 6]));
        assert_eq!(transparent_entry(&[255, 255, 0], &PALETTE), Some([0; 3])); // no such entry
        for alphas in [&[][..], &[255], &[0, 0], &[128], &[0, 128]] {
            assert_eq!(transparent_entry(alphas, &PALETTE), None, "{alphas:?}");
        }
    }
}
