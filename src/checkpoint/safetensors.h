// checkpoint: one .safetensors file, mapped and fully validated before any offset is used.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "checkpoint/tensor_view.h"

namespace octavo {

/// What the header of a file says, checked against the bytes that follow it.
struct SafetensorsHeader {
  std::vector<TensorView> tensors;  // in data order
  std::map<std::string, std::string> metadata;
};

/// Parses and validates the bytes of a whole file; `name` stands in errors. Throws kBadFile naming
/// file and tensor for everything the format forbids: header size, JSON, dtype, shape products,
/// offsets, holes, overlaps, data that no tensor owns. The views point into `bytes`.
SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, std::string_view name);

class SafetensorsFile {
 public:
  /// Only the header is read.
  ///
  /// The size is checked against the descriptor that was mapped. Should another process shorten the
  /// file later, touching the lost pages raises SIGBUS, which a library must not catch:
  /// replace model files by renaming, never in place. `check_unchanged` finds such changes late.
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::vector<TensorView>& tensors() const { return header_.tensors; }  // in data order
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const MappedFile& file() const { return file_; }

  /// Throws kBadFile if the file at this path was replaced, resized or written since it was opened.
  void check_unchanged() const;

 private:
  struct Stamp {
    uint64_t size = 0;
    std::filesystem::file_time_type written;
  };

  explicit SafetensorsFile(MappedFile file) : file_(std::move(file)) {}
  Stamp stamp() const;

  MappedFile file_;
  SafetensorsHeader header_;
  Stamp opened_;
};

}  // namespace octavo
