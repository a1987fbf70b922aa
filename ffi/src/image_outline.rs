//! What a picture file says about itself before anything is decoded: format, size, orientation,
//! frames. The walk reaches the end of the file's own structure, because the decoders do not
//! notice every file that was cut short, and refuses sizes that no decoder should be asked for.

use image::metadata::Orientation;

use crate::guard::Failure;
use crate::image_reader::{Reader, be, le};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Limits {
    /// Width times height.
    pub max_pixels: u64,
    /// Of an animation.
    pub max_frames: u32,
    /// Width times height times frames of an animation.
    pub max_animation_pixels: u64,
    /// For all frames of an animation.
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

/// A rectangle of the canvas; all of it unless a GIF's first frame is smaller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

#[derive(Debug)]
pub struct Outline<'a> {
    pub format: Format,
    pub width: u32,
    pub height: u32,
    pub orientation: Orientation,
    /// Milliseconds that each frame is shown; none if the file is no animation.
    pub delays: Vec<u32>,
    /// GIF: where the first frame lies, and the colour around it.
    pub first_frame: Option<(Area, [u8; 3])>,
    /// WebP: the payload of the lossy bit stream of a still picture.
    pub lossy_data: Option<&'a [u8]>,
}

impl<'a> Outline<'a> {
    pub fn of(data: &'a [u8], limits: &Limits) -> Result<Outline<'a>, Failure> {
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
    fn new(format: Format) -> Self {
        Outline {
            format,
            width: 0,
            height: 0,
            orientation: Orientation::NoTransforms,
            delays: Vec::new(),
            first_frame: None,
            lossy_data: None,
        }
    }

    fn set_size(&mut self, width: u32, height: u32, limits: &Limits) -> Result<(), Failure> {
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
    fn set_exif(&mut self, exif: &[u8]) {
        let exif = exif.strip_prefix(EXIF_PREAMBLE).unwrap_or(exif);
        self.orientation = Orientation::from_exif_chunk(exif).unwrap_or(Orientation::NoTransforms);
    }

    fn add_frame(&mut self, delay: u32, limits: &Limits) -> Result<(), Failure> {
        self.delays.push(delay);
        if self.delays.len() as u64 > u64::from(limits.max_frames) {
            return Err(damaged(format!(
                "more than {} frames, the most that are read",
                limits.max_frames
            )));
        }
        Ok(())
    }
}

const EXIF_PREAMBLE: &[u8] = b"Exif\0\0";

fn damaged(message: impl Into<String>) -> Failure {
    Failure::bad_input(message)
}

type Walk<'a> = Result<Outline<'a>, Failure>;

/// Signature, then chunks of length, name, data, CRC, up to IEND.
fn png<'a>(mut reader: Reader<'a>, mut outline: Outline<'a>, limits: &Limits) -> Walk<'a> {
    reader.take(8, "the signature")?;
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
        } else if name == b"eXIf" {
            outline.set_exif(data);
        } else if name == b"IEND" {
            return Ok(outline);
        }
    }
}

/// The decoder's limit, found out before it has been through that many. Pictures have about ten.
const MOST_SCANS: u32 = 100;

/// Segments up to the first end-of-image marker behind a scan.
fn jpeg<'a>(mut reader: Reader<'a>, mut outline: Outline<'a>, limits: &Limits) -> Walk<'a> {
    reader.take(2, "the signature")?;
    let (mut blocks, mut scans, mut scan_bytes, mut exif_seen) = (0, 0, 0, false);
    loop {
        let marker = jpeg_marker(&mut reader)?;
        match marker {
            0x01 | 0xd0..=0xd8 => continue, // alone, without a segment
            0xd9 => break,
            _ => {}
        }
        let length = usize::from(reader.u16_be("the length of a segment")?);
        let segment = reader.take(length.saturating_sub(2), "a segment")?;
        match marker {
            0xe1 if segment.starts_with(EXIF_PREAMBLE) && !exif_seen => {
                exif_seen = true;
                outline.set_exif(segment);
            }
            // Start of frame; the three left out are tables and an extension.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                blocks = jpeg_frame(segment, &mut outline, limits)?;
            }
            0xda => {
                let begin = reader.position;
                skip_scan(&mut reader)?;
                scan_bytes += reader.position - begin;
                scans += 1;
            }
            _ => {}
        }
    }
    if scans > MOST_SCANS {
        return Err(damaged(format!("{scans} scans, expected at most {MOST_SCANS}")));
    }
    if scan_bytes == 0 {
        return Err(damaged("ends before any image data"));
    }
    // A block of a component takes a bit at the very least.
    if scan_bytes as u64 * 8 < blocks {
        return Err(damaged(format!(
            "truncated: {scan_bytes} bytes of image data are too few for {}x{} pixels",
            outline.width, outline.height
        )));
    }
    Ok(outline)
}

