//! Methods of Python's str and list that templates use and that the engine lacks or has with another
//! idea of white space. Python strips U+001C to U+001F as well.

use minijinja::value::{StringInput, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat;
use std::borrow::Cow;

fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn strip(text: &str, characters: Option<&str>, start: bool, end: bool) -> String {
    let stripped = |c: char| match characters {
        Some(set) => set.contains(c),
        None => is_python_space(c),
    };
    let mut text = text;
    if start {
        text = text.trim_start_matches(stripped);
    }
    if end {
        text = text.trim_end_matches(stripped);
    }
    text.to_string()
}

/// The `trim` filter.
pub fn trim(value: StringInput<'_>, characters: Option<Cow<'_, str>>) -> Value {
    let text = strip(value.as_str(), characters.as_deref(), true, true);
    value.preserve_safety(text)
}

fn split_whitespace(text: &str, limit: usize) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start_matches(is_python_space);
    while !rest.is_empty() {
        if parts.len() == limit {
            parts.push(Value::from(rest));
            break;
        }
        let end = rest.find(is_python_space).unwrap_or(rest.len());
        parts.push(Value::from(&rest[..end]));
        rest = rest[end..].trim_start_matches(is_python_space);
    }
    parts
}

fn rsplit_whitespace(text: &str, limit: usize) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut rest = text.trim_end_matches(is_python_space);
    while !rest.is_empty() {
        if parts.len() == limit {
            parts.push(Value::from(rest));
            break;
        }
        let start = rest
            .char_indices()
            .rfind(|(_, c)| is_python_space(*c))
            .map_or(0, |(index, c)| index + c.len_utf8());
        parts.push(Value::from(&rest[start..]));
        rest = rest[..start].trim_end_matches(is_python_space);
    }
    parts.reverse();
    parts
}

fn value_error(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn split(text: &str, args: &[Value], from_right: bool) -> Result<Value, Error> {
    let (separator, limit): (Option<&str>, Option<i64>) = from_args(args)?;
    let limit = limit.filter(|limit| *limit >= 0).map_or(usize::MAX, |limit| limit as usize);
    let parts = match (separator, from_right) {
        (Some(""), _) => return Err(value_error("empty separator")),
        (None, false) => split_whitespace(text, limit),
        (None, true) => rsplit_whitespace(text, limit),
        (Some(separator), false) => {
            text.splitn(limit.saturating_add(1), separator).map(Value::from).collect()
        }
        (Some(separator), true) => {
            let mut parts: Vec<Value> =
                text.rsplitn(limit.saturating_add(1), separator).map(Value::from).collect();
            parts.reverse();
            parts
        }
    };
    Ok(Value::from(parts))
}

fn partition(text: &str, args: &[Value], from_right: bool) -> Result<Value, Error> {
    let (separator,): (&str,) = from_args(args)?;
    if separator.is_empty() {
        return Err(value_error("empty separator"));
    }
    let found = if from_right { text.rsplit_once(separator) } else { text.split_once(separator) };
    let parts = match (found, from_right) {
        (Some((head, tail)), _) => [head, separator, tail],
        (None, false) => [text, "", ""],
        (None, true) => ["", "", text],
    };
    Ok(parts.into_iter().map(Value::from).collect())
}

fn string_method(text: &str, method: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    let stripped = |start, end| {
        let (characters,): (Option<&str>,) = from_args(args)?;
        Ok(Value::from(strip(text, characters, start, end)))
    };
    let affix = |cut: fn(&str, &str) -> Option<usize>, keep_tail: bool| {
        let (affix,): (&str,) = from_args(args)?;
        Ok(Value::from(match cut(text, affix) {
            Some(at) if keep_tail => &text[at..],
            Some(at) => &text[..at],
            None => text,
        }))
    };
    Some(match method {
        "strip" => stripped(true, true),
        "lstrip" => stripped(true, false),
        "rstrip" => stripped(false, true),
        "split" => split(text, args, false),
        "rsplit" => split(text, args, true),
        "partition" => partition(text, args, false),
        "rpartition" => partition(text, args, true),
        "removeprefix" => {
            affix(|text, prefix| text.starts_with(prefix).then_some(prefix.len()), true)
        }
        "removesuffix" => {
            affix(|text, suffix| text.ends_with(suffix).then(|| text.len() - suffix.len()), false)
        }
        "isspace" => Ok(Value::from(!text.is_empty() && text.chars().all(is_python_space))),
        "index" => from_args(args).and_then(|(wanted,): (&str,)| match text.find(wanted) {
            Some(at) => Ok(Value::from(text[..at].chars().count())),
            None => Err(value_error("substring not found")),
        }),
        _ => return None,
    })
}

/// The engine's str.format pays for its output only after it was made, so a width or precision of
/// ten digits would fill the memory first. No chat has a use for one of more than four.
fn check_format(text: &str) -> Result<(), Error> {
    let longest = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
    if longest.unwrap_or(0) > 4 {
        return Err(value_error("number above 9999 in a format string"));
    }
    Ok(())
}

fn list_index(list: &Value, args: &[Value]) -> Result<Value, Error> {
    let (wanted,): (&Value,) = from_args(args)?;
    match list.try_iter()?.position(|item| item == *wanted) {
        Some(at) => Ok(Value::from(at)),
        None => Err(Error::new(ErrorKind::InvalidOperation, format!("{wanted} is not in list"))),
    }
}

pub fn call_method(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        if let Some(result) = string_method(text, method, args) {
            return result;
        }
        if method == "format" {
            check_format(text)?;
        }
    }
    if value.kind() == ValueKind::Seq && method == "index" {
        return list_index(value, args);
    }
    pycompat::unknown_method_callback(state, value, method, args)
}
