//! Outline of a GIF file.

use crate::guard::Failure;
use crate::image_outline::{Area, Frame, Limits, Outline, Walk, damaged, palette_colour};
use crate::image_reader::{Reader, le};

/// Screen descriptor, then extensions and frames up to the trailer.
pub fn gif(mut reader: Reader, mut outline: Outline, limits: &Limits) -> Walk {
    let header = reader.take(13, "the header")?;
    outline.set_size(le(&header[6..8]), le(&header[8..10]), limits)?;
    let global_palette = gif_palette(&mut reader, header[10])?;
    let (mut delay, mut transparent) = (0, None);
    loop {
        match reader.byte("the trailer")? {
            0x21 => {
                if reader.byte("an extension")? == 0xf9 {
                    let control = gif_sub_blocks(&mut reader)?;
                    if let [flags, low, high, index] = control[..] {
                        delay = 10 * u32::from(u16::from_le_bytes([low, high]));
                        transparent = (flags & 1 == 1).then_some(index);
                    }
                } else {
                    gif_sub_blocks(&mut reader)?;
                }
            }
            0x2c => {
                let fields = reader.take(9, "a frame")?;
                let palette = gif_palette(&mut reader, fields[8])?.or(global_palette);
                let begin = reader.position;
                reader.byte("the code size of a frame")?;
                gif_sub_blocks(&mut reader)?;
                let data = begin..reader.position;
                if outline.frames.is_empty() {
                    let colour =
                        |index: u8| palette_colour(palette.unwrap_or_default(), index.into());
                    outline.transparent = transparent.map(colour);
                    outline.around = outline.transparent.unwrap_or(colour(0));
                }
                let area = gif_area(fields);
                let frame = Frame { area, delay, data, opaque: false, blend: true, dispose: false };
                outline.add_frame(frame, limits)?;
                (delay, transparent) = (0, None);
            }
            0x3b => break,
            0 => {} // some encoders pad
            other => return Err(damaged(format!("unknown block 0x{other:02x}"))),
        }
    }
    if outline.frames.is_empty() {
        return Err(damaged("no frame"));
    }
    outline.decoder_bytes = outline.frames[0].area.pixels(); // its colours as indices
    Ok(outline)
}

fn gif_palette<'a>(reader: &mut Reader<'a>, flags: u8) -> Result<Option<&'a [u8]>, Failure> {
    if flags & 0x80 == 0 {
        return Ok(None);
    }
    reader.take(3 << ((flags & 7) + 1), "a palette").map(Some)
}

fn gif_area(fields: &[u8]) -> Area {
    let number = |index: usize| le(&fields[index..index + 2]);
    Area { left: number(0), top: number(2), width: number(4), height: number(6) }
}

/// Skips blocks up to the empty one; returns the first.
fn gif_sub_blocks<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Failure> {
    let mut first = None;
    loop {
        let length = reader.byte("the data of a block")?;
        let block = reader.take(usize::from(length), "the data of a block")?;
        if length == 0 {
            return Ok(first.unwrap_or(block));
        }
        first.get_or_insert(block);
    }
}
