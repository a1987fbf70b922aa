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


def embedding_rows(model, ids):
    """float32 rows of an embedding in a float mode, which mlx would round to BF16; else None."""
    text = getattr(model, "language_model", model).model
    embedding = text.embed_tokens
    if getattr(embedding, "mode", "affine") == "affine":
        return None
    return mx.dequantize(embedding.weight[ids], embedding.scales[ids], None, embedding.group_size,
                         embedding.bits, mode=embedding.mode, dtype=mx.float32)[None]


def logits(model, tokens, chunk=None):
    ids = mx.array(tokens)
    if chunk is None:
        return np.array(model(ids[None], input_embeddings=embedding_rows(model, ids))[0])
    cache = model.make_cache()
    parts = []
    for start in range(0, len(tokens), chunk):
        part = ids[start:start + chunk]
        parts.append(np.array(
            model(part[None], cache=cache, input_embeddings=embedding_rows(model, part))[0]))
    return np.concatenate(parts)
