"""mlx-lm in float32 on the CPU: logits of a checkpoint folder, whole, in chunks or by tokens."""

from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map
from mlx_lm.utils import load_model

mx.set_default_device(mx.cpu)


def load(folder):
    model, _ = load_model(Path(folder))
    model.update(tree_map(
        lambda a: a.astype(mx.float32) if mx.issubdtype(a.dtype, mx.floating) else a,
        model.parameters()))
    return model


def rows(embedding, ids):
    """float32 rows of an embedding in a float mode, which mlx would round to BF16; else None."""
    if getattr(embedding, "mode", "affine") == "affine":
        return None
    return mx.dequantize(embedding.weight[ids], embedding.scales[ids], None, embedding.group_size,
                         embedding.bits, mode=embedding.mode, dtype=mx.float32)[None]


def run(model, ids, cache=None):
    text = getattr(model, "language_model", model).model
    per_layer = rows(text.embed_tokens_per_layer, ids) if text.embed_tokens_per_layer else None
    if per_layer is not None:
        per_layer = mx.unflatten(per_layer * text.embed_tokens_per_layer_scale, -1,
                                 (len(text.layers), text.hidden_size_per_layer_input))
    return np.array(model(ids[None], cache=cache, input_embeddings=rows(text.embed_tokens, ids),
                          per_layer_inputs=per_layer)[0])


def logits(model, tokens, chunk=None):
    ids = mx.array(tokens)
    if chunk is None:
        return run(model, ids)
    cache = model.make_cache()
    parts = []
    for start in range(0, len(tokens), chunk):
        parts.append(run(model, ids[start:start + chunk], cache))
    return np.concatenate(parts)
