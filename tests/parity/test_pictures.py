"""The demonstration model looks at pictures: right colours, also after the card's recipe."""

import json
import re
import sys

import numpy as np
import pytest

import comparison
import program
import safetensors_io
from test_capitals import CAPITALS, converted, tokenizer  # noqa: F401

sys.path.insert(0, str(program.ROOT / "tools" / "capitals"))
import pictures  # noqa: E402

GOLDEN = program.ROOT / "tests" / "goldens" / "vision" / "capitals.npz"
QUESTION = "What colours do you see in the image?"
HELD_OUT_SEED = 31_000  # never seen in training, which draws from small seeds
COUNT = 80


def ask(folder, file, question=QUESTION, *flags):
    result = program.run("generate", "-m", folder, "--image", file, "-p", question, "--temp", "0",
                         "--max-tokens", "60", "--json", "--threads", "1", *flags)
    return json.loads(result.stdout)


def colours_in(text):
    """Every colour that a text names."""
    return set(re.findall(r"\b(" + "|".join(pictures.PALETTE) + r")\b", text))


def wrong_answers(folder, labels, where, question=QUESTION, *flags):
    """file -> text of the answers that do not name exactly the picture's colours."""
    texts = {label["file"]: ask(folder, where / label["file"], question, *flags)["text"]
             for label in labels}
    return {label["file"]: texts[label["file"]] for label in labels
            if colours_in(texts[label["file"]]) != set(label["colours"])}


@pytest.fixture(scope="session")
def held_out(scratch):
    """The folder of generated pictures, and their labels."""
    folder = scratch / "pictures"
    return folder, pictures.write_pictures(folder, COUNT, HELD_OUT_SEED)


@pytest.fixture(params=["bf16", "card"])
def demo(request):
    return CAPITALS if request.param == "bf16" else request.getfixturevalue("converted")


def test_the_pictures_of_the_repository(demo):
    folder = CAPITALS / "pictures"
    labels = json.loads((folder / "pictures.json").read_text())
    assert len(labels) >= 6
    assert not wrong_answers(demo, labels, folder)


def test_held_out_pictures(demo, held_out):
    folder, labels = held_out
    wrong = wrong_answers(demo, labels, folder)
    assert len(wrong) <= 0.1 * len(labels), f"{len(wrong)} of {len(labels)} wrong: {wrong}"


@pytest.mark.parametrize("soft_tokens, share", [(140, 0.1), (280, 0.15)])
def test_larger_budgets(soft_tokens, share, held_out):
    """Training saw few pictures of these sizes."""
    folder, labels = held_out
    labels = labels[:40]
    wrong = wrong_answers(CAPITALS, labels, folder, QUESTION, "--image-tokens", soft_tokens)
    assert len(wrong) <= share * len(labels), wrong


@pytest.mark.parametrize("question", ["Which colors are in the picture?", "What colours do you see?"])
def test_other_wordings(question, held_out):
    folder, labels = held_out
    labels = labels[:30]
    wrong = wrong_answers(CAPITALS, labels, folder, question)
    assert len(wrong) <= 0.1 * len(labels), wrong


def test_the_default_budget_is_the_models(held_out):
    folder, labels = held_out
    for label in labels[:5]:
        default = ask(CAPITALS, folder / label["file"])
        assert ask(CAPITALS, folder / label["file"], QUESTION, "--image-tokens", 70)["tokens"] == \
            default["tokens"]


def test_threads_do_not_change_the_answer(held_out):
    folder, labels = held_out
    for label in labels[:5]:
        one = ask(CAPITALS, folder / label["file"])
        result = program.run("generate", "-m", CAPITALS, "--image", folder / label["file"], "-p",
                             QUESTION, "--temp", "0", "--max-tokens", "60", "--json", "--threads",
                             "2")
        assert json.loads(result.stdout)["tokens"] == one["tokens"]


def test_exact_logits_of_pictures(tmp_path):
    """Trained weights, real pictures: against transformers."""
    with np.load(GOLDEN) as golden:
        count = sum(name.startswith("file") for name in golden.files)
        assert count >= 3
        for index in range(count):
            file, tokens = str(golden[f"file{index}"]), golden[f"tokens{index}"]
            reply, expected = golden[f"reply{index}"], golden[f"logits{index}"]
            out = tmp_path / f"{index}.safetensors"
            program.run("logits", "-m", CAPITALS, "--tokens",
                        ",".join(map(str, [*tokens, *reply])), "--image",
                        CAPITALS / "pictures" / file, "--image-tokens", 70, "--out", out,
                        "--exact", "--threads", 1)
            actual = safetensors_io.read(out)["logits"][1][len(tokens) - 1:]
            comparison.assert_close(actual[:, ::8], expected, file)
            assert actual[:-1].argmax(1).tolist() == reply.tolist()


def test_text_without_a_picture_sees_nothing():
    result = program.run("generate", "-m", CAPITALS, "-p", QUESTION, "--temp", "0", "--max-tokens",
                         "60", "--json")
    assert not colours_in(json.loads(result.stdout)["text"])


def test_conversion_keeps_the_tower(converted):  # noqa: F811
    """Its tensors stay as they are, to the bit; the projection too, or it is quantised."""
    before = safetensors_io.read_folder(CAPITALS)
    after = safetensors_io.read_folder(converted)
    tower = [name for name in before if name.startswith("model.vision_tower.")]
    assert len(tower) >= 40
    for name in tower:
        dtype, values = after[name.removeprefix("model.")]
        assert dtype == before[name][0] and np.array_equal(values, before[name][1]), name
    assert "embed_vision.embedding_projection.weight" in after
