//! Turning of pictures as their EXIF says, in place: a second copy of a large photograph would take
//! more memory than decoding it.

use image::metadata::Orientation;

pub type Pixel = [u8; 3];

/// Turns `pixels` of a picture of that size, which has its sides exchanged if `swaps_sides`.
pub fn turn(pixels: &mut [Pixel], width: usize, height: usize, orientation: Orientation) {
    use Orientation::*;
    if swaps_sides(orientation) {
        transpose(pixels, height, width);
        return match orientation {
            Rotate90 => flip_rows(pixels, height),
            Rotate270 => flip_columns(pixels, height),
            Rotate270FlipH => pixels.reverse(),
            _ => {}
        };
    }
    match orientation {
        FlipHorizontal => flip_rows(pixels, width),
        FlipVertical => flip_columns(pixels, width),
        Rotate180 => pixels.reverse(),
        _ => {}
    }
}

pub fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::*;
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Left becomes right.
fn flip_rows(pixels: &mut [Pixel], width: usize) {
    pixels.chunks_exact_mut(width).for_each(<[Pixel]>::reverse);
}

/// Top becomes bottom.
fn flip_columns(pixels: &mut [Pixel], width: usize) {
    let mut rows = pixels.chunks_exact_mut(width);
    while let (Some(above), Some(below)) = (rows.next(), rows.next_back()) {
        above.swap_with_slice(below);
    }
}

/// Makes columns of the rows, by the decomposition of Catanzaro, Keller and Garland ("A
/// decomposition for in-place matrix transposition", 2014): every step permutes within columns or
/// within rows, and needs no more than a few of them beside the picture.
fn transpose(pixels: &mut [Pixel], rows: usize, columns: usize) {
    if rows == 1 || columns == 1 {
        return;
    }
    let common = greatest_common_divisor(rows, columns);
    let (part_of_rows, part_of_columns) = (rows / common, columns / common);
    if common > 1 {
        permute_columns(pixels, columns, |row| row, |column| column / part_of_columns);
    }
    let mut line = vec![[0; 3]; columns];
    for (row, pixels) in pixels.chunks_exact_mut(columns).enumerate() {
        scatter_row(pixels, &mut line, row, rows, part_of_columns);
        pixels.copy_from_slice(&line);
    }
    let of_row = |row| (row * columns - row / part_of_rows) % rows;
    permute_columns(pixels, columns, of_row, |column| column % rows);
}

/// The pixel of column c goes to column ((row + c / part) % rows + c * rows) % columns. Kept up from
/// pixel to pixel, as divisions take longer than all else.
fn scatter_row(pixels: &[Pixel], line: &mut [Pixel], row: usize, rows: usize, part: usize) {
    let columns = pixels.len();
    let step = rows % columns;
    let (mut within, mut shift, mut product) = (row, row % columns, 0);
    for block in pixels.chunks_exact(part) {
        for pixel in block {
            line[wrapped(shift + product, columns)] = *pixel;
            product = wrapped(product + step, columns);
        }
        within += 1;
        shift = wrapped(shift + 1, columns);
        if within == rows {
            (within, shift) = (0, 0);
        }
    }
}

/// `value` modulo `end` for values below twice `end`.
fn wrapped(value: usize, end: usize) -> usize {
    if value >= end { value - end } else { value }
}

/// Row r of column c gets what stands in row (of_row(r) + of_column(c)) % rows of it, where both
/// are below `rows`.
fn permute_columns(
    pixels: &mut [Pixel],
    columns: usize,
    of_row: impl Fn(usize) -> usize,
    of_column: impl Fn(usize) -> usize,
) {
    const AT_ONCE: usize = 64; // neighbours share cache lines
    const MOST_PIXELS: usize = 1 << 20;
    let rows = pixels.len() / columns;
    let width = (MOST_PIXELS / rows).clamp(1, AT_ONCE).min(columns);
    let mut strip = vec![[0; 3]; rows * width];
    for begin in (0..columns).step_by(width) {
        let shifts: Vec<usize> = (begin..columns.min(begin + width)).map(&of_column).collect();
        for (row, line) in strip.chunks_exact_mut(shifts.len()).take(rows).enumerate() {
            let start = of_row(row);
            for ((pixel, shift), column) in line.iter_mut().zip(&shifts).zip(begin..) {
                *pixel = pixels[wrapped(start + shift, rows) * columns + column];
            }
        }
        for (row, line) in strip.chunks_exact(shifts.len()).take(rows).enumerate() {
            pixels[row * columns + begin..][..shifts.len()].copy_from_slice(line);
        }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(width: usize, height: usize) -> Vec<Pixel> {
        let numbers = 0..(width * height) as u32;
        numbers.map(|number| number.to_le_bytes()[..3].try_into().unwrap()).collect()
    }

    /// Against the `image` crate, which copies.
    #[test]
    fn every_orientation_of_every_small_size() {
        for (width, height) in (1..14).flat_map(|x| (1..14).map(move |y| (x, y))) {
            for exif in 1..=8 {
                let orientation = Orientation::from_exif(exif).unwrap();
                let mut pixels = numbered(width, height);
                let raw = pixels.as_flattened().to_vec();
                let copy = image::RgbImage::from_raw(width as u32, height as u32, raw).unwrap();
                let mut copy = image::DynamicImage::from(copy);
                copy.apply_orientation(orientation);
                turn(&mut pixels, width, height, orientation);
                assert_eq!(pixels.as_flattened(), copy.as_bytes(), "{width}x{height} {exif}");
                assert_eq!(
                    copy.width() as usize,
                    if swaps_sides(orientation) { height } else { width }
                );
            }
        }
    }

    #[test]
    fn longer_than_a_strip() {
        for (width, height) in [(70, 1 << 15), (1 << 15, 70), (640, 480), (1013, 997)] {
            let mut pixels = numbered(width, height);
            turn(&mut pixels, width, height, Orientation::Rotate90FlipH);
            let before = numbered(width, height);
            for (at, pixel) in pixels.iter().enumerate() {
                assert_eq!(*pixel, before[at % height * width + at / height]);
            }
        }
    }
}
