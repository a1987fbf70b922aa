"""Writes a GGUF file with the shapes of Gemma 4 26B-A4B, fewer layers and random Q8_0 weights, to time llama.cpp
beside Octavo (docs/performance.md): `octavo synth --like 26b-a4b` writes the same shapes for Octavo.

    pip install gguf==0.19.0
    python tools/bench/make_gguf.py --layers 6 build/synth-6.gguf
"""

import argparse

import gguf
import numpy as np

HIDDEN, VOCABULARY, HEADS, WINDOW = 2816, 262144, 16, 1024
DENSE_WIDTH, EXPERT_WIDTH, EXPERTS, TOP_K = 2112, 704, 128, 8
SLIDING = {"head": 256, "kv_heads": 8}
FULL = {"head": 512, "kv_heads": 2}
Q8_0_BLOCK = 32
rng = np.random.default_rng(1)


def q8_0(*shape: int) -> np.ndarray:
    """Random Q8_0 weights as bytes: 32 signed codes after one FP16 scale. A few rows, repeated."""
    *outer, cols = shape
    rows = int(np.prod(outer))
    block = np.empty((min(rows, 64), cols // Q8_0_BLOCK, 2 + Q8_0_BLOCK), dtype=np.uint8)
    block[..., :2] = np.full(block.shape[:2] + (1,), 0.02 / 40, dtype=np.float16).view(np.uint8)
    codes = np.clip(np.rint(rng.normal(0, 40, block.shape[:2] + (Q8_0_BLOCK,))), -127, 127)
    block[..., 2:] = codes.astype(np.int8).view(np.uint8)
    block = block.reshape(block.shape[0], -1)
    return np.resize(block, (rows, block.shape[1])).reshape(*outer, -1)


def is_full(layer: int) -> bool:
    return layer % 6 == 5


def add_settings(writer: gguf.GGUFWriter, layers: int) -> None:
    writer.add_context_length(262144)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(DENSE_WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv([(FULL if is_full(i) else SLIDING)["kv_heads"] for i in range(layers)])
    writer.add_key_length(FULL["head"])
    writer.add_value_length(FULL["head"])
    writer.add_key_length_swa(SLIDING["head"])
    writer.add_value_length_swa(SLIDING["head"])
    writer.add_rope_dimension_count(FULL["head"])
    writer.add_rope_dimension_count_swa(SLIDING["head"])
    writer.add_rope_freq_base(1e6)
    writer.add_rope_freq_base_swa(1e4)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_sliding_window(WINDOW)
    writer.add_sliding_window_pattern([not is_full(i) for i in range(layers)])
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(TOP_K)
    writer.add_expert_feed_forward_length(EXPERT_WIDTH)
    writer.add_final_logit_softcapping(30.0)
    writer.add_embedding_length_per_layer_input(0)
    writer.add_shared_kv_layers(0)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("none")


def add_tensors(writer: gguf.GGUFWriter, layers: int) -> None:
    made: dict[tuple[int, ...], np.ndarray] = {}

    def matrix(name: str, *shape: int) -> None:
        if shape not in made:  # one array for all layers: the file has a copy for each
            made[shape] = q8_0(*shape)
        writer.add_tensor(f"{name}.weight", made[shape], raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    def vector(name: str, *shape: int) -> None:
        writer.add_tensor(name, rng.uniform(0.5, 1.5, shape).astype(np.float32))

    matrix("token_embd", VOCABULARY, HIDDEN)
    vector("output_norm.weight", HIDDEN)
    vector("rope_freqs.weight", FULL["head"] // 2)
    for i in range(layers):
        kind, at = (FULL if is_full(i) else SLIDING), f"blk.{i}"
        matrix(f"{at}.attn_q", HEADS * kind["head"], HIDDEN)
        matrix(f"{at}.attn_k", kind["kv_heads"] * kind["head"], HIDDEN)
        if not is_full(i):
            matrix(f"{at}.attn_v", kind["kv_heads"] * kind["head"], HIDDEN)
        matrix(f"{at}.attn_output", HIDDEN, HEADS * kind["head"])
        vector(f"{at}.attn_q_norm.weight", kind["head"])
        vector(f"{at}.attn_k_norm.weight", kind["head"])
        for norm in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "pre_ffw_norm_2",
                     "post_ffw_norm_1", "post_ffw_norm_2"):
            vector(f"{at}.{norm}.weight", HIDDEN)
        vector(f"{at}.layer_output_scale.weight", 1)
        matrix(f"{at}.ffn_gate", DENSE_WIDTH, HIDDEN)
        matrix(f"{at}.ffn_up", DENSE_WIDTH, HIDDEN)
        matrix(f"{at}.ffn_down", HIDDEN, DENSE_WIDTH)
        writer.add_tensor(f"{at}.ffn_gate_inp.weight",
                          rng.normal(0, 0.02, (EXPERTS, HIDDEN)).astype(np.float32))
        vector(f"{at}.ffn_gate_inp.scale", HIDDEN)
        matrix(f"{at}.ffn_gate_up_exps", EXPERTS, 2 * EXPERT_WIDTH, HIDDEN)
        matrix(f"{at}.ffn_down_exps", EXPERTS, HIDDEN, EXPERT_WIDTH)
        vector(f"{at}.ffn_down_exps.scale", EXPERTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--layers", type=int, default=6)
    arguments = parser.parse_args()
    if arguments.layers < 6 or arguments.layers % 6 != 0:
        parser.error("--layers must be a multiple of 6: every sixth layer sees the whole context, as the last one must")
    writer = gguf.GGUFWriter(arguments.output, "gemma4")
    add_settings(writer, arguments.layers)
    add_tensors(writer, arguments.layers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file(progress=True)
    writer.close()


if __name__ == "__main__":
    main()
