//! The orientation in EXIF data: of TIFF's first directory, the entry 0x112.

use image::metadata::Orientation;

use crate::image_reader::{be, le};

const ORIENTATION: u32 = 0x112;
const ENTRY: usize = 12; // bytes: tag, type, count, value

/// None where there is none or the data do not parse.
pub fn orientation(exif: &[u8]) -> Option<Orientation> {
    let number = match exif.get(..4)? {
        b"II*\0" => le,
        b"MM\0*" => be,
        _ => return None,
    };
    let at = |begin: usize, size: usize| exif.get(begin..begin + size).map(number);
    let directory = at(4, 4)? as usize;
    let entries = at(directory, 2)? as usize;
    let mut places = (0..entries).map(|index| directory + 2 + index * ENTRY);
    let entry = places.find(|entry| at(*entry, 2) == Some(ORIENTATION))?;
    let value = match (at(entry + 2, 2)?, at(entry + 4, 4)?) {
        (3, 1) => at(entry + 8, 2)?, // of 16 bits, as it should be
        (4, 1) => at(entry + 8, 4)?, // of 32, as some programs write it
        _ => return None,
    };
    Orientation::from_exif(u8::try_from(value).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITTLE: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    const BIG: &[u8] = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01\0\0\0\x06\0\0\0\0";

    fn changed(exif: &[u8], at: usize, value: u8) -> Option<Orientation> {
        let mut exif = exif.to_vec();
        exif[at] = value;
        orientation(&exif)
    }

    #[test]
    fn of_16_and_32_bits_in_both_orders() {
        assert_eq!(orientation(LITTLE), Some(Orientation::Rotate90));
        assert_eq!(changed(LITTLE, 12, 4), Some(Orientation::Rotate90));
        assert_eq!(orientation(BIG), Some(Orientation::Rotate90));
        assert_eq!(changed(LITTLE, 18, 8), Some(Orientation::Rotate270));
    }

    #[test]
    fn what_does_not_parse_is_none() {
        for (at, value) in [(0, b'X'), (4, 200), (7, 255), (10, 0x13), (12, 2), (14, 2), (18, 9)] {
            assert_eq!(changed(LITTLE, at, value), None, "byte {at}");
        }
        assert_eq!(changed(BIG, 18, 1), None); // 65,542
        for size in 0..20 {
            assert_eq!(orientation(&LITTLE[..size]), None, "{size} bytes");
        }
    }
}
