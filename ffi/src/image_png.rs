//! PNG pictures by the `png` crate.

use std::io::Cursor;

use image::ColorType;
use png::{Decoder, DecodingError, Limits, Transformations};

use crate::guard::Failure;
use crate::image_outline::Outline;

/// Decodes to the kind of pixels that is returned: 8 bits a channel, of 16 the high ones. `most_bytes`
/// is for what the decoder keeps besides, such as chunks.
pub fn read_png(
    data: &[u8],
    outline: &Outline,
    most_bytes: u64,
    out: &mut [u8],
) -> Result<ColorType, Failure> {
    let limits = Limits { bytes: usize::try_from(most_bytes).unwrap_or(usize::MAX) };
    let mut decoder = Decoder::new_with_limits(Cursor::new(data), limits);
    decoder.set_ignore_text_chunk(true); // either may swell when decompressed
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(png_failure)?;
    let (width, height) = reader.info().size();
    if (width, height) != (outline.width, outline.height) {
        return Err(Failure::bad_input(format!(
            "{width}x{height} pixels, the header says {}x{}",
            outline.width, outline.height
        )));
    }
    let color = match reader.output_color_type().0 {
        png::ColorType::Grayscale => ColorType::L8,
        png::ColorType::GrayscaleAlpha => ColorType::La8,
        png::ColorType::Rgb => ColorType::Rgb8,
        png::ColorType::Rgba => ColorType::Rgba8,
        other => return Err(Failure::bad_input(format!("unexpected pixels {other:?}"))),
    };
    let size = reader.output_buffer_size().unwrap_or(usize::MAX);
    let out =
        out.get_mut(..size).ok_or_else(|| Failure::bad_input("larger than its header says"))?;
    reader.next_frame(out).map_err(png_failure)?;
    Ok(color)
}

fn png_failure(error: DecodingError) -> Failure {
    Failure::bad_input(format!("cannot be decoded: {error}"))
}
