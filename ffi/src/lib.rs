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
mod image_canvas;
mod image_decode;
mod image_exif;
mod image_gif;
mod image_jpeg;
mod image_jpeg_scans;
mod image_outline;
mod image_outline_gif;
mod image_outline_jpeg;
mod image_outline_png_bmp;
mod image_outline_webp;
mod image_png;
mod image_reader;
mod image_rgb;
mod image_turn;
mod image_webp;
mod python_methods;
mod python_number;
mod template;
mod template_values;
mod tojson;
mod tokenizer;
mod tokenizer_file;
