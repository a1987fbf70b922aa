"""E models that see and hear: what `octavo convert` makes of them in stock mlx-vlm and mlx-lm."""

import json

import numpy as np
import pytest

import comparison
import mlx_oracle
import mlx_vlm_oracle
import program
import reference
import safetensors_io
import tiny_audio
import tiny_vision
import vision_reference
from test_converted import CARD, convert, modules

KIND = "e2b"
FLAGS = {
    "bf16": [],
    "card": CARD,
    "mxfp8": ["-q", "--q-mode", "mxfp8"],
    "affine-4": ["-q", "--q-bits", "4"],
    "unsloth-4": ["-q", "--q-bits", "4", "--q-recipe", "unsloth"],
    "unsloth-nvfp4": ["-q", "--q-mode", "nvfp4", "--q-recipe", "unsloth"],
    "mixed_3_6": ["-q", "--q-recipe", "mixed_3_6"],
}


@pytest.fixture(scope="module")
def source(scratch):
    return tiny_audio.write(KIND, scratch / "hears")


@pytest.fixture(scope="module")
def picture():
    """Pixels, and a prompt with the picture in it: 48 soft tokens, six windows."""
    pixels = tiny_vision.picture(5, 288, 384)
    run = [tiny_vision.BEGIN] + [tiny_vision.IMAGE] * 48 + [tiny_vision.END]
    return pixels, [20, 31, 77] + run + [45, 46, 133, 91]


@pytest.mark.parametrize("case", FLAGS)
def test_a_converted_e_model_loads_everywhere(case, source, picture, tmp_path):
    folder = convert(source, tmp_path / "out", FLAGS[case])
    pixels, tokens = picture

    vlm = mlx_vlm_oracle.load(folder)
    features = vision_reference.Tower(folder).features(pixels)
    assert reference.error(mlx_vlm_oracle.features(vlm, pixels), features) < 1e-5
    expected = vision_reference.logits(
        reference.Model(folder), tiny_vision.IMAGE, tokens, [features])
    comparison.assert_close(mlx_vlm_oracle.logits(vlm, tokens, pixels), expected, "mlx-vlm", 1e-4)

    text = [token for token in tokens if token != tiny_vision.IMAGE]
    expected = reference.logits(reference.Model(folder), text)
    lm = mlx_oracle.load(folder)
    comparison.assert_close(mlx_oracle.logits(lm, text), expected, "mlx-lm", 2e-4)
    comparison.assert_close(program.logits(folder, text), expected, "numpy on decoded weights")


def test_ids_of_pictures_are_not_looked_up(source, picture):
    """The fault would show: rows of the image token in the table of per-layer embeddings."""
    pixels, tokens = picture
    model, features = reference.Model(source), [vision_reference.Tower(source).features(pixels)]
    right, wrong = (vision_reference.logits(model, tiny_vision.IMAGE, tokens, features, faults)
                    for faults in ((), ("picture_ids_kept",)))
    assert reference.error(wrong, right) > 1e-3


def test_audio_is_carried_along(source, tmp_path):
    """Every tensor keeps its bits; convolutions become channels-last, as MLX has them."""
    before = safetensors_io.read_folder(source)
    for name, flags in (("bf16", []), ("card", CARD)):
        folder = convert(source, tmp_path / name, flags)
        after, quantised = safetensors_io.read_folder(folder), modules(folder)
        names = [key.removeprefix("model.") for key in before if "audio" in key]
        assert len(names) == len(tiny_audio.shapes(64))
        for key in names:
            if key.removesuffix(".weight") in quantised:
                assert key == "embed_audio.embedding_projection.weight" and flags
                continue
            stored, original = after[key][1], before["model." + key][1]
            if "conv" in key and original.ndim > 2:
                original = np.moveaxis(original, 1, -1)
            assert after[key][0] == "BF16" and np.array_equal(stored, original), key
        config = json.loads((folder / "config.json").read_text())
        assert config["audio_config"] == tiny_audio.CONFIG


def test_converted_audio_sounds_the_same_in_mlx_vlm(source, tmp_path):
    mel = np.random.default_rng(3).normal(0, 1, (64, tiny_audio.MEL_BINS)).astype(np.float32)
    expected = mlx_vlm_oracle.audio_features(mlx_vlm_oracle.load(source), mel)
    converted = mlx_vlm_oracle.load(convert(source, tmp_path / "out", []))
    assert np.abs(expected).max() > 0.1
    assert np.array_equal(mlx_vlm_oracle.audio_features(converted, mel), expected)


def test_clip_bounds_of_the_tower_keep_their_bits(source, tmp_path):
    before = safetensors_io.read_folder(source)
    after = safetensors_io.read_folder(convert(source, tmp_path / "out", CARD))
    bounds = [name for name in before if name.endswith(("_min", "_max")) and "vision" in name]
    assert len(bounds) == 2 * 7 * 4
    for name in bounds:
        dtype, stored = after[name.removeprefix("model.")]
        assert dtype == "BF16" and stored.shape == () and stored == before[name][1], name


def test_inspect_and_plan_know_the_parts(source, tmp_path):
    folder = convert(source, tmp_path / "out", CARD)
    for command in (["inspect", folder], ["convert", "-i", source, "--plan", *CARD]):
        printed = program.run(*command).stdout
        for part in ("per-layer embeddings", "per-layer inputs", "vision tower", "audio tower"):
            assert part in printed, f"{command[0]}: no {part}"
    printed = program.run("inspect", folder).stdout
    assert "the last 3 layers share keys and values of those below, MLP twice as wide" in printed
    assert "per-layer inputs of 32" in printed and "audio tower: kept, not run" in printed
    layers = json.loads(program.run("inspect", folder, "--json").stdout)["layers"]
    assert layers["shared_kv"] == 3 and layers["per_layer_input"] == 32
