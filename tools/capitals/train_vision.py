"""Trains the vision tower on one CPU core, for a given time, and the language model to read its soft tokens.

What the model says about text is held by a penalty on the divergence from the model as it was.

Run: python train_vision.py --work build/capitals/vision --minutes 40
"""

import argparse
import copy
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

import picture_chats
from batches import HISTORY_WEIGHT, Packer
from chat_format import MODEL_DIR
from evaluate import load_model
from model import masks
from optimizer import make_optimizers
from patches import PATCH, patches_of, target_size
from pictures import PALETTE, random_size
from train import rate_factor
from vision import TRAINED_POSITIONS, Vision, block_masks

COLOURS = list(PALETTE)
GROWTH_END = 0.5  # of the training; from then on most pictures have the default budget
TEXT_WEIGHT = 3.0


class Batch:
    """Chats about pictures of one size, padded at the end."""

    def __init__(self, tokenizer, chats, soft_tokens):
        pictures = [picture for chat in chats for picture in chat.pictures]
        read = [patches_of(picture.image, soft_tokens) for picture in pictures]
        self.patches = torch.from_numpy(np.stack([patches for patches, _ in read]))
        self.positions = torch.from_numpy(read[0][1])
        self.cells = len(self.positions) // 9
        encoded = [picture_chats.encode(tokenizer, chat, self.cells) for chat in chats]
        length = max(len(prompt) + len(reply) for prompt, reply in encoded)
        self.ids = torch.zeros(len(chats), length, dtype=torch.long)
        self.is_reply = torch.zeros(len(chats), length, dtype=torch.bool)
        for row, (prompt, reply) in enumerate(encoded):
            end = len(prompt) + len(reply)
            self.ids[row, :end] = torch.tensor(prompt + reply)
            self.is_reply[row, len(prompt):end] = True
        self.present = torch.tensor([[name in picture.colours for name in COLOURS] for picture in pictures]).float()


def embed(model, ids, features):
    """Scaled embeddings of the tokens, with the soft tokens in place of the image tokens."""
    is_image = ids == picture_chats.IMAGE
    h = model.embed_tokens(ids.masked_fill(is_image, 0)) * math.sqrt(model.config.hidden_size)
    return h.masked_scatter(is_image[..., None], features)


def hidden_states(model, ids, features):
    full, sliding = block_masks(ids == picture_chats.IMAGE, model.config.sliding_window)
    positions = torch.arange(ids.shape[1]).expand(ids.shape)
    h = embed(model, ids, features)
    for layer in model.layers:
        h, _ = layer(h, positions, full, sliding)
    return model.norm(h)


def reply_loss(model, batch, features):
    """Cross entropy of the replies' tokens, and the share of replies that greedy decoding would get right."""
    hidden = hidden_states(model, batch.ids, features)
    is_target = batch.is_reply[:, 1:]
    logits, targets = model.logits(hidden[:, :-1][is_target]), batch.ids[:, 1:][is_target]
    wrong = torch.zeros(is_target.shape, dtype=torch.bool)
    wrong[is_target] = logits.argmax(-1) != targets
    return F.cross_entropy(logits, targets), 1 - wrong.any(1).float().mean().item()


