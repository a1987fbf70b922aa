#include "convert/awq.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"

namespace octavo::convert {
namespace {

// Far beyond what activations show; keeps products of three scales within BF16's exponents.
constexpr double kLargestExponent = 20;
constexpr double kFloor = 1e-8;

/// How the statistics of an expert stack become scales.
enum class Experts {
  kNone,      // not a stack
  kMerged,    // one norm feeds all experts: one scale for all
  kSeparate,  // each expert has its own feeder
};

struct Group {
  std::string name;                  // "layers.3: input_layernorm -> q, k, v"
  std::string feeder;                // a norm, or the matrix whose rows feed the reader
  std::vector<std::string> readers;  // every tensor that reads the feeder's output
  bool feeder_is_norm = true;
  Experts experts = Experts::kNone;
};

class Planner {
 public:
  Planner(const Plan& plan, const Importance& importance, AwqMode mode)
      : importance_(importance), mode_(mode) {
    for (const PlannedTensor& planned : plan.tensors)
      by_name_.emplace(planned.tensor.name, &planned);
  }

  AwqPlan run() {
    for (const std::string& layer : layers()) {
      for (Group& group : groups_of(layer)) consider(group);
    }
    return std::move(result_);
  }

 private:
  bool has(const std::string& name) const { return by_name_.contains(name); }

  /// Prefixes "….layers.3." of the decoder layers, in order.
  std::vector<std::string> layers() const {
    constexpr std::string_view kMark = "input_layernorm.weight";
    std::map<int, std::string> found;
    for (const auto& [name, planned] : by_name_) {
      if (is_tower_name(name) || !name.ends_with(kMark)) continue;
      found.emplace(layer_index(name), name.substr(0, name.size() - kMark.size()));
    }
    std::vector<std::string> prefixes;
    for (auto& [index, prefix] : found) prefixes.push_back(std::move(prefix));
    return prefixes;
  }

  std::vector<Group> groups_of(const std::string& layer) const {
    const std::string label = fmt::format("layer {}: ", layer_index(layer));
    const std::string q = layer + "self_attn.q_proj.weight", k = layer + "self_attn.k_proj.weight",
                      v = layer + "self_attn.v_proj.weight";
    const std::string gate = layer + "mlp.gate_proj.weight", up = layer + "mlp.up_proj.weight",
                      down = layer + "mlp.down_proj.weight";
    const std::string stack = layer + "experts.switch_glu.";
    const std::string experts_gate = stack + "gate_proj.weight",
                      experts_up = stack + "up_proj.weight",
                      experts_down = stack + "down_proj.weight";
    std::vector<Group> groups;
    Group attention{.name = label + "input_layernorm -> q, k, v",
                    .feeder = layer + "input_layernorm.weight",
                    .readers = {q}};
    for (const std::string& optional : {k, v}) {  // absent where K serves as V, or older ones do
      if (has(optional)) attention.readers.push_back(optional);
    }
    groups.push_back(std::move(attention));
    groups.push_back({.name = label + "pre_feedforward_layernorm -> gate, up",
                      .feeder = layer + "pre_feedforward_layernorm.weight",
                      .readers = {gate, up}});
    groups.push_back(
        {.name = label + "up -> down", .feeder = up, .readers = {down}, .feeder_is_norm = false});
    if (has(experts_down)) {
      groups.push_back({.name = label + "pre_feedforward_layernorm_2 -> experts' gate, up",
                        .feeder = layer + "pre_feedforward_layernorm_2.weight",
                        .readers = {experts_gate, experts_up},
                        .experts = Experts::kMerged});
      groups.push_back({.name = label + "experts' up -> experts' down",
                        .feeder = experts_up,
                        .readers = {experts_down},
                        .feeder_is_norm = false,
                        .experts = Experts::kSeparate});
    }
    return groups;
  }

  void consider(const Group& group) {
    const auto skip = [&](std::string reason) {
      result_.skipped.push_back({group.name, std::move(reason)});
    };
    if (!has(group.feeder)) return skip(group.feeder + " is missing");
    for (const std::string& reader : group.readers) {
      if (!has(reader)) return skip(reader + " is missing");
      const std::optional<QuantSpec>& spec = by_name_.at(reader)->spec;
      if (mode_ == AwqMode::kAuto && (!spec || spec->mode != QuantMode::kAffine)) {
        return skip(fmt::format("{} becomes {}: scaling helps integer formats only",
                                tensor_class(reader), describe(spec)));
      }
    }
    // E4M3 block scales reach down to 2^-9 only, where weights already lie: dividing rows of such a
    // matrix would cost more than the reader gains.
    const std::optional<QuantSpec>& feeder = by_name_.at(group.feeder)->spec;
    if (mode_ == AwqMode::kAuto && feeder && feeder->mode == QuantMode::kNvfp4) {
      return skip(tensor_class(group.feeder) +
                  " becomes nvfp4, whose block scales would underflow");
    }
    const std::vector<int8_t> scales = exponents(group);
    if (scales.empty()) return skip("no statistics in the importance matrix");
    if (std::all_of(scales.begin(), scales.end(), [](int8_t e) { return e == 0; })) {
      return skip("all scales round to 1");
    }
    apply(group, scales);
  }

