"""Tiny random Gemma 4 checkpoints that reach every path of the text model.

A *kind* fixes configuration and values, a *layout* the names, the form of the config and the files;
two layouts of one kind must give the same logits. Every tensor is seeded by its name, so adding one
leaves the others as they were. Everything that training starts at 0 or 1 is random, and the values
make logits that reach the softcap and softmaxes that are neither flat nor one-hot.

    python tiny_checkpoints.py moe hf OUT      writes one folder
"""

import copy
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import safetensors_io

SLIDING, FULL = "sliding_attention", "full_attention"


def pattern(text):
    return [FULL if letter == "f" else SLIDING for letter in text]


def text_config(**changes):
    """The text part of the configuration, every key written (loaders' defaults differ)."""
    config = {
        "model_type": "gemma4_text",
        "dtype": "bfloat16",
        "vocab_size": 512,
        "vocab_size_per_layer_input": 512,
        "hidden_size": 128,
        "num_hidden_layers": 7,
        "layer_types": pattern("ssfsssf"),
        "intermediate_size": 192,
        "moe_intermediate_size": 64,
        "enable_moe_block": True,
        "num_experts": 8,
        "top_k_experts": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "num_global_key_value_heads": 1,
        "global_head_dim": 64,
        "attention_k_eq_v": True,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "sliding_window": 8,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-6,
        "hidden_activation": "gelu_pytorch_tanh",
        "final_logit_softcapping": 30.0,
        "rope_parameters": {
            SLIDING: {"rope_type": "default", "rope_theta": 10000.0},
            FULL: {
                "rope_type": "proportional",
                "rope_theta": 1000000.0,
                "partial_rotary_factor": 0.25,
            },
        },
        "use_bidirectional_attention": "vision",
        "hidden_size_per_layer_input": 0,
        "num_kv_shared_layers": 0,
        "use_double_wide_mlp": False,
        "tie_word_embeddings": True,
        "initializer_range": 0.02,
        "use_cache": True,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 1,
    }
    config.update(changes)
    config["num_hidden_layers"] = len(config["layer_types"])
    config["vocab_size_per_layer_input"] = config["vocab_size"]
    return config


DENSE = {"enable_moe_block": False, "num_experts": None, "top_k_experts": None,
         "moe_intermediate_size": None}

# E2B and E4B: per-layer inputs, layers that share keys and values, causal over pictures too.
E_MODEL = {**DENSE, "attention_k_eq_v": False, "num_global_key_value_heads": None,
           "use_bidirectional_attention": None, "hidden_size_per_layer_input": 32}

# Every constant away from its default. The small weights make eps count.
ODD = text_config(
    vocab_size=509,
    hidden_size=160,
    layer_types=pattern("sfssf"),
    intermediate_size=224,
    moe_intermediate_size=96,
    num_experts=10,
    top_k_experts=3,
    num_attention_heads=6,
    num_key_value_heads=3,
    head_dim=48,
    num_global_key_value_heads=2,
    global_head_dim=80,
    sliding_window=11,
    rms_norm_eps=3e-3,
    final_logit_softcapping=12.5,
    rope_parameters={
        SLIDING: {"rope_type": "default", "rope_theta": 700.0},
        FULL: {
            "rope_type": "proportional",
            "rope_theta": 90000.0,
            "partial_rotary_factor": 0.5,
            "factor": 4.0,
        },
    },
)

