//! Decoders of pictures behind a C interface.

use image::RgbImage;

use crate::buffers::{Buffer, bytes};
use crate::guard::{Status, guard, guard_value};
use crate::image_animation::Animation;
use crate::image_decode::decode;
use crate::image_outline::Limits;

#[repr(C)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Buffer<u8>,
}

impl Picture {
    fn give(picture: RgbImage) -> Picture {
        let (width, height) = picture.dimensions();
        Picture { width, height, rgb: Buffer::give(picture.into_raw()) }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_image_decode(
    data: *const u8,
    size: usize,
    limits: &Limits,
    out: *mut Picture,
) -> Status {
    guard(|| {
        let picture = decode(unsafe { bytes(data, size) }, limits)?;
        unsafe { *out = Picture::give(picture) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_animation_open(
    data: *const u8,
    size: usize,
    limits: &Limits,
    out: *mut *mut Animation,
) -> Status {
    guard(|| {
        let animation = Animation::open(unsafe { bytes(data, size) }, limits)?;
        unsafe { *out = Box::into_raw(Box::new(animation)) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_animation_free(animation: *mut Animation) {
    guard_value((), || {
        if !animation.is_null() {
            drop(unsafe { Box::from_raw(animation) });
        }
    });
}

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_animation_frames(animation: &Animation) -> u32 {
    guard_value(0, || animation.delays().len() as u32)
}

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_animation_delay(animation: &Animation, frame: u32) -> u32 {
    guard_value(0, || animation.delays().get(frame as usize).copied().unwrap_or(0))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_animation_read(
    animation: &mut Animation,
    frame: u32,
    out: *mut Picture,
) -> Status {
    guard(|| {
        let picture = animation.read(frame)?;
        unsafe { *out = Picture::give(picture) };
        Ok(())
    })
}
