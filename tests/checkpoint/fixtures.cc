#include "fixtures.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "checkpoint/tensor_view.h"

namespace octavo::testing {

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string u64(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

std::string u32(uint32_t value) {
  return u64(value).substr(0, 4);
}

std::string safetensors(std::string_view header, std::string_view data) {
  return u64(header.size()).append(header).append(data);
}

std::string safetensors(const std::vector<Tensor>& tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::string data;
  for (const Tensor& tensor : tensors) {
    size_t size = dtype_size(parse_dtype(tensor.dtype).value());
    for (int64_t dim : tensor.shape) size *= static_cast<size_t>(dim);
    const size_t begin = data.size();
    data += tensor.data.empty() ? std::string(size, '\0') : tensor.data;
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  return safetensors(header.dump(), data);
}

void expect_error(ErrorCode code, const std::vector<std::string>& parts,
                  const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    for (const std::string& part : parts)
      EXPECT_THAT(std::string(error.what()), ::testing::HasSubstr(part));
    EXPECT_THAT(std::string(error.what()), ::testing::Not(::testing::HasSubstr("\n")));
    return;
  }
  ADD_FAILURE() << "no error; expected one with '" << (parts.empty() ? "" : parts[0]) << "'";
}

}  // namespace octavo::testing
