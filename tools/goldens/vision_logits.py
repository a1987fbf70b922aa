"""Stores soft tokens and logits of transformers' Gemma 4 on the tiny checkpoints that see.

Run once, by hand, where torch is installed (5.6 GB, hence never in the test suite):

    pip install transformers==5.24.0 torch==2.15.0 torchvision==0.29.2 pillow==13.0.0 numpy safetensors
    python tools/goldens/vision_logits.py

The pictures go the whole way: a PNG file, transformers' PIL image processor, tower, masks, logits.
Every golden names versions, layout and seeds, and the fingerprint of its checkpoint: tests make the
checkpoint and the pictures again from their seeds and refuse a golden of another fingerprint.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "parity"))

import reference  # noqa: E402
import tiny_vision  # noqa: E402
import vision_reference  # noqa: E402

OUT = ROOT / "tests" / "goldens" / "vision"
MARGIN = 2e-4  # of router decisions, which right implementations take alike
STEP = 6  # every sixth row of soft tokens and logits is stored

# Text of that many tokens, or a picture (height, width). The small one is enlarged.
PROMPTS = (
    (4, (336, 432), 4),
    ((432, 336), 5),
    (3, (240, 624), 2, (528, 288), 3),
    ((288, 528), (100, 150), 1, (384, 384)),
)


def prepared(processor, path):
    """pixel_values, image_position_ids of one file, and the number of its soft tokens."""
    inputs = processor(images=[Image.open(path).convert("RGB")], return_tensors="pt")
    places = inputs["image_position_ids"][0]
    return inputs["pixel_values"], inputs["image_position_ids"], int((places[:, 0] >= 0).sum()) // 9


def build(shape, kind, seed, processor, scratch):
    """Token ids, [seed, height, width] of the pictures, and what the model takes."""
    random = np.random.default_rng([seed, len(shape)])
    vocab = tiny_vision.KINDS[kind][0]["vocab_size"]
    tokens, pictures, inputs = [], [], []
    for part in shape:
        if isinstance(part, int):
            tokens += [int(token) for token in random.integers(16, vocab, part)]
            continue
        pictures.append([seed + len(pictures), *part])
        path = tiny_vision.write_png(
            scratch / "picture.png", tiny_vision.picture(*pictures[-1]))
        *model_inputs, count = prepared(processor, path)
        inputs.append(model_inputs)
        tokens += [tiny_vision.BEGIN] + [tiny_vision.IMAGE] * count + [tiny_vision.END]
    return tokens, pictures, [torch.cat(parts) for parts in zip(*inputs)]


def run(model, tokens, pixels, places):
    ids = torch.tensor([tokens])
    with torch.no_grad():
        features = model.model.get_image_features(pixels, places).pooler_output
        logits = model(input_ids=ids, pixel_values=pixels, image_position_ids=places,
                       mm_token_type_ids=(ids == tiny_vision.IMAGE).long(),
                       use_cache=False).logits[0]
    return [part.numpy() for part in features], logits.numpy()


def settled(shape, kind, model, float64, processor, scratch):
    """The first seed without close router decisions, and what both models say."""
    for seed in range(100, 2000, 10):
        tokens, pictures, inputs = build(shape, kind, seed, processor, scratch)
        features, logits = run(model, tokens, *inputs)
        forward = vision_reference.Forward(float64, tiny_vision.IMAGE, features)
        expected = forward.logits(tokens)
        if forward.margins.min() > MARGIN:
            return tokens, pictures, features, logits, expected
    raise AssertionError(f"{kind}: no prompt without close router decisions")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    processor = Gemma4ImageProcessorPil(max_soft_tokens=tiny_vision.BUDGET)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for number, kind in enumerate(tiny_vision.KINDS):
            layout = ("hf", "hf_shards")[number % 2]
            folder = tiny_vision.write(kind, layout, scratch / kind)
            model, info = transformers.Gemma4ForConditionalGeneration.from_pretrained(
                folder, dtype=torch.float32, attn_implementation="eager",
                output_loading_info=True)
            missing = [key for key in info["missing_keys"] if "lm_head" not in key]
            assert not missing and not info["unexpected_keys"], info
            model.eval()
            float64, stored = reference.Model(folder), {}
            for i, shape in enumerate(PROMPTS):
                tokens, pictures, features, logits, expected = settled(
                    shape, kind, model, float64, processor, scratch)
                print(f"{kind} prompt {i}, seed {pictures[0][0]}, {len(tokens)} tokens: "
                      f"error of logits to float64 {reference.error(logits, expected):.1e}")
                stored[f"tokens{i}"] = np.array(tokens, dtype=np.int32)
                stored[f"pictures{i}"] = np.array(pictures, dtype=np.int32)
                stored[f"features{i}"] = np.concatenate(features)[::STEP]
                stored[f"logits{i}"] = logits[::-STEP]
            np.savez_compressed(
                OUT / f"{kind}.npz", **stored, step=STEP,
                fingerprint=tiny_vision.fingerprint(kind),
                made_by=f"transformers {transformers.__version__}, torch {torch.__version__}, "
                        f"pillow {PIL.__version__}, layout {layout}")


if __name__ == "__main__":
    main()
