// An inspection for people and as JSON.
#include <fmt/format.h>

#include <algorithm>

#include "base/progress.h"
#include "convert/inspect.h"

namespace octavo::convert {
namespace {

using nlohmann::ordered_json;

struct Attention {
  size_t layers = 0;
  LayerConfig example;
};

Attention attention_of(const TextConfig& text, bool full) {
  Attention result;
  for (const LayerConfig& layer : text.layers) {
    if (layer.full_attention != full) continue;
    if (result.layers++ == 0) result.example = layer;
  }
  return result;
}

std::string millions(uint64_t parameters) {
  return parameters >= 1'000'000'000
             ? fmt::format("{:.2f} B", static_cast<double>(parameters) / 1e9)
             : fmt::format("{:.2f} M", static_cast<double>(parameters) / 1e6);
}

std::string attention_text(const TextConfig& text) {
  std::string result;
  for (bool full : {false, true}) {
    const Attention attention = attention_of(text, full);
    if (attention.layers == 0) continue;
    result += fmt::format("  {} {} layer{}: {} heads, {} kv heads of {}{}{}\n", attention.layers,
                          full ? "full" : "sliding", attention.layers == 1 ? "" : "s",
                          text.num_attention_heads, attention.example.kv_heads,
                          attention.example.head_dim,
                          full ? "" : fmt::format(", window {}", text.sliding_window),
                          attention.example.k_is_v ? ", values = keys" : "");
  }
  return result;
}

std::string geometry_text(const InspectReport& report) {
  const TextConfig& text = report.config.text;
  std::string result =
      fmt::format("{}: {} layers, hidden {}, vocabulary {}, context {}\n{}",
                  report.config.model_type, text.layers.size(), text.hidden_size, text.vocab_size,
                  text.max_position_embeddings, attention_text(text));
  if (text.moe) {
    result += fmt::format("  {} experts of width {}, {} per token, beside a dense MLP of {}\n",
                          text.num_experts, text.moe_intermediate_size, text.top_k_experts,
                          text.layers.front().intermediate_size);
  }
  if (text.num_kv_shared_layers > 0) {
    result += fmt::format("  the last {} layers share keys and values of those below{}\n",
                          text.num_kv_shared_layers,
                          text.use_double_wide_mlp ? ", MLP twice as wide" : "");
  }
  if (text.hidden_size_per_layer_input > 0) {
    result += fmt::format("  per-layer inputs of {}\n", text.hidden_size_per_layer_input);
  }
  if (report.config.vision) {
    result +=
        fmt::format("  vision tower: {} layers, hidden {}\n",
                    report.config.vision->num_hidden_layers, report.config.vision->hidden_size);
  }
  if (report.config.has_audio) result += "  audio tower: kept, not run\n";
  return result;
}

std::string deep_text(const DeepScan& deep) {
  std::string text = fmt::format("\ncodes that are not numbers: {}; scales: {}\n",
                                 deep.invalid_codes, deep.invalid_scales);
  if (deep.mxfp8_groups > 0) {
    const char* rule = deep.saturated_share() < 0.2   ? "scales were rounded up"
                       : deep.saturated_share() > 0.3 ? "scales were rounded to nearest: clipped"
                                                      : "no clear scale rule";
    text += fmt::format("mxfp8 groups at the largest code: {:.1f} % ({})\n",
                        100 * deep.saturated_share(), rule);
  }
  return text;
}

}  // namespace

std::string inspect_text(const InspectReport& report) {
  std::string text = fmt::format("{}\n{}\n", report.folder.string(), geometry_text(report));
  text += fmt::format("{:<22} {:<12} {:>7} {:>12} {:>16} {:>8}\n", "tensor class", "format",
                      "modules", "parameters", "bytes", "share");
  for (const InspectLine& line : report.lines) {
    text += fmt::format("{:<22} {:<12} {:>7} {:>12} {:>16} {:>6.1f} %\n", line.tensor_class,
                        line.format, line.modules, millions(line.parameters), line.bytes,
                        100.0 * static_cast<double>(line.bytes) /
                            static_cast<double>(std::max<uint64_t>(1, report.payload_bytes)));
  }
  text += fmt::format("\n{} tensors in {} file{}, {} bytes ({})\n", report.tensors, report.shards,
                      report.shards == 1 ? "" : "s", report.payload_bytes,
                      format_bytes(static_cast<double>(report.payload_bytes)));
  text += fmt::format("parameters: {} ({} text, {} vision and audio), {} active per token\n",
                      millions(report.text_parameters + report.tower_parameters),
                      millions(report.text_parameters), millions(report.tower_parameters),
                      millions(report.active_parameters));
  if (report.deep) text += deep_text(*report.deep);
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  for (const std::string& problem : report.problems) text += "problem: " + problem + "\n";
  text += report.problems.empty() ? "checks: all passed\n"
                                  : fmt::format("checks: {} failed\n", report.problems.size());
  return text;
}

ordered_json inspect_json(const InspectReport& report) {
  const TextConfig& text = report.config.text;
  ordered_json classes = ordered_json::array();
  ordered_json modes = ordered_json::object();
  for (const InspectLine& line : report.lines) {
    classes.push_back({{"class", line.tensor_class},
                       {"format", line.format},
                       {"modules", line.modules},
                       {"parameters", line.parameters},
                       {"bytes", line.bytes}});
    ordered_json& mode = modes[line.format];
    if (mode.is_null()) mode = ordered_json::object();
    mode["modules"] = mode.value("modules", 0) + line.modules;
    mode["bytes"] = mode.value("bytes", uint64_t{0}) + line.bytes;
  }
  ordered_json layers{{"count", text.layers.size()},
                      {"sliding", attention_of(text, false).layers},
                      {"full", attention_of(text, true).layers},
                      {"hidden", text.hidden_size},
                      {"window", text.sliding_window},
                      {"shared_kv", text.num_kv_shared_layers},
                      {"per_layer_input", text.hidden_size_per_layer_input},
                      {"experts", text.moe ? text.num_experts : 0},
                      {"experts_per_token", text.moe ? text.top_k_experts : 0}};
  ordered_json json{{"folder", report.folder.string()},
                    {"model_type", report.config.model_type},
                    {"tensors", report.tensors},
                    {"shards", report.shards},
                    {"payload_bytes", report.payload_bytes},
                    {"parameters",
                     {{"total", report.text_parameters + report.tower_parameters},
                      {"text", report.text_parameters},
                      {"towers", report.tower_parameters},
                      {"active", report.active_parameters}}},
                    {"layers", std::move(layers)},
                    {"modes", std::move(modes)},
                    {"classes", std::move(classes)},
                    {"notes", report.notes},
                    {"problems", report.problems}};
  if (report.deep) {
    json["deep"] = {{"invalid_codes", report.deep->invalid_codes},
                    {"invalid_scales", report.deep->invalid_scales},
                    {"mxfp8_groups", report.deep->mxfp8_groups},
                    {"saturated_share", report.deep->saturated_share()}};
  }
  return json;
}

}  // namespace octavo::convert
