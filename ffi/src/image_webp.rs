//! WebP pictures by the `image-webp` crate. Frames of an animation are decoded as the pictures that
//! they are and composed here: the crate's own way copies the whole canvas for every frame, however
//! little it changes, and leaves frames standing that are to be removed.

use std::io::Cursor;

use image::ColorType;
use image_webp::{DecodingError, WebPDecoder};

use crate::guard::Failure;
use crate::image_canvas::rows;
use crate::image_outline::{Area, Frame, Outline};
use crate::image_outline_webp::webp_chunk;
use crate::image_reader::Reader;

/// Decodes a still picture to the kind of pixels that is returned.
pub fn read_webp(data: &[u8], outline: &Outline, out: &mut [u8]) -> Result<ColorType, Failure> {
    match &outline.lossy_data {
        Some(range) => read_file(Cursor::new(file_of(&[(b"VP8 ", &data[range.clone()])])), out),
        None => read_file(Cursor::new(data), out),
    }
}

fn read_file(file: Cursor<impl AsRef<[u8]>>, out: &mut [u8]) -> Result<ColorType, Failure> {
    let mut decoder = WebPDecoder::new(file).map_err(webp_failure)?;
    let size = decoder.output_buffer_size().unwrap_or(usize::MAX);
    let out = out.get_mut(..size).ok_or_else(|| Failure::bad_input("sizes disagree"))?;
    decoder.read_image(out).map_err(webp_failure)?;
    Ok(if decoder.has_alpha() { ColorType::Rgba8 } else { ColorType::Rgb8 })
}

/// A WebP file of these chunks.
fn file_of(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let padded = |data: &[u8]| data.len() + data.len() % 2;
    let size = 4 + chunks.iter().map(|(_, data)| 8 + padded(data)).sum::<usize>();
    let mut file = Vec::with_capacity(8 + size);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(size as u32).to_le_bytes());
    file.extend_from_slice(b"WEBP");
    for (name, data) in chunks {
        file.extend_from_slice(*name);
        file.extend_from_slice(&(data.len() as u32).to_le_bytes());
        file.extend_from_slice(data);
        file.resize(file.len() + data.len() % 2, 0);
    }
    file
}

fn webp_failure(error: DecodingError) -> Failure {
    Failure::bad_input(format!("cannot be decoded: {error}"))
}

type Rgba = [u8; 4];

pub struct WebPAnimation<'a> {
    data: &'a [u8],
    width: u32,
    canvas: Vec<Rgba>,
    /// To become transparent before the next frame is painted.
    disposed: Option<Area>,
}

impl<'a> WebPAnimation<'a> {
    pub fn new(data: &'a [u8], outline: &Outline) -> Self {
        let canvas = vec![[0; 4]; outline.pixels() as usize];
        WebPAnimation { data, width: outline.width, canvas, disposed: None }
    }

    /// As RGB.
    pub fn copy_to(&self, out: &mut [u8]) {
        for (pixel, [red, green, blue, _]) in
            out.as_chunks_mut::<3>().0.iter_mut().zip(&self.canvas)
        {
            *pixel = [*red, *green, *blue];
        }
    }

    /// Paints the next frame.
    pub fn advance(&mut self, frame: &Frame) -> Result<(), Failure> {
        if let Some(area) = self.disposed.take() {
            rows(&mut self.canvas, self.width, &area).for_each(|row| row.fill([0; 4]));
        }
        let mut pixels = vec![0; 4 * frame.area.pixels() as usize];
        let kind = read_frame(&self.data[frame.data.clone()], &frame.area, &mut pixels)?;
        let columns = frame.area.width as usize;
        let canvas = rows(&mut self.canvas, self.width, &frame.area);
        if kind == ColorType::Rgb8 {
            for (row, line) in canvas.zip(pixels.as_chunks::<3>().0.chunks_exact(columns)) {
                for (below, &[red, green, blue]) in row.iter_mut().zip(line) {
                    *below = [red, green, blue, 255];
                }
            }
        } else {
            for (row, line) in canvas.zip(pixels.as_chunks::<4>().0.chunks_exact(columns)) {
                for (below, pixel) in row.iter_mut().zip(line) {
                    *below = if frame.blend { blended(*pixel, *below) } else { *pixel };
                }
            }
        }
        self.disposed = frame.dispose.then_some(frame.area);
        Ok(())
    }
}

