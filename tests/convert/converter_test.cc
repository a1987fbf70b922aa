#include "convert/converter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "base/fail.h"
#include "checkpoint/quantised_layout.h"
#include "convert/convert_report.h"
#include "convert/float_cast.h"
#include "fixtures.h"
#include "numerics/bfloat16.h"

namespace octavo::convert {
namespace {

namespace fs = std::filesystem;

std::vector<float> values_of(const TensorView& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  to_floats(tensor.bytes, tensor.dtype, values, tensor.name);
  return values;
}

class Converter : public testing::Test {
 protected:
  Converter() { write_checkpoint(in(), tiny_config()); }
  fs::path in() const { return folder_ / "in"; }
  fs::path out() const { return folder_ / "out"; }

  ConvertOptions card() const {
    ConvertOptions options = options_for(in(), out());
    options.quantize = true;
    options.bits = 8;
    options.mxfp = true;
    options.recipe = "unsloth";
    return options;
  }

  /// Names in the test's folder, to see what a failure leaves.
  std::set<std::string> left() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  TempFolder folder_;
};

TEST_F(Converter, WithoutQuantisationEveryBitIsKept) {
  const ConvertReport report = convert(options_for(in(), out()));
  const Checkpoint before = Checkpoint::open(in()), after = Checkpoint::open(out());
  EXPECT_EQ(before.payload_bytes(), after.payload_bytes());
  EXPECT_EQ(report.plan.payload_bytes(), after.payload_bytes());
  const TensorView& fused = before.get("model.language_model.layers.2.experts.gate_up_proj");
  const std::string stack = "language_model.model.layers.2.experts.switch_glu.";
  const TensorView& gate = after.get(stack + "gate_proj.weight");
  const TensorView& up = after.get(stack + "up_proj.weight");
  EXPECT_EQ(gate.shape, (std::vector<int64_t>{4, 64, 128}));
  const size_t half = 64 * 128 * 2;  // bytes of one expert's gate
  for (size_t e = 0; e < 4; ++e) {
    const auto source = fused.bytes.subspan(e * 2 * half);
    EXPECT_EQ(std::memcmp(gate.bytes.data() + e * half, source.data(), half), 0);
    EXPECT_EQ(std::memcmp(up.bytes.data() + e * half, source.data() + half, half), 0);
  }
  for (const char* name : {"vision_tower.std_bias", "embed_vision.embedding_projection.weight"}) {
    const auto& kept = after.get(name).bytes;
    const auto& source = before.get(std::string("model.") + name).bytes;
    EXPECT_TRUE(std::equal(kept.begin(), kept.end(), source.begin(), source.end())) << name;
  }
}

TEST_F(Converter, TheCardsCommandReadsBackWithinItsError) {
  const ConvertReport report = convert(card());
  EXPECT_EQ(report.clipped_mxfp8_groups(), 0u);
  EXPECT_EQ(report.expert_stacks, 18);
  EXPECT_EQ(left(), (std::set<std::string>{"in", "out"}));
  const Checkpoint before = Checkpoint::open(in()), after = Checkpoint::open(out());
  const ModelConfig config = ModelConfig::parse(after.config(), "out");
  EXPECT_EQ(after.config().at("quantization"), after.config().at("quantization_config"));
  for (const PlannedTensor& planned : report.plan.tensors) {
    if (!planned.spec || planned.tensor.part != Part::kWhole) continue;
    const std::string module(module_path(planned.tensor.name));
    ASSERT_EQ(quant_spec_of(after, config, module), planned.spec) << module;
    const std::vector<float> source = values_of(before.get(planned.tensor.source));
    std::vector<float> decoded(source.size());
    const auto bytes = [&](const char* suffix) -> std::span<const uint8_t> {
      const TensorView* tensor = after.find(module + suffix);
      if (!tensor) return {};
      return {reinterpret_cast<const uint8_t*>(tensor->bytes.data()), tensor->bytes.size()};
    };
    dequantize(bytes(".weight"), bytes(".scales"), bytes(".biases"), planned.tensor.shape.back(),
               *planned.spec, decoded);
    double error = 0, norm = 0;
    for (size_t i = 0; i < source.size(); ++i) {
      error += std::pow(source[i] - decoded[i], 2);
      norm += std::pow(source[i], 2);
    }
    EXPECT_LT(std::sqrt(error / norm), planned.spec->mode == QuantMode::kMxfp8 ? 0.03 : 0.009)
        << module;
  }
  for (const ClassReport& line : report.classes) {
    if (!line.spec) continue;
    EXPECT_GT(line.relative_rmse(), 0.001) << line.tensor_class;
  }
}

TEST_F(Converter, BytesDoNotDependOnThreads) {
  ConvertOptions options = card();
  const ConvertReport one = convert(options);
  options.output = folder_ / "two";
  options.threads = 2;
  const ConvertReport two = convert(options);
  for (const auto& entry : fs::directory_iterator(out())) {
    const std::string name = entry.path().filename().string();
    EXPECT_EQ(read_file(entry.path()), read_file(folder_ / "two" / name)) << name;
  }
  for (size_t i = 0; i < one.classes.size(); ++i) {
    EXPECT_EQ(one.classes[i].error.squared_error, two.classes[i].error.squared_error);
  }
}

TEST_F(Converter, OutputIsASourceOfItsOwn) {
  convert(options_for(in(), out()));
  ConvertOptions again = card();
  again.output = folder_ / "direct";
  convert(again);
  again.input = out();
  again.output = folder_ / "twice";
  convert(again);
  EXPECT_EQ(read_file(folder_ / "direct" / "model.safetensors"),
            read_file(folder_ / "twice" / "model.safetensors"));
}

TEST_F(Converter, ConfigurationIsComplete) {
  nlohmann::json config = tiny_config();
  config["_name_or_path"] = "somewhere";
  config["torch_dtype"] = "bfloat16";
  config.erase("vocab_size");
  nlohmann::json& text = config["text_config"];
  for (const char* key : {"num_kv_shared_layers", "use_double_wide_mlp", "global_head_dim",
                          "num_global_key_value_heads"}) {
    text.erase(key);
  }
  text["hidden_size_per_layer_input"] = nullptr;
  text["per_layer_config"] = {{"5", {{"head_dim", 64}, {"num_key_value_heads", 1}}}};
  write_file(in() / "config.json", config.dump());
  ConvertOptions options = card();
  options.dtype = Dtype::kF16;
  convert(options);
  const nlohmann::json written = nlohmann::json::parse(read_file(out() / "config.json"));
  const nlohmann::json& out_text = written["text_config"];
  EXPECT_FALSE(written.contains("_name_or_path"));
  EXPECT_EQ(written["vocab_size"], 320);
  EXPECT_EQ(written["dtype"], "float16");
  EXPECT_EQ(written["torch_dtype"], "float16");
  EXPECT_EQ(out_text["dtype"], "float16");
  EXPECT_EQ(out_text["num_kv_shared_layers"], 0);
  EXPECT_EQ(out_text["use_double_wide_mlp"], false);
  EXPECT_EQ(out_text["hidden_size_per_layer_input"], 0);
  EXPECT_EQ(out_text["global_head_dim"], 64);
  EXPECT_EQ(out_text["num_global_key_value_heads"], 1);
  EXPECT_TRUE(written["vision_config"].is_object());
  EXPECT_EQ(written["octavo"]["recipe"], "unsloth+mxfp");
  const nlohmann::json& block = written["quantization"];
  EXPECT_EQ(block["bits"], 8);
  EXPECT_EQ(block["group_size"], 64);
  EXPECT_EQ(block["mode"], "affine");
  // 6 layers of 9 matrices (8 on the one without v) beside the three keys of the head.
  EXPECT_EQ(block.size(), 3u + 6 * 9 - 1);
}

TEST_F(Converter, SideFilesFollowButCodeDoesNot) {
  for (const char* name : {"tokenizer.json", "chat_template.jinja", "generation_config.json",
                           "LICENSE", "modeling.py", "README.md"}) {
    write_file(in() / name, name);
  }
  convert(card());
  EXPECT_EQ(read_file(out() / "tokenizer.json"), "tokenizer.json");
  EXPECT_TRUE(fs::exists(out() / "chat_template.jinja"));
  EXPECT_TRUE(fs::exists(out() / "LICENSE"));
  EXPECT_FALSE(fs::exists(out() / "modeling.py"));
  EXPECT_FALSE(fs::exists(out() / "README.md"));
}

TEST_F(Converter, ExistingOutputsNeedForceAndMustBeModels) {
  convert(card());
  EXPECT_THROW(convert(card()), Error);
  ConvertOptions options = card();
  options.force = true;
  EXPECT_NO_THROW(convert(options));
  fs::create_directory(folder_ / "documents");
  write_file(folder_ / "documents" / "letter.txt", "dear");
  options.output = folder_ / "documents";
  EXPECT_THROW(convert(options), Error);
  EXPECT_EQ(read_file(folder_ / "documents" / "letter.txt"), "dear");
}

TEST_F(Converter, InputIsNeverTheOutput) {
  ConvertOptions options = card();
  options.force = true;
  for (const fs::path& output : {in(), in() / ".", in() / "", folder_.path()}) {
    options.output = output;
    EXPECT_THROW(convert(options), Error) << output;
  }
  EXPECT_TRUE(fs::exists(in() / "model.safetensors"));
}

TEST_F(Converter, QuantisedInputsAreRefused) {
  convert(card());
  ConvertOptions options = card();
  options.input = out();
  options.output = folder_ / "again";
  try {
    convert(options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("already quantised"), std::string::npos);
  }
}

TEST_F(Converter, MissingTensorsAndWrongShapesAreNamed) {
  nlohmann::json config = tiny_config();
  config["text_config"]["num_hidden_layers"] = 7;
  config["text_config"]["layer_types"].push_back("full_attention");
  write_file(in() / "config.json", config.dump());
  try {
    convert(card());
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("layers.6."), std::string::npos) << error.what();
  }
  config = tiny_config();
  config["text_config"]["intermediate_size"] = 256;
  write_file(in() / "config.json", config.dump());
  try {
    convert(card());
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("[128, 192]"), std::string::npos) << error.what();
  }
  EXPECT_EQ(left(), (std::set<std::string>{"in"}));
}

