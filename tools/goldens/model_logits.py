"""Stores the logits of transformers' Gemma 4 on the tiny checkpoints of tests/parity.

Run once, by hand, where torch is installed (5.6 GB, hence never in the test suite):

    pip install transformers==5.24.0 torch==2.15.0 numpy safetensors
    python tools/goldens/model_logits.py [KIND …]

Every golden names the versions, the layout it was read from, and the fingerprint of its checkpoint:
tests regenerate the checkpoint from its seeds and refuse a golden whose fingerprint differs.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "parity"))

import reference  # noqa: E402
import tiny_checkpoints  # noqa: E402

OUT = ROOT / "tests" / "goldens" / "model"
SEED = 7


def logits(folder, prompts):
    text_only = json.loads((folder / "config.json").read_text())["model_type"] == "gemma4_text"
    cls = transformers.Gemma4ForCausalLM if text_only \
        else transformers.Gemma4ForConditionalGeneration
    model, info = cls.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    unexpected = info["unexpected_keys"]
    missing = [key for key in info["missing_keys"] if "lm_head" not in key]
    assert not missing and not unexpected, f"{folder}: {missing} {unexpected}"
    model.eval()
    with torch.no_grad():
        return [model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0].numpy()
                for tokens in prompts]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    layouts = ["hf", "hf_shards", "text_only"]
    with tempfile.TemporaryDirectory() as scratch:
        for number, kind in enumerate(tiny_checkpoints.KINDS):
            if sys.argv[1:] and kind not in sys.argv[1:]:
                continue
            layout = layouts[number % len(layouts)]
            folder = tiny_checkpoints.write(kind, layout, Path(scratch) / kind)
            model = reference.Model(folder)
            window = model.config["sliding_window"]
            prompts = [reference.settled_prompt(model, length, SEED)
                       for length in (window - 1, window + 1, 3 * window + 5)]
            results = logits(folder, prompts)
            for tokens, result in zip(prompts, results):
                error = reference.error(result, reference.logits(model, tokens))
                print(f"{kind} {layout} {len(tokens)} tokens: error to float64 {error:.1e}")
            # Of the last prompt the last rows, of the shorter ones the last one.
            np.savez_compressed(
                OUT / f"{kind}.npz",
                **{f"tokens{i}": np.array(p, dtype=np.int32) for i, p in enumerate(prompts)},
                **{f"logits{i}": r[-40 if i == 2 else -1:] for i, r in enumerate(results)},
                fingerprint=tiny_checkpoints.fingerprint(kind),
                made_by=f"transformers {transformers.__version__}, torch {torch.__version__}, "
                        f"layout {layout}, prompt seed {SEED}",
            )


if __name__ == "__main__":
    main()
