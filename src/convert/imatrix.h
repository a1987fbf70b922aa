// convert: importance matrices: how strongly each input column of a matrix is used, as llama.cpp
// measures it. Reads the GGUF form and the older .dat form.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "convert/inventory.h"

namespace octavo::convert {

/// One recorded product: `matrices` (1, or the number of experts) times `width` input columns.
struct ImatrixEntry {
  std::vector<float> sums;    // sums of squared inputs, [matrices, width]
  std::vector<float> counts;  // rows that were summed, [matrices]; 0 = this one was never used

  size_t matrices() const { return counts.size(); }
  size_t width() const { return counts.empty() ? 0 : sums.size() / counts.size(); }
};

/// Entries by llama.cpp's name, without ".weight": "blk.0.attn_q". Throws kBadFile naming file and
/// entry for damaged files, negative or non-finite values.
std::map<std::string, ImatrixEntry> read_imatrix(const std::filesystem::path& path);

/// The statistics of a model's matrices, by output name.
class Importance {
 public:
  Importance() = default;
  /// Matches entries to tensors. Throws kBadFile if an entry's width or number of experts is not
  /// that of its tensor: the file belongs to another model.
  Importance(const std::filesystem::path& path, const std::vector<InventoryTensor>& inventory,
             const Naming& naming);

  /// nullptr if nothing was recorded for this tensor.
  const ImatrixEntry* find(const std::string& output_name) const;

  size_t matched() const { return by_name_.size(); }
  const std::vector<std::string>& unmatched() const { return unmatched_; }

 private:
  std::map<std::string, ImatrixEntry> entries_;
  std::map<std::string, const ImatrixEntry*> by_name_;
  std::vector<std::string> unmatched_;
};

}  // namespace octavo::convert