TEST_F(Converter, NonFiniteWeightsNameTheTensorAndLeaveNothing) {
  const std::string intact = read_file(in() / "model.safetensors");
  for (const std::string name :
       {"layers.3.mlp.up_proj.weight", "layers.3.input_layernorm.weight"}) {
    std::string file = intact;
    write_file(in() / "model.safetensors", file);
    const Checkpoint source = Checkpoint::open(in());
    const TensorView& tensor = source.get("model.language_model." + name);
    const auto found = file.find(
        std::string(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()));
    const uint16_t infinity = 0x7f80;
    std::memcpy(file.data() + found + 100, &infinity, sizeof infinity);
    write_file(in() / "model.safetensors", file);
    try {
      convert(card());
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadFile);
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
    EXPECT_EQ(left(), (std::set<std::string>{"in"}));
  }
}

TEST_F(Converter, CancellingLeavesNothing) {
  int calls = 0;
  try {
    convert(card(), [&] { return ++calls > 20; });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(left(), (std::set<std::string>{"in"}));
}

TEST_F(Converter, VisionMayBeAbsent) {
  nlohmann::json config = tiny_config();
  config["vision_config"] = nullptr;
  fs::remove_all(in());
  write_checkpoint(in(), config);
  EXPECT_NO_THROW(convert(card()));
  write_file(in() / "config.json", tiny_config().dump());  // claims a tower that is not there
  ConvertOptions options = card();
  options.force = true;
  EXPECT_NO_THROW(convert(options));
}

/// Column j of the weight times element j of its norm does not change by a single bit.
TEST_F(Converter, FoldingIsExact) {
  std::map<std::string, Statistics> entries;
  for (int layer = 0; layer < 6; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    const auto add = [&](const char* name, size_t width, size_t matrices) {
      Statistics entry{.sums = {}, .counts = std::vector<float>(matrices, 7)};
      for (size_t i = 0; i < width * matrices; ++i) {
        entry.sums.push_back(7 * std::ldexp(1.f, static_cast<int>(i * 2654435761u % 13)));
      }
      entries[prefix + name + ".weight"] = entry;
    };
    add("attn_q", 128, 1);
    add("ffn_up", 128, 1);
    add("ffn_down", 192, 1);
    add("ffn_gate_up_exps", 128, 4);
    add("ffn_down_exps", 64, 4);
  }
  write_file(folder_ / "im.gguf", gguf_imatrix(entries));
  convert(options_for(in(), folder_ / "plain"));
  ConvertOptions options = options_for(in(), out());
  options.imatrix = folder_ / "im.gguf";
  options.awq = AwqMode::kOn;
  const ConvertReport report = convert(options);
  EXPECT_EQ(report.awq.groups, 6 * 5);
  EXPECT_EQ(report.awq.norms, 6 * 3);
  EXPECT_EQ(report.awq_inexact, 0u);
  const Checkpoint before = Checkpoint::open(folder_ / "plain"), after = Checkpoint::open(out());
  const auto expect_same_product = [&](const std::string& norm, const std::string& matrix) {
    const auto norm0 = values_of(before.get(norm)), norm1 = values_of(after.get(norm));
    const auto w0 = values_of(before.get(matrix)), w1 = values_of(after.get(matrix));
    EXPECT_NE(norm0, norm1);
    for (size_t i = 0; i < w0.size(); ++i) {
      const size_t j = i % norm0.size();
      ASSERT_EQ(w0[i] * norm0[j], w1[i] * norm1[j]) << matrix << " " << i;
    }
  };
  for (int layer : {0, 5}) {
    const std::string prefix = "language_model.model.layers." + std::to_string(layer) + ".";
    expect_same_product(prefix + "input_layernorm.weight", prefix + "self_attn.q_proj.weight");
    expect_same_product(prefix + "input_layernorm.weight", prefix + "self_attn.k_proj.weight");
    expect_same_product(prefix + "pre_feedforward_layernorm.weight",
                        prefix + "mlp.gate_proj.weight");
    expect_same_product(prefix + "pre_feedforward_layernorm_2.weight",
                        prefix + "experts.switch_glu.gate_proj.weight");
    // Row i of up times column i of down, expert by expert.
    const std::string stack = prefix + "experts.switch_glu.";
    const auto norm0 = values_of(before.get(prefix + "pre_feedforward_layernorm_2.weight"));
    const auto norm1 = values_of(after.get(prefix + "pre_feedforward_layernorm_2.weight"));
    const auto up0 = values_of(before.get(stack + "up_proj.weight"));
    const auto up1 = values_of(after.get(stack + "up_proj.weight"));
    const auto down0 = values_of(before.get(stack + "down_proj.weight"));
    const auto down1 = values_of(after.get(stack + "down_proj.weight"));
    EXPECT_NE(down0, down1);
    for (size_t e = 0; e < 4; ++e) {
      for (size_t i = 0; i < 64; ++i) {
        const size_t up = (e * 64 + i) * 128 + 17, down = (e * 128 + 99) * 64 + i;
        ASSERT_EQ(norm0[17] * up0[up] * down0[down], norm1[17] * up1[up] * down1[down]);
      }
    }
  }
}

TEST_F(Converter, AnUnusedImportanceMatrixIsMentioned) {
  write_file(
      folder_ / "im.gguf",
      gguf_imatrix({{"blk.0.attn_q.weight", {.sums = std::vector<float>(128, 3), .counts = {1}}}}));
  ConvertOptions options = card();
  options.imatrix = folder_ / "im.gguf";
  const ConvertReport report = convert(options);
  EXPECT_EQ(report.awq.groups, 0);
  EXPECT_NE(report_text(report, true).find("changed no weight"), std::string::npos);
  EXPECT_FALSE(report.awq.skipped.empty());
  EXPECT_EQ(report_json(report)["awq"]["groups"], 0);
}

TEST(FloatCast, HalfRoundsToNearestEvenAndRefusesOverflow) {
  const auto half = [](float value) {
    std::array<std::byte, 2> bytes;
    from_floats(std::span(&value, 1), Dtype::kF16, bytes, "t");
    uint16_t bits;
    std::memcpy(&bits, bytes.data(), 2);
    return bits;
  };
  EXPECT_EQ(half(1.0f), 0x3c00);
  EXPECT_EQ(half(-2.0f), 0xc000);
  EXPECT_EQ(half(65504.0f), 0x7bff);
  EXPECT_EQ(half(65519.0f), 0x7bff);
  EXPECT_EQ(half(0x1p-24f), 0x0001);
  EXPECT_EQ(half(0x1p-25f), 0x0000);           // tie to even
  EXPECT_EQ(half(0x1.8p-24f), 0x0002);         // tie to even, upwards
  EXPECT_EQ(half(1.0f + 0x1p-11f), 0x3c00);    // tie to even
  EXPECT_EQ(half(1.0f + 0x1.8p-10f), 0x3c02);  // tie to even, upwards
  EXPECT_EQ(half(-0.0f), 0x8000);
  EXPECT_THROW(half(65520.0f), Error);
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {  // every half survives the way to f32 and back
    const auto stored = static_cast<uint16_t>(bits);
    float value;
    to_floats(std::as_bytes(std::span(&stored, 1)), Dtype::kF16, std::span(&value, 1), "t");
    if (std::isnan(value)) continue;
    ASSERT_EQ(half(value), stored);
  }
}

TEST_F(Converter, ScalesThatOverflowAreAnError) {
  // Weights near the top of BF16's range: any scale above 1 leaves it.
  std::string file = read_file(in() / "model.safetensors");
  const Checkpoint source = Checkpoint::open(in());
  const TensorView& tensor = source.get("model.language_model.layers.0.self_attn.q_proj.weight");
  const auto found = file.find(
      std::string(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()));
  const uint16_t huge = 0x7f7f;
  std::memcpy(file.data() + found + 2, &huge, sizeof huge);
  write_file(in() / "model.safetensors", file);
  Statistics entry{.sums = {}, .counts = {1}};
  for (int i = 0; i < 128; ++i) entry.sums.push_back(i % 2 ? 16.f : 1.f);
  write_file(folder_ / "im.gguf", gguf_imatrix({{"blk.0.attn_q.weight", entry}}));
  ConvertOptions options = options_for(in(), out());
  options.imatrix = folder_ / "im.gguf";
  options.awq = AwqMode::kOn;
  EXPECT_THROW(convert(options), Error);
}

}  // namespace
}  // namespace octavo::convert
