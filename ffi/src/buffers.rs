//! The shapes in which text and ids cross the C interface.

use crate::guard::guard_value;

/// Borrowed text.
#[repr(C)]
pub struct Text {
    data: *const u8,
    size: usize,
}

impl Text {
    pub const EMPTY: Text = Text { data: std::ptr::null(), size: 0 };

    pub fn borrow(text: &str) -> Text {
        Text { data: text.as_ptr(), size: text.len() }
    }
}

/// A vector handed to the caller, to be rebuilt and dropped by the matching free function.
#[repr(C)]
pub struct Buffer<T> {
    data: *mut T,
    size: usize,
    capacity: usize,
}

impl<T> Buffer<T> {
    pub fn give(values: Vec<T>) -> Self {
        let mut values = std::mem::ManuallyDrop::new(values);
        Buffer { data: values.as_mut_ptr(), size: values.len(), capacity: values.capacity() }
    }

    /// # Safety
    /// The buffer came from `give` and was not taken back before.
    unsafe fn take(self) {
        if !self.data.is_null() {
            drop(unsafe { Vec::from_raw_parts(self.data, self.size, self.capacity) });
        }
    }
}

/// # Safety
/// `data` points to `size` readable bytes, or `size` is 0.
pub unsafe fn bytes<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, size) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_bytes_free(bytes: Buffer<u8>) {
    guard_value((), || unsafe { bytes.take() });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_ids_free(ids: Buffer<u32>) {
    guard_value((), || unsafe { ids.take() });
}
