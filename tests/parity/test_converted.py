"""What `octavo convert` writes loads in stock mlx-lm and gives the same logits there."""

import json

import numpy as np
import pytest

import mlx_formats
import mlx_oracle
import program
import reference
import safetensors_io
import tiny_checkpoints
from test_quantized import check_logits

CARD = ["-q", "--q-bits", "8", "--q-mxfp", "--q-recipe", "unsloth"]

CASES = {
    "card": CARD,
    "bf16": [],
    "unsloth-nvfp4": ["-q", "--q-mode", "nvfp4", "--q-recipe", "unsloth"],
    "mxfp8": ["-q", "--q-mode", "mxfp8"],
    "mxfp4": ["-q", "--q-mode", "mxfp4"],
    "q-mxfp-4": ["-q", "--q-bits", "4", "--q-mxfp"],
    "q-mxfp-8": ["-q", "--q-bits", "8", "--q-mxfp"],
    "mixed_3_4-mxfp": ["-q", "--q-recipe", "mixed_3_4", "--q-mxfp"],
    "mixed_4_6-mxfp": ["-q", "--q-recipe", "mixed_4_6", "--q-mxfp"],
    "card-compat": CARD + ["--q-scale", "compat"],
    "card-compat-cpu": CARD + ["--q-scale", "compat-cpu"],
    "mxfp4-compat": ["-q", "--q-mode", "mxfp4", "--q-scale", "compat"],
    "affine-4-compat": ["-q", "--q-bits", "4", "--q-scale", "compat"],
    "affine-4-compat-cpu": ["-q", "--q-bits", "4", "--q-scale", "compat-cpu"],
}
for bits in (2, 3, 4, 5, 6, 8):
    CASES[f"unsloth-{bits}"] = ["-q", "--q-bits", str(bits), "--q-recipe", "unsloth"]
    for group in (32, 64, 128):
        CASES[f"affine-{bits}-{group}"] = [
            "-q", "--q-bits", str(bits), "--q-group-size", str(group)]
    if bits != 8:
        CASES[f"unsloth-mxfp-{bits}"] = [
            "-q", "--q-bits", str(bits), "--q-mxfp", "--q-recipe", "unsloth"]
for recipe in ("mixed_2_6", "mixed_3_4", "mixed_3_6", "mixed_4_6"):
    CASES[recipe] = ["-q", "--q-recipe", recipe]

# Relative error of normally distributed weights that no sound encoder exceeds.
WORST_ERROR = {
    ("mxfp8", 8): 0.03, ("mxfp4", 4): 0.13, ("nvfp4", 4): 0.11, ("affine", 8): 0.009,
    ("affine", 6): 0.030, ("affine", 5): 0.060, ("affine", 4): 0.13, ("affine", 3): 0.26,
    ("affine", 2): 0.55,
}


def convert(source, target, flags):
    program.run("convert", "-i", source, "-o", target, "--quiet", "--force", *flags)
    return target


def modules(folder):
    """module path -> (mode, bits, group_size) of every quantised module."""
    tensors = safetensors_io.read_folder(folder)
    block = json.loads((folder / "config.json").read_text()).get("quantization")
    names = [name.removesuffix(".scales") for name in tensors if name.endswith(".scales")]
    return {
        name: mlx_formats.infer(tensors[name + ".weight"][1], tensors[name + ".scales"],
                                tensors.get(name + ".biases")) or mlx_formats.spec_of(block, name)
        for name in names
    }


def check_weights(source, target):
    """The written weights are the source's, to the accuracy of their format."""
    before, after = reference.Model(source).weights, reference.Model(target).weights
    quantised = {}
    for path, spec in modules(target).items():
        short = reference.canonical(path).replace("switch_glu.", "")
        quantised[short] = quantised[short + ".weight"] = spec
    assert before.keys() == after.keys()
    for name, weight in before.items():
        if name in quantised:
            mode, bits, _ = quantised[name]
            error = reference.error(after[name], weight)
            assert error <= WORST_ERROR[mode, bits], f"{name} {mode} {bits} bits: error {error:.4f}"
        else:
            assert np.array_equal(after[name], weight), name


@pytest.mark.parametrize("case", CASES)
def test_conversion(case, checkpoint, tmp_path):
    source = checkpoint("moe_wide")
    folder = convert(source, tmp_path / "out", CASES[case])
    if "compat" not in case:
        check_weights(source, folder)
    check_logits(folder)


E_CASES = ("card", "bf16", "unsloth-nvfp4", "mxfp8", "mxfp4", "q-mxfp-4", "mixed_3_6",
           "mixed_4_6-mxfp", "unsloth-2", "unsloth-4", "unsloth-mxfp-4", "affine-4-64",
           "affine-8-64", "affine-3-128", "card-compat")