KINDS = {
    "moe": text_config(),
    "moe_six": text_config(layer_types=pattern("sssssf")),
    "moe_shrunk": text_config(layer_types=pattern("ssfsf")),
    "moe_odd": ODD,
    "moe_plain_v": text_config(layer_types=pattern("sfsf"), attention_k_eq_v=False),
    "dense": text_config(layer_types=pattern("sssssfsssssf"), **DENSE),
    # A window that is no power of two, prompts of several hundred tokens.
    "dense_long": text_config(
        layer_types=pattern("ssf"), sliding_window=100, intermediate_size=128, **DENSE),
    "moe_wide": text_config(
        layer_types=pattern("ssf"),
        hidden_size=256,
        intermediate_size=384,
        moe_intermediate_size=128,
        head_dim=64,
        global_head_dim=128,
    ),
    "dense_deep": text_config(
        layer_types=pattern(10 * "sssssf"),
        hidden_size=64,
        intermediate_size=96,
        head_dim=16,
        global_head_dim=32,
        **DENSE,
    ),
    "e2b": text_config(
        layer_types=pattern("ssssfssssf"),
        num_key_value_heads=1,
        num_kv_shared_layers=4,
        use_double_wide_mlp=True,
        **E_MODEL,
    ),
    "e4b": text_config(layer_types=pattern("sssssfsssssf"), num_kv_shared_layers=5, **E_MODEL),
    "e2b_shrunk": text_config(
        layer_types=pattern("ssfssf"),
        num_key_value_heads=1,
        num_kv_shared_layers=3,
        use_double_wide_mlp=True,
        **E_MODEL,
    ),
    "e_odd": text_config(**{
        **ODD, **E_MODEL,
        "layer_types": pattern("sfssfsf"),
        "num_kv_shared_layers": 3,
        "use_double_wide_mlp": True,
        "hidden_size_per_layer_input": 24,
    }),
    # Every matrix divides into groups of 128.
    "e_wide": text_config(
        layer_types=pattern("ssfssf"),
        hidden_size=256,
        intermediate_size=384,
        head_dim=64,
        global_head_dim=128,
        num_kv_shared_layers=2,
        use_double_wide_mlp=True,
        **{**E_MODEL, "hidden_size_per_layer_input": 128},
    ),
}

# name -> (tensor names, per_layer_config, shards, start of the data)
LAYOUTS = {
    "hf": ("hf", False, 1, "aligned"),
    "hf_shards": ("hf", True, 3, "padded"),
    "text_only": ("text", False, 1, "odd"),
    "mlx": ("mlx", False, 2, "odd"),
}


