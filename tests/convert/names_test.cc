#include "convert/names.h"

#include <gtest/gtest.h>

namespace octavo::convert {
namespace {

struct NameCase {
  const char* source;
  const char* output;  // nullptr: dropped
};

TEST(Names, FollowTheRulesOfTheFormat) {
  const NameCase cases[] = {
      {"model.language_model.embed_tokens.weight", "language_model.model.embed_tokens.weight"},
      {"language_model.model.embed_tokens.weight", "language_model.model.embed_tokens.weight"},
      {"model.language_model.model.norm.weight", "language_model.model.norm.weight"},
      {"model.language_model.layers.3.layer_scalar", "language_model.model.layers.3.layer_scalar"},
      {"model.language_model.layers.3.self_attn.rotary_emb.inv_freq", nullptr},
      {"lm_head.weight", nullptr},
      {"language_model.lm_head.weight", nullptr},
      {"model.vision_tower.std_bias", "vision_tower.std_bias"},
      {"vision_tower.std_bias", "vision_tower.std_bias"},
      {"model.vision_tower.encoder.layers.0.self_attn.q_proj.input_max",
       "vision_tower.encoder.layers.0.self_attn.q_proj.input_max"},
      {"model.audio_tower.layers.0.x.output_min", "audio_tower.layers.0.x.output_min"},
      {"model.language_model.layers.0.mlp.up_proj.input_min", nullptr},
      {"model.embed_vision.embedding_projection.weight",
       "embed_vision.embedding_projection.weight"},
      {"model.language_model.layers.7.experts.down_proj",
       "language_model.model.layers.7.experts.switch_glu.down_proj.weight"},
      {"language_model.model.layers.7.experts.switch_glu.up_proj.weight",
       "language_model.model.layers.7.experts.switch_glu.up_proj.weight"},
  };
  for (const NameCase& test : cases) {
    const auto name = output_name(test.source, Naming{});
    if (!test.output) {
      EXPECT_FALSE(name.has_value()) << test.source;
    } else {
      EXPECT_EQ(name.value_or("dropped"), test.output) << test.source;
    }
  }
}

TEST(Names, FusedExpertsSplitIntoGateAndUp) {
  const char* fused = "model.language_model.layers.7.experts.gate_up_proj";
  EXPECT_TRUE(is_fused_gate_up(fused));
  EXPECT_EQ(output_name(fused, Naming{}, Part::kFirstHalf),
            "language_model.model.layers.7.experts.switch_glu.gate_proj.weight");
  EXPECT_EQ(output_name(fused, Naming{}, Part::kSecondHalf),
            "language_model.model.layers.7.experts.switch_glu.up_proj.weight");
}

TEST(Names, UntiedHeadIsKept) {
  EXPECT_EQ(output_name("lm_head.weight", Naming{.tied_head = false}),
            "language_model.lm_head.weight");
  EXPECT_EQ(output_name("lm_head.weight", Naming{.text_only = true, .tied_head = false}),
            "lm_head.weight");
}

TEST(Names, TextOnlyCheckpointsKeepTheirShortPrefix) {
  const Naming naming{.text_only = true};
  EXPECT_EQ(output_name("model.layers.0.mlp.up_proj.weight", naming),
            "model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(output_name("model.layers.0.experts.down_proj", naming),
            "model.layers.0.experts.switch_glu.down_proj.weight");
}

TEST(Names, LayersThatShareKeysLoseTheirOwn) {
  const Naming naming{.first_shared_layer = 2};
  EXPECT_TRUE(output_name("model.language_model.layers.1.self_attn.k_proj.weight", naming));
  for (const char* part : {"k_proj", "v_proj", "k_norm"}) {
    EXPECT_FALSE(output_name(
        "model.language_model.layers.2.self_attn." + std::string(part) + ".weight", naming));
  }
  EXPECT_TRUE(output_name("model.language_model.layers.2.self_attn.q_norm.weight", naming));
  EXPECT_TRUE(output_name("model.vision_tower.encoder.layers.3.self_attn.k_norm.weight", naming));
}

TEST(Names, LayerIndexIsReadFromThePath) {
  EXPECT_EQ(layer_index("language_model.model.layers.29.mlp.up_proj.weight"), 29);
  EXPECT_EQ(layer_index("language_model.model.norm.weight"), -1);
  EXPECT_EQ(layer_index("layers.x.weight"), -1);
  EXPECT_EQ(layer_index("layers.12"), -1);
}

}  // namespace
}  // namespace octavo::convert
