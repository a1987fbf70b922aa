// Tests of synth: folders that go away, and a small shape.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace octavo::synth {

/// A fresh folder that goes away with its owner.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The 26B-A4B shape shrunk: 6 layers, the last one full, 4 experts, rows of whole groups and, in
/// the experts, of an odd number of stretches.
nlohmann::json small_config();

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace octavo::synth
