//! Every exported function runs inside `guard`, so that neither an error nor a panic leaves the crate.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::buffers::Text;

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Status {
    Ok = 0,
    BadInput = 1,
    Refused = 2,
    Internal = 3,
}

#[derive(Debug)]
pub struct Failure {
    pub status: Status,
    pub message: String,
}

impl Failure {
    pub fn bad_input(message: impl Into<String>) -> Self {
        Failure { status: Status::BadInput, message: message.into() }
    }
}

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The standard hook prints to stderr, which a library must not do.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

fn panic_text(payload: Box<dyn std::any::Any + Send>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| text.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into());
    format!("internal fault: {text}")
}

pub fn guard(body: impl FnOnce() -> Result<(), Failure>) -> Status {
    silence_panics();
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(failure)) => failure,
        Err(payload) => Failure { status: Status::Internal, message: panic_text(payload) },
    };
    LAST_ERROR.with(|last| *last.borrow_mut() = failure.message);
    failure.status
}

/// `guard` for functions that have no error to report: a panic gives `fallback`.
pub fn guard_value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    silence_panics();
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_error() -> Text {
    guard_value(Text::EMPTY, || LAST_ERROR.with(|last| Text::borrow(&last.borrow())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_error() -> String {
        LAST_ERROR.with(|last| last.borrow().clone())
    }

    #[test]
    fn panics_become_a_status() {
        assert_eq!(guard(|| panic!("at {}", 7)), Status::Internal);
        assert_eq!(last_error(), "internal fault: at 7");
        assert_eq!(guard_value(3, || panic!("again")), 3);
    }

    #[test]
    fn failures_keep_their_message() {
        assert_eq!(guard(|| Err(Failure::bad_input("no"))), Status::BadInput);
        assert_eq!(last_error(), "no");
        assert_eq!(guard(|| Ok(())), Status::Ok);
    }
}
