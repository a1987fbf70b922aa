//! The `tokenizers` crate behind a C interface.

use crate::buffers::{Buffer, Text, bytes};
use crate::guard::{Failure, Status, guard, guard_value};
use crate::tokenizer_file::{BpeTokenizer, TokenizerFile};

/// Ids index tables here and rows of the embedding there: no vocabulary comes near this.
const ID_LIMIT: u32 = 1 << 24;

pub struct Vocabulary {
    tokenizer: BpeTokenizer,
    /// Entry and special mark of every id.
    entries: Vec<(Box<str>, bool)>,
}

impl Vocabulary {
    fn parse(json: &[u8]) -> Result<Self, Failure> {
        let json = std::str::from_utf8(json)
            .map_err(|error| Failure::bad_input(format!("not UTF-8: {error}")))?;
        let file = TokenizerFile::parse(json)?;
        let mut entries = Vec::new();
        for (token, id) in file.entries() {
            add_entry(&mut entries, token, *id)?;
        }
        let tokenizer = file.build()?;
        for (token, id) in tokenizer.get_added_vocabulary().get_vocab() {
            add_entry(&mut entries, token, *id)?;
        }
        for (id, token) in tokenizer.get_added_tokens_decoder() {
            if let Some(entry) = entries.get_mut(id as usize) {
                entry.1 = token.special;
            }
        }
        if entries.is_empty() {
            return Err(Failure::bad_input("the vocabulary is empty"));
        }
        Ok(Vocabulary { tokenizer, entries })
    }

    fn entry(&self, id: u32) -> Option<&(Box<str>, bool)> {
        self.entries.get(id as usize)
    }
}

fn add_entry(entries: &mut Vec<(Box<str>, bool)>, token: &str, id: u32) -> Result<(), Failure> {
    if id >= ID_LIMIT {
        return Err(Failure::bad_input(format!("id {id}, expected ids below {ID_LIMIT}")));
    }
    if entries.len() <= id as usize {
        entries.resize(id as usize + 1, Default::default());
    }
    let entry = &mut entries[id as usize];
    if !entry.0.is_empty() && *entry.0 != *token {
        return Err(Failure::bad_input(format!(
            "entries {:?} and {token:?} share the id {id}",
            entry.0
        )));
    }
    entry.0 = token.into();
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_tokenizer_parse(
    json: *const u8,
    size: usize,
    out: *mut *mut Vocabulary,
) -> Status {
    guard(|| {
        let vocabulary = Vocabulary::parse(unsafe { bytes(json, size) })?;
        unsafe { *out = Box::into_raw(Box::new(vocabulary)) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_tokenizer_free(vocabulary: *mut Vocabulary) {
    guard_value((), || {
        if !vocabulary.is_null() {
            drop(unsafe { Box::from_raw(vocabulary) });
        }
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_tokenizer_encode(
    vocabulary: &Vocabulary,
    text: *const u8,
    size: usize,
    out: *mut Buffer<u32>,
) -> Status {
    guard(|| {
        let text = String::from_utf8_lossy(unsafe { bytes(text, size) });
        let encoding = vocabulary
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| Failure::bad_input(format!("cannot encode: {error}")))?;
        unsafe { *out = Buffer::give(encoding.get_ids().to_vec()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_tokenizer_size(vocabulary: &Vocabulary) -> u32 {
    guard_value(0, || vocabulary.entries.len() as u32)
}

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_tokenizer_token(vocabulary: &Vocabulary, id: u32) -> Text {
    guard_value(Text::EMPTY, || match vocabulary.entry(id) {
        Some((token, _)) => Text::borrow(token),
        None => Text::EMPTY,
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn octavo_ffi_tokenizer_is_special(vocabulary: &Vocabulary, id: u32) -> i32 {
    guard_value(0, || vocabulary.entry(id).is_some_and(|(_, special)| *special) as i32)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_tokenizer_id(
    vocabulary: &Vocabulary,
    token: *const u8,
    size: usize,
) -> i64 {
    guard_value(-1, || {
        std::str::from_utf8(unsafe { bytes(token, size) })
            .ok()
            .and_then(|token| vocabulary.tokenizer.token_to_id(token))
            .map_or(-1, i64::from)
    })
}
