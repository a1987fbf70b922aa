//! Outlines of PNG and BMP files.

use crate::image_outline::{Limits, Outline, Walk, damaged};
use crate::image_reader::{Reader, be, le};

/// How many rows the decoder of PNG keeps: short pictures can be long.
const ROWS: u64 = 3;

/// Signature, then chunks of length, name, data, CRC, up to IEND.
pub fn png(mut reader: Reader, mut outline: Outline, limits: &Limits) -> Walk {
    reader.take(8, "the signature")?;
    let (mut channels, mut depth) = (0, 0);
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
            depth = data[8];
            channels = match data[9] {
                0 => 1, // grey
                4 => 2, // grey, alpha
                6 => 4, // colours, alpha
                _ => 3, // colours, or a palette of them
            };
        } else if name == b"eXIf" {
            outline.set_exif(data);
        } else if name == b"tRNS" && channels % 2 == 1 {
            channels += 1; // one colour stands for transparency
        } else if name == b"IEND" {
            outline.pixel_bytes = channels;
            let row = channels * u64::from(outline.width) * if depth == 16 { 2 } else { 1 };
            outline.decoder_bytes = ROWS * row;
            return Ok(outline);
        }
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
