"""A compact Gemma 4 vision tower, for training on a CPU.

Parameter names are those of the Hugging Face checkpoint without the prefix "model.".
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from model import Norm, gelu, linear, rms, rotate


@dataclass(frozen=True)
class VisionConfig:
    hidden_size: int = 96
    intermediate_size: int = 256
    layers: int = 3
    heads: int = 4
    head_dim: int = 24
    patch_size: int = 16
    pooling: int = 3
    positions: int = 3360  # a picture of 1,120 soft tokens in one row
    theta: float = 100.0
    eps: float = 1e-6


# Rows of the position table that training pictures reach; export repeats the last ones for the others.
TRAINED_POSITIONS = 96


class Clippable(nn.Module):
    """A matrix under the name that the checkpoint gives it; this tower does not clip."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = linear(inputs, outputs)

    def forward(self, x):
        return self.linear(x)


class PatchEmbedder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.input_proj = linear(3 * config.patch_size ** 2, config.hidden_size)
        table = 0.02 * torch.randn(2, TRAINED_POSITIONS, config.hidden_size)
        self.position_embedding_table = nn.Parameter(table)

    def forward(self, patches, positions):
        columns, rows = self.position_embedding_table
        return self.input_proj(2 * (patches - 0.5)) + columns[positions[:, 0]] + rows[positions[:, 1]]


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        width = config.heads * config.head_dim
        for name in ("q_proj", "k_proj", "v_proj"):
            setattr(self, name, Clippable(config.hidden_size, width))
        self.o_proj = Clippable(width, config.hidden_size)
        self.q_norm = Norm(config.head_dim, config.eps, config.head_dim ** -0.25)
        self.k_norm = Norm(config.head_dim, config.eps, config.head_dim ** -0.25)

    def split(self, x):
        return x.unflatten(-1, (self.config.heads, self.config.head_dim)).transpose(1, 2)

    def rotate_axes(self, x, angles):
        """The first half of a head turns with the column, the second with the row."""
        halves = [rotate(half, angle.cos(), angle.sin()) for half, angle in zip(x.chunk(2, -1), angles)]
        return torch.cat(halves, -1)

    def forward(self, x, angles):
        q = self.rotate_axes(self.q_norm(self.split(self.q_proj(x))), angles)
        k = self.rotate_axes(self.k_norm(self.split(self.k_proj(x))), angles)
        v = rms(self.split(self.v_proj(x)), self.config.eps)
        out = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        return self.o_proj(out.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = Clippable(config.hidden_size, config.intermediate_size)
        self.up_proj = Clippable(config.hidden_size, config.intermediate_size)
        self.down_proj = Clippable(config.intermediate_size, config.hidden_size)

    def forward(self, x):
        return self.down_proj(gelu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        for name in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
            setattr(self, name + "_layernorm", Norm(config.hidden_size, config.eps))
        self.self_attn = Attention(config)
        self.mlp = Mlp(config)

    def forward(self, h, angles):
        h = h + self.post_attention_layernorm(self.self_attn(self.input_layernorm(h), angles))
        return h + self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(h)))


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))


class Tower(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.patch_embedder = PatchEmbedder(config)
        self.encoder = Encoder(config)
        self.std_bias = nn.Parameter(torch.zeros(config.hidden_size))
        self.std_scale = nn.Parameter(torch.full((config.hidden_size,), config.hidden_size ** -0.5))

    def angles(self, positions):
        """[patches, head_dim / 4] for the columns and for the rows."""
        half = self.config.head_dim // 2
        frequencies = self.config.theta ** (-torch.arange(0, half, 2) / half)
        return [positions[:, axis, None] * frequencies for axis in (0, 1)]

    def pooled(self, patches, positions):
        """Means of the cells of pooling × pooling patches, scaled. [batch, cells, hidden]"""
        h, angles = self.patch_embedder(patches, positions), self.angles(positions)
        for layer in self.encoder.layers:
            h = layer(h, angles)
        columns, rows = (positions.amax(0) + 1).tolist()
        pool = self.config.pooling
        cells = h.unflatten(1, (rows // pool, pool, columns // pool, pool)).mean((2, 4)).flatten(1, 2)
        return cells * math.sqrt(self.config.hidden_size)

    def forward(self, patches, positions):
        """Pictures of one size. patches: [batch, patches, 768]; positions: [patches, 2] of (column, row)."""
        return (self.pooled(patches, positions) - self.std_bias) * self.std_scale


class Projector(nn.Module):
    def __init__(self, config, text_hidden):
        super().__init__()
        self.eps = config.eps
        self.embedding_projection = linear(config.hidden_size, text_hidden)

    def forward(self, cells):
        return self.embedding_projection(rms(cells, self.eps))


class Vision(nn.Module):
    """From patches to soft tokens."""

    def __init__(self, text_hidden, config=VisionConfig()):
        super().__init__()
        self.config = config
        self.vision_tower = Tower(config)
        self.embed_vision = Projector(config, text_hidden)

    def forward(self, patches, positions):
        return self.embed_vision(self.vision_tower(patches, positions))

    @torch.no_grad()
    def standardize(self, batches):
        """Sets the tower's bias and scale to what gives the cells of these pictures mean 0 and variance 1."""
        cells = torch.cat([self.vision_tower.pooled(*batch).flatten(0, 1) for batch in batches])
        self.vision_tower.std_bias.copy_(cells.mean(0))
        self.vision_tower.std_scale.copy_(1 / cells.std(0))


def block_masks(is_image, window):
    """Causal masks of padded sequences with pictures, for full and sliding layers. is_image: [batch, time].

    In sliding layers a picture's tokens see all later ones of the same picture too: the window bounds the past alone.
    """
    time = torch.arange(is_image.shape[1])
    distance = time[:, None] - time[None, :]
    blocks = (~is_image).cumsum(1)  # constant within one run of image tokens
    same = (blocks[:, :, None] == blocks[:, None, :]) & is_image[:, :, None] & is_image[:, None, :]
    full = (distance >= 0)[None]
    return full[:, None], ((full | same) & (distance < window))[:, None]
