"""Stores what transformers' Gemma 4 says about the demonstration model's pictures, and measures it on held-out ones.

Run once, by hand, where torch is installed (5.6 GB, hence never in the test suite):

    pip install transformers==5.24.0 torch==2.15.0 torchvision==0.29.2 pillow==13.0.0 numpy safetensors jinja2
    python tools/goldens/vision_capitals.py [--count 200]

It loads models/capitals in float32 (no tensor missing, none unexpected), reads pictures with the PIL processor, checks
that its logits are those of the model in tools/capitals that was trained, and asks for the colours of held-out pictures.
tests/goldens/vision/capitals.npz gets, for the first pictures of models/capitals/pictures, the prompt's tokens, the
reply and its logits (of every eighth token of the vocabulary, to keep the file small).
"""

import argparse
import json
import random
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "capitals"))

import picture_chats  # noqa: E402
from evaluate_vision import HELD_OUT_SEED, load_both  # noqa: E402
from patches import patches_of  # noqa: E402
from train_vision import hidden_states  # noqa: E402

MODEL = ROOT / "models" / "capitals"
OUT = ROOT / "tests" / "goldens" / "vision" / "capitals.npz"
BUDGET = 70
STORED, VOCABULARY_STEP = 3, 8
QUESTION = picture_chats.COLOUR_QUESTIONS[0]
STOP = 106  # <turn|>


def load():
    model, info = transformers.Gemma4ForConditionalGeneration.from_pretrained(
        MODEL, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    missing = [key for key in info["missing_keys"] if "lm_head" not in key]
    assert not missing and not info["unexpected_keys"], f"{missing} {info['unexpected_keys']}"
    return model.eval()


class Reference:
    """transformers' model and image processor."""

    def __init__(self, tokenizer):
        self.model, self.tokenizer = load(), tokenizer
        self.processor = transformers.Gemma4ImageProcessorPil(max_soft_tokens=BUDGET)

    def read(self, image):
        return self.processor(images=[image], return_tensors="pt")

    def prompt(self, cells, question=QUESTION):
        chat = picture_chats.PictureChat([picture_chats.with_image(question), picture_chats.assistant("")], [])
        return picture_chats.encode(self.tokenizer, chat, cells)[0]

    @torch.no_grad()
    def logits(self, tokens, read):
        ids = torch.tensor([tokens])
        return self.model(
            input_ids=ids, pixel_values=read["pixel_values"], image_position_ids=read["image_position_ids"],
            mm_token_type_ids=(ids == picture_chats.IMAGE).long(), use_cache=False).logits[0].numpy()

    @torch.no_grad()
    def answer(self, image, question=QUESTION):
        """Prompt and greedy reply, as tokens."""
        read = self.read(image)
        tokens = self.prompt(int(read["num_soft_tokens_per_image"][0]), question)
        ids = torch.tensor([tokens])
        out = self.model.generate(
            input_ids=ids, pixel_values=read["pixel_values"], image_position_ids=read["image_position_ids"],
            mm_token_type_ids=(ids == picture_chats.IMAGE).long(), do_sample=False, max_new_tokens=48,
            eos_token_id=STOP)
        return tokens, out[0, len(tokens):].tolist()


@torch.no_grad()
def trained_logits(model, vision, tokens, image):
    patches, positions = map(torch.from_numpy, patches_of(image, BUDGET))
    hidden = hidden_states(model, torch.tensor([tokens]), vision(patches[None], positions))
    return model.logits(hidden)[0].numpy()


def error(actual, expected):
    return np.sqrt(np.mean((actual - expected) ** 2) / np.mean(expected**2))


def store(reference, trained):
    labels = json.loads((MODEL / "pictures" / "pictures.json").read_text())
    golden = {}
    for index, label in enumerate(labels):
        image = Image.open(MODEL / "pictures" / label["file"]).convert("RGB")
        tokens, reply = reference.answer(image)
        text = reference.tokenizer.decode(reply)
        logits = reference.logits(tokens + reply, reference.read(image))
        print(f"{label['file']}: {text!r}, trained model {error(trained_logits(*trained, tokens + reply, image), logits):.1e}")
        assert text == picture_chats.colour_answer(label["colours"]), label
        if index < STORED:
            golden |= {f"file{index}": label["file"], f"tokens{index}": np.array(tokens, dtype=np.int32),
                       f"reply{index}": np.array(reply, dtype=np.int32),
                       f"logits{index}": logits[len(tokens) - 1:, ::VOCABULARY_STEP]}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(OUT, **golden, made_by=f"transformers {transformers.__version__}, torch {torch.__version__}")


def measure(reference, count):
    rng, right = random.Random(HELD_OUT_SEED + 100), 0
    for index in range(count):
        chat = picture_chats.colour_chat(rng, None)
        question = chat.messages[0]["content"][1]["text"]
        text = reference.tokenizer.decode(reference.answer(chat.pictures[0].image, question)[1])
        expected = chat.messages[-1]["content"]
        right += text == expected
        if text != expected:
            print(f"{index}: {text!r} instead of {expected!r}", flush=True)
    print(f"{right} of {count} held-out pictures right")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="held-out pictures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    reference = Reference(Tokenizer.from_file(str(MODEL / "tokenizer.json")))
    store(reference, load_both(None))
    measure(reference, options.count)


if __name__ == "__main__":
    main()
