"""`octavo logits` on tiny checkpoints against mlx-lm, transformers and the float64 reference."""

import json
from pathlib import Path

import numpy as np
import pytest

import comparison
import mlx_oracle
import program
import reference
import tiny_checkpoints

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
GOLDENS = Path(__file__).resolve().parents[1] / "goldens" / "model"
KINDS = list(tiny_checkpoints.KINDS)
CHUNKS = (None, 1, 3, 7)
# Below, at and above the window, and several windows.
LENGTHS = {
    "one": lambda window: 1,
    "below": lambda window: window - 1,
    "window": lambda window: window,
    "above": lambda window: window + 1,
    "several": lambda window: 5 * window + 3,
}


def prompt(model, length, seed=11):
    return reference.settled_prompt(
        model, LENGTHS[length](model.config["sliding_window"]), seed)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_exact_logits(kind, length, checkpoint, model, oracle):
    tokens = prompt(model(kind), length)
    whole = program.logits(checkpoint(kind), tokens)
    comparison.assert_close(whole, reference.logits(model(kind), tokens), "float64")
    comparison.assert_close(whole, mlx_oracle.logits(oracle(kind), tokens), "mlx-lm")
    for chunk in CHUNKS[1:]:
        if chunk < len(tokens):
            chunked = program.logits(checkpoint(kind), tokens, chunk=chunk)
            assert np.array_equal(chunked, whole), \
                f"chunks of {chunk}: {comparison.difference(chunked, whole, 0)}"


def synthetic(tmp_path, **shapes):
    """A checkpoint of `octavo synth` with the 26B-A4B model's configuration but for `shapes`."""
    config = json.loads((CONFIGS / "gemma-4-26b-a4b-it.json").read_text())
    config["text_config"].update(shapes, vocab_size=640, sliding_window=16)
    for part in ("vision_config", "audio_config"):
        config.pop(part, None)
    (tmp_path / "config.json").write_text(json.dumps(config))
    folder = tmp_path / "model"
    program.run("synth", "--config", tmp_path / "config.json", "-o", folder, "--quiet",
                "--recipe", "unsloth")
    return folder


def test_default_logits_of_a_synthetic_model(tmp_path):
    """Twelve layers: a layer's rounding must not grow in those behind it."""
    kinds = ["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(12)]
    folder = synthetic(tmp_path, num_hidden_layers=12, layer_types=kinds, hidden_size=512,
                       intermediate_size=384, moe_intermediate_size=128, num_experts=32,
                       num_attention_heads=4, num_key_value_heads=2, num_global_key_value_heads=1,
                       head_dim=64, global_head_dim=128)
    tokens = [(i * 37 + i * i * 11) % 600 + 10 for i in range(200)]
    exact = program.logits(folder, tokens).astype(np.float64)
    default = program.logits(folder, tokens, exact=False)
    error = np.sqrt(((default - exact) ** 2).sum() / (exact ** 2).sum())
    assert 0 < error <= 5e-3, error


def test_widths_of_the_real_model(tmp_path):
    """Two layers with the heads of 26B-A4B: rows of activations lie apart as no tiny model's do."""
    folder = synthetic(tmp_path, num_hidden_layers=2,
                       layer_types=["sliding_attention", "full_attention"], hidden_size=1024,
                       intermediate_size=2048, moe_intermediate_size=1024, num_experts=4,
                       top_k_experts=2)
    tokens = [(i * 37 + i * i * 11) % 600 + 10 for i in range(40)]
    whole = program.logits(folder, tokens)
    comparison.assert_close(whole, mlx_oracle.logits(mlx_oracle.load(folder), tokens), "mlx-lm")
    for chunk in CHUNKS[1:]:
        assert np.array_equal(program.logits(folder, tokens, chunk=chunk), whole), chunk


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_goldens(kind, checkpoint):
    golden = np.load(GOLDENS / f"{kind}.npz")
    for index in range(3):
        stored = golden[f"logits{index}"]
        actual = program.logits(checkpoint(kind), golden[f"tokens{index}"])[-len(stored):]
        comparison.assert_close(actual, stored, f"{golden['made_by']}, prompt {index}")


@pytest.mark.parametrize("layout", [name for name in tiny_checkpoints.LAYOUTS if name != "hf"])
@pytest.mark.parametrize("kind", KINDS)
def test_layouts_give_the_same_bits(kind, layout, checkpoint, model):
    tokens = prompt(model(kind), "above")
    expected = program.logits(checkpoint(kind), tokens)
    actual = program.logits(checkpoint(kind, layout), tokens)
    assert np.array_equal(actual, expected), comparison.difference(actual, expected, 0)


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "default"])
@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_change_a_bit(kind, exact, checkpoint, model):
    tokens = prompt(model(kind), "several")
    expected = program.logits(checkpoint(kind), tokens, exact=exact)
    actual = program.logits(checkpoint(kind), tokens, exact=exact, threads=2)
    assert np.array_equal(actual, expected), comparison.difference(actual, expected, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_do_not_change_a_bit_by_default(kind, checkpoint, model):
    tokens = prompt(model(kind), "several")
    expected = program.logits(checkpoint(kind), tokens, exact=False)
    for chunk in CHUNKS[1:]:
        actual = program.logits(checkpoint(kind), tokens, exact=False, chunk=chunk, threads=2)
        assert np.array_equal(actual, expected), \
            f"chunks of {chunk}: {comparison.difference(actual, expected, 0)}"


def test_long_prompt(checkpoint, model, oracle):
    """Many windows, long after the first keys of the sliding layers are gone."""
    tokens = reference.settled_prompt(model("moe_shrunk"), 200, 5)
    expected = reference.logits(model("moe_shrunk"), tokens)
    whole = program.logits(checkpoint("moe_shrunk"), tokens, threads=2)
    comparison.assert_close(whole, expected, "float64")
    comparison.assert_close(whole, mlx_oracle.logits(oracle("moe_shrunk"), tokens), "mlx-lm")
    chunked = program.logits(checkpoint("moe_shrunk"), tokens, chunk=65, threads=2)
    assert np.array_equal(chunked, whole)