def generator(kind, name):
    digest = hashlib.sha256(f"{kind}/{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def first_shared(config):
    """Index of the first layer that uses another one's keys and values."""
    return config["num_hidden_layers"] - config["num_kv_shared_layers"]


def is_unused(config, name):
    """True for keys and values of layers that share: published checkpoints hold them all the same."""
    part = name.partition("layers.")[2]
    return (part != "" and int(part.split(".")[0]) >= first_shared(config)
            and name.endswith(("k_proj.weight", "v_proj.weight", "k_norm.weight")))


def shapes(config):
    """Canonical name (no prefix, experts fused) -> shape."""
    hidden, per_layer = config["hidden_size"], config["hidden_size_per_layer_input"]
    result = {"embed_tokens.weight": (config["vocab_size"], hidden), "norm.weight": (hidden,)}
    if per_layer:
        columns = config["num_hidden_layers"] * per_layer
        result.update({
            "embed_tokens_per_layer.weight": (config["vocab_size_per_layer_input"], columns),
            "per_layer_model_projection.weight": (columns, hidden),
            "per_layer_projection_norm.weight": (per_layer,),
        })
    for index, layer_type in enumerate(config["layer_types"]):
        full = layer_type == FULL
        shared = full and config["attention_k_eq_v"]
        dim = config["global_head_dim"] if full else config["head_dim"]
        kv_heads = config["num_global_key_value_heads" if shared else "num_key_value_heads"]
        queries = config["num_attention_heads"] * dim
        wide = config["use_double_wide_mlp"] and index >= first_shared(config)
        width = config["intermediate_size"] * (2 if wide else 1)
        layer = {
            "input_layernorm.weight": (hidden,),
            "post_attention_layernorm.weight": (hidden,),
            "pre_feedforward_layernorm.weight": (hidden,),
            "post_feedforward_layernorm.weight": (hidden,),
            "layer_scalar": (1,),
            "self_attn.q_proj.weight": (queries, hidden),
            "self_attn.k_proj.weight": (kv_heads * dim, hidden),
            "self_attn.o_proj.weight": (hidden, queries),
            "self_attn.q_norm.weight": (dim,),
            "self_attn.k_norm.weight": (dim,),
            "mlp.gate_proj.weight": (width, hidden),
            "mlp.up_proj.weight": (width, hidden),
            "mlp.down_proj.weight": (hidden, width),
        }
        if not shared:
            layer["self_attn.v_proj.weight"] = (kv_heads * dim, hidden)
        if config["enable_moe_block"]:
            experts, expert_width = config["num_experts"], config["moe_intermediate_size"]
            layer.update({
                "post_feedforward_layernorm_1.weight": (hidden,),
                "pre_feedforward_layernorm_2.weight": (hidden,),
                "post_feedforward_layernorm_2.weight": (hidden,),
                "router.proj.weight": (experts, hidden),
                "router.scale": (hidden,),
                "router.per_expert_scale": (experts,),
                "experts.gate_up_proj": (experts, 2 * expert_width, hidden),
                "experts.down_proj": (experts, hidden, expert_width),
            })
        if per_layer:
            layer.update({
                "per_layer_input_gate.weight": (per_layer, hidden),
                "per_layer_projection.weight": (hidden, per_layer),
                "post_per_layer_input_norm.weight": (hidden,),
            })
        result.update({f"layers.{index}.{name}": shape for name, shape in layer.items()})
    return result


def values(kind, name, shape):
    random = generator(kind, name)
    if name == "embed_tokens.weight":
        return random.normal(0, 0.09, shape)
    if name == "embed_tokens_per_layer.weight":
        return random.normal(0, 0.2, shape)
    if name == "norm.weight":
        return random.uniform(6, 16, shape)
    if name.endswith(("q_norm.weight", "k_norm.weight")):
        return random.uniform(0.2, 1.1, shape)
    # 60 layers of the usual size would make noise of the last bits into another answer.
    deep = kind == "dense_deep"
    if name.endswith("norm.weight") or "layernorm" in name:
        return random.uniform(0.25, 1.75, shape) * (0.06 if deep and ".post_" in name else 1)
    if name.endswith("layer_scalar"):
        return random.uniform(0.94, 1.02, shape) if deep else random.uniform(0.4, 0.95, shape)
    if name.endswith("router.scale"):
        return random.uniform(0.3, 1.7, shape)
    if name.endswith("router.per_expert_scale"):
        return random.uniform(0.3, 1.8, shape)
    if name.endswith("router.proj.weight"):
        return random.normal(0, 1.5, shape)
    matrix = random.normal(0, 1.2 / np.sqrt(shape[-1]), shape)
    if kind == "moe_shrunk" and name.endswith("experts.down_proj"):
        matrix *= 1e-3  # else the norm behind the experts hides a wrong sum of their weights
    if kind == "e2b_shrunk" and name.endswith("per_layer_projection.weight"):
        matrix *= 1e-3  # the same for a wrong factor of the per-layer inputs
    return matrix


def canonical_tensors(kind):
    """Canonical name -> BF16 bits."""
    return {
        name: safetensors_io.to_bf16_bits(values(kind, name, shape))
        for name, shape in shapes(KINDS[kind]).items()
    }


def named_tensors(tensors, names):
    """The tensors under the names of a Hugging Face, a text-only or an MLX checkpoint."""
    prefix = {
        "hf": "model.language_model.",
        "text": "model.",
        "mlx": "language_model.model.",
    }[names]
    result = {}
    for name, bits in tensors.items():
        if names == "mlx" and name.endswith("experts.gate_up_proj"):
            base = prefix + name.removesuffix("gate_up_proj") + "switch_glu."
            gate, up = np.split(bits, 2, axis=1)
            result[base + "gate_proj.weight"] = gate
            result[base + "up_proj.weight"] = up
        elif names == "mlx" and name.endswith("experts.down_proj"):
            base = prefix + name.removesuffix("down_proj") + "switch_glu."
            result[base + "down_proj.weight"] = bits
        else:
            result[prefix + name] = bits
    return {name: ("BF16", bits) for name, bits in result.items()}


def folded(config):
    """The form in which newer transformers save the two global_* keys."""
    config = copy.deepcopy(config)
    layers = len(config["layer_types"])
    override = {"head_dim": config.pop("global_head_dim")}
    kv_heads = config.pop("num_global_key_value_heads")
    if config["attention_k_eq_v"]:
        override["num_key_value_heads"] = kv_heads
    config["per_layer_config"] = {
        str(index).zfill(len(str(layers - 1))): override
        for index, layer_type in enumerate(config["layer_types"])
        if layer_type == FULL
    }
    return config


def full_config(text, names):
    if names == "text":
        return {"architectures": ["Gemma4ForCausalLM"], **text}
    return {
        "architectures": ["Gemma4ForConditionalGeneration"],
        "model_type": "gemma4",
        "dtype": "bfloat16",
        "vocab_size": text["vocab_size"],
        "tie_word_embeddings": True,
        "text_config": text,
        "vision_config": None,
        "audio_config": None,
        "boi_token_id": 5,
        "eoi_token_id": 6,
        "image_token_id": 7,
        "boa_token_id": 8,
        "eoa_token_id": 9,
        "eoa_token_index": 9,
        "audio_token_id": 10,
        "video_token_id": 11,
        "eos_token_id": [1, 106, 50],
        "pad_token_id": 0,
        "bos_token_id": 2,
        "initializer_range": 0.02,
        "vision_soft_tokens_per_image": 280,
    }


def write_tokenizer(folder, vocab_size):
    """One word per id: enough for programs that insist on a tokenizer."""
    vocab = {f"w{index}": index for index in range(vocab_size)}
    for name, index in {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3}.items():
        del vocab[f"w{index}"]
        vocab[name] = index
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>",
    }))


