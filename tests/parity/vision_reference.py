"""Gemma 4's vision tower, and the text model on prompts with pictures, in numpy float64.

As reference.py: written from the model's description, and wrong on purpose where `faults` says so.
"""

import json
import math
from pathlib import Path

import numpy as np

import mlx_formats
import reference
import safetensors_io

TOWER_FAULTS = (
    "channels_first", "values_unscaled", "position_tables_swapped", "rope_axes_swapped",
    "rope_over_whole_head", "rope_interleaved", "rope_theta_default", "q_norm_missing",
    "k_norm_missing", "v_norm_missing", "attention_scaled", "causal_tower", "gqa_interleaved",
    "gelu_exact", "post_norm_missing", "norms_swapped", "final_norm", "pool_transposed",
    "root_missing", "standardise_missing", "scale_before_bias", "clip_missing",
    "clip_input_missing", "clip_output_missing", "projection_norm_missing", "eps_default",
)
TEXT_FAULTS = (
    "features_scaled", "causal_pictures", "pictures_whole_in_full_layers",
    "window_not_within_pictures", "window_on_both_sides", "pictures_see_each_other",
    "end_token_in_picture", "bidirectional_always",
)
FAULTS = TOWER_FAULTS + TEXT_FAULTS


class Tower:
    """The configuration and decoded float64 weights of a folder's vision tower."""

    def __init__(self, folder, faults=()):
        folder = Path(folder)
        config = json.loads((folder / "config.json").read_text())
        self.config, self.faults = config["vision_config"], frozenset(faults)
        self.eps = 1e-6 if "eps_default" in self.faults else self.config["rms_norm_eps"]
        self.weights = {}
        tensors = safetensors_io.read_folder(folder)
        for name, (dtype, array) in tensors.items():
            module, _, last = name.rpartition(".")
            short = name.removeprefix("model.")
            if not short.startswith(("vision_tower.", "embed_vision.")):
                continue
            if last in ("scales", "biases"):
                continue
            if module + ".scales" in tensors:
                value = mlx_formats.decode_module(tensors, module, config["quantization"])
            else:
                value = safetensors_io.from_bf16_bits(array) if dtype == "BF16" else array
            self.weights[short] = value.astype(np.float64)

    def rms(self, x, weight=None):
        normed = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + self.eps)
        return normed if weight is None else normed * weight

    def features(self, pixels):
        """float64 [soft tokens, hidden] of uint8 [height, width, 3]."""
        config, faults, w = self.config, self.faults, self.weights
        size, cell = config["patch_size"], config["pooling_kernel_size"]
        rows, columns = pixels.shape[0] // size, pixels.shape[1] // size
        values = pixels / 255.0
        if "values_unscaled" not in faults:
            values = 2 * (values - 0.5)
        patches = values.reshape(rows, size, columns, size, 3).transpose(0, 2, 1, 3, 4)
        if "channels_first" in faults:
            patches = patches.transpose(0, 1, 4, 2, 3)
        patches = patches.reshape(rows * columns, -1)
        y, x = np.divmod(np.arange(rows * columns), columns)
        table = w["vision_tower.patch_embedder.position_embedding_table"]
        if "position_tables_swapped" in faults:
            table = table[::-1]
        h = patches @ w["vision_tower.patch_embedder.input_proj.weight"].T + table[0, x] + table[1, y]
        for index in range(config["num_hidden_layers"]):
            h = self.layer(h, f"vision_tower.encoder.layers.{index}.", x, y)
        if "final_norm" in faults:
            h = self.rms(h)
        cells = h.reshape(rows // cell, cell, columns // cell, cell, -1).mean(axis=(1, 3))
        if "pool_transposed" in faults:
            cells = cells.transpose(1, 0, 2)
        tokens = cells.reshape(-1, cells.shape[-1])
        if "root_missing" not in faults:
            tokens = tokens * math.sqrt(config["hidden_size"])
        if config["standardize"] and "standardise_missing" not in faults:
            bias, scale = w["vision_tower.std_bias"], w["vision_tower.std_scale"]
            tokens = tokens * scale - bias if "scale_before_bias" in faults \
                else (tokens - bias) * scale
        if "projection_norm_missing" not in faults:
            tokens = self.rms(tokens)
        return tokens @ w["embed_vision.embedding_projection.weight"].T

    def layer(self, h, prefix, x, y):
        def norm(a, name):
            return self.rms(a, self.weights[f"{prefix}{name}_layernorm.weight"])

        first, second = "input", "pre_feedforward"
        if "norms_swapped" in self.faults:
            first, second = second, first
        change = self.attention(norm(h, first), prefix + "self_attn.", x, y)
        h = h + (change if "post_norm_missing" in self.faults else norm(change, "post_attention"))
        inner = norm(h, second)
        gate = reference.activation(self.linear(inner, prefix + "mlp.gate_proj"), self.faults)
        active = gate * self.linear(inner, prefix + "mlp.up_proj")
        return h + norm(self.linear(active, prefix + "mlp.down_proj"), "post_feedforward")

    def linear(self, x, name):
        def clip(a, side):
            if not self.config["use_clipped_linears"] or "clip_missing" in self.faults \
                    or f"clip_{side}_missing" in self.faults:
                return a
            return np.clip(a, self.weights[f"{name}.{side}_min"], self.weights[f"{name}.{side}_max"])
        return clip(clip(x, "input") @ self.weights[name + ".linear.weight"].T, "output")

    def rope(self, a, x, y):
        """a [patches, heads, D]: the first half turns with the column, the second with the row."""
        faults, dim = self.faults, a.shape[-1]
        theta = 100.0 if "rope_theta_default" in faults \
            else self.config["rope_parameters"]["rope_theta"]
        half = dim // 2
        angles = theta ** (-2.0 * np.arange(half // 2) / half)
        if "rope_axes_swapped" in faults:
            x, y = y, x
        result = a.copy()
        for start, place in ((0, x), (half, y)):
            cos, sin = (f(place[:, None, None] * angles) for f in (np.cos, np.sin))
            first, second = slice(start, start + half // 2), slice(start + half // 2, start + half)
            if "rope_over_whole_head" in faults:  # element i pairs with i + D/2
                begin = start // 2
                first = slice(begin, begin + half // 2)
                second = slice(half + begin, half + begin + half // 2)
            if "rope_interleaved" in faults:
                first, second = slice(start, start + half, 2), slice(start + 1, start + half, 2)
            result[..., first] = a[..., first] * cos - a[..., second] * sin
            result[..., second] = a[..., second] * cos + a[..., first] * sin
        return result

    def attention(self, h, prefix, x, y):
        config, faults = self.config, self.faults
        heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        q, k, v = (self.linear(h, f"{prefix}{name}_proj").reshape(len(h), count, -1)
                   for name, count in (("q", heads), ("k", kv_heads), ("v", kv_heads)))
        if "q_norm_missing" not in faults:
            q = self.rms(q, self.weights[prefix + "q_norm.weight"])
        if "k_norm_missing" not in faults:
            k = self.rms(k, self.weights[prefix + "k_norm.weight"])
        if "v_norm_missing" not in faults:
            v = self.rms(v)
        q, k = self.rope(q, x, y), self.rope(k, x, y)
        owner = np.arange(heads) % kv_heads if "gqa_interleaved" in faults \
            else np.arange(heads) // (heads // kv_heads)
        scores = np.einsum("qhd,khd->hqk", q, k[:, owner])
        if "attention_scaled" in faults:
            scores /= math.sqrt(config["head_dim"])
        if "causal_tower" in faults:
            scores = np.where(np.tril(np.ones(scores.shape[1:], bool)), scores, -np.inf)
        out = np.einsum("hqk,khd->qhd", reference.softmax(scores), v[:, owner])
        return self.linear(out.reshape(len(h), -1), prefix + "o_proj")


class Forward(reference.Forward):
    """The text model on a prompt whose image tokens stand for rows of `features`."""

    def __init__(self, model, image_token, features, faults=()):
        super().__init__(model)
        self.image_token, self.features, self.wrong = image_token, features, frozenset(faults)
        self.pictures = None

    def embed(self, tokens):
        tokens = np.asarray(tokens)
        self.pictures = tokens == self.image_token
        h = super().embed(np.where(self.pictures, 0, tokens))
        rows = np.concatenate(self.features)
        scaled = "features_scaled" in self.wrong
        h[self.pictures] = rows * math.sqrt(h.shape[1]) if scaled else rows
        return h

    def mask(self, tokens, full):
        window, wrong = self.config["sliding_window"], self.wrong
        causal = super().mask(tokens, full)
        if full and "pictures_whole_in_full_layers" not in wrong:
            return causal
        vision = self.config["use_bidirectional_attention"] == "vision"
        if "causal_pictures" in wrong or not vision and "bidirectional_always" not in wrong:
            return causal
        inside = self.pictures.copy()
        if "end_token_in_picture" in wrong:
            inside[1:] |= self.pictures[:-1]
        starts = inside & ~np.concatenate([[False], inside[:-1]])
        block = np.where(inside, np.cumsum(starts), 0)
        if "pictures_see_each_other" in wrong:
            block = inside.astype(int)
        same = (block[:, None] == block[None]) & inside[:, None] & inside[None]
        distance = np.arange(tokens)[:, None] - np.arange(tokens)[None]
        if full:
            return causal | same
        if "window_not_within_pictures" in wrong:
            return causal | same
        seen = (distance >= 0) | same
        if "window_on_both_sides" in wrong:
            return seen & (np.abs(distance) < window)
        return seen & (distance < window)


def logits(folder_or_model, image_token, tokens, features, faults=()):
    return Forward(folder_or_model, image_token, features, faults).logits(tokens)
