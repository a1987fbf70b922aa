// kernels: the inner loops, written once against a vector of 16 float lanes and
// compiled per instruction set. Included by <isa>/kernels.cc only. Everything
// is a template over that vector type, so that no function compiled for a wide
// instruction set can be linked into portable code.
#pragma once

#include "kernels/attention_body.h"
#include "kernels/elementwise.h"
#include "kernels/kernels.h"
#include "kernels/kv_write.h"
#include "kernels/matmul_exact.h"
#include "kernels/matmul_integer.h"
#include "kernels/quantise_row.h"

namespace octavo {
namespace {

template <class V>
constexpr Kernels make_kernels(std::string_view name) {
  return {name,          matmul<V>,   matmul_integer<V>, quantise_row<V>,   V::Ints::place,
          decode_row<V>, rms_norm<V>, gelu_multiply<V>,  softcap<V>,        accumulate<V>,
          rotate<V>,     write_kv<V>, attention_span<V>, attention_merge<V>};
}

}  // namespace
}  // namespace octavo