def write(kind, layout, folder, tensors=None):
    """Writes a checkpoint folder; `tensors` (canonical name -> BF16 bits) replaces the values."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names, per_layer, shards, start = LAYOUTS[layout]
    text = copy.deepcopy(KINDS[kind])
    if per_layer:
        text = folded(text)
    (folder / "config.json").write_text(json.dumps(full_config(text, names), indent=2))
    write_tokenizer(folder, text["vocab_size"])
    tensors = tensors or canonical_tensors(kind)
    if names == "mlx":
        tensors = {name: bits for name, bits in tensors.items() if not is_unused(text, name)}
    named = named_tensors(tensors, names)
    write_shards(folder, named, shards, start, {"format": "mlx" if names == "mlx" else "pt"})
    return folder


def write_shards(folder, named, shards, start, metadata):
    order = list(named)
    generator("order", str(len(order))).shuffle(order)  # data order differs from header order
    if shards == 1:
        safetensors_io.write(folder / "model.safetensors", named, metadata, start, order)
        return
    weight_map = {}
    for index in range(shards):
        part = order[index::shards]
        file = f"model-{index + 1:05}-of-{shards:05}.safetensors"
        safetensors_io.write(
            folder / file, {name: named[name] for name in part}, metadata, start, part)
        weight_map.update({name: file for name in part})
    total = sum(bits.size * 2 for _, bits in named.values())
    (folder / "model.safetensors.index.json").write_text(json.dumps(
        {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}))


def fingerprint(kind):
    """SHA-256 over all values and the configuration: ties a stored golden to its checkpoint."""
    digest = hashlib.sha256(json.dumps(KINDS[kind], sort_keys=True).encode())
    for name, bits in sorted(canonical_tensors(kind).items()):
        digest.update(name.encode() + bits.tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in KINDS or sys.argv[2] not in LAYOUTS:
        sys.exit(f"usage: tiny_checkpoints.py {{{','.join(KINDS)}}} {{{','.join(LAYOUTS)}}} OUT")
    write(*sys.argv[1:])
