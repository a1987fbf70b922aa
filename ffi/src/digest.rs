//! SHA-256 behind a C interface.

use sha2::{Digest, Sha256};

use crate::buffers::bytes;
use crate::guard::guard_value;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_sha256(data: *const u8, size: usize, digest: *mut [u8; 32]) {
    guard_value((), || unsafe { *digest = Sha256::digest(bytes(data, size)).into() });
}
