"""Trains the demonstration model on one CPU core, for a given time.

Run: python train.py --work build/capitals --minutes 70
"""

import argparse
import math
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

from batches import Packer
from chat_format import MODEL_DIR
from evaluate import quick_report
from model import Gemma4, masks
from optimizer import make_optimizers

BALANCE_WEIGHT = 0.01
HEAD_SHARE = 0.45  # of a batch's positions, the heaviest ones, get logits


def loss_of(model, batch, hidden_of):
    full_mask, sliding_mask = masks(batch.documents, model.config.sliding_window)
    hidden, balance = hidden_of(batch.ids, batch.positions, full_mask, sliding_mask)
    weights = batch.weights[:, 1:].flatten()
    targets = batch.ids[:, 1:].flatten()
    chosen = (weights + 1e-3 * torch.rand_like(weights)).topk(int(HEAD_SHARE * len(weights))).indices
    logits = model.logits(hidden[:, :-1].flatten(0, 1)[chosen])
    losses = F.cross_entropy(logits, targets[chosen], reduction="none")
    kept = weights[chosen]
    return (losses * kept).sum() / kept.sum(), balance


def rate_factor(elapsed, total, warmup=30.0):
    """Linear warm-up, then a cosine down to nearly zero; both in seconds."""
    if elapsed < warmup:
        return elapsed / warmup
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, (elapsed - warmup) / (total - warmup))))


def train(options):
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    tokenizer = Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))
    model = Gemma4()
    if options.start:
        model.load_state_dict(torch.load(options.start)["model"])
    optimizers = make_optimizers(model, options.matrix_rate, options.other_rate)
    bases = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    hidden_of = torch.compile(model.hidden) if options.compile else model.hidden
    packer = Packer(tokenizer, options.rows, options.length, options.seed)
    loss_of(model, packer.next(), hidden_of)[0].backward()  # compiles, before the clock starts
    start, total, step, average = time.time(), options.minutes * 60, 0, None
    next_report, next_save = options.report_every, options.save_every
    while (elapsed := time.time() - start) < total:
        for optimizer, rates in zip(optimizers, bases):
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate * max(0.02, rate_factor(elapsed, total))
        loss, balance = loss_of(model, packer.next(), hidden_of)
        (loss + BALANCE_WEIGHT * balance).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        average = loss.item() if average is None else 0.95 * average + 0.05 * loss.item()
        if step % 50 == 0:
            rate = step * options.rows * options.length / (time.time() - start)
            print(f"{step} loss {average:.4f} balance {balance.item():.3f} seconds {elapsed:.0f} tokens/s {rate:.0f}",
                  flush=True)
        if elapsed > next_save:
            next_save += options.save_every
            torch.save({"model": model.state_dict(), "step": step}, options.work / "latest.pt")
        if elapsed > next_report:
            next_report += options.report_every
            print(quick_report(model, tokenizer), flush=True)
    torch.save({"model": model.state_dict(), "step": step}, options.work / "final.pt")
    print(quick_report(model, tokenizer), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/capitals"), help="folder for saved states")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--report-every", type=float, default=720, help="seconds")
    parser.add_argument("--save-every", type=float, default=120, help="seconds")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--matrix-rate", type=float, default=0.02)
    parser.add_argument("--other-rate", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="a saved state to go on from")
    parser.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    train(options)


if __name__ == "__main__":
    main()
