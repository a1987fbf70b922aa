//! Gemma 4's chat template, for checkpoints that bring none.

use crate::buffers::Text;

const SOURCE: &str = include_str!("../../src/text/gemma4_chat_template.jinja");

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_builtin_template() -> Text {
    Text::borrow(SOURCE)
}
