//! The `tojson` filter of Hugging Face's chat templates: Python's json.dumps, not the engine's own,
//! which escapes `<`, `>`, `&` and `'` for HTML.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use crate::python_number::{PythonNumber, float_repr};

const DEPTH_LIMIT: usize = 128;

struct Style {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

impl Style {
    fn read(mut arguments: Vec<Value>, kwargs: &Kwargs) -> Result<Self, Error> {
        let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
        if arguments.len() > names.len() {
            return Err(Error::from(ErrorKind::TooManyArguments));
        }
        arguments.resize(names.len(), Value::UNDEFINED);
        for (argument, name) in arguments.iter_mut().zip(names) {
            if let Some(value) = kwargs.get::<Option<Value>>(name)? {
                *argument = value;
            }
        }
        kwargs.assert_all_used()?;
        let indent = indent_text(&arguments[1])?;
        let (item_separator, key_separator) = separators(&arguments[2], indent.is_some())?;
        Ok(Style {
            ensure_ascii: arguments[0].is_true(),
            indent,
            item_separator,
            key_separator,
            sort_keys: arguments[3].is_true(),
        })
    }
}

fn indent_text(value: &Value) -> Result<Option<String>, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(None);
    }
    if let Some(text) = value.as_str() {
        return Ok(Some(text.into()));
    }
    let width = value
        .as_i64()
        .filter(|width| *width <= 64)
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "tojson: indent above 64"))?;
    Ok(Some(" ".repeat(width.max(0) as usize)))
}

fn separators(value: &Value, indented: bool) -> Result<(String, String), Error> {
    if value.is_undefined() || value.is_none() {
        return Ok((if indented { "," } else { ", " }.into(), ": ".into()));
    }
    let texts: Vec<String> = value.try_iter()?.map(|text| text.to_string()).collect();
    match <[String; 2]>::try_from(texts) {
        Ok([item, key]) => Ok((item, key)),
        Err(_) => Err(Error::new(ErrorKind::InvalidOperation, "tojson: separators are a pair")),
    }
}

struct Writer<'a, 's, 'e> {
    state: &'a State<'s, 'e>,
    style: Style,
    out: String,
    charged: usize,
}

impl Writer<'_, '_, '_> {
    /// Output is paid for while it grows: a shared value may be written many times over.
    fn charge(&mut self) -> Result<(), Error> {
        let grown = (self.out.len() - self.charged) / 64;
        if grown > 0 {
            self.state.consume_fuel(grown as u64)?;
            self.charged = self.out.len();
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_LIMIT {
            return Err(Error::new(ErrorKind::InvalidOperation, "tojson: nested too deeply"));
        }
        self.charge()?;
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number_text(value)?),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Map => self.map(value, depth)?,
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth)?,
            kind => match value.downcast_object_ref::<PythonNumber>() {
                Some(number) => self.out.push_str(number.json()),
                None => {
                    return Err(Error::new(
                        ErrorKind::InvalidOperation,
                        format!("Object of type {kind} is not JSON serializable"),
                    ));
                }
            },
        }
        Ok(())
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                c if c < ' ' || (self.style.ensure_ascii && !(' '..='~').contains(&c)) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        self.out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut pairs = Vec::new();
        for key in value.try_iter()? {
            let item = value.get_item(&key)?;
            pairs.push((key_text(&key)?, item));
        }
        if self.style.sort_keys {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
        }
        if pairs.is_empty() {
            self.out.push_str("{}");
            return Ok(());
        }
        self.out.push('{');
        for (index, (key, item)) in pairs.iter().enumerate() {
            self.separate(index, depth + 1);
            self.string(key);
            self.out.push_str(&self.style.key_separator);
            self.value(item, depth + 1)?;
        }
        self.new_line(depth);
        self.out.push('}');
        Ok(())
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let start = self.out.len();
        self.out.push('[');
        let mut count = 0;
        for item in value.try_iter()? {
            self.separate(count, depth + 1);
            self.value(&item, depth + 1)?;
            count += 1;
        }
        if count > 0 {
            self.new_line(depth);
        } else {
            self.out.truncate(start + 1);
        }
        self.out.push(']');
        Ok(())
    }

    fn separate(&mut self, index: usize, depth: usize) {
        if index > 0 {
            self.out.push_str(&self.style.item_separator);
        }
        self.new_line(depth);
    }

    fn new_line(&mut self, depth: usize) {
        if let Some(indent) = &self.style.indent {
            self.out.push('\n');
            self.out.push_str(&indent.repeat(depth));
        }
    }
}

fn number_text(value: &Value) -> Result<String, Error> {
    if value.is_integer() {
        return Ok(value.to_string());
    }
    Ok(PythonNumber::float(f64::try_from(value.clone())?).json().to_string())
}

fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_string()),
        ValueKind::None => Ok("null".into()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.into()),
        ValueKind::Number if key.is_integer() => Ok(key.to_string()),
        ValueKind::Number => Ok(float_repr(f64::try_from(key.clone())?)),
        kind => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("keys must be str, int, float, bool or None, not {kind}"),
        )),
    }
}

pub fn tojson(
    state: &State,
    value: &Value,
    arguments: minijinja::value::Rest<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let style = Style::read(arguments.to_vec(), &kwargs)?;
    let mut writer = Writer { state, style, out: String::new(), charged: 0 };
    writer.value(value, 0)?;
    Ok(writer.out)
}
