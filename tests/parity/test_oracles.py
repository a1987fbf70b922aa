"""The yardsticks agree with each other, and the suite would see every deliberate fault."""

from pathlib import Path

import numpy as np
import pytest

import comparison
import mlx_oracle
import reference
import tiny_checkpoints

GOLDENS = Path(__file__).resolve().parents[1] / "goldens" / "model"
VISIBLE = 1e-3  # a fault must move the logits by more than three times the tolerance
KINDS = list(tiny_checkpoints.KINDS)


def long_prompt(model, seed=3):
    return reference.settled_prompt(model, 3 * model.config["sliding_window"] + 5, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_mlx_lm_agrees_with_float64(kind, model, oracle):
    tokens = long_prompt(model(kind))
    expected = reference.logits(model(kind), tokens)
    for chunk in (None, 1, 3, 7):
        comparison.assert_close(mlx_oracle.logits(oracle(kind), tokens, chunk), expected,
                                f"{kind}, chunk {chunk}", 2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_agrees_with_float64(kind, model):
    golden = np.load(GOLDENS / f"{kind}.npz")
    assert golden["fingerprint"] == tiny_checkpoints.fingerprint(kind), \
        f"{kind}.npz belongs to another checkpoint: run tools/goldens/model_logits.py"
    for index in range(3):
        stored = golden[f"logits{index}"]
        actual = reference.logits(model(kind), golden[f"tokens{index}"])[-len(stored):]
        comparison.assert_close(actual, stored, f"{kind}, prompt {index}", 2e-4)


@pytest.mark.parametrize("layout", [name for name in tiny_checkpoints.LAYOUTS if name != "hf"])
def test_layouts_hold_the_same_weights(layout, checkpoint, model):
    for kind in KINDS:
        other = reference.Model(checkpoint(kind, layout))
        assert other.weights.keys() == model(kind).weights.keys()
        assert other.layers == model(kind).layers
        for name, weight in model(kind).weights.items():
            assert np.array_equal(other.weights[name], weight), f"{kind} {layout} {name}"


@pytest.fixture(scope="module")
def fault_free(model):
    prompts = {kind: long_prompt(model(kind)) for kind in (
        "moe", "moe_odd", "moe_shrunk", "dense", "e2b", "e2b_shrunk", "e_odd")}
    return {kind: (tokens, reference.logits(model(kind), tokens))
            for kind, tokens in prompts.items()}


@pytest.mark.parametrize("fault", reference.FAULTS)
def test_fault_is_visible(fault, model, fault_free):
    errors = {}
    for kind, (tokens, expected) in fault_free.items():
        errors[kind] = reference.error(reference.logits(model(kind), tokens, [fault]), expected)
        if errors[kind] > VISIBLE:
            return
    raise AssertionError(f"{fault} moves no logits by more than {VISIBLE}: {errors}")


def test_close_router_decisions_are_avoided(model):
    forward = reference.Forward(model("moe"))
    forward.logits(long_prompt(model("moe")))
    assert forward.margins.min() >= 5e-4