  /// One exponent per column of the readers; [matrices, width] for separate experts. Empty: no
  /// data.
  std::vector<int8_t> exponents(const Group& group) const {
    std::vector<std::vector<double>> means;  // per matrix
    for (const std::string& reader : group.readers) {
      if (const ImatrixEntry* entry = importance_.find(reader)) {
        take_maximum(means, group.experts == Experts::kSeparate ? separate_means(*entry)
                                                                : merged_means(*entry));
      }
    }
    if (std::all_of(means.begin(), means.end(), [](const auto& m) { return m.empty(); })) return {};
    size_t width = 0;
    for (const auto& matrix : means) width = std::max(width, matrix.size());
    std::vector<int8_t> result;
    for (const auto& matrix : means) {
      std::vector<int8_t> part =
          matrix.empty() ? std::vector<int8_t>(width, 0) : awq_exponents(matrix);
      result.insert(result.end(), part.begin(), part.end());
    }
    return result;
  }

  /// Σ sums / Σ counts over all matrices; empty without data.
  static std::vector<std::vector<double>> merged_means(const ImatrixEntry& entry) {
    double count = 0;
    for (float c : entry.counts) count += c;
    if (count <= 0) return {{}};
    std::vector<double> mean(entry.width());
    for (size_t i = 0; i < entry.sums.size(); ++i) mean[i % mean.size()] += entry.sums[i];
    for (double& value : mean) value /= count;
    return {mean};
  }

  static std::vector<std::vector<double>> separate_means(const ImatrixEntry& entry) {
    std::vector<std::vector<double>> means(entry.matrices());
    for (size_t e = 0; e < means.size(); ++e) {
      if (entry.counts[e] <= 0) continue;
      const float* sums = entry.sums.data() + e * entry.width();
      for (size_t j = 0; j < entry.width(); ++j) {
        means[e].push_back(static_cast<double>(sums[j]) / entry.counts[e]);
      }
    }
    return means;
  }

  static void take_maximum(std::vector<std::vector<double>>& into,
                           const std::vector<std::vector<double>>& other) {
    if (into.empty()) into.resize(other.size());
    for (size_t m = 0; m < other.size(); ++m) {
      if (into[m].empty()) into[m] = other[m];
      for (size_t j = 0; j < other[m].size(); ++j) into[m][j] = std::max(into[m][j], other[m][j]);
    }
  }

  void apply(const Group& group, const std::vector<int8_t>& scales) {
    for (const std::string& reader : group.readers) result_.tensors[reader].columns = scales;
    std::vector<int8_t> inverse(scales.size());
    std::transform(scales.begin(), scales.end(), inverse.begin(), [](int8_t e) { return -e; });
    TensorScaling& feeder = result_.tensors[group.feeder];
    (group.feeder_is_norm ? feeder.columns : feeder.rows) = std::move(inverse);
    ++result_.groups;
    if (group.feeder_is_norm) ++result_.norms;
  }

  const Importance& importance_;
  AwqMode mode_;
  std::map<std::string, const PlannedTensor*> by_name_;
  AwqPlan result_;
};

}  // namespace

std::vector<int8_t> awq_exponents(const std::vector<double>& importance) {
  std::vector<double> scale(importance.size());
  std::transform(importance.begin(), importance.end(), scale.begin(),
                 [](double mean_square) { return std::sqrt(std::max(mean_square, kFloor)); });
  const auto [low, high] = std::minmax_element(scale.begin(), scale.end());
  const double centre = std::max(std::sqrt(*low * *high), kFloor);
  std::vector<int8_t> exponents(scale.size());
  std::transform(scale.begin(), scale.end(), exponents.begin(), [&](double s) {
    return static_cast<int8_t>(
        std::clamp(std::round(std::log2(s / centre)), -kLargestExponent, kLargestExponent));
  });
  return exponents;
}

AwqPlan plan_awq(const Plan& plan, const Importance& importance, AwqMode mode) {
  if (mode == AwqMode::kOff) return {};
  return Planner(plan, importance, mode).run();
}

}  // namespace octavo::convert
