//! C interface of the crates that Octavo uses for whatever a stranger may send: the reference
//! tokenizer, a template engine, decoders of pictures. `include/octavo_ffi.h` describes the
//! functions.

mod base64;
mod buffers;
mod builtin_template;
mod digest;
mod guard;
mod image;
mod image_animation;
mod image_decode;
mod image_outline;
mod image_reader;
mod python_methods;
mod python_number;
mod template;
mod template_values;
mod tojson;
mod tokenizer;
mod tokenizer_file;
