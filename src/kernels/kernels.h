// kernels: the inner loops of the CPU backend, one table of them per
// instruction set, chosen at run time. Knows number formats and pointers; knows
// no tensors, models or threads.
//
// The order of every reduction is fixed: f32 products run over 16 interleaved
// partial sums (element i goes to sum i % 16), integer ones group by group, attention by position.
// So one output depends on its own row and input only: prefill in any chunk, decode, and batches
// give bit-identical results. matmul, matmul_integer and matmul_tiles each have their own, though.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/attention.h"
#include "kernels/integer_row.h"
#include "kernels/matrix_view.h"

namespace octavo {

struct Kernels {
  std::string_view name;

  /// y[t][r] = row r of m dot x[t], for r in [row_begin, row_end) and t in [0,
  /// tokens). x[t] holds m.cols floats padded with zeros to a multiple of 16.
  /// `scratch`: exact_scratch_floats(m), best aligned to 64 bytes as x[t] is.
  void (*matmul)(const MatrixView& m, int64_t row_begin, int64_t row_end, const float* const* x,
                 int64_t tokens, float* const* y, float* scratch);

  /// The same product in integers, of a quantised matrix and rows made by
  /// quantise_row; see integer_row.h. `scratch`: integer_scratch_bytes(m,
  /// tokens), aligned to 64 bytes.
  void (*matmul_integer)(const MatrixView& m, int64_t row_begin, int64_t row_end,
                         const IntegerRow* x, int64_t tokens, float* const* y, void* scratch);

  /// n values as integers. A value that is not finite makes its group's scale
  /// NaN.
  void (*quantise_row)(const float* x, int64_t n, const IntegerRow& out);

  /// Where quantise_row puts element i of a block of 64.
  int (*code_place)(int i);

  /// Row `row` as f32, multiplied by `scale`; writes padded(m.cols) floats.
  /// `scratch`: 2 * padded(m.groups()) floats.
  void (*decode_row)(const MatrixView& m, int64_t row, float scale, float* out, float* scratch);

  /// out = x / sqrt(mean(x^2) + eps) * weight (nullptr: no weight) * scale; n =
  /// length.
  void (*rms_norm)(const float* x, const float* weight, float eps, float scale, int64_t n,
                   float* out);

  /// out = gelu_tanh(gate) * up.
  void (*gelu_multiply)(const float* gate, const float* up, int64_t n, float* out);

  /// x = cap * tanh(x / cap).
  void (*softcap)(float* x, float cap, int64_t n);

  /// out += weight * x.
  void (*accumulate)(const float* x, float weight, int64_t n, float* out);

  /// Rotates element i with element i + half (rotate-half convention), in place.
  void (*rotate)(float* x, const float* cos, const float* sin, int64_t half);

  /// Stores one position's key and value [head_dim] at `slot` of the block part at `head`.
  void (*write_kv)(const KvLayout& layout, int64_t slot, const float* key, const float* value,
                   std::byte* head);

  /// softmax(queries . keys) . values, scale 1, over the keys of one span, not yet divided by the
  /// sum of probabilities: `partial` holds partial_stride(head_dim) floats per row of the tile,
  /// `scores` is scratch of kScoreStride floats per row.
  void (*attention_span)(const AttentionTile& tile, int64_t span, float* partial, float* scores);

  /// Adds a span's partial results to tile.out; to be called for the spans of the tile in ascending
  /// order. `state`: two floats per row, kept between the calls. The last call divides.
  void (*attention_merge)(const AttentionTile& tile, int64_t span, const float* partial,
                          float* state);

  /// n values, padded with zeros to a multiple of 16, as `parts` (2 or 3) BF16 numbers each: one
  /// row of a block of 16; see tile_rows.h. Null, like the next, where the CPU has no matrix tiles.
  void (*split_row)(const float* x, int64_t n, int parts, uint16_t* row) = nullptr;

  /// The product in matrix tiles, of a matrix that fits_tiles and rows made by split_row, `tokens`
  /// of them from the first row of block `x` on; see matmul_tiles.h. `scratch`:
  /// tile_scratch_bytes(m), aligned to 64 bytes.
  void (*matmul_tiles)(const MatrixView& m, int64_t row_begin, int64_t row_end, const uint16_t* x,
                       int parts, int64_t tokens, float* const* y, void* scratch) = nullptr;
};

/// Rows of a register tile of `matmul`.
inline constexpr int64_t kTileRows = 4;
inline constexpr int64_t kLanes = 16;
inline constexpr int64_t padded(int64_t n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}

int64_t exact_scratch_floats(const MatrixView& m);

/// Up to this many tokens the products read the weights row by row, as they lie;
/// for more they decode panels of rows first.
inline constexpr int64_t kRowKernelTokens = 4;
int64_t integer_scratch_bytes(const MatrixView& m, int64_t tokens);
int64_t tile_scratch_bytes(const MatrixView& m);

/// The kernels for this CPU: the widest instruction set it has, or the one
/// named by the environment variable OCTAVO_ISA (scalar, avx2, avxvnni, avx512,
/// avx512vnni, avx512fp16, amx, neon). Throws kBadRequest if the CPU lacks that one.
const Kernels& kernels();

/// The table of one instruction set; throws kBadRequest for an unknown name or
/// a CPU without it.
const Kernels& kernels_for(std::string_view isa);
/// Names of the instruction sets this CPU can run, widest first.
std::vector<std::string_view> available_isas();

}  // namespace octavo
