//! Base64 behind a C interface: the standard alphabet, padded, nothing else in between.

use crate::buffers::{Buffer, bytes};
use crate::guard::{Failure, Status, guard};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_base64_decode(
    text: *const u8,
    size: usize,
    out: *mut Buffer<u8>,
) -> Status {
    guard(|| {
        if !size.is_multiple_of(4) {
            return Err(Failure::bad_input(format!(
                "not base64: {size} characters, expected a multiple of 4"
            )));
        }
        let decoded = base64::decode(unsafe { bytes(text, size) })
            .map_err(|error| Failure::bad_input(format!("not base64: {error}")))?;
        unsafe { *out = Buffer::give(decoded) };
        Ok(())
    })
}
