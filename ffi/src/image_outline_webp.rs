//! Outline of a WebP file.

use std::ops::Range;

use crate::guard::Failure;
use crate::image_outline::{Area, Format, Frame, Limits, Outline, Walk, damaged};
use crate::image_reader::{Reader, le};

/// A RIFF file: chunks of name, length, data, padded to even lengths.
pub fn webp(mut reader: Reader, mut outline: Outline, limits: &Limits) -> Walk {
    let header = reader.take(12, "the header")?;
    let size = (le(&header[4..8]) as usize).saturating_sub(4);
    let mut chunks = reader.part(size, "the file by its header")?;
    let (mut animated, mut has_alpha, mut stream) = (false, None, None);
    while !chunks.rest().is_empty() {
        let (name, range) = webp_chunk(&mut chunks)?;
        let data = chunks.bytes(&range);
        match name {
            b"VP8X" => {
                let fields = Reader::new(data).take(10, "the chunk VP8X")?;
                outline.set_size(le(&fields[4..7]) + 1, le(&fields[7..10]) + 1, limits)?;
                has_alpha = Some(fields[0] & 0x10 != 0);
                animated = fields[0] & 0x02 != 0;
            }
            b"VP8 " | b"VP8L" => {
                has_alpha.get_or_insert(webp_bitstream(name, data, &mut outline, limits)?);
                stream.get_or_insert((name == b"VP8 ", range));
            }
            b"ANMF" if animated => {
                let frame = webp_frame(&chunks, range, limits)?;
                outline.add_frame(frame, limits)?;
            }
            b"EXIF" => outline.set_exif(data),
            _ => {}
        }
    }
    if outline.width == 0 || (animated && outline.frames.is_empty()) {
        return Err(damaged("no image data"));
    }
    let (pixels, has_alpha) = (outline.pixels(), has_alpha == Some(true));
    match stream {
        _ if !outline.frames.is_empty() => {
            // The canvas, the frame twice, and its data's copies.
            let first = &outline.frames[0];
            outline.decoder_bytes =
                4 * pixels + 8 * first.area.pixels() + 2 * first.data.len() as u64;
        }
        Some((true, range)) => {
            // Brightness and half as much colour, and the bit stream's copies.
            outline.decoder_bytes = pixels * 3 / 2 + 2 * range.len() as u64;
            outline.lossy_data = has_alpha.then_some(range);
        }
        Some((false, _)) if has_alpha => outline.pixel_bytes = 4,
        Some((false, _)) => outline.decoder_bytes = 4 * pixels, // alpha, too, and dropped
        None => return Err(damaged("no image data")),
    }
    Ok(outline)
}

/// Name and place of the next chunk.
pub fn webp_chunk<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], Range<usize>), Failure> {
    let header = reader.take(8, "the header of a chunk")?;
    let length = le(&header[4..8]) as usize;
    let begin = reader.position;
    reader.take(length, "a chunk")?;
    if length % 2 == 1 && !reader.rest().is_empty() {
        reader.position += 1;
    }
    Ok((&header[..4], begin..begin + length))
}

/// The chunk of a frame of an animation: the bit stream inside must have the size of the frame.
fn webp_frame(file: &Reader, range: Range<usize>, limits: &Limits) -> Result<Frame, Failure> {
    const HEAD: usize = 16;
    let fields = Reader::new(file.bytes(&range)).take(HEAD, "a frame")?;
    let mut frame = Outline::new(Format::WebP);
    frame.set_size(le(&fields[6..9]) + 1, le(&fields[9..12]) + 1, limits)?;
    let mut reader = Reader::new(file.bytes(&(range.start + HEAD..range.end)));
    let (mut streams, mut opaque) = (0, true);
    while !reader.rest().is_empty() {
        let (name, range) = webp_chunk(&mut reader)?;
        if name == b"VP8 " || name == b"VP8L" {
            webp_bitstream(name, reader.bytes(&range), &mut frame, limits)?;
            streams += 1;
        }
        opaque &= name != b"VP8L" && name != b"ALPH";
    }
    if streams != 1 {
        return Err(damaged(format!("{streams} bit streams in a frame, expected 1")));
    }
    let blend = fields[15] & 2 == 0;
    let (left, top) = (2 * le(&fields[..3]), 2 * le(&fields[3..6]));
    Ok(Frame {
        area: Area { left, top, width: frame.width, height: frame.height },
        delay: le(&fields[12..15]),
        data: range.start + HEAD..range.end,
        opaque: opaque || !blend,
        blend,
        dispose: fields[15] & 1 == 1,
    })
}

/// Takes the size from the head of a bit stream, or compares it with the one found before: the
/// decoder reserves memory for the former. Returns whether it has alpha of its own.
fn webp_bitstream(
    name: &[u8],
    data: &[u8],
    outline: &mut Outline,
    limits: &Limits,
) -> Result<bool, Failure> {
    let lossless = name == b"VP8L";
    let head = Reader::new(data).take(if lossless { 5 } else { 10 }, "a bit stream")?;
    let bits = le(&head[1..5]);
    let (width, height) = if lossless {
        ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
    } else {
        (le(&head[6..8]) & 0x3fff, le(&head[8..10]) & 0x3fff)
    };
    if outline.width == 0 {
        outline.set_size(width, height, limits)?;
    }
    if (width, height) != (outline.width, outline.height) {
        return Err(damaged(format!(
            "{width}x{height} pixels in a frame of {}x{}",
            outline.width, outline.height
        )));
    }
    Ok(lossless && bits >> 28 & 1 == 1)
}
