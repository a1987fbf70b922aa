"""Gemma 4's text model in plain numpy float64, written from the model's description.

It decides where two oracles disagree, and it can be wrong on purpose: `faults` names deliberate
errors, so that the suite can show that its checkpoints and prompts would reveal each of them.
"""

import json
import math
from pathlib import Path

import numpy as np

import mlx_formats
import safetensors_io

PREFIXES = ("model.language_model.", "language_model.model.", "model.")

# Each fault is a mistake that an implementation could well make.
FAULTS = (
    "window_longer", "window_shorter", "window_everywhere", "window_nowhere", "not_causal",
    "norm_plus_one", "eps_default", "final_norm_missing",
    "q_norm_missing", "k_norm_missing", "v_norm_missing", "v_after_k_norm", "v_after_rope",
    "attention_scaled", "gqa_interleaved",
    "rope_exponent_of_rotated", "rope_first_dimensions", "rope_interleaved", "rope_thetas_swapped",
    "rope_factor_missing", "rope_missing_on_k", "rope_default_on_full",
    "layer_scalar_missing", "layer_scalar_before_residual", "embedding_unscaled",
    "embedding_scale_bf16", "softcap_missing", "gelu_exact", "silu", "gate_up_swapped",
    "dense_gate_up_swapped", "router_reads_normed", "router_scale_missing", "router_root_missing",
    "router_top_k_plus_one", "renormalisation_missing", "renormalised_after_expert_scale",
    "per_expert_scale_missing", "expert_norms_swapped", "expert_input_norm_shared",
    "branch_post_norm_missing", "post_attention_norm_missing", "post_norms_swapped",
    "dense_branch_missing", "residual_after_norm",
)


class Model:
    """Configuration and decoded float64 weights of a checkpoint folder, whatever its names."""

    def __init__(self, folder):
        folder = Path(folder)
        config = json.loads((folder / "config.json").read_text())
        self.config = config.get("text_config") or config
        self.weights = canonical_weights(safetensors_io.read_folder(folder),
                                         config.get("quantization"))
        c = self.config
        per_layer = {int(key): value for key, value in c.get("per_layer_config", {}).items()}
        self.layers = []
        for index, layer_type in enumerate(c["layer_types"]):
            full = layer_type == "full_attention"
            shared = full and c["attention_k_eq_v"]
            override = per_layer.get(index, {})
            head_dim = override.get("head_dim", c.get("global_head_dim")) if full else c["head_dim"]
            kv_heads = c["num_key_value_heads"]
            if shared:
                kv_heads = override.get("num_key_value_heads", c.get("num_global_key_value_heads"))
            self.layers.append((full, shared, head_dim, kv_heads))


def canonical(name):
    """The name without the prefix of its kind of checkpoint."""
    return next(name[len(p):] for p in PREFIXES if name.startswith(p))


def canonical_weights(tensors, block):
    """Names without prefix, experts split in gate, up and down, everything float64."""
    weights = {}
    for name, (dtype, array) in tensors.items():
        module, _, last = name.rpartition(".")
        if last in ("scales", "biases") or name.startswith(("vision", "embed_vision")):
            continue
        if module + ".scales" in tensors:
            value = mlx_formats.decode_module(tensors, module, block)
        elif dtype == "BF16":
            value = safetensors_io.from_bf16_bits(array).astype(np.float64)
        else:
            value = array.astype(np.float64)
        short = canonical(name)
        if short.endswith("experts.gate_up_proj"):
            base = short.removesuffix("gate_up_proj")
            weights[base + "gate_proj"], weights[base + "up_proj"] = np.split(value, 2, axis=1)
        elif ".switch_glu." in short:
            weights[short.replace("switch_glu.", "").removesuffix(".weight")] = value
        else:
            weights[short] = value
    return weights


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def activation(x, faults):
    if "gelu_exact" in faults:
        return 0.5 * x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2)))
    if "silu" in faults:
        return x / (1 + np.exp(-x))
    return gelu_tanh(x)


def softmax(x):
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def rope_frequencies(config, full, head_dim, faults):
    types = ["sliding_attention", "full_attention"]
    parameters = config["rope_parameters"][types[full]]
    theta = config["rope_parameters"][types[full ^ ("rope_thetas_swapped" in faults)]]["rope_theta"]
    half = head_dim // 2
    frequencies = np.zeros(half)
    angles = half
    if parameters["rope_type"] == "proportional" and "rope_default_on_full" not in faults:
        angles = int(parameters.get("partial_rotary_factor", 1.0) * head_dim / 2)
    divisor = 2 * angles if "rope_exponent_of_rotated" in faults else head_dim
    frequencies[:angles] = theta ** (-2.0 * np.arange(angles) / divisor)
    if "rope_factor_missing" not in faults:
        frequencies /= parameters.get("factor", 1.0)
    return frequencies, angles


