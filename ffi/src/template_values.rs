//! JSON to the template engine's values.

use minijinja::Value;
use serde_json::Value as Json;

use crate::python_number::number_value;

pub fn template_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => number_value(number),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(template_value).collect(),
        Json::Object(members) => Value::from_pairs(
            members.iter().map(|(key, item)| (key.as_str(), template_value(item))),
        ),
    }
}