/// The code behind the next 0xff bytes; what lies before them is skipped, as all decoders do.
fn jpeg_marker(reader: &mut Reader) -> Result<u8, Failure> {
    const WHAT: &str = "the end-of-image marker";
    loop {
        while reader.byte(WHAT)? != 0xff {}
        let mut code = 0xff;
        while code == 0xff {
            code = reader.byte(WHAT)?;
        }
        if code != 0 {
            return Ok(code);
        }
    }
}

/// Up to the 0xff of the marker that ends the entropy-coded data.
fn skip_scan(reader: &mut Reader) -> Result<(), Failure> {
    let rest = reader.rest();
    let end = rest
        .windows(2)
        .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff))
        .ok_or_else(|| damaged("truncated: no end-of-image marker"))?;
    reader.position += end;
    Ok(())
}

/// Reads a start of frame. Returns how many blocks of 8x8 values the components have together.
fn jpeg_frame(segment: &[u8], outline: &mut Outline, limits: &Limits) -> Result<u64, Failure> {
    let mut reader = Reader::new(segment);
    let fixed = reader.take(6, "the start of frame")?;
    outline.set_size(be(&fixed[3..5]), be(&fixed[1..3]), limits)?;
    let components = reader.take(3 * usize::from(fixed[5]), "the components of a frame")?;
    let factors = components.chunks_exact(3).map(|component| component[1]);
    let factors: Vec<(u64, u64)> =
        factors.map(|both| (u64::from(both >> 4), u64::from(both & 15))).collect();
    let largest = factors.iter().fold((1, 1), |most, factor| {
        (most.0.max(factor.0), most.1.max(factor.1)) // neither is 0
    });
    let blocks = |pixels: u32, factor: u64, most: u64| {
        (u64::from(pixels) * factor).div_ceil(most).div_ceil(8)
    };
    Ok(factors
        .iter()
        .map(|factor| {
            blocks(outline.width, factor.0, largest.0) * blocks(outline.height, factor.1, largest.1)
        })
        .sum())
}

/// A RIFF file: chunks of name, length, data, padded to even lengths.
fn webp<'a>(mut reader: Reader<'a>, mut outline: Outline<'a>, limits: &Limits) -> Walk<'a> {
    let header = reader.take(12, "the header")?;
    let size = (le(&header[4..8]) as usize).saturating_sub(4);
    let mut chunks = Reader::new(reader.take(size, "the file by its header")?);
    let mut lossy = None;
    while !chunks.rest().is_empty() {
        let (name, data) = webp_chunk(&mut chunks)?;
        match name {
            b"VP8X" => {
                let fields = Reader::new(data).take(10, "the chunk VP8X")?;
                outline.set_size(le(&fields[4..7]) + 1, le(&fields[7..10]) + 1, limits)?;
            }
            b"VP8 " | b"VP8L" => {
                webp_bitstream(name, data, &mut outline, limits)?;
                if name == b"VP8 " {
                    lossy = Some(data);
                }
            }
            b"ANMF" => {
                let fields = Reader::new(data).take(16, "a frame")?;
                webp_frame(&data[16..], le(&fields[6..9]) + 1, le(&fields[9..12]) + 1, limits)?;
                outline.add_frame(le(&fields[12..15]), limits)?;
            }
            b"EXIF" => outline.set_exif(data),
            _ => {}
        }
    }
    if outline.width == 0 {
        return Err(damaged("no image data"));
    }
    if outline.delays.is_empty() {
        outline.lossy_data = lossy;
    }
    Ok(outline)
}

