"""Measures answers about held-out pictures, by budget, kind of chat and wording.

Run: python evaluate_vision.py [--state build/capitals/vision/latest.pt]; without a state the exported checkpoint is
measured. A reply counts if greedy decoding gives it to the letter, so if its colours are exactly the picture's.
"""

import argparse
import random
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

import picture_chats
from chat_format import MODEL_DIR
from evaluate import load_model
from export import POSITION_TABLE, VISION_PREFIX, rounded
from model import Gemma4
from pictures import draw_picture
from train_vision import Batch, reply_loss
from vision import TRAINED_POSITIONS, Vision

BUDGETS = (70, 140, 280)
HELD_OUT_SEED = 20_000  # training draws from the seeds that train_vision.py is given: small ones


def load_both(state):
    """The language model and the vision tower, with weights rounded to BF16."""
    if state:
        state = torch.load(state)
        model, vision = Gemma4(), Vision(Gemma4().config.hidden_size)
        model.load_state_dict(rounded(state["model"]))
        vision.load_state_dict(rounded(state["vision"]))
        return model, vision
    model = load_model(None)
    vision = Vision(model.config.hidden_size)
    tensors = {name.removeprefix(VISION_PREFIX): value.float()
               for name, value in load_file(MODEL_DIR / "model.safetensors").items() if "vision" in name}
    tensors[POSITION_TABLE] = tensors[POSITION_TABLE][:, :TRAINED_POSITIONS]
    vision.load_state_dict(tensors)
    return model, vision


@torch.no_grad()
def is_right(model, vision, tokenizer, chat, budget):
    """Whether the likeliest token is the expected one all along the reply: then greedy decoding gives that reply."""
    batch = Batch(tokenizer, [chat], budget)
    return reply_loss(model, batch, vision(batch.patches, batch.positions))[1] == 1.0


def share(flags):
    flags = list(flags)
    return sum(flags) / len(flags)


def report(model, vision, tokenizer, count):
    def score(make, budget, seed):
        rng = random.Random(HELD_OUT_SEED + seed)
        return share(is_right(model, vision, tokenizer, make(rng), budget) for _ in range(count))

    for budget in BUDGETS:
        print(f"colours, {budget} soft tokens {score(lambda rng: picture_chats.colour_chat(rng, None), budget, 0):.3f}",
              flush=True)
    for kind, _ in picture_chats.KINDS[1:]:
        # Chats of two pictures need pictures of one size here.
        make = lambda rng: kind(rng, draw_picture(rng).image.size)
        print(f"{kind.__name__} {score(make, BUDGETS[0], 1):.3f}", flush=True)
    for colours in (1, 2, 3, 4):
        def make(rng):
            chat = picture_chats.colour_chat(rng, None)
            while len(chat.pictures[0].colours) != colours:
                chat = picture_chats.colour_chat(rng, None)
            return chat
        print(f"pictures of {colours} {score(make, BUDGETS[0], 2):.3f}", flush=True)
    for question in picture_chats.COLOUR_QUESTIONS:
        make = lambda rng: picture_chats.colour_chat(rng, None, question)
        print(f"{question!r} {score(make, BUDGETS[0], 3):.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=Path)
    parser.add_argument("--count", type=int, default=200, help="pictures for each line")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, vision = load_both(options.state)
    report(model, vision, Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json")), options.count)


if __name__ == "__main__":
    main()
