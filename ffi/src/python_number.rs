//! Numbers that print as Python prints them: floats, and integers beyond 64 bits.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value};
use serde_json::Number;

/// A number known by its text. The engine's own numbers would print 1e-05 as 0.00001 and turn large
/// integers into floats.
pub struct PythonNumber {
    text: String,
    is_zero: bool,
    pub is_integer: bool,
}

impl PythonNumber {
    pub fn float(value: f64) -> Self {
        PythonNumber { text: float_repr(value), is_zero: value == 0.0, is_integer: false }
    }

    fn integer(text: String) -> Self {
        PythonNumber { text, is_zero: false, is_integer: true }
    }

    /// The text that json.dumps gives.
    pub fn json(&self) -> &str {
        match self.text.as_str() {
            "inf" => "Infinity",
            "-inf" => "-Infinity",
            "nan" => "NaN",
            text => text,
        }
    }
}

impl fmt::Debug for PythonNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Object for PythonNumber {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.is_zero
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub fn number_value(number: &Number) -> Value {
    if let Some(value) = number.as_i64() {
        return Value::from(value);
    }
    if let Some(value) = number.as_u64() {
        return Value::from(value);
    }
    let text = number.to_string();
    if text.contains(['.', 'e', 'E']) {
        let value = text.parse::<f64>().unwrap_or(f64::NAN);
        Value::from_object(PythonNumber::float(value))
    } else {
        Value::from_object(PythonNumber::integer(text))
    }
}

/// Python's repr of a float: the shortest digits that read back the same, with an exponent below
/// 1e-4 and from 1e16 on.
pub fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let positional = format!("{value}");
    if positional.contains('.') { positional } else { positional + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_python() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1.5, "1.5"),
            (-2.25, "-2.25"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.25e-5, "1.25e-05"),
            (123456789.125, "123456789.125"),
            (1e15, "1000000000000000.0"),
            (9999999999999998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1e22, "1e+22"),
            (1e100, "1e+100"),
            (-1.5e300, "-1.5e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(float_repr(value), expected);
        }
        assert_eq!(float_repr(f64::NAN), "nan");
    }

    fn printed(json: &str) -> String {
        let number: Number = serde_json::from_str(json).unwrap();
        number_value(&number).to_string()
    }

    #[test]
    fn json_numbers_keep_their_kind() {
        assert_eq!(printed("20"), "20");
        assert_eq!(printed("-9223372036854775808"), "-9223372036854775808");
        assert_eq!(printed("18446744073709551615"), "18446744073709551615");
        assert_eq!(printed("123456789012345678901234567890"), "123456789012345678901234567890");
        assert_eq!(printed("1.0"), "1.0");
        assert_eq!(printed("1E5"), "100000.0");
        assert_eq!(printed("1e999"), "inf");
    }
}
