"""Pictures: soft tokens and logits of `octavo logits --image` against transformers and float64."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import comparison
import program
import reference
import safetensors_io
import tiny_vision
import vision_reference
from tiny_vision import BEGIN, END, IMAGE

GOLDENS = Path(__file__).resolve().parents[1] / "goldens" / "vision"
KINDS = list(tiny_vision.KINDS)
PROMPTS = range(4)
FEATURE_TOLERANCE = 1e-5
# A fault must move features or logits by more than three times the tolerance.
VISIBLE_IN_FEATURES, VISIBLE_IN_LOGITS = 1e-4, 1e-3


@pytest.fixture(scope="session")
def seeing(scratch):
    """seeing(kind, layout) -> folder."""
    def get(kind, layout="hf"):
        folder = scratch / f"seeing-{kind}-{layout}"
        return folder if folder.exists() else tiny_vision.write(kind, layout, folder)
    return get


@pytest.fixture(scope="session")
def files(scratch):
    """files([(seed, height, width), ...]) -> PNG files."""
    def get(pictures):
        paths = []
        for picture in pictures:
            name = "-".join(str(int(part)) for part in picture)
            paths.append(scratch / f"picture-{name}.png")
            if not paths[-1].exists():
                tiny_vision.write_png(paths[-1], tiny_vision.picture(*map(int, picture)))
        return paths
    return get


@pytest.fixture(scope="session")
def goldens():
    loaded = {}

    def get(kind):
        if kind not in loaded:
            golden = np.load(GOLDENS / f"{kind}.npz")
            assert golden["fingerprint"] == tiny_vision.fingerprint(kind), \
                f"{kind}.npz belongs to another checkpoint: run tools/goldens/vision_logits.py"
            loaded[kind] = golden
        return loaded[kind]
    return get


def look(folder, tokens, images, tmp_path, **options):
    """(features of each picture, logits)."""
    features = tmp_path / "features.safetensors"
    logits = program.logits(folder, tokens, images=images, image_tokens=tiny_vision.BUDGET,
                            features_out=features, **options)
    stored = safetensors_io.read(features)
    return [stored[f"features{i}"][1] for i in range(len(stored))], logits


def close_features(actual, expected, what):
    assert actual.shape == expected.shape, what
    error = reference.error(actual, expected)
    assert error <= FEATURE_TOLERANCE, f"{what}: relative error of the features {error:.1e}"


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("kind", KINDS)
def test_transformers(kind, prompt, seeing, files, goldens, tmp_path):
    golden = goldens(kind)
    tokens, step = golden[f"tokens{prompt}"], int(golden["step"])
    images = files(golden[f"pictures{prompt}"])
    features, logits = look(seeing(kind), tokens, images, tmp_path)
    made_by = f"{golden['made_by']}, {kind}, prompt {prompt}"
    close_features(np.concatenate(features)[::step], golden[f"features{prompt}"], made_by)
    comparison.assert_close(logits[::-step], golden[f"logits{prompt}"], made_by)


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_threads_and_layouts_change_no_bit(kind, seeing, files, goldens, tmp_path):
    golden = goldens(kind)
    for prompt in (2, 3):
        tokens, images = golden[f"tokens{prompt}"], files(golden[f"pictures{prompt}"])
        for exact in (True, False):
            expected = look(seeing(kind), tokens, images, tmp_path, exact=exact)
            ways = [{"chunk": 1}, {"chunk": 3, "threads": 2}, {"chunk": 7}, {"chunk": 75},
                    {"threads": 2}]
            for way in ways:
                features, logits = look(seeing(kind), tokens, images, tmp_path, exact=exact, **way)
                assert np.array_equal(logits, expected[1]), \
                    f"{way}: {comparison.difference(logits, expected[1], 0)}"
                assert all(map(np.array_equal, features, expected[0])), way
    for layout in ("hf_shards", "mlx"):
        features, logits = look(seeing(kind, layout), tokens, images, tmp_path, exact=False)
        assert np.array_equal(logits, expected[1]), layout
        assert all(map(np.array_equal, features, expected[0])), layout


def simple_prompt(text, picture_tokens):
    return [*text, BEGIN, *[IMAGE] * picture_tokens, END, 20, 21, 22]


def test_card_layout(seeing, files, goldens, tmp_path):
    """The tower stays BF16, the projection behind it becomes affine; logits as of its weights."""
    folder = tmp_path / "card"
    program.run("convert", "-i", seeing("standardised"), "-o", folder, "--quiet", "-q",
                "--q-bits", "8", "--q-mxfp", "--q-recipe", "unsloth")
    names = safetensors_io.read_folder(folder)
    assert names["embed_vision.embedding_projection.weight"][0] == "U32"
    assert "embed_vision.embedding_projection.biases" in names
    assert names["vision_tower.encoder.layers.1.mlp.gate_proj.linear.weight"][0] == "BF16"
    model, tower = reference.Model(folder), vision_reference.Tower(folder)
    picture = (31, 336, 432)
    expected_features = tower.features(tiny_vision.picture(*picture))
    for seed in range(100):  # without close router decisions
        text = np.random.default_rng(seed).integers(16, 160, 12).tolist()
        tokens = simple_prompt(text, 63)
        forward = vision_reference.Forward(model, IMAGE, [expected_features])
        expected = forward.logits(tokens)
        if forward.margins.min() > 2e-4:
            break
    images = files([picture])
    features, logits = look(folder, tokens, images, tmp_path)
    close_features(features[0], expected_features, "float64 on decoded weights")
    comparison.assert_close(logits, expected, "float64 on decoded weights")
    default = look(folder, tokens, images, tmp_path, exact=False)[0][0]
    assert 0 < reference.error(default, features[0]) < 3e-3, "integers by default"


# The yardsticks.


@pytest.mark.parametrize("prompt", (0, 1, 2))
@pytest.mark.parametrize("kind", KINDS)
def test_float64_agrees_with_transformers(kind, prompt, seeing, goldens):
    golden = goldens(kind)
    tower = vision_reference.Tower(seeing(kind))
    features = [tower.features(tiny_vision.picture(*map(int, picture)))
                for picture in golden[f"pictures{prompt}"]]
    step = int(golden["step"])
    close_features(np.concatenate(features)[::step], golden[f"features{prompt}"], kind)
    logits = vision_reference.logits(
        reference.Model(seeing(kind)), IMAGE, golden[f"tokens{prompt}"], features)
    comparison.assert_close(logits[::-step], golden[f"logits{prompt}"], kind)


@pytest.mark.parametrize("fault", vision_reference.FAULTS)
def test_fault_is_visible(fault, seeing, goldens):
    """In some kind, in what is stored of prompt 2: two pictures, longer or shorter than a window."""
    worst = 0.0
    in_features = fault in vision_reference.TOWER_FAULTS
    for kind in KINDS:
        golden = goldens(kind)
        pictures = [tiny_vision.picture(*map(int, picture)) for picture in golden["pictures2"]]
        step = int(golden["step"])
        if in_features:
            tower = vision_reference.Tower(seeing(kind), [fault])
            features = np.concatenate([tower.features(picture) for picture in pictures])
            worst = max(worst, reference.error(features[::step], golden["features2"]))
            continue
        tower = vision_reference.Tower(seeing(kind))
        features = [tower.features(picture) for picture in pictures]
        logits = vision_reference.logits(
            reference.Model(seeing(kind)), IMAGE, golden["tokens2"], features, [fault])
        worst = max(worst, reference.error(logits[::-step], golden["logits2"]))
    visible = VISIBLE_IN_FEATURES if in_features else VISIBLE_IN_LOGITS
    assert worst > visible, f"{fault} moves nothing by more than {worst:.1e}"


# What is refused.


def refusal(folder, tokens, images, tmp_path, *flags):
    result = program.run(
        "logits", "-m", folder, "--tokens", ",".join(map(str, tokens)), "--image-tokens", 70,
        "--out", tmp_path / "out.safetensors", *flags,
        *[part for image in images for part in ("--image", image)], check=False)
    assert result.returncode == 1, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert not (tmp_path / "out.safetensors").exists()
    return result.stderr


def test_pictures_and_runs_must_match(seeing, files, tmp_path):
    folder, images = seeing("plain"), files([(31, 336, 432), (32, 432, 336)])
    tokens = simple_prompt([30, 31], 63)
    assert "runs of image tokens: 1, --image files: 2" in refusal(folder, tokens, images, tmp_path)
    assert "runs of image tokens: 1, --image files: 0" in refusal(folder, tokens, [], tmp_path)
    assert "runs of image tokens: 0, --image files: 1" in \
        refusal(folder, [30, 31], images[:1], tmp_path)
    short = refusal(folder, simple_prompt([30], 62), images[:1], tmp_path)
    assert "63 soft tokens" in short and "62" in short and "position 2" in short


def test_text_only_models_say_so(checkpoint, seeing, files, tmp_path):
    images, tokens = files([(31, 336, 432)]), simple_prompt([30, 31], 63)
    assert "this model cannot see" in refusal(checkpoint("moe"), tokens, images, tmp_path)
    # A conversion that dropped the tower but kept its config: text works, pictures do not.
    folder = shutil.copytree(seeing("plain"), tmp_path / "text")
    tensors = {name: tensor for name, tensor in safetensors_io.read_folder(folder).items()
               if "vision" not in name}
    safetensors_io.write(folder / "model.safetensors", tensors)
    assert "no vision tower" in refusal(folder, tokens, images, tmp_path)
    assert np.array_equal(program.logits(folder, [30, 31, 32]),
                          program.logits(seeing("plain"), [30, 31, 32]))


def broken(folder, target, change):
    """A copy whose tensors and config `change(tensors, config)` edits."""
    shutil.copytree(folder, target)
    tensors = safetensors_io.read_folder(target)
    config = json.loads((target / "config.json").read_text())
    change(tensors, config)
    safetensors_io.write(target / "model.safetensors", tensors)
    (target / "config.json").write_text(json.dumps(config))
    return target


def test_broken_towers_are_refused_on_load(seeing, tmp_path):
    layer = "model.vision_tower.encoder.layers.1."

    def without(name):
        return lambda tensors, config: tensors.pop(name)

    def with_shape(name, shape):
        def change(tensors, config):
            dtype, array = tensors[name]
            tensors[name] = (dtype, np.resize(array, shape))
        return change

    def configured(key, value):
        return lambda tensors, config: config["vision_config"].update({key: value})

    cases = [
        (without(layer + "mlp.up_proj.linear.weight"), layer + "mlp.up_proj.linear.weight"),
        (without(layer + "self_attn.q_proj.input_max"), layer + "self_attn.q_proj.input_max"),
        (without("model.vision_tower.std_scale"), "model.vision_tower.std_scale"),
        (without("model.embed_vision.embedding_projection.weight"), "embedding_projection"),
        (with_shape(layer + "self_attn.k_norm.weight", (19,)), layer + "self_attn.k_norm.weight"),
        (with_shape(layer + "mlp.down_proj.output_min", (2,)), layer + "mlp.down_proj.output_min"),
        (with_shape("model.vision_tower.patch_embedder.position_embedding_table", (2, 63, 120)),
         "position_embedding_table"),
        (configured("head_dim", 24), "self_attn.q_proj"),
        (configured("num_hidden_layers", 4), "encoder.layers.3."),
        (lambda tensors, config: config.update({"pad_token_id": 150}), "pad_token_id is 150"),
    ]
    for number, (change, expected) in enumerate(cases):
        folder = broken(seeing("odd"), tmp_path / str(number), change)
        message = refusal(folder, [20, 21], [], tmp_path)
        assert expected in message, f"{number}: {message}"
