// Small files on disk for the tests of checkpoint and base.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "../temp_folder.h"
#include "octavo/error.h"

namespace octavo::testing {

std::string read_file(const std::filesystem::path& path);

/// Eight bytes, little-endian.
std::string u64(uint64_t value);
std::string u32(uint32_t value);

/// A file with this header text and data: right or wrong.
std::string safetensors(std::string_view header, std::string_view data = "");

struct Tensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::string data;  // empty: zeros of the right size
};

/// A valid file of these tensors in this order.
std::string safetensors(const std::vector<Tensor>& tensors);

/// Runs `body`, which must throw octavo::Error of `code` with all of `parts` in its one line.
void expect_error(ErrorCode code, const std::vector<std::string>& parts,
                  const std::function<void()>& body);

}  // namespace octavo::testing
