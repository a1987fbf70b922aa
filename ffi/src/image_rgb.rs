//! 8-bit pixels of any kind to RGB, in place: alpha is dropped, grey becomes three equal channels.

use image::ColorType;

use crate::guard::Failure;

/// The first `count` pixels of `buffer`, which has room for both kinds.
pub fn to_rgb(buffer: &mut [u8], count: usize, color: ColorType) -> Result<(), Failure> {
    match color {
        ColorType::Rgb8 => {}
        ColorType::Rgba8 => compact::<4>(buffer, count, |pixel| [pixel[0], pixel[1], pixel[2]]),
        ColorType::L8 => expand::<1>(buffer, count, |pixel| pixel[0]),
        ColorType::La8 => expand::<2>(buffer, count, |pixel| pixel[0]),
        other => return Err(Failure::bad_input(format!("unexpected pixels {other:?}"))),
    }
    Ok(())
}

fn compact<const SIZE: usize>(buffer: &mut [u8], count: usize, rgb: impl Fn(&[u8]) -> [u8; 3]) {
    for index in 0..count {
        let pixel = rgb(&buffer[index * SIZE..(index + 1) * SIZE]);
        buffer[index * 3..(index + 1) * 3].copy_from_slice(&pixel);
    }
}

/// From the end, so that no pixel is overwritten before it is read.
fn expand<const SIZE: usize>(buffer: &mut [u8], count: usize, level: impl Fn(&[u8]) -> u8) {
    for index in (0..count).rev() {
        let level = level(&buffer[index * SIZE..(index + 1) * SIZE]);
        buffer[index * 3..(index + 1) * 3].fill(level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(pixels: &[u8], color: ColorType) -> Vec<u8> {
        let count = pixels.len() / usize::from(color.bytes_per_pixel());
        let mut buffer = pixels.to_vec();
        buffer.resize(pixels.len().max(3 * count), 0);
        to_rgb(&mut buffer, count, color).unwrap();
        buffer[..3 * count].to_vec()
    }

    #[test]
    fn every_kind() {
        assert_eq!(converted(&[1, 2, 3, 4, 5, 6], ColorType::Rgb8), [1, 2, 3, 4, 5, 6]);
        assert_eq!(converted(&[1, 2, 3, 9, 4, 5, 6, 9], ColorType::Rgba8), [1, 2, 3, 4, 5, 6]);
        assert_eq!(converted(&[1, 2, 3], ColorType::L8), [1, 1, 1, 2, 2, 2, 3, 3, 3]);
        assert_eq!(converted(&[1, 9, 2, 9, 3, 9], ColorType::La8), [1, 1, 1, 2, 2, 2, 3, 3, 3]);
    }
}
