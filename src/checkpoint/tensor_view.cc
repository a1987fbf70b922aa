#include "checkpoint/tensor_view.h"

#include <array>

namespace octavo {
namespace {

struct DtypeInfo {
  Dtype dtype;
  std::string_view name;
  size_t size;
};

// In the order of the enumeration.
constexpr std::array kDtypes{
    DtypeInfo{Dtype::kBool, "BOOL", 1},      DtypeInfo{Dtype::kU8, "U8", 1},
    DtypeInfo{Dtype::kI8, "I8", 1},          DtypeInfo{Dtype::kF8E4M3, "F8_E4M3", 1},
    DtypeInfo{Dtype::kF8E8M0, "F8_E8M0", 1}, DtypeInfo{Dtype::kU16, "U16", 2},
    DtypeInfo{Dtype::kI16, "I16", 2},        DtypeInfo{Dtype::kF16, "F16", 2},
    DtypeInfo{Dtype::kBF16, "BF16", 2},      DtypeInfo{Dtype::kU32, "U32", 4},
    DtypeInfo{Dtype::kI32, "I32", 4},        DtypeInfo{Dtype::kF32, "F32", 4},
    DtypeInfo{Dtype::kU64, "U64", 8},        DtypeInfo{Dtype::kI64, "I64", 8},
    DtypeInfo{Dtype::kF64, "F64", 8},
};

constexpr bool in_enum_order() {
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (static_cast<size_t>(kDtypes[i].dtype) != i) return false;
  }
  return true;
}
static_assert(in_enum_order());

const DtypeInfo& info(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)];
}

}  // namespace

std::string_view to_string(Dtype dtype) {
  return info(dtype).name;
}

size_t dtype_size(Dtype dtype) {
  return info(dtype).size;
}

std::optional<Dtype> parse_dtype(std::string_view name) {
  for (const DtypeInfo& entry : kDtypes) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

std::string to_string(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (int64_t dim : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(dim);
  }
  return text + "]";
}

int64_t TensorView::elements() const {
  int64_t count = 1;
  for (int64_t dim : shape) count *= dim;
  return count;
}

}  // namespace octavo
