"""Broken tokenizers, templates and generation settings: one clear line, exit 1, at once."""

import json
import os

import pytest
from broken_folder import BrokenFolder

import program
from test_bad_files import assert_clean, assert_refused, run

CAPITALS = program.ROOT / "models" / "capitals"
TOKENIZER, TEMPLATE, SETTINGS = "tokenizer.json", "chat_template.jinja", "generation_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"


def content(name, text):
    return lambda folder: folder.file(name).write_text(text)


def pipe(name):
    def make(folder):
        folder.file(name).unlink()
        os.mkfifo(folder.file(name))
    return make


def tokenizer(change):
    return lambda folder: folder.edit_json(TOKENIZER, change)


def without_special_token(folder):
    def change(data):
        data["added_tokens"] = [t for t in data["added_tokens"] if t["content"] != "<|turn>"]
        data["model"]["vocab"].pop("<|turn>", None)
    folder.edit_json(TOKENIZER, change)


def merges_of_strangers(data):
    data["model"]["merges"] = [["qqqqq", "zzzzz"]] + data["model"]["merges"]


def id_beyond_embedding(data):
    data["model"]["vocab"]["The"] = 4_000_000


def settings(**keys):
    return lambda folder: folder.edit_json(SETTINGS, lambda data: data.update(keys))


REFUSED = {
    "tokenizer missing": (lambda f: f.file(TOKENIZER).unlink(), TOKENIZER),
    "tokenizer empty": (content(TOKENIZER, ""), TOKENIZER),
    "tokenizer not JSON": (content(TOKENIZER, "{"), TOKENIZER),
    "tokenizer a list": (content(TOKENIZER, "[]"), TOKENIZER),
    "tokenizer deep": (content(TOKENIZER, "[" * 200_000), TOKENIZER),
    "tokenizer without model": (tokenizer(lambda d: d.pop("model") and None), TOKENIZER),
    "tokenizer of an unknown kind": (
        tokenizer(lambda d: d["model"].update(type="Magic")), TOKENIZER),
    "merges of unknown tokens": (tokenizer(merges_of_strangers), TOKENIZER),
    "special token missing": (without_special_token, "<|turn>"),
    "template empty": (content(TEMPLATE, ""), TEMPLATE),
    "template a pipe": (pipe(TEMPLATE), TEMPLATE),
    "tokenizer_config not JSON": (content(TOKENIZER_CONFIG, "{"), TOKENIZER_CONFIG),
    "tokenizer_config deep": (
        content(TOKENIZER_CONFIG, '{"chat_template": [{"name": ' + "[" * 1_000_000
                + "]" * 1_000_000 + "}]}"), TOKENIZER_CONFIG),
    "template not Jinja": (content(TEMPLATE, "{% if %}"), TEMPLATE),
    "template raises": (content(TEMPLATE, "{{ raise_exception('no such role') }}"), "no such role"),
    "template loops forever": (
        content(TEMPLATE, "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}"
                          "{% endfor %}"), TEMPLATE),
    "template with a huge range": (
        content(TEMPLATE, "{% for i in range(1000000000000) %}x{% endfor %}"), TEMPLATE),
    "template that calls itself": (
        content(TEMPLATE, "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), TEMPLATE),
    "template that includes a file": (content(TEMPLATE, "{% include '/etc/passwd' %}"), ""),
    "template of an unknown filter": (content(TEMPLATE, "{{ messages | explode }}"), TEMPLATE),
    "settings not JSON": (content(SETTINGS, "{"), SETTINGS),
    "temperature a string": (settings(temperature="hot"), SETTINGS),
    "temperature negative": (settings(temperature=-1.0), "temperature"),
    "top_p 2": (settings(top_p=2.0), "top_p"),
}

UNUSUAL = {
    "id beyond the embedding": tokenizer(id_beyond_embedding),
    "template that doubles text": content(
        TEMPLATE, "{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(40) %}"
                  "{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}"),
    "template missing": lambda f: f.file(TEMPLATE).unlink(),
    "template of NUL bytes": content(TEMPLATE, "\0\0\0"),
    "tokenizer_config missing": lambda f: f.file(TOKENIZER_CONFIG).unlink(),
    "settings missing": lambda f: f.file(SETTINGS).unlink(),
    "eos of another kind": settings(eos_token_id="stop"),
    "no eos": settings(eos_token_id=[]),
}


def generate(folder):
    return run("generate", "-m", folder.path, "-p", "What is the capital of France?",
               "--max-tokens", "3", "--seed", "1", "--threads", "1")


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    folder = BrokenFolder(CAPITALS, tmp_path / "model")
    damage, needle = REFUSED[case]
    damage(folder)
    result = generate(folder)
    assert_refused(result, [needle], "generate")
    assert result.stdout == b""


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual(case, tmp_path):
    folder = BrokenFolder(CAPITALS, tmp_path / "model")
    UNUSUAL[case](folder)
    assert_clean(generate(folder), "generate")


def test_sound_folder_is_accepted(tmp_path):
    folder = BrokenFolder(CAPITALS, tmp_path / "model")
    assert json.loads(folder.file(SETTINGS).read_text())["temperature"] > 0
    result = generate(folder)
    assert result.returncode == 0, result.stderr.decode()