class Stream:
    """An endless stream of batches; pictures grow with the progress of the training (0 … 1)."""

    def __init__(self, tokenizer, rows, seed):
        self.tokenizer, self.rows, self.rng = tokenizer, rows, random.Random(seed)

    def budget(self, progress):
        rng = self.rng
        if progress < GROWTH_END:
            return rng.randint(9, 16 + int(54 * progress / GROWTH_END))
        return rng.choices([rng.randint(24, 70), 70, 140, 280], [20, 62, 10, 8])[0]

    def next(self, progress):
        rng, budget = self.rng, self.budget(progress)
        size = random_size(rng)
        while max(target_size(*size, budget)) // PATCH > TRAINED_POSITIONS:
            size = random_size(rng)
        rows = max(2, min(self.rows, self.rows * 70 // budget))
        make = picture_chats.pick_kind(rng)
        return Batch(self.tokenizer, [make(rng, size) for _ in range(rows)], budget)


class TextStream(Packer):
    """The text model's training chats, and questions about pictures that are not there."""

    def refill(self):
        if self.rng.random() < 0.15:
            self.pool.append(self.encode(picture_chats.without_picture(self.rng)))
        super().refill()


def text_divergence(model, teacher, batch):
    """Mean Kullback-Leibler divergence of the two models' next tokens where the chats' replies are."""
    full, sliding = masks(batch.documents, model.config.sliding_window)
    chosen = batch.weights[:, 1:] >= HISTORY_WEIGHT
    arguments = (batch.ids, batch.positions, full, sliding)
    with torch.no_grad():
        expected = teacher.logits(teacher.hidden(*arguments)[0][:, :-1][chosen]).log_softmax(-1)
    actual = model.logits(model.hidden(*arguments)[0][:, :-1][chosen]).log_softmax(-1)
    return F.kl_div(actual, expected, log_target=True, reduction="batchmean")


def make_vision(model, stream):
    vision = Vision(model.config.hidden_size)
    vision.standardize([(batch.patches, batch.positions) for batch in (stream.next(0) for _ in range(8))])
    # Soft tokens start as large as embeddings of text are.
    size = model.embed_tokens.weight.square().mean().sqrt() * math.sqrt(model.config.hidden_size)
    with torch.no_grad():
        vision.embed_vision.embedding_projection.weight.mul_(size)
    return vision


class Probe(nn.Module):
    """Reads from each soft token which colours are in the picture: it helps the tower to start, and is thrown away."""

    def __init__(self, width):
        super().__init__()
        self.read = nn.Linear(width, len(COLOURS))

    def loss(self, cells, present):
        normed = cells * torch.rsqrt(cells.square().mean(-1, keepdim=True) + 1e-6)
        logits = self.read(normed)
        return F.binary_cross_entropy_with_logits(logits, present[:, None].expand_as(logits))


def load_start(path, vision, model):
    state = torch.load(path)
    vision.load_state_dict(state["vision"])
    if "model" in state:
        model.load_state_dict(state["model"])


def save(path, vision, model, step):
    torch.save({"vision": vision.state_dict(), "model": model.state_dict(), "step": step}, path)


@torch.no_grad()
def blend(model, teacher, share):
    """Takes back a part of what the language model has learned: that costs little of it, and text gains."""
    for weight, before in zip(model.parameters(), teacher.parameters()):
        weight.lerp_(before, 1 - share)


def train(options):
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    tokenizer = Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))
    model = load_model(options.text_state)
    teacher = copy.deepcopy(model).requires_grad_(False)
    stream, texts = Stream(tokenizer, options.rows, options.seed), TextStream(tokenizer, 4, 256, options.seed)
    vision = make_vision(model, stream)
    if options.start:
        load_start(options.start, vision, model)
    probe = Probe(vision.config.hidden_size)
    trained = nn.ModuleDict({"vision": vision, "probe": probe, "model": model})
    optimizers = make_optimizers(nn.ModuleDict({"vision": vision, "probe": probe}), options.matrix_rate,
                                 options.other_rate)
    optimizers.append(torch.optim.AdamW(model.parameters(), options.text_rate, betas=(0.9, 0.99), weight_decay=0.0))
    bases = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    start, total, step, average, drift = time.time(), options.minutes * 60, 0, None, 0.0
    next_save = options.save_every
    while (elapsed := time.time() - start) < total:
        progress = options.progress + (1 - options.progress) * elapsed / total
        for optimizer, rates in zip(optimizers, bases):
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate * max(0.02, rate_factor(elapsed, total))
        batch = stream.next(progress)
        cells = vision.vision_tower(batch.patches, batch.positions)
        hint = probe.loss(cells, batch.present)
        loss, right = reply_loss(model, batch, vision.embed_vision(cells))
        (loss + options.hint * max(0.0, 1 - 2 * progress) * hint).backward()
        if step % options.text_every == 0:
            divergence = text_divergence(model, teacher, texts.next())
            (TEXT_WEIGHT * options.text_every * divergence).backward()
            drift = 0.9 * drift + 0.1 * divergence.item()
        nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        now = (loss.item(), right, hint.item())
        average = now if average is None else tuple(0.97 * a + 0.03 * b for a, b in zip(average, now))
        if step % 25 == 0:
            print(f"{step} seconds {elapsed:.0f} loss {average[0]:.4f} right {average[1]:.3f} hint {average[2]:.4f}"
                  f" drift {drift:.4f} cells {batch.cells}", flush=True)
        if elapsed > next_save:
            next_save += options.save_every
            save(options.work / "latest.pt", vision, model, step)
    blend(model, teacher, options.text_step)
    save(options.work / "final.pt", vision, model, step)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/capitals/vision"), help="folder for saved states")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--save-every", type=float, default=120, help="seconds")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--matrix-rate", type=float, default=0.02, help="of the tower")
    parser.add_argument("--other-rate", type=float, default=0.003, help="of the tower")
    parser.add_argument("--text-rate", type=float, default=0.0003, help="of the language model")
    parser.add_argument("--text-step", type=float, default=0.8, help="the share of the text weights' change to keep")
    parser.add_argument("--text-every", type=int, default=2, help="batches of pictures per batch of text")
    parser.add_argument("--hint", type=float, default=0.5, help="weight of the probe's loss at the start")
    parser.add_argument("--progress", type=float, default=0.0, help="where the growth of the pictures starts, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text-state", type=Path, help="the language model as train.py saved it; else the exported one")
    parser.add_argument("--start", type=Path, help="a saved state to go on from")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    train(options)


if __name__ == "__main__":
    main()
