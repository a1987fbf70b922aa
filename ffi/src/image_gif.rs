//! GIF pictures by the `gif` crate. Of an animation no more is touched than what a frame changes.

use std::io::Cursor;

use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, DisposalMethod, MemoryLimit};

use crate::guard::Failure;
use crate::image_canvas::rows;
use crate::image_decode::WHITE;
use crate::image_outline::{Area, Outline};
use crate::image_turn::Pixel;

/// What a pixel shows whose colour is not in the palette.
const UNKNOWN: Pixel = [0; 3];

/// The first frame; around it lies its transparent colour, or the first one.
pub fn read_gif(data: &[u8], outline: &Outline, out: &mut [Pixel]) -> Result<(), Failure> {
    out.fill(outline.around);
    let mut frames = GifFrames::open(data)?;
    let Some(frame) = frames.read()? else { return Err(Failure::bad_input("no frame")) };
    let palette = frames.decoder.palette().map_err(gif_failure)?;
    paint(out, outline.width, &frame.area, &frames.indices, |index, pixel| {
        *pixel = colour(palette, index).unwrap_or(UNKNOWN);
    });
    Ok(())
}

pub struct GifAnimation<'a> {
    frames: GifFrames<'a>,
    width: u32,
    canvas: Vec<Pixel>,
    /// What no frame has painted.
    background: Pixel,
    /// What becomes of the frame that is shown before the next one is painted.
    disposal: Disposal,
}

enum Disposal {
    Keep,
    Clear(Area, Pixel),
    Restore(Area, Vec<Pixel>),
}

impl<'a> GifAnimation<'a> {
    pub fn open(data: &'a [u8], outline: &Outline) -> Result<Self, Failure> {
        let background = if outline.transparent.is_some() { WHITE } else { outline.around };
        Ok(GifAnimation {
            frames: GifFrames::open(data)?,
            width: outline.width,
            canvas: vec![background; outline.pixels() as usize],
            background,
            disposal: Disposal::Keep,
        })
    }

    pub fn canvas(&self) -> &[Pixel] {
        &self.canvas
    }

    /// Paints the next frame.
    pub fn advance(&mut self) -> Result<(), Failure> {
        self.dispose();
        let Some(frame) = self.frames.read()? else { return Err(Failure::bad_input("is missing")) };
        self.disposal = match frame.disposal {
            DisposalMethod::Any | DisposalMethod::Keep => Disposal::Keep,
            DisposalMethod::Background if frame.transparent.is_some() => {
                Disposal::Clear(frame.area, WHITE)
            }
            DisposalMethod::Background => Disposal::Clear(frame.area, self.background),
            DisposalMethod::Previous => Disposal::Restore(frame.area, self.copy_of(&frame.area)),
        };
        let palette = self.frames.decoder.palette().map_err(gif_failure)?;
        paint(&mut self.canvas, self.width, &frame.area, &self.frames.indices, |index, pixel| {
            if Some(index) != frame.transparent {
                *pixel = colour(palette, index).unwrap_or(*pixel);
            }
        });
        Ok(())
    }

    fn dispose(&mut self) {
        let disposal = std::mem::replace(&mut self.disposal, Disposal::Keep);
        match &disposal {
            Disposal::Keep => {}
            Disposal::Clear(area, colour) => {
                rows(&mut self.canvas, self.width, area).for_each(|row| row.fill(*colour));
            }
            Disposal::Restore(area, pixels) => {
                let before = pixels.chunks_exact(area.width as usize);
                rows(&mut self.canvas, self.width, area)
                    .zip(before)
                    .for_each(|(row, before)| row.copy_from_slice(before));
            }
        }
    }

    fn copy_of(&mut self, area: &Area) -> Vec<Pixel> {
        let mut copy = Vec::with_capacity(area.pixels() as usize);
        for row in rows(&mut self.canvas, self.width, area) {
            copy.extend_from_slice(row);
        }
        copy
    }
}

/// Decodes frames to indices of colours.
struct GifFrames<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
    indices: Vec<u8>,
}

struct GifFrame {
    area: Area,
    transparent: Option<u8>,
    disposal: DisposalMethod,
}

impl<'a> GifFrames<'a> {
    fn open(data: &'a [u8]) -> Result<Self, Failure> {
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::Indexed);
        options.set_memory_limit(MemoryLimit::Unlimited); // the outline has one
        let decoder = options.read_info(Cursor::new(data)).map_err(gif_failure)?;
        Ok(GifFrames { decoder, indices: Vec::new() })
    }

    /// Leaves the indices of the next frame in `indices`.
    fn read(&mut self) -> Result<Option<GifFrame>, Failure> {
        let Some(frame) = self.decoder.next_frame_info().map_err(gif_failure)? else {
            return Ok(None);
        };
        let number = u32::from;
        let frame = GifFrame {
            area: Area {
                left: number(frame.left),
                top: number(frame.top),
                width: number(frame.width),
                height: number(frame.height),
            },
            transparent: frame.transparent,
            disposal: frame.dispose,
        };
        self.indices.resize(frame.area.pixels() as usize, 0);
        self.decoder.read_into_buffer(&mut self.indices).map_err(gif_failure)?;
        Ok(Some(frame))
    }
}

fn gif_failure(error: DecodingError) -> Failure {
    Failure::bad_input(format!("cannot be decoded: {error}"))
}

fn colour(palette: &[u8], index: u8) -> Option<Pixel> {
    let at = 3 * usize::from(index);
    palette.get(at..at + 3)?.try_into().ok()
}

fn paint(
    canvas: &mut [Pixel],
    width: u32,
    area: &Area,
    indices: &[u8],
    put: impl Fn(u8, &mut Pixel),
) {
    let lines = indices.chunks_exact(area.width as usize);
    for (row, line) in rows(canvas, width, area).zip(lines) {
        for (pixel, index) in row.iter_mut().zip(line) {
            put(*index, pixel);
        }
    }
}