@pytest.mark.parametrize("case", E_CASES)
def test_conversion_of_an_e_model(case, checkpoint, tmp_path):
    source = checkpoint("e_wide")
    folder = convert(source, tmp_path / "out", CASES[case])
    if "compat" not in case:
        check_weights(source, folder)
    check_logits(folder)


def test_keys_and_values_of_shared_layers_are_dropped(checkpoint, tmp_path):
    for kind, flags in (("e2b", CARD), ("e4b", [])):
        config = tiny_checkpoints.KINDS[kind]
        assert any(tiny_checkpoints.is_unused(config, name)
                   for name in safetensors_io.read_folder(checkpoint(kind)))
        written = safetensors_io.read_folder(convert(checkpoint(kind), tmp_path / kind, flags))
        unused = [name for name in written
                  if tiny_checkpoints.is_unused(config, name.rpartition(".")[0] + ".weight")]
        assert not unused


def test_per_layer_tables_follow_the_recipe(checkpoint, tmp_path):
    """The card's recipe treats both tables alike and leaves the small per-layer matrices alone."""
    found = modules(convert(checkpoint("e_wide"), tmp_path / "card", CARD))
    prefix = "language_model.model."
    assert found[prefix + "embed_tokens_per_layer"] == ("affine", 8, 64)
    assert found[prefix + "embed_tokens"] == ("affine", 8, 64)
    assert not [name for name in found if "per_layer_" in name.removesuffix("_per_layer")]


@pytest.mark.parametrize("layout", tiny_checkpoints.LAYOUTS)
@pytest.mark.parametrize(
    "kind", ["moe", "moe_odd", "dense", "dense_deep", "moe_plain_v", "e2b", "e4b", "e_odd"])
def test_card_conversion(kind, layout, checkpoint, tmp_path):
    """Every form of the source gives the same weights; widths that do not divide stay BF16."""
    folder = convert(checkpoint(kind, layout), tmp_path / "out", CARD)
    check_weights(checkpoint(kind), folder)
    check_logits(folder, 20)


def test_card_layout(checkpoint, tmp_path):
    """The card's table: every matrix in MXFP8 but router, embedding (affine) and o_proj (BF16)."""
    found = modules(convert(checkpoint("moe"), tmp_path / "out", CARD))
    config = tiny_checkpoints.KINDS["moe"]
    expected = {"language_model.model.embed_tokens": ("affine", 8, 64)}
    for index, layer_type in enumerate(config["layer_types"]):
        layer = f"language_model.model.layers.{index}."
        matrices = ["self_attn.q_proj", "self_attn.k_proj"]
        matrices += ["self_attn.v_proj"] if layer_type == tiny_checkpoints.SLIDING else []
        matrices += [f"{block}.{part}_proj" for block in ("mlp", "experts.switch_glu")
                     for part in ("gate", "up", "down")]
        expected.update({layer + matrix: ("mxfp8", 8, 32) for matrix in matrices})
        expected[layer + "router.proj"] = ("affine", 8, 64)
    assert found == expected


def test_bf16_conversion_keeps_every_bit(checkpoint, tmp_path):
    source, folder = checkpoint("moe_wide"), tmp_path / "out"
    convert(source, folder, [])
    tokens = reference.settled_prompt(reference.Model(source), 20, 4)
    assert np.array_equal(program.logits(folder, tokens), program.logits(source, tokens))


def test_conversion_is_deterministic(checkpoint, tmp_path):
    source = checkpoint("moe")
    first = convert(source, tmp_path / "a", CARD + ["--threads", "1"])
    second = convert(source, tmp_path / "b", CARD + ["--threads", "2"])
    files = sorted(path.name for path in first.iterdir())
    assert files == sorted(path.name for path in second.iterdir())
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file


def test_second_conversion_of_mlx_form(checkpoint, tmp_path):
    """A BF16 checkpoint that Octavo wrote is itself a source."""
    plain = convert(checkpoint("moe", "hf_shards"), tmp_path / "plain", [])
    folder = convert(plain, tmp_path / "out", CARD)
    direct = convert(checkpoint("moe"), tmp_path / "direct", CARD)
    ours, theirs = (safetensors_io.read_folder(path) for path in (folder, direct))
    assert ours.keys() == theirs.keys()
    for name, (dtype, array) in ours.items():
        assert dtype == theirs[name][0] and np.array_equal(array, theirs[name][1]), name


def test_mlx_lm_accepts_every_override(checkpoint, tmp_path):
    """mlx-lm builds the modules that the block announces: nothing is left to inference."""
    folder = convert(checkpoint("moe_wide"), tmp_path / "out", CARD)
    block = json.loads((folder / "config.json").read_text())["quantization"]
    copy = json.loads((folder / "config.json").read_text())["quantization_config"]
    assert block == copy
    for path, spec in modules(folder).items():
        assert mlx_formats.spec_of(block, path) == spec, path
    assert mlx_oracle.load(folder).language_model.model.embed_tokens.bits == 8
