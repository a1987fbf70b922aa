//! Decoders of pictures behind a C interface.

use crate::buffers::bytes;
use crate::guard::{Status, guard, guard_value};
use crate::image_animation::Animation;
use crate::image_decode::{Size, decode, measure};
use crate::image_outline::Limits;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_image_measure(
    data: *const u8,
    size: usize,
    limits: &Limits,
    out: *mut Size,
) -> Status {
    guard(|| {
        let measured = measure(unsafe { bytes(data, size) }, limits)?;
        unsafe { *out = measured };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_image_decode(
    data: *const u8,
    size: usize,
    limits: &Limits,
    out: *mut u8,
    out_size: usize,
) -> Status {
    guard(|| decode(unsafe { bytes(data, size) }, limits, unsafe { room(out, out_size) }))
}

/// # Safety
/// `data` points to `size` bytes that nothing else refers to, or `size` is 0.
unsafe fn room<'a>(data: *mut u8, size: usize) -> &'a mut [u8] {
    if size == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(data, size) } }
}

/// The file stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_animation_open(
    data: *const u8,
    size: usize,
    limits: &Limits,
    out: *mut *mut Animation<'static>,
) -> Status {
    guard(|| {
        let animation = Animation::open(unsafe { bytes(data, size) }, limits)?;
        unsafe { *out = Box::into_raw(Box::new(animation)) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_animation_free(animation: *mut Animation<'static>) {
    guard_value((), || {
        if !animation.is_null() {
            drop(unsafe { Box::from_raw(animation) });
        }
    });
}

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_animation_size(animation: &Animation) -> Size {
    guard_value(Size { width: 0, height: 0, bytes: 0 }, || animation.size())
}

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_animation_frames(animation: &Animation) -> u32 {
    guard_value(0, || animation.frames().len() as u32)
}

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_animation_delay(animation: &Animation, frame: u32) -> u32 {
    guard_value(0, || animation.frames().get(frame as usize).map_or(0, |frame| frame.delay))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_animation_choose(
    animation: &mut Animation,
    frames: *const u32,
    count: usize,
) -> Status {
    guard(|| {
        let none: &[u32] = &[];
        let frames =
            if count == 0 { none } else { unsafe { std::slice::from_raw_parts(frames, count) } };
        animation.choose(frames)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_animation_read(
    animation: &mut Animation,
    frame: u32,
    out: *mut u8,
    out_size: usize,
) -> Status {
    guard(|| animation.read(frame, unsafe { room(out, out_size) }))
}

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_animation_finish(animation: &mut Animation) -> Status {
    guard(|| animation.finish())
}