fn webp_chunk<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8]), Failure> {
    let header = reader.take(8, "the header of a chunk")?;
    let length = le(&header[4..8]) as usize;
    let data = reader.take(length, "a chunk")?;
    if length % 2 == 1 && !reader.rest().is_empty() {
        reader.position += 1;
    }
    Ok((&header[..4], data))
}

/// The chunks inside a frame of an animation: its bit stream must have the size of the frame.
fn webp_frame(data: &[u8], width: u32, height: u32, limits: &Limits) -> Result<(), Failure> {
    let mut frame = Outline::new(Format::WebP);
    frame.set_size(width, height, limits)?;
    let mut reader = Reader::new(data);
    while !reader.rest().is_empty() {
        let (name, data) = webp_chunk(&mut reader)?;
        if name == b"VP8 " || name == b"VP8L" {
            webp_bitstream(name, data, &mut frame, limits)?;
        }
    }
    Ok(())
}

/// Takes the size from the head of a bit stream, or compares it with the one found before: the
/// decoder reserves memory for the former.
fn webp_bitstream(
    name: &[u8],
    data: &[u8],
    outline: &mut Outline,
    limits: &Limits,
) -> Result<(), Failure> {
    let head = Reader::new(data).take(if name == b"VP8L" { 5 } else { 10 }, "a bit stream")?;
    let (width, height) = if name == b"VP8L" {
        let bits = le(&head[1..5]);
        ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
    } else {
        (le(&head[6..8]) & 0x3fff, le(&head[8..10]) & 0x3fff)
    };
    if outline.width == 0 {
        return outline.set_size(width, height, limits);
    }
    if (width, height) != (outline.width, outline.height) {
        return Err(damaged(format!(
            "{width}x{height} pixels in a frame of {}x{}",
            outline.width, outline.height
        )));
    }
    Ok(())
}

/// Screen descriptor, then extensions and frames up to the trailer.
fn gif<'a>(mut reader: Reader<'a>, mut outline: Outline<'a>, limits: &Limits) -> Walk<'a> {
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
                let area = gif_area(fields, &outline)?;
                reader.byte("the code size of a frame")?;
                gif_sub_blocks(&mut reader)?;
                let around = 3 * usize::from(transparent.unwrap_or(0));
                let around = palette.and_then(|colours| colours.get(around..around + 3));
                let around = around.map_or([0; 3], |colour| [colour[0], colour[1], colour[2]]);
                outline.first_frame.get_or_insert((area, around));
                outline.add_frame(delay, limits)?;
                (delay, transparent) = (0, None);
            }
            0x3b => break,
            0 => {} // some encoders pad
            other => return Err(damaged(format!("unknown block 0x{other:02x}"))),
        }
    }
    if outline.delays.is_empty() {
        return Err(damaged("no frame"));
    }
    Ok(outline)
}

fn gif_palette<'a>(reader: &mut Reader<'a>, flags: u8) -> Result<Option<&'a [u8]>, Failure> {
    if flags & 0x80 == 0 {
        return Ok(None);
    }
    reader.take(3 << ((flags & 7) + 1), "a palette").map(Some)
}

fn gif_area(fields: &[u8], outline: &Outline) -> Result<Area, Failure> {
    let number = |index: usize| le(&fields[index..index + 2]);
    let area = Area { left: number(0), top: number(2), width: number(4), height: number(6) };
    if area.width == 0
        || area.height == 0
        || area.left + area.width > outline.width
        || area.top + area.height > outline.height
    {
        return Err(damaged(format!(
            "frame {} of {}x{} pixels at ({}, {}) is not inside the picture of {}x{}",
            outline.delays.len(),
            area.width,
            area.height,
            area.left,
            area.top,
            outline.width,
            outline.height
        )));
    }
    Ok(area)
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

/// File header and info header, of which the oldest kind has 12 bytes.
fn bmp<'a>(mut reader: Reader<'a>, mut outline: Outline<'a>, limits: &Limits) -> Walk<'a> {
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
    Ok(outline)
}
