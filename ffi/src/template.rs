//! Chat templates: the `minijinja` crate, brought to print what Jinja2 prints with the settings of
//! Hugging Face's chat templates.

use std::borrow::Cow;
use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, Value, escape_formatter,
};

use crate::buffers::{Buffer, bytes};
use crate::guard::{Failure, Status, guard, guard_value};
use crate::python_methods::{call_method, trim};
use crate::python_number::PythonNumber;
use crate::template_values::template_value;
use crate::tojson::tojson;

const DEPTH_LIMIT: usize = 256;
const NAME: &str = "chat_template";

/// One unit pays for an instruction or 64 bytes. A chat of 10,000 messages needs 1.0 M; a hostile
/// template with this much fuel stops within a fraction of a second.
const BASE_FUEL: u64 = 1_000_000;
const FUEL_PER_CONTEXT_BYTE: u64 = 8;

pub struct Template {
    environment: Environment<'static>,
}

/// The text of raise_exception, carried through the engine's error chain.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

fn raise_exception(message: Value) -> Result<Value, Error> {
    let raised = Raised(message.to_string());
    Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(raised))
}

/// Local time in the form of C's strftime.
fn strftime_now(format: &str) -> Result<String, Error> {
    let format = std::ffi::CString::new(format)
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, "strftime_now: NUL in the format"))?;
    let mut text = [0u8; 1024];
    let size = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut parts: libc::tm = std::mem::zeroed();
        libc::localtime_r(&now, &mut parts);
        libc::strftime(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), &parts)
    };
    Ok(String::from_utf8_lossy(&text[..size]).into_owned())
}

/// `{% generation %}` marks what the model wrote, for training. Rendering needs no more than a block
/// that keeps the tags' white-space control.
fn without_generation_tags(source: &str) -> Cow<'_, str> {
    if !source.contains("generation") {
        return Cow::Borrowed(source);
    }
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(open) = rest.find("{%") {
        let Some(length) = rest[open..].find("%}") else { break };
        let tag = &rest[open + 2..open + length];
        let word = tag.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        out.push_str(&rest[..open + 2]);
        match word {
            "generation" => out.push_str(&tag.replace(word, " if true ")),
            "endgeneration" => out.push_str(&tag.replace(word, " endif ")),
            _ => out.push_str(tag),
        }
        out.push_str("%}");
        rest = &rest[open + length + 2..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn is_python_number(value: &Value, integer: bool) -> bool {
    value.downcast_object_ref::<PythonNumber>().is_some_and(|n| n.is_integer == integer)
}

/// Pays for every item of a container before it is printed: a repeated list takes no room and no fuel
/// until then.
fn charge_items(state: &State, value: &Value, depth: usize) -> Result<(), Error> {
    let is_map = value.kind() == ValueKind::Map;
    let is_list = matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
    if !(is_map || is_list) || value.len().is_none() {
        return Ok(());
    }
    if depth > DEPTH_LIMIT {
        return Err(Error::new(ErrorKind::InvalidOperation, "nested too deeply"));
    }
    for item in value.try_iter()? {
        state.consume_fuel(1)?;
        let item = if is_map { value.get_item(&item)? } else { item };
        charge_items(state, &item, depth + 1)?;
    }
    Ok(())
}

fn print_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    charge_items(state, value, 0)?;
    escape_formatter(out, state, value)
}

fn add_python_ways(environment: &mut Environment) {
    environment.set_formatter(print_value);
    environment.add_filter("tojson", tojson);
    environment.add_filter("trim", trim);
    environment.set_unknown_method_callback(call_method);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    // None iterates as an empty list in the engine; in Python strings and mappings are sequences
    // and booleans are numbers.
    environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
    environment.add_test("sequence", |value: &Value| {
        let kind = value.kind();
        matches!(kind, ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Undefined)
    });
    environment.add_test("number", |value: &Value| {
        matches!(value.kind(), ValueKind::Number | ValueKind::Bool)
            || value.downcast_object_ref::<PythonNumber>().is_some()
    });
    environment
        .add_test("integer", |value: &Value| value.is_integer() || is_python_number(value, true));
    environment.add_test("float", |value: &Value| {
        (value.is_number() && !value.is_integer()) || is_python_number(value, false)
    });
}

fn describe(error: &Error) -> String {
    let mut text = error.kind().to_string();
    if let Some(detail) = error.detail() {
        text.push_str(": ");
        text.push_str(detail);
    }
    match error.line() {
        Some(line) => format!("line {line}: {text}"),
        None => text,
    }
}

fn raised_text(error: &Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(raised) = error.downcast_ref::<Raised>() {
            return Some(raised.0.clone());
        }
        source = error.source();
    }
    None
}

fn refusal(error: Error) -> Failure {
    let message = raised_text(&error).unwrap_or_else(|| describe(&error));
    Failure { status: Status::Refused, message }
}

impl Template {
    fn parse(source: &str) -> Result<Self, Failure> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| Failure::bad_input(describe(&error)))?);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        add_python_ways(&mut environment);
        environment
            .add_template_owned(NAME, without_generation_tags(source).into_owned())
            .map_err(|error| Failure::bad_input(describe(&error)))?;
        Ok(Template { environment })
    }

    fn render(&self, context_json: &str) -> Result<String, Failure> {
        let context: serde_json::Value = serde_json::from_str(context_json)
            .map_err(|error| Failure::bad_input(format!("not JSON: {error}")))?;
        if !context.is_object() {
            return Err(Failure::bad_input("the variables are not a JSON object"));
        }
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(BASE_FUEL + FUEL_PER_CONTEXT_BYTE * context_json.len() as u64));
        let template = environment.get_template(NAME).map_err(refusal)?;
        template.render(template_value(&context)).map_err(refusal)
    }
}

fn utf8(text: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(text).map_err(|error| Failure::bad_input(format!("not UTF-8: {error}")))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_template_parse(
    source: *const u8,
    size: usize,
    out: *mut *mut Template,
) -> Status {
    guard(|| {
        let template = Template::parse(utf8(unsafe { bytes(source, size) })?)?;
        unsafe { *out = Box::into_raw(Box::new(template)) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_template_free(template: *mut Template) {
    guard_value((), || {
        if !template.is_null() {
            drop(unsafe { Box::from_raw(template) });
        }
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn octavo_ffi_template_render(
    template: &Template,
    context_json: *const u8,
    size: usize,
    out: *mut Buffer<u8>,
) -> Status {
    guard(|| {
        let text = template.render(utf8(unsafe { bytes(context_json, size) })?)?;
        unsafe { *out = Buffer::give(text.into_bytes()) };
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_beyond_64_bits_keep_their_digits() {
        let template = Template::parse("{{ n }} {{ [n] }} {{ n is integer }} {{ n | tojson }}");
        let text = template.unwrap().render(r#"{"n": 123456789012345678901234567890}"#).unwrap();
        let digits = "123456789012345678901234567890";
        assert_eq!(text, format!("{digits} [{digits}] True {digits}"));
    }

    #[test]
    fn contexts_are_json_objects() {
        let template = Template::parse("x").unwrap();
        for context in ["", "[]", "{", &"[".repeat(100_000)] {
            assert_eq!(template.render(context).unwrap_err().status, Status::BadInput);
        }
    }

    #[test]
    fn only_generation_tags_are_replaced() {
        let source = "{%- generation -%}generation{{ generation }}{% endgeneration +%}{% x";
        let expected = "{%- if true -%}generation{{ generation }}{% endif +%}{% x";
        assert_eq!(without_generation_tags(source).replace("  ", " "), expected);
    }
}