/// Decodes the chunks of a frame.
fn read_frame(data: &[u8], area: &Area, out: &mut [u8]) -> Result<ColorType, Failure> {
    let mut reader = Reader::new(data);
    let mut alpha = None;
    while !reader.rest().is_empty() {
        let (name, range) = webp_chunk(&mut reader)?;
        let chunk = &data[range];
        match name {
            b"ALPH" => alpha = Some(chunk),
            b"VP8L" => {
                // Whether alpha is used is a hint, of which composing takes no notice.
                let mut stream = chunk.to_vec();
                if let Some(byte) = stream.get_mut(4) {
                    *byte |= 0x10;
                }
                return read_file(Cursor::new(file_of(&[(b"VP8L", &stream)])), out);
            }
            b"VP8 " => {
                let file = match alpha {
                    None => file_of(&[(b"VP8 ", chunk)]),
                    Some(alpha) => file_of(&[
                        (b"VP8X", &extended_header(area)),
                        (b"ALPH", alpha),
                        (b"VP8 ", chunk),
                    ]),
                };
                return read_file(Cursor::new(file), out);
            }
            _ => {}
        }
    }
    Err(Failure::bad_input("has no image data"))
}

/// Of a picture with alpha.
fn extended_header(area: &Area) -> [u8; 10] {
    let [w0, w1, w2, _] = (area.width - 1).to_le_bytes();
    let [h0, h1, h2, _] = (area.height - 1).to_le_bytes();
    [0x10, 0, 0, 0, w0, w1, w2, h0, h1, h2]
}

/// `above` over `below`, neither of which is multiplied by its alpha, rounded as libwebp rounds.
fn blended(above: Rgba, below: Rgba) -> Rgba {
    let alpha = u32::from(above[3]);
    if alpha == 0 {
        return below;
    }
    let product = u32::from(below[3]) * (255 - alpha);
    let rest = (product + 128 + ((product + 128) >> 8)) >> 8; // product / 255, rounded
    let sum = alpha + rest;
    let scale = (1 << 24) / sum;
    let channel = |index: usize| {
        let weighted = u32::from(above[index]) * alpha + u32::from(below[index]) * rest;
        ((u64::from(weighted) * u64::from(scale)) >> 24) as u8
    };
    [channel(0), channel(1), channel(2), sum as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blending_is_that_of_real_numbers() {
        for (above, below) in (0..=255).flat_map(|a| (0..=255).step_by(15).map(move |b| (a, b))) {
            let result = blended([200, 10, 255, above], [20, 250, 255, below]);
            let (alpha, under) = (f64::from(above) / 255.0, f64::from(below) / 255.0);
            let sum = alpha + under * (1.0 - alpha);
            assert!((f64::from(result[3]) - 255.0 * sum).abs() <= 0.5 + 1e-9);
            for (channel, over, beneath) in [(0, 200.0, 20.0), (1, 10.0, 250.0), (2, 255.0, 255.0)]
            {
                if sum > 0.0 {
                    let exact = (over * alpha + beneath * under * (1.0 - alpha)) / sum;
                    let slack = if result[3] < 16 { 16.0 } else { 3.0 }; // few levels of alpha
                    assert!((f64::from(result[channel]) - exact).abs() <= slack);
                }
            }
        }
    }

    #[test]
    fn frames_vanish_before_the_next() {
        let mut animation = WebPAnimation {
            data: &[],
            width: 2,
            canvas: vec![[9, 9, 9, 255]; 4],
            disposed: Some(Area { left: 1, top: 0, width: 1, height: 2 }),
        };
        let frame = Frame {
            area: Area { left: 0, top: 0, width: 1, height: 1 },
            delay: 0,
            data: 0..0,
            opaque: false,
            blend: true,
            dispose: true,
        };
        assert!(animation.advance(&frame).is_err()); // has no image data
        assert_eq!(animation.canvas, [[9, 9, 9, 255], [0; 4], [9, 9, 9, 255], [0; 4]]);
    }
}
