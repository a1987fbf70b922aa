//! C interface of the crates that Octavo uses for whatever a stranger may send: the reference
//! tokenizer and a template engine. `include/octavo_ffi.h` describes the functions.

mod buffers;
mod builtin_template;
mod guard;
mod python_methods;
mod python_number;
mod template;
mod template_values;
mod tojson;
mod tokenizer;
mod tokenizer_file;
