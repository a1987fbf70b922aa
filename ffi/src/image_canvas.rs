//! The pixels that the frames of an animation paint on, row by row.

use crate::image_outline::Area;

/// The rows of an area, which the outline has found to lie inside.
pub fn rows<'a, Pixel>(
    canvas: &'a mut [Pixel],
    width: u32,
    area: &Area,
) -> impl Iterator<Item = &'a mut [Pixel]> {
    let (left, columns) = (area.left as usize, area.width as usize);
    canvas
        .chunks_exact_mut(width as usize)
        .skip(area.top as usize)
        .take(area.height as usize)
        .map(move |row| &mut row[left..left + columns])
}
