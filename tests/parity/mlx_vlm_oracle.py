"""mlx-vlm in float32 on the CPU: soft tokens of pictures and sounds, logits of prompts with both.

Under "vision" attention its mask is not the reference's: only E models, which are causal, can be
asked for logits of pictures.
"""

import warnings
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it would like to have beside it
    from mlx_vlm.utils import load_model

mx.set_default_device(mx.cpu)


def load(folder):
    model = load_model(Path(folder))
    model.update(tree_map(
        lambda a: a.astype(mx.float32) if mx.issubdtype(a.dtype, mx.floating) else a,
        model.parameters()))
    return model


def patches(pixels):
    """[1, n, 768] in 0..1 and [1, n, 2] (column, row) of uint8 [height, width, 3]."""
    rows, columns = pixels.shape[0] // 16, pixels.shape[1] // 16
    values = pixels.reshape(rows, 16, columns, 16, 3).swapaxes(1, 2).reshape(1, rows * columns, -1)
    row, column = np.mgrid[0:rows, 0:columns]
    places = np.stack([column.ravel(), row.ravel()], axis=-1)[None]
    return mx.array(values.astype(np.float32) / 255), mx.array(places.astype(np.int32))


def features(model, pixels):
    return np.array(model.encode_image(*patches(pixels))[0])


def logits(model, tokens, pixels):
    """[tokens, vocab] of a prompt with one picture."""
    values, places = patches(pixels)
    out = model(mx.array(tokens)[None], pixel_values=values, image_position_ids=places)
    return np.array(out.logits[0])


def audio_features(model, mel):
    """Soft tokens of float32 [frames, bins]."""
    silent = mx.zeros((1, len(mel)), dtype=mx.bool_)
    encoded, _ = model.audio_tower(mx.array(mel)[None], silent)
    return np.array(model.embed_audio(encoded)[0])
