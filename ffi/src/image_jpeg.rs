//! JPEG pictures by `zune-jpeg`, made to notice image data that end early.

use image::ColorType;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use crate::guard::Failure;
use crate::image_outline::Outline;

/// Bytes of ones, which no Huffman code consists of, before the marker that ends the picture: whoever
/// reads on behind the image data meets an error, where the decoder would make zeros up behind the
/// marker alone. Eight are as much as it reads ahead.
const STOP: [u8; 18] =
    [0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0xd9];

/// Decodes to the kind of pixels that is returned.
pub fn read_jpeg(data: &[u8], outline: &Outline, out: &mut [u8]) -> Result<ColorType, Failure> {
    let mut file = Vec::with_capacity(outline.end + STOP.len());
    file.extend_from_slice(&data[..outline.end]);
    file.extend_from_slice(&STOP);
    // Lenient with what cameras leave between the segments of the header, strict with image data.
    let options = DecoderOptions::default()
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .set_strict_mode(false);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&file), options);
    decoder.decode_headers().map_err(jpeg_failure)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let kind = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(kind).set_strict_mode(true));
    let size = decoder.dimensions();
    let expected = (outline.width as usize, outline.height as usize);
    if size != Some(expected) {
        return Err(Failure::bad_input(format!("{size:?} pixels, the header says {expected:?}")));
    }
    decoder.decode_into(out).map_err(jpeg_failure)?;
    Ok(if grey { ColorType::L8 } else { ColorType::Rgb8 })
}

fn jpeg_failure(error: DecodeErrors) -> Failure {
    Failure::bad_input(format!("cannot be decoded: {error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_decode::tests::{NO_LIMITS, decoded, golden};

    const JPEGS: [&str; 4] = ["grey.jpg", "rgb.jpg", "cmyk.jpg", "progressive.jpg"];
    const END: [u8; 2] = [0xff, 0xd9];

    /// Where the entropy-coded data of the last scan begin.
    fn last_scan(file: &[u8]) -> usize {
        let marker = file.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
        marker + 2 + usize::from(file[marker + 3])
    }

    /// Such a file has all the structure of a whole one.
    #[test]
    fn image_data_cut_before_an_end_marker_are_noticed() {
        for name in JPEGS {
            let file = golden(name);
            let end = Outline::of(&file, &NO_LIMITS).unwrap().end;
            decoded(&file).unwrap();
            for cut in last_scan(&file)..end {
                let shorter = [&file[..cut], &END].concat();
                let failure =
                    decoded(&shorter).expect_err(&format!("{name} cut at {cut} of {end}"));
                assert!(failure.message.starts_with("JPEG: "), "{}", failure.message);
            }
        }
    }

    #[test]
    fn scans_that_are_missing_are_noticed() {
        let file = golden("progressive.jpg");
        let begin = file.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
        let failure = decoded(&[&file[..begin], &END].concat()).unwrap_err();
        assert!(failure.message.contains("do not bring the whole picture"), "{}", failure.message);
    }

    #[test]
    fn what_lies_between_segments_is_skipped() {
        let file = golden("rgb.jpg");
        let behind_first = 4 + usize::from(file[5]); // its length has two bytes
        let (before, after) = file.split_at(behind_first);
        let longer = [before, b"left by a camera", after].concat();
        assert_eq!(decoded(&longer).unwrap(), decoded(&file).unwrap());
    }
}
