#!/usr/bin/env python3
"""What AWQ folding does to each format, on the embedded model.

Collects an importance matrix from chats with the float64 reference of tests/parity, converts the
model with --awq off and on, and compares the next-token distributions over other chats with those
of the BF16 model: mean KL divergence in nats and share of equal best tokens.

  build/venv/bin/python tools/awq/measure.py
"""

import itertools
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "parity"))

import imatrix_files  # noqa: E402
import program  # noqa: E402
import reference  # noqa: E402

SOURCE = ROOT / "models" / "capitals"
FORMATS = {
    "mxfp8 (the card)": ["--q-bits", "8", "--q-mxfp", "--q-recipe", "unsloth"],
    "mxfp4": ["--q-mode", "mxfp4"],
    "nvfp4": ["--q-mode", "nvfp4", "--q-recipe", "unsloth"],
    "affine 8/64": ["--q-bits", "8", "--q-recipe", "unsloth"],
    "affine 4/64": ["--q-bits", "4", "--q-recipe", "unsloth"],
    "affine 3/64": ["--q-bits", "3", "--q-recipe", "unsloth"],
}


class Collector(reference.Forward):
    """A forward pass that sums the squares of what every matrix reads."""

    def __init__(self, model):
        super().__init__(model)
        self.sums = {}  # llama.cpp name -> [sums of squares [matrices, width], counts]

    def add(self, part, x, matrix=0, matrices=1):
        name = f"blk.{self.index}.{part}.weight"
        if name not in self.sums:
            self.sums[name] = [np.zeros((matrices, x.shape[1])), np.zeros((matrices, 1))]
        self.sums[name][0][matrix] += (x**2).sum(axis=0)
        self.sums[name][1][matrix] += len(x)

    def layer(self, h, index):
        self.index = index
        return super().layer(h, index)

    def attention(self, x, w, index):
        parts = ["attn_q", "attn_k"] + ([] if self.model.layers[index][1] else ["attn_v"])
        for part in parts:
            self.add(part, x)
        return super().attention(x, w, index)

    def mlp(self, x, w):
        self.add("ffn_gate", x)
        self.add("ffn_up", x)
        inner = reference.gelu_tanh(x @ w("mlp.gate_proj.weight").T) * (x @ w("mlp.up_proj.weight").T)
        self.add("ffn_down", inner)
        return super().mlp(x, w)

    def experts(self, x, chosen, weights, w):
        gates, ups = w("experts.gate_proj"), w("experts.up_proj")
        for expert in range(len(gates)):
            mine = x[np.nonzero(chosen == expert)[0]]
            self.add("ffn_gate_up_exps", mine, expert, len(gates))
            inner = reference.gelu_tanh(mine @ gates[expert].T) * (mine @ ups[expert].T)
            self.add("ffn_down_exps", inner, expert, len(gates))
        return super().experts(x, chosen, weights, w)


def chats():
    """Token ids of one chat per country, questions and answers."""
    tokenizer = Tokenizer.from_file(str(SOURCE / "tokenizer.json"))
    for row in json.loads((SOURCE / "capitals.json").read_text()):
        text = (f"<bos><|turn>user\nWhat is the capital of {row['country']}?<turn|>\n<|turn>model\n"
                f"<|channel>thought\n<channel|>The capital of {row['country']} is {row['capital']}."
                "<turn|>\n<|turn>user\nWhat continent is it on?<turn|>\n<|turn>model\n"
                "<|channel>thought\n<channel|>")
        yield tokenizer.encode(text, add_special_tokens=False).ids


def log_probabilities(folder, prompts):
    logits = np.concatenate([program.logits(folder, ids).astype(np.float64) for ids in prompts])
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def main():
    prompts = list(chats())
    calibration, held_out = prompts[0::2], prompts[1::4]
    collector = Collector(reference.Model(SOURCE))
    for ids in calibration:
        collector.logits(ids)
    stats = {name: (sums.astype(np.float32), counts.astype(np.float32))
             for name, (sums, counts) in collector.sums.items()}
    truth = log_probabilities(SOURCE, held_out)
    print(f"{len(calibration)} chats for the matrix, {len(truth)} positions compared\n")
    print(f"{'format':<18}{'awq':<5}{'KL divergence':>15}{'same best':>11}")
    with tempfile.TemporaryDirectory() as scratch:
        imatrix = imatrix_files.write_gguf(Path(scratch) / "imatrix.gguf", stats)
        for (name, flags), awq in itertools.product(FORMATS.items(), ("off", "on")):
            out = Path(scratch) / f"{name.split()[0]}-{awq}"
            program.run("convert", "-i", SOURCE, "-o", out, "-q", *flags, "--force", "--quiet",
                        "--imatrix-path", imatrix, "--awq", awq)
            q = log_probabilities(out, held_out)
            divergence = (np.exp(truth) * (truth - q)).sum(axis=-1).mean()
            same = (truth.argmax(axis=-1) == q.argmax(axis=-1)).mean()
            print(f"{name:<18}{awq:<5}{divergence:>15.6f}{same:>10.2%}")


if __name__ == "__main__":
    main()
