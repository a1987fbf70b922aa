//! Outline of a JPEG file.

use crate::guard::Failure;
use crate::image_jpeg_scans::Scans;
use crate::image_outline::{EXIF_PREAMBLE, Limits, Outline, Walk, damaged};
use crate::image_reader::{Reader, be};

/// Segments up to the first end-of-image marker behind a scan.
pub fn jpeg(mut reader: Reader, mut outline: Outline, limits: &Limits) -> Walk {
    reader.take(2, "the signature")?;
    let mut scans = Scans::default();
    let (mut blocks, mut scan_bytes, mut exif_seen) = (Blocks::default(), 0, false);
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
                let components = jpeg_components(segment, &mut outline, limits)?;
                blocks = count_blocks(components, &outline);
                scans.set_frame(components, marker == 0xc2);
            }
            0xda => {
                scans.add(segment)?;
                let begin = reader.position;
                skip_scan(&mut reader)?;
                scan_bytes += reader.position - begin;
            }
            _ => {}
        }
    }
    if scan_bytes == 0 {
        return Err(damaged("ends before any image data"));
    }
    // A block of a component takes a bit at the very least.
    if scan_bytes as u64 * 8 < blocks.within {
        return Err(damaged(format!(
            "truncated: {scan_bytes} bytes of image data are too few for {}x{} pixels",
            outline.width, outline.height
        )));
    }
    scans.check_complete()?;
    outline.end = reader.position - 2;
    outline.decoder_bytes = outline.end as u64; // copied
    if scans.all_at_once() {
        outline.decoder_bytes += 128 * blocks.padded; // coefficients of 16 bits
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

/// Reads a start of frame. Returns its components: identity, sampling factors, table.
fn jpeg_components<'a>(
    segment: &'a [u8],
    outline: &mut Outline,
    limits: &Limits,
) -> Result<&'a [u8], Failure> {
    let mut reader = Reader::new(segment);
    let fixed = reader.take(6, "the start of frame")?;
    outline.set_size(be(&fixed[3..5]), be(&fixed[1..3]), limits)?;
    reader.take(3 * usize::from(fixed[5]), "the components of a frame")
}

/// Blocks of 8x8 values that the components have together.
#[derive(Default)]
struct Blocks {
    /// Those that show anything of the picture.
    within: u64,
    /// With those that fill up the groups of blocks at the right and the bottom.
    padded: u64,
}

fn count_blocks(components: &[u8], outline: &Outline) -> Blocks {
    let factors = || {
        let both = components.chunks_exact(3).map(|component| u64::from(component[1]));
        both.map(|both| (both >> 4, both & 15))
    };
    let largest = factors().fold((1, 1), |most, factor| {
        (most.0.max(factor.0), most.1.max(factor.1)) // neither is 0
    });
    let (width, height) = (u64::from(outline.width), u64::from(outline.height));
    let within = |pixels: u64, factor: u64, most: u64| (pixels * factor).div_ceil(most).div_ceil(8);
    let groups = width.div_ceil(8 * largest.0) * height.div_ceil(8 * largest.1);
    Blocks {
        within: factors()
            .map(|(x, y)| within(width, x, largest.0) * within(height, y, largest.1))
            .sum(),
        padded: factors().map(|(x, y)| groups * x * y).sum(),
    }
}
