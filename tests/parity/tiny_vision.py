"""Tiny random Gemma 4 checkpoints that see, and the pictures that they are shown.

Each kind is a text model as in tiny_checkpoints.py, with a vision tower beside it. Pictures are made
from a seed and have a size that the resize rule leaves alone, but for those whose name says so.

    python tiny_vision.py standardised hf OUT      writes one folder
"""

import copy
import hashlib
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np

import safetensors_io
import tiny_checkpoints
from tiny_checkpoints import DENSE, ODD, generator, pattern, text_config

BEGIN, END, IMAGE = 5, 6, 7  # of and in a picture: the special ids of full_config()
BUDGET = 70  # soft tokens of a picture, at most


def vision_config(**changes):
    config = {
        "model_type": "gemma4_vision",
        "dtype": "bfloat16",
        "hidden_size": 128,
        "intermediate_size": 176,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 72,
        "global_head_dim": 72,
        "hidden_activation": "gelu_pytorch_tanh",
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 131072,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100.0},
        "pooling_kernel_size": 3,
        "patch_size": 16,
        "position_embedding_size": 64,
        "default_output_length": 280,
        "use_clipped_linears": False,
        "standardize": False,
        "initializer_range": 0.02,
    }
    config.update(changes)
    config["global_head_dim"] = config["head_dim"]
    return config


SMALL = {"vocab_size": 160, "hidden_size": 64}
CAUSAL = {"use_bidirectional_attention": None}

# kind -> (text, vision). Pictures of 63 to 70 tokens are longer than most windows; only that of
# `plain` holds them whole.
KINDS = {
    "standardised": (
        text_config(**SMALL, layer_types=pattern("sfssf")), vision_config(standardize=True)),
    "clipped": (
        text_config(**SMALL, layer_types=pattern("ssf"), **DENSE, **CAUSAL),
        vision_config(use_clipped_linears=True, hidden_size=96, num_attention_heads=4,
                      num_key_value_heads=4, head_dim=32)),
    "plain": (
        text_config(**SMALL, layer_types=pattern("ssf"), sliding_window=100, **DENSE),
        vision_config(rope_parameters={"rope_type": "axial", "rope_theta": 100.0})),
    # Every constant away from its default.
    "odd": (
        {**ODD, "vocab_size": 150, "vocab_size_per_layer_input": 150,
         "layer_types": pattern("sfsf"), "num_hidden_layers": 4},
        vision_config(
            standardize=True, use_clipped_linears=True, hidden_size=120, intermediate_size=200,
            num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, head_dim=20,
            rms_norm_eps=3e-3, rope_parameters={"rope_type": "default", "rope_theta": 30.0})),
}


def vision_shapes(vision, text_hidden):
    """Name (without "model.") -> shape."""
    hidden, width, dim = vision["hidden_size"], vision["intermediate_size"], vision["head_dim"]
    queries, keys = (vision[f"num_{name}_heads"] * dim for name in ("attention", "key_value"))
    result = {
        "vision_tower.patch_embedder.input_proj.weight": (hidden, 3 * vision["patch_size"] ** 2),
        "vision_tower.patch_embedder.position_embedding_table":
            (2, vision["position_embedding_size"], hidden),
        "embed_vision.embedding_projection.weight": (text_hidden, hidden),
    }
    linears = {
        "self_attn.q_proj": (queries, hidden), "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (width, hidden), "mlp.up_proj": (width, hidden),
        "mlp.down_proj": (hidden, width),
    }
    for index in range(vision["num_hidden_layers"]):
        layer = f"vision_tower.encoder.layers.{index}."
        for name, shape in linears.items():
            result[f"{layer}{name}.linear.weight"] = shape
            if vision["use_clipped_linears"]:
                for bound in ("input_min", "input_max", "output_min", "output_max"):
                    result[f"{layer}{name}.{bound}"] = ()
        for name in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
            result[f"{layer}{name}_layernorm.weight"] = (hidden,)
        for name in ("q_norm", "k_norm"):
            result[f"{layer}self_attn.{name}.weight"] = (dim,)
    if vision["standardize"]:
        result["vision_tower.std_bias"] = result["vision_tower.std_scale"] = (hidden,)
    return result


def vision_values(kind, name, shape):
    random = generator(f"vision {kind}", name)
    if name.endswith("position_embedding_table"):
        return random.normal(0, 0.5, shape)
    if name.endswith("input_proj.weight"):
        return random.normal(0, 0.06, shape)
    if name.endswith("std_bias"):
        return random.normal(0, 1.5, shape)
    if name.endswith("std_scale"):
        return random.uniform(0.2, 1.5, shape)
    if name.endswith("_min"):
        return -random.uniform(0.6, 1.6, shape)
    if name.endswith("_max"):
        return random.uniform(0.6, 1.6, shape)
    return tiny_checkpoints.values(f"vision {kind}", name, shape)


def tensors(kind, names):
    """Name -> (dtype, BF16 bits) in Hugging Face or MLX names."""
    text, vision = KINDS[kind]
    language = {
        name: safetensors_io.to_bf16_bits(tiny_checkpoints.values(f"vision {kind}", name, shape))
        for name, shape in tiny_checkpoints.shapes(text).items()
    }
    result = tiny_checkpoints.named_tensors(language, names)
    prefix = "model." if names == "hf" else ""
    for name, shape in vision_shapes(vision, text["hidden_size"]).items():
        bits = safetensors_io.to_bf16_bits(vision_values(kind, name, shape)).reshape(shape)
        result[prefix + name] = ("BF16", bits)
    return result


def write(kind, layout, folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names, per_layer, shards, start = tiny_checkpoints.LAYOUTS[layout]
    text, vision = copy.deepcopy(KINDS[kind])
    config = tiny_checkpoints.full_config(
        tiny_checkpoints.folded(text) if per_layer else text, names)
    config["vision_config"] = vision
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    tiny_checkpoints.write_tokenizer(folder, text["vocab_size"])
    tiny_checkpoints.write_shards(folder, tensors(kind, names), shards, start,
                                  {"format": "mlx" if names == "mlx" else "pt"})
    return folder


def fingerprint(kind):
    """SHA-256 over all values and the configuration: ties a stored golden to its checkpoint."""
    digest = hashlib.sha256(json.dumps(KINDS[kind], sort_keys=True).encode())
    for name, (_, bits) in sorted(tensors(kind, "hf").items()):
        digest.update(name.encode() + bits.tobytes())
    return digest.hexdigest()


def picture(seed, height, width):
    """uint8 [height, width, 3]: a colour gradient, coarse blocks and noise."""
    random = np.random.default_rng([seed, height, width])
    y, x = np.mgrid[0:height, 0:width][..., None] / np.array([height, width])[:, None, None, None]
    blocks = random.uniform(-60, 60, (height // 24 + 1, width // 24 + 1, 3))
    blocks = blocks.repeat(24, axis=0).repeat(24, axis=1)[:height, :width]
    corners = random.uniform(0, 255, (3, 3))
    values = corners[0] * x + corners[1] * y + corners[2] * (1 - (x + y) / 2) + blocks
    noisy = values + random.normal(0, 25, values.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def write_png(path, pixels):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    Path(path).write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b""))
    return path


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in KINDS:
        sys.exit(f"usage: tiny_vision.py {{{','.join(KINDS)}}} {{hf,hf_shards,mlx}} OUT")
    write(*sys.argv[1:])
