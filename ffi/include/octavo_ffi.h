// C interface of the ffi crate: the ecosystem's own tokenizer, template engine and decoders of
// pictures.
//
// Every function that can fail returns an OctavoFfiStatus; the message of the calling thread's last
// failure is then in octavo_ffi_error(). No function aborts, throws or prints. Handles may be used
// from several threads at once. Text is UTF-8 and need not end in NUL.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum OctavoFfiStatus {
  OCTAVO_FFI_OK = 0,
  OCTAVO_FFI_BAD_INPUT = 1,  // what was passed does not parse or contradicts itself
  OCTAVO_FFI_REFUSED = 2,    // the template refused: raise_exception, fuel, undefined values
  OCTAVO_FFI_INTERNAL = 3,   // a fault inside a crate
} OctavoFfiStatus;

// Borrowed text, owned by the handle that it came from.
typedef struct OctavoFfiText {
  const char* data;
  size_t size;
} OctavoFfiText;

// Owned buffers: give them back with the function that fits, never with free().
typedef struct OctavoFfiBytes {
  uint8_t* data;
  size_t size;
  size_t capacity;
} OctavoFfiBytes;

typedef struct OctavoFfiIds {
  uint32_t* data;
  size_t size;
  size_t capacity;
} OctavoFfiIds;

void octavo_ffi_bytes_free(OctavoFfiBytes bytes);
void octavo_ffi_ids_free(OctavoFfiIds ids);

// Message of the last failure on this thread; valid until the next call on this thread.
OctavoFfiText octavo_ffi_error(void);

// Tokenizers.

typedef struct OctavoFfiTokenizer OctavoFfiTokenizer;

// Parses the bytes of a tokenizer.json. Its truncation and padding are ignored.
OctavoFfiStatus octavo_ffi_tokenizer_parse(const char* json, size_t size, OctavoFfiTokenizer** out);
void octavo_ffi_tokenizer_free(OctavoFfiTokenizer* tokenizer);

// Added tokens written in the text become their ids; the post-processor is not run. Invalid UTF-8
// is replaced by U+FFFD.
OctavoFfiStatus octavo_ffi_tokenizer_encode(const OctavoFfiTokenizer* tokenizer, const char* text,
                                            size_t size, OctavoFfiIds* out);

// One more than the largest id.
uint32_t octavo_ffi_tokenizer_size(const OctavoFfiTokenizer* tokenizer);

// The vocabulary entry of an id, as written in the file; empty if there is none.
OctavoFfiText octavo_ffi_tokenizer_token(const OctavoFfiTokenizer* tokenizer, uint32_t id);

// 1 if the id is an added token marked special.
int octavo_ffi_tokenizer_is_special(const OctavoFfiTokenizer* tokenizer, uint32_t id);

// The id of a vocabulary entry, -1 if there is none.
int64_t octavo_ffi_tokenizer_id(const OctavoFfiTokenizer* tokenizer, const char* token,
                                size_t size);

// Chat templates.

typedef struct OctavoFfiTemplate OctavoFfiTemplate;

// Parses a Jinja template with the settings of Hugging Face's chat templates.
OctavoFfiStatus octavo_ffi_template_parse(const char* source, size_t size, OctavoFfiTemplate** out);
void octavo_ffi_template_free(OctavoFfiTemplate* chat_template);

// Source of the built-in template, src/text/gemma4_chat_template.jinja.
OctavoFfiText octavo_ffi_builtin_template(void);

// Renders with the members of a JSON object as variables.
OctavoFfiStatus octavo_ffi_template_render(const OctavoFfiTemplate* chat_template,
                                           const char* context_json, size_t size,
                                           OctavoFfiBytes* out);

// Pictures. A failure's message says what is wrong with the file, without naming it.

typedef struct OctavoFfiImageLimits {
  uint64_t max_pixels;        // width times height, compared before anything is decoded
  uint64_t max_memory;        // bytes of the file, the pixels and what the decoder takes
  uint32_t max_frames;        // of an animation
  uint64_t max_frame_pixels;  // width times height of an animation
  uint64_t max_work;          // for the frames of an animation that are decoded; see choose
  uint64_t max_milliseconds;  // of the processor, for the same
} OctavoFfiImageLimits;

typedef struct OctavoFfiImageSize {
  uint32_t width;
  uint32_t height;
  uint64_t bytes;  // that decoding needs, at least 3 * width * height
} OctavoFfiImageSize;

// Tells the size of a PNG, JPEG, WebP, GIF (the first frame) or BMP, told apart by their content,
// as it will be when it has been turned as its EXIF says. Refuses what is beyond the limits.
OctavoFfiStatus octavo_ffi_image_measure(const uint8_t* data, size_t size,
                                         const OctavoFfiImageLimits* limits,
                                         OctavoFfiImageSize* out);

// Decodes a picture into memory of the size that octavo_ffi_image_measure has told: 8-bit RGB, row
// by row, in its first 3 * width * height bytes. Alpha is dropped; of 16 bits the high byte is
// kept.
OctavoFfiStatus octavo_ffi_image_decode(const uint8_t* data, size_t size,
                                        const OctavoFfiImageLimits* limits, uint8_t* out,
                                        size_t out_size);

typedef struct OctavoFfiAnimation OctavoFfiAnimation;

// Opens an animated GIF or WebP. The bytes are not copied and must outlive it.
OctavoFfiStatus octavo_ffi_animation_open(const uint8_t* data, size_t size,
                                          const OctavoFfiImageLimits* limits,
                                          OctavoFfiAnimation** out);
void octavo_ffi_animation_free(OctavoFfiAnimation* animation);

// Of every frame.
OctavoFfiImageSize octavo_ffi_animation_size(const OctavoFfiAnimation* animation);
uint32_t octavo_ffi_animation_frames(const OctavoFfiAnimation* animation);

// Milliseconds that a frame is shown, as the file says.
uint32_t octavo_ffi_animation_delay(const OctavoFfiAnimation* animation, uint32_t frame);

// Says which frames will be read, in rising order. Refuses what would take too long, reckoned from
// the sizes of the frames: a pixel of a GIF takes a unit of work and a byte 6, in a WebP 8 and 20.
// Frames that no chosen one shows anything of are decoded, too, so that damage is noticed, unless
// that would take too long.
OctavoFfiStatus octavo_ffi_animation_choose(OctavoFfiAnimation* animation, const uint32_t* frames,
                                            size_t count);

// Decodes on to a chosen frame, into memory of octavo_ffi_animation_size, by one thread at a time.
OctavoFfiStatus octavo_ffi_animation_read(OctavoFfiAnimation* animation, uint32_t frame,
                                          uint8_t* out, size_t out_size);

// Decodes what is left behind the last frame that was read, and so finds out whether it is damaged.
OctavoFfiStatus octavo_ffi_animation_finish(OctavoFfiAnimation* animation);

// Bytes and text.

// SHA-256 of the bytes, written to digest[0..32).
void octavo_ffi_sha256(const uint8_t* data, size_t size, uint8_t* digest);

// Decodes base64 of the standard alphabet, with padding and nothing else in between.
OctavoFfiStatus octavo_ffi_base64_decode(const char* text, size_t size, OctavoFfiBytes* out);

#ifdef __cplusplus
}
#endif
