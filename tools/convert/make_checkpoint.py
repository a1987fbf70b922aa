#!/usr/bin/env python3
"""Writes a random Gemma 4 checkpoint in Hugging Face naming: small ones for tests, or a few layers
of real shapes for timing the converter. Needs numpy only.

  make_checkpoint.py tests/configs/gemma-4-26b-a4b-it.json OUT --layers 1 --vision-layers 0
  make_checkpoint.py CONFIG OUT --tiny
"""

import argparse
import json
import pathlib
import struct

import numpy as np


def tiny(config):
    text = config["text_config"]
    text.update(
        hidden_size=128, intermediate_size=192, moe_intermediate_size=64, num_experts=8,
        top_k_experts=2, num_attention_heads=4, num_key_value_heads=2, num_global_key_value_heads=1,
        head_dim=32, global_head_dim=64, vocab_size=512, vocab_size_per_layer_input=512,
        sliding_window=16)
    config["vocab_size"] = 512
    vision = config["vision_config"]
    vision.update(
        hidden_size=64, intermediate_size=96, num_attention_heads=2, num_key_value_heads=2,
        head_dim=32, global_head_dim=32, position_embedding_size=32)


def text_tensors(text):
    hidden, prefix = text["hidden_size"], "model.language_model."
    heads = text["num_attention_heads"]
    yield prefix + "embed_tokens.weight", [text["vocab_size"], hidden]
    yield prefix + "norm.weight", [hidden]
    for index, kind in enumerate(text["layer_types"]):
        layer = f"{prefix}layers.{index}."
        full = kind == "full_attention"
        dim = text["global_head_dim"] if full else text["head_dim"]
        shared = full and text["attention_k_eq_v"]
        kv = dim * text["num_global_key_value_heads" if shared else "num_key_value_heads"]
        norms = ["input", "post_attention", "pre_feedforward", "post_feedforward"]
        suffixes = ["post_feedforward_layernorm_1", "pre_feedforward_layernorm_2",
                    "post_feedforward_layernorm_2"] if text["enable_moe_block"] else []
        for norm in [n + "_layernorm" for n in norms] + suffixes:
            yield f"{layer}{norm}.weight", [hidden]
        yield layer + "layer_scalar", [1]
        yield layer + "self_attn.q_proj.weight", [heads * dim, hidden]
        yield layer + "self_attn.k_proj.weight", [kv, hidden]
        if not shared:
            yield layer + "self_attn.v_proj.weight", [kv, hidden]
        yield layer + "self_attn.o_proj.weight", [hidden, heads * dim]
        yield layer + "self_attn.q_norm.weight", [dim]
        yield layer + "self_attn.k_norm.weight", [dim]
        width = text["intermediate_size"]
        yield layer + "mlp.gate_proj.weight", [width, hidden]
        yield layer + "mlp.up_proj.weight", [width, hidden]
        yield layer + "mlp.down_proj.weight", [hidden, width]
        if text["enable_moe_block"]:
            experts, width = text["num_experts"], text["moe_intermediate_size"]
            yield layer + "router.proj.weight", [experts, hidden]
            yield layer + "router.scale", [hidden]
            yield layer + "router.per_expert_scale", [experts]
            yield layer + "experts.gate_up_proj", [experts, 2 * width, hidden]
            yield layer + "experts.down_proj", [experts, hidden, width]


def vision_tensors(vision, text_hidden):
    hidden, prefix = vision["hidden_size"], "model.vision_tower."
    yield prefix + "patch_embedder.input_proj.weight", [hidden, 3 * vision["patch_size"] ** 2]
    table = [2, vision["position_embedding_size"], hidden]
    yield prefix + "patch_embedder.position_embedding_table", table
    for index in range(vision["num_hidden_layers"]):
        layer = f"{prefix}encoder.layers.{index}."
        width = vision["num_attention_heads"] * vision["head_dim"]
        for name in "qkv":
            yield f"{layer}self_attn.{name}_proj.linear.weight", [width, hidden]
        yield layer + "self_attn.o_proj.linear.weight", [hidden, width]
        inner = vision["intermediate_size"]
        yield layer + "mlp.gate_proj.linear.weight", [inner, hidden]
        yield layer + "mlp.up_proj.linear.weight", [inner, hidden]
        yield layer + "mlp.down_proj.linear.weight", [hidden, inner]
        for name in "qk":
            yield f"{layer}self_attn.{name}_norm.weight", [vision["head_dim"]]
        for name in ["input", "post_attention", "pre_feedforward", "post_feedforward"]:
            yield f"{layer}{name}_layernorm.weight", [hidden]
    if vision["standardize"]:
        yield prefix + "std_bias", [hidden]
        yield prefix + "std_scale", [hidden]
    yield "model.embed_vision.embedding_projection.weight", [text_hidden, hidden]


def bf16(values):
    bits = values.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def write_random(file, name, count, rng):
    is_vector = "norm" in name or name.endswith(("scale", "layer_scalar"))
    while count > 0:
        step = min(count, 1 << 24)
        values = rng.standard_normal(step, dtype=np.float32)
        values = 1 + np.float32(0.2) * values if is_vector else np.float32(0.05) * values
        file.write(bf16(values).tobytes())
        count -= step


def write_safetensors(path, tensors, rng):
    header, offset = {}, 0
    for name, shape in tensors:
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            write_random(file, name, int(np.prod(shape)), rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--tiny", action="store_true", help="small widths")
    parser.add_argument("--layers", type=int, default=6, help="text layers to keep")
    parser.add_argument("--vision-layers", type=int, default=2, help="0: no vision tower")
    parser.add_argument("--vocab", type=int, help="smaller vocabulary")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    config = json.loads(pathlib.Path(options.config).read_text())
    text, vision = config["text_config"], config["vision_config"]
    if options.tiny:
        tiny(config)
    if options.vocab:
        text["vocab_size"] = config["vocab_size"] = options.vocab
    text["num_hidden_layers"] = options.layers
    text["layer_types"] = text["layer_types"][:options.layers]
    text["layer_types"][-1] = "full_attention"
    tensors = list(text_tensors(text))
    if options.vision_layers:
        vision["num_hidden_layers"] = options.vision_layers
        tensors += vision_tensors(vision, text["hidden_size"])
    else:
        config["vision_config"] = None
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_safetensors(options.out / "model.safetensors", tensors,
                      np.random.default_rng(options.seed))


if __name__ == "__main__":
    main()
