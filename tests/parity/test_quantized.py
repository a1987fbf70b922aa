"""Checkpoints quantised by mlx-lm itself, in every mode, read by Octavo."""

import contextlib
import io
import json

import numpy as np
import pytest
from mlx_lm.convert import convert

import comparison
import mlx_oracle
import program
import reference

AFFINE = [("affine", bits, group, None) for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)]
FLOAT = [(mode, None, None, None) for mode in ("mxfp4", "mxfp8", "nvfp4")]
# These write "group_size": null for every module.
MIXED = [("affine", None, None, f"mixed_{bits}") for bits in ("2_6", "3_4", "3_6", "4_6")]
CASES = AFFINE + FLOAT + MIXED


def name(case):
    return "-".join(str(part) for part in case if part)


def mlx_convert(source, target, case):
    mode, bits, group, recipe = case
    with contextlib.redirect_stdout(io.StringIO()):
        convert(str(source), str(target), quantize=True, q_mode=mode, q_bits=bits,
                q_group_size=group, quant_predicate=recipe)
    return target


def check_logits(folder, length=43):
    """Octavo, mlx-lm and numpy on the decoded weights agree about a folder."""
    model = reference.Model(folder)
    tokens = reference.settled_prompt(model, length, 2)
    expected = reference.logits(model, tokens)
    oracle = mlx_oracle.logits(mlx_oracle.load(folder), tokens)
    comparison.assert_close(oracle, expected, "mlx-lm and numpy (the oracles disagree)", 2e-4)
    actual = program.logits(folder, tokens)
    comparison.assert_close(actual, expected, "numpy on decoded weights")
    comparison.assert_close(actual, oracle, "mlx-lm")
    return tokens, actual


def check_logits_and_bits(folder):
    """Chunks and threads change no bit, in either arithmetic."""
    tokens, whole = check_logits(folder)
    assert np.array_equal(program.logits(folder, tokens, chunk=5, threads=2), whole)
    default = program.logits(folder, tokens, exact=False)
    assert np.array_equal(program.logits(folder, tokens, exact=False, chunk=5, threads=2), default)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_mlx_conversion(case, checkpoint, tmp_path):
    check_logits_and_bits(mlx_convert(checkpoint("moe_wide"), tmp_path / "q", case))


@pytest.mark.parametrize(
    "kind", ["moe", "dense", "dense_deep", "moe_plain_v", "moe_shrunk", "e2b", "e4b", "e2b_shrunk"])
def test_mlx_conversion_of_other_kinds(kind, checkpoint, tmp_path):
    for case in (("affine", 4, 64, None), ("mxfp8", None, None, None)):
        check_logits(mlx_convert(checkpoint(kind), tmp_path / case[0], case))


@pytest.mark.parametrize("case", AFFINE[1::3] + FLOAT + MIXED, ids=name)
def test_mlx_conversion_of_an_e_model(case, checkpoint, tmp_path):
    """Per-layer tables and matrices in every mode; layers that share keys and values."""
    check_logits_and_bits(mlx_convert(checkpoint("e_wide"), tmp_path / "q", case))


def test_embedding_really_has_the_float_mode(checkpoint, tmp_path):
    for mode in ("mxfp4", "mxfp8", "nvfp4"):
        folder = mlx_convert(checkpoint("e_wide"), tmp_path / mode, (mode, None, None, None))
        text = mlx_oracle.load(folder).language_model.model
        assert text.embed_tokens.mode == text.embed_tokens_per_layer.mode == mode


def edited_config(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_block_without_mode_means_affine(checkpoint, tmp_path):
    folder = mlx_convert(checkpoint("moe_wide"), tmp_path / "q", ("affine", 8, 64, None))

    def change(config):
        del config["quantization_config"]
        del config["quantization"]["mode"]

    tokens, before = check_logits(folder, 9)
    edited_config(folder, change)
    assert np.array_equal(program.logits(folder, tokens), before)


def test_top_level_block_only(checkpoint, tmp_path):
    """All modules of one triple need no overrides."""
    folder = mlx_convert(checkpoint("moe_wide"), tmp_path / "q", ("affine", 8, 64, None))
    tokens, before = check_logits(folder, 9)

    def change(config):
        config["quantization"] = {"group_size": 64, "bits": 8, "mode": "affine"}
        config["quantization_config"] = config["quantization"]

    edited_config(folder, change)
    assert np.array_equal(program.logits(folder, tokens), before)