def rope(x, config, full, faults):
    """x [tokens, heads, D]; element i pairs with i + D/2."""
    dim = x.shape[-1]
    frequencies, angles = rope_frequencies(config, full, dim, faults)
    half = dim // 2
    if "rope_first_dimensions" in faults:
        half, frequencies = angles, frequencies[:angles]
    angle = np.arange(len(x))[:, None, None] * frequencies
    cos, sin = np.cos(angle), np.sin(angle)
    result = x.copy()
    if "rope_interleaved" in faults:
        first, second = slice(0, 2 * half, 2), slice(1, 2 * half, 2)
    else:
        first, second = slice(0, half), slice(half, 2 * half)
    result[..., first] = x[..., first] * cos - x[..., second] * sin
    result[..., second] = x[..., second] * cos + x[..., first] * sin
    return result


def mask(tokens, window, full, faults):
    query, key = np.arange(tokens)[:, None], np.arange(tokens)[None]
    allowed = key <= query
    if "not_causal" in faults:
        allowed = np.ones_like(allowed)
    if full and "window_everywhere" not in faults or "window_nowhere" in faults:
        return allowed
    window += ("window_longer" in faults) - ("window_shorter" in faults)
    return allowed & (query - key < window)


class Forward:
    def __init__(self, model, faults=()):
        unknown = set(faults) - set(FAULTS)
        assert not unknown, f"unknown faults {unknown}"
        self.model, self.config, self.faults = model, model.config, frozenset(faults)
        self.eps = 1e-6 if "eps_default" in self.faults else self.config["rms_norm_eps"]
        self.margins = None  # per token: the closest router decision of all layers

    def rms(self, x, weight=None):
        normed = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + self.eps)
        if weight is None:
            return normed
        return normed * (weight + 1 if "norm_plus_one" in self.faults else weight)

    def embed(self, tokens):
        scale = math.sqrt(self.config["hidden_size"])
        if "embedding_unscaled" in self.faults:
            scale = 1.0
        if "embedding_scale_bf16" in self.faults:
            scale = float(safetensors_io.from_bf16_bits(
                safetensors_io.to_bf16_bits(np.array([scale])))[0])
        return self.model.weights["embed_tokens.weight"][np.asarray(tokens)] * scale

    def mask(self, tokens, full):
        return mask(tokens, self.config["sliding_window"], full, self.faults)

    def logits(self, tokens):
        """float64 [tokens, vocab]."""
        w, faults = self.model.weights, self.faults
        self.margins = np.full(len(tokens), np.inf)
        h = self.embed(tokens)
        for index in range(len(self.model.layers)):
            h = self.layer(h, index)
        if "final_norm_missing" not in faults:
            h = self.rms(h, w["norm.weight"])
        logits = h @ w["embed_tokens.weight"].T
        cap = self.config["final_logit_softcapping"]
        return logits if not cap or "softcap_missing" in faults else cap * np.tanh(logits / cap)

    def layer(self, h, index):
        faults = self.faults

        def w(name):
            return self.model.weights[f"layers.{index}.{name}"]

        def norm(x, name):
            return self.rms(x, w(name + ".weight"))

        post_attention, post_feedforward = "post_attention_layernorm", "post_feedforward_layernorm"
        if "post_norms_swapped" in faults:
            post_attention, post_feedforward = post_feedforward, post_attention
        a = self.attention(norm(h, "input_layernorm"), w, index)
        entering = h
        h = h + (a if "post_attention_norm_missing" in faults else norm(a, post_attention))
        if self.config["enable_moe_block"]:
            branches = self.dense_and_experts(h, w, norm)
        else:
            branches = self.mlp(norm(h, "pre_feedforward_layernorm"), w)
        change = norm(branches, post_feedforward)
        if "residual_after_norm" in faults:
            h = norm(h, "pre_feedforward_layernorm")
        scalar = 1.0 if "layer_scalar_missing" in faults else w("layer_scalar")
        if "layer_scalar_before_residual" in faults:
            return entering + (h + change - entering) * scalar
        return (h + change) * scalar

    def attention(self, x, w, index):
        faults, tokens = self.faults, len(x)
        full, k_is_v, dim, kv_heads = self.model.layers[index]
        heads = self.config["num_attention_heads"]
        q = (x @ w("self_attn.q_proj.weight").T).reshape(tokens, heads, dim)
        k = (x @ w("self_attn.k_proj.weight").T).reshape(tokens, kv_heads, dim)
        v = k if k_is_v else (x @ w("self_attn.v_proj.weight").T).reshape(tokens, kv_heads, dim)
        if "q_norm_missing" not in faults:
            q = self.rms(q, w("self_attn.q_norm.weight"))
        if "k_norm_missing" not in faults:
            k = self.rms(k, w("self_attn.k_norm.weight"))
        if k_is_v and "v_after_k_norm" in faults:
            v = k
        q = rope(q, self.config, full, faults)
        if "rope_missing_on_k" not in faults:
            k = rope(k, self.config, full, faults)
        if k_is_v and "v_after_rope" in faults:
            v = k
        if "v_norm_missing" not in faults:
            v = self.rms(v)
        group = heads // kv_heads
        owner = np.arange(heads) % kv_heads if "gqa_interleaved" in faults \
            else np.arange(heads) // group
        scores = np.einsum("qhd,khd->hqk", q, k[:, owner])
        if "attention_scaled" in faults:
            scores /= math.sqrt(dim)
        allowed = self.mask(tokens, full)
        probabilities = softmax(np.where(allowed, scores, -np.inf))
        out = np.einsum("hqk,khd->qhd", probabilities, v[:, owner])
        return out.reshape(tokens, -1) @ w("self_attn.o_proj.weight").T

    def mlp(self, x, w):
        gate, up = x @ w("mlp.gate_proj.weight").T, x @ w("mlp.up_proj.weight").T
        if "dense_gate_up_swapped" in self.faults:
            gate, up = up, gate
        return (activation(gate, self.faults) * up) @ w("mlp.down_proj.weight").T

    def dense_and_experts(self, r, w, norm):
        faults = self.faults
        dense_input = norm(r, "pre_feedforward_layernorm")
        dense = self.mlp(dense_input, w)
        chosen, weights = self.router(dense_input if "router_reads_normed" in faults else r, w)
        x = dense_input if "expert_input_norm_shared" in faults \
            else norm(r, "pre_feedforward_layernorm_2")
        sparse = self.experts(x, chosen, weights, w)
        first, second = "post_feedforward_layernorm_1", "post_feedforward_layernorm_2"
        if "expert_norms_swapped" in faults:
            first, second = second, first
        if "branch_post_norm_missing" not in faults:
            dense, sparse = norm(dense, first), norm(sparse, second)
        return sparse if "dense_branch_missing" in faults else dense + sparse

    def router(self, r, w):
        """Chosen experts and their weights, both [tokens, k]."""
        faults, k = self.faults, self.config["top_k_experts"]
        x = self.rms(r)
        if "router_scale_missing" not in faults:
            x = x * w("router.scale")
        if "router_root_missing" not in faults:
            x = x / math.sqrt(self.config["hidden_size"])
        p = softmax(x @ w("router.proj.weight").T)
        order = np.argsort(-p, axis=-1, kind="stable")
        ranked = np.take_along_axis(p, order, axis=-1)
        self.margins = np.minimum(self.margins, ranked[:, k - 1] - ranked[:, k])
        k += "router_top_k_plus_one" in faults
        chosen, weights = order[:, :k], ranked[:, :k]
        scale = w("router.per_expert_scale")[chosen]
        if "per_expert_scale_missing" in faults:
            scale = 1.0
        if "renormalised_after_expert_scale" in faults:
            return chosen, weights * scale / (weights * scale).sum(axis=-1, keepdims=True)
        if "renormalisation_missing" not in faults:
            weights = weights / weights.sum(axis=-1, keepdims=True)
        return chosen, weights * scale

    def experts(self, x, chosen, weights, w):
        gates, ups, downs = (w(f"experts.{name}_proj") for name in ("gate", "up", "down"))
        if "gate_up_swapped" in self.faults:
            gates, ups = ups, gates
        out = np.zeros_like(x)
        for expert in range(len(gates)):
            rows, slots = np.nonzero(chosen == expert)
            inner = activation(x[rows] @ gates[expert].T, self.faults) * (x[rows] @ ups[expert].T)
            out[rows] += weights[rows, slots][:, None] * (inner @ downs[expert].T)
        return out


def logits(model, tokens, faults=()):
    return Forward(model, faults).logits(tokens)


def settled_prompt(model, length, seed, margin=5e-4):
    """A random prompt without close router decisions: right implementations agree on it."""
    random = np.random.default_rng([seed, length])
    first = 16  # ids below are special
    tokens = random.integers(first, model.config["vocab_size"], length)
    for _ in range(200):
        forward = Forward(model)
        forward.logits(tokens)
        close = np.nonzero(forward.margins < margin)[0]
        if close.size == 0:
            return [int(token) for token in tokens]
        tokens[close[0]:] = random.integers(
            first, model.config["vocab_size"], length - close[0])
    raise AssertionError("no prompt without close router decisions found")


def error(a, b):
    """Relative root mean square difference, as in all tolerances of this suite."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return float(np.sqrt(((a - b) ** 2).mean() / (b**2).mean()))
