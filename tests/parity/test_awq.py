"""AWQ folding really happens, in every legal place, and changes no logit."""

import json

import numpy as np
import pytest

import imatrix_files
import program
import reference
import safetensors_io
import tiny_checkpoints
from test_converted import CARD, modules

# What each group of statistics may change, by the end of the tensor's name.
ATTENTION = ("input_layernorm.weight", "q_proj.weight", "k_proj.weight", "v_proj.weight")
DENSE_INPUT = ("pre_feedforward_layernorm.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight")
DENSE_INNER = ("mlp.up_proj.weight", "mlp.down_proj.weight")
EXPERT_INPUT = ("pre_feedforward_layernorm_2.weight", "switch_glu.gate_proj.weight",
                "switch_glu.up_proj.weight")
EXPERT_INNER = ("switch_glu.up_proj.weight", "switch_glu.down_proj.weight")


def convert(source, target, *flags):
    return program.run("convert", "-i", source, "-o", target, "--quiet", *flags)


def changed(before, after):
    """Names of the tensors whose bytes differ between two folders."""
    first, second = (safetensors_io.read_folder(folder) for folder in (before, after))
    assert first.keys() == second.keys()
    return {name for name in first if not np.array_equal(first[name][1], second[name][1])}


def expected_changes(names, endings):
    return {name for name in names if ".layers." in name and name.endswith(endings)}


@pytest.fixture
def plain(checkpoint, tmp_path):
    def get(kind):
        folder = tmp_path / "plain"
        convert(checkpoint(kind), folder)
        return folder
    return get


def assert_same_logits(kind, checkpoint, folded):
    model = reference.Model(checkpoint(kind))
    tokens = reference.settled_prompt(model, 30, 6)
    before, after = reference.logits(model, tokens), reference.logits(
        reference.Model(folded), tokens)
    # Powers of two commute with every rounding of the forward pass.
    assert reference.error(after, before) < 1e-12
    assert np.array_equal(program.logits(folded, tokens), program.logits(checkpoint(kind), tokens))


@pytest.mark.parametrize("kind", ["moe", "moe_plain_v", "dense", "moe_odd", "e2b", "e_odd"])
def test_every_legal_fold_happens_and_is_exact(kind, checkpoint, plain, tmp_path):
    imatrix = imatrix_files.write_gguf(tmp_path / "im.gguf", imatrix_files.statistics(kind))
    before, after = plain(kind), tmp_path / "folded"
    convert(checkpoint(kind), after, "--imatrix-path", imatrix, "--awq", "on")
    endings = ATTENTION + DENSE_INPUT + DENSE_INNER
    if tiny_checkpoints.KINDS[kind]["enable_moe_block"]:
        endings += EXPERT_INPUT + EXPERT_INNER
    names = safetensors_io.read_folder(before)
    assert changed(before, after) == expected_changes(names, endings)
    assert_same_logits(kind, checkpoint, after)


@pytest.mark.parametrize("part, endings", [
    ("ffn_down", DENSE_INNER), ("ffn_down_exps", EXPERT_INNER),
    ("ffn_gate_up_exps", EXPERT_INPUT),
])
def test_one_group_alone(part, endings, checkpoint, plain, tmp_path):
    stats = {name: value for name, value in imatrix_files.statistics("moe").items()
             if name.split(".")[2] == part}
    imatrix = imatrix_files.write_gguf(tmp_path / "im.gguf", stats)
    before, after = plain("moe"), tmp_path / "folded"
    convert(checkpoint("moe"), after, "--imatrix-path", imatrix, "--awq", "on")
    names = safetensors_io.read_folder(before)
    assert changed(before, after) == expected_changes(names, endings)
    assert_same_logits("moe", checkpoint, after)


def test_expert_without_data(checkpoint, tmp_path):
    stats = imatrix_files.statistics("moe", unused_expert=3)
    imatrix = imatrix_files.write_gguf(tmp_path / "im.gguf", stats)
    convert(checkpoint("moe"), tmp_path / "out", "--imatrix-path", imatrix, "--awq", "on")
    assert_same_logits("moe", checkpoint, tmp_path / "out")


def test_legacy_form_gives_the_same_folds(checkpoint, tmp_path):
    stats = imatrix_files.statistics("dense")
    paths = [imatrix_files.write_gguf(tmp_path / "im.gguf", stats),
             imatrix_files.write_dat(tmp_path / "im.dat", stats)]
    for path, name in zip(paths, ("gguf", "dat")):
        convert(checkpoint("dense"), tmp_path / name, "--imatrix-path", path, "--awq", "on")
    assert changed(tmp_path / "gguf", tmp_path / "dat") == set()
    assert_same_logits("dense", checkpoint, tmp_path / "dat")


@pytest.fixture
def moe_imatrix(tmp_path):
    return imatrix_files.write_gguf(tmp_path / "im.gguf", imatrix_files.statistics("moe"))


def test_auto_leaves_float_formats_alone(checkpoint, moe_imatrix, tmp_path):
    """With a float element the error does not depend on a column's scale: nothing to win."""
    convert(checkpoint("moe"), tmp_path / "without", *CARD)
    convert(checkpoint("moe"), tmp_path / "with", *CARD, "--imatrix-path", moe_imatrix)
    assert changed(tmp_path / "without", tmp_path / "with") == set()


def test_auto_folds_into_integer_formats(checkpoint, moe_imatrix, tmp_path):
    flags = ["-q", "--q-bits", "4", "--q-recipe", "unsloth"]
    convert(checkpoint("moe"), tmp_path / "off", *flags, "--imatrix-path", moe_imatrix,
            "--awq", "off")
    convert(checkpoint("moe"), tmp_path / "auto", *flags, "--imatrix-path", moe_imatrix)
    names = changed(tmp_path / "off", tmp_path / "auto")
    for part in ("input_layernorm", "pre_feedforward_layernorm", "mlp.down_proj"):
        assert any(part in name for name in names), part


def test_awq_on_with_the_card_keeps_its_layout(checkpoint, moe_imatrix, tmp_path):
    convert(checkpoint("moe"), tmp_path / "plain", *CARD)
    convert(checkpoint("moe"), tmp_path / "awq", *CARD, "--imatrix-path", moe_imatrix,
            "--awq", "on")
    assert modules(tmp_path / "plain") == modules(tmp_path / "awq")
    assert any("input_layernorm" in name
               for name in changed(tmp_path / "plain", tmp_path / "awq"))


def test_report_counts_the_folds(checkpoint, moe_imatrix, tmp_path):
    result = convert(checkpoint("moe"), tmp_path / "out", "--imatrix-path", moe_imatrix,
                     "--awq", "on", "--json")
    assert "awq" in json.dumps(json.loads(result.stdout)).lower()
