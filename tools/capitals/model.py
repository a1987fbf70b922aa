"""A compact Gemma 4 text model with experts, for training on a CPU.

Parameter names are those of the Hugging Face checkpoint without the prefix "model.language_model.".
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Config:
    vocab_size: int = 2048
    hidden_size: int = 192
    layer_types: tuple = ("sliding_attention",) * 5 + ("full_attention",)
    sliding_window: int = 32
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 32
    global_kv_heads: int = 1
    global_head_dim: int = 64
    intermediate_size: int = 256
    experts: int = 8
    top_k: int = 2
    expert_size: int = 64
    sliding_theta: float = 1e4
    full_theta: float = 1e6
    partial_rotary_factor: float = 0.25
    softcap: float = 30.0
    eps: float = 1e-6


def gelu(x):
    return F.gelu(x, approximate="tanh")


def rms(x, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


class Norm(nn.Module):
    """RMS norm whose weight multiplies directly."""

    def __init__(self, size, eps, initial=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), initial))
        self.eps = eps

    def forward(self, x):
        return rms(x, self.eps) * self.weight


def linear(inputs, outputs):
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=inputs ** -0.5)
    return layer


def rotary_frequencies(config, layer_type):
    """One angle per pair of a head's dimensions; zero where the pair does not rotate."""
    if layer_type == "sliding_attention":
        return config.sliding_theta ** (-torch.arange(0, config.head_dim, 2) / config.head_dim)
    size = config.global_head_dim
    rotating = int(config.partial_rotary_factor * size / 2)
    frequencies = config.full_theta ** (-torch.arange(0, size, 2) / size)
    return torch.where(torch.arange(size // 2) < rotating, frequencies, 0.0)


def rotate(x, cos, sin):
    """Rotates element i with i + D/2. x: [batch, heads, time, D]; cos, sin: [batch, 1, time, D/2]."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class Attention(nn.Module):
    def __init__(self, config, layer_type):
        super().__init__()
        is_full = layer_type == "full_attention"
        self.eps = config.eps
        self.heads = config.heads
        self.size = config.global_head_dim if is_full else config.head_dim
        self.kv_heads = config.global_kv_heads if is_full else config.kv_heads
        self.q_proj = linear(config.hidden_size, self.heads * self.size)
        self.k_proj = linear(config.hidden_size, self.kv_heads * self.size)
        self.v_proj = None if is_full else linear(config.hidden_size, self.kv_heads * self.size)
        self.o_proj = linear(self.heads * self.size, config.hidden_size)
        self.q_norm = Norm(self.size, config.eps, self.size ** -0.25)
        self.k_norm = Norm(self.size, config.eps, self.size ** -0.25)
        self.register_buffer("frequencies", rotary_frequencies(config, layer_type), persistent=False)

    def split(self, x, heads):
        return x.unflatten(-1, (heads, self.size)).transpose(1, 2)

    def forward(self, x, positions, mask):
        angles = (positions[..., None] * self.frequencies)[:, None]
        cos, sin = angles.cos(), angles.sin()
        raw_k = self.k_proj(x)
        raw_v = raw_k if self.v_proj is None else self.v_proj(x)
        q = rotate(self.q_norm(self.split(self.q_proj(x), self.heads)), cos, sin)
        k = rotate(self.k_norm(self.split(raw_k, self.kv_heads)), cos, sin)
        v = rms(self.split(raw_v, self.kv_heads), self.eps)
        group = self.heads // self.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        scores = (q @ k.transpose(-1, -2)).masked_fill(~mask, -1e9)
        out = scores.softmax(-1) @ v
        return self.o_proj(out.transpose(1, 2).flatten(2))


class DenseMlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = linear(config.hidden_size, config.intermediate_size)
        self.up_proj = linear(config.hidden_size, config.intermediate_size)
        self.down_proj = linear(config.intermediate_size, config.hidden_size)

    def forward(self, x):
        return self.down_proj(gelu(self.gate_proj(x)) * self.up_proj(x))


class Router(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.proj = linear(config.hidden_size, config.experts)
        self.scale = nn.Parameter(torch.full((config.hidden_size,), config.hidden_size ** 0.5))
        self.per_expert_scale = nn.Parameter(torch.ones(config.experts))

    def forward(self, x):
        """A weight for every expert, zero for those not chosen, and a penalty for uneven use of the experts."""
        scaled = rms(x, self.config.eps) * self.scale * self.config.hidden_size ** -0.5
        probabilities = self.proj(scaled).softmax(-1)
        threshold = probabilities.topk(self.config.top_k, -1).values[..., -1:]
        chosen = (probabilities >= threshold).to(probabilities.dtype)
        kept = probabilities * chosen
        weights = kept / kept.sum(-1, keepdim=True) * self.per_expert_scale
        used = chosen.flatten(0, -2).mean(0) / self.config.top_k
        balance = self.config.experts * (used * probabilities.flatten(0, -2).mean(0)).sum()
        return weights, balance


class Experts(nn.Module):
    """All experts at once: with so few and so small ones, two large products are faster than sorting the tokens."""

    def __init__(self, config):
        super().__init__()
        hidden, size, count = config.hidden_size, config.expert_size, config.experts
        self.gate_up_proj = nn.Parameter(torch.randn(count, 2 * size, hidden) * hidden ** -0.5)
        self.down_proj = nn.Parameter(torch.randn(count, hidden, size) * size ** -0.5)

    def forward(self, x, weights):
        count, double, hidden = self.gate_up_proj.shape
        both = F.linear(x, self.gate_up_proj.flatten(0, 1)).unflatten(-1, (count, double))
        gate, up = both.chunk(2, -1)
        inner = gelu(gate) * up * weights[..., None]
        return F.linear(inner.flatten(-2), self.down_proj.transpose(0, 1).flatten(1))


class Layer(nn.Module):
    def __init__(self, config, layer_type):
        super().__init__()
        self.is_full = layer_type == "full_attention"
        for name in ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                     "post_feedforward_layernorm", "post_feedforward_layernorm_1", "pre_feedforward_layernorm_2",
                     "post_feedforward_layernorm_2"):
            setattr(self, name, Norm(config.hidden_size, config.eps))
        self.self_attn = Attention(config, layer_type)
        self.mlp = DenseMlp(config)
        self.router = Router(config)
        self.experts = Experts(config)
        self.layer_scalar = nn.Parameter(torch.full((1,), 0.8))

    def forward(self, h, positions, full_mask, sliding_mask):
        mask = full_mask if self.is_full else sliding_mask
        h = h + self.post_attention_layernorm(self.self_attn(self.input_layernorm(h), positions, mask))
        weights, balance = self.router(h)
        dense = self.post_feedforward_layernorm_1(self.mlp(self.pre_feedforward_layernorm(h)))
        sparse = self.post_feedforward_layernorm_2(self.experts(self.pre_feedforward_layernorm_2(h), weights))
        return (h + self.post_feedforward_layernorm(dense + sparse)) * self.layer_scalar, balance


class Gemma4(nn.Module):
    def __init__(self, config=Config()):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        nn.init.normal_(self.embed_tokens.weight, std=config.hidden_size ** -0.5)
        self.layers = nn.ModuleList(Layer(config, kind) for kind in config.layer_types)
        self.norm = Norm(config.hidden_size, config.eps)

    def hidden(self, ids, positions, full_mask, sliding_mask):
        """The last hidden states, and the mean balance penalty."""
        h = self.embed_tokens(ids) * math.sqrt(self.config.hidden_size)
        total = 0.0
        for layer in self.layers:
            h, balance = layer(h, positions, full_mask, sliding_mask)
            total = total + balance
        return self.norm(h), total / len(self.layers)

    def logits(self, hidden):
        return self.config.softcap * torch.tanh(F.linear(hidden, self.embed_tokens.weight) / self.config.softcap)


def masks(documents, window):
    """Causal masks that keep packed documents apart. documents: [batch, time], one number per document."""
    time = torch.arange(documents.shape[1])
    distance = time[:, None] - time[None, :]
    full = (distance >= 0) & (documents[:, :, None] == documents[:, None, :])
    return full[:, None], (full & (distance < window))[:, None]


@torch.no_grad()
def plain_logits(model, ids):
    """Logits of unpacked sequences padded at the end. ids: [batch, time]."""
    positions = torch.arange(ids.shape[1]).expand(ids.shape)
    full_mask, sliding_mask = masks(torch.zeros_like(ids), model.config.sliding_window)
    return model.logits(model.hidden(ids, positions, full_mask, sliding_mask)[0])
