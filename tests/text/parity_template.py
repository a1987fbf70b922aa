"""Octavo's rendered chats against Jinja2 with the settings of Hugging Face's chat templates.

Run: parity_template.py TEXT_PROBE TEMPLATE_FILE [FOLDER]
The probe renders with FOLDER's template, or with TEMPLATE_FILE copied into an empty folder.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jinja2
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

import chats

CONVERSATIONS = 600


class Raised(Exception):
    """The template's own raise_exception."""


class Generation(Extension):
    """{% generation %} as transformers has it, without its record of positions."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

    def _same(self, caller):
        return caller()


def raise_exception(message):
    raise Raised(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def compile_template(source):
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    return environment.from_string(source)


def expected(template, chat):
    """("text" | "raised" | "error", text)"""
    variables = {key: value for key, value in chat.items() if key != "extra"} | (chat["extra"] or {})
    try:
        return "text", template.render(bos_token="<bos>", eos_token="<eos>", **variables)
    except Raised as raised:
        return "raised", str(raised)
    except Exception as error:  # whatever the template stumbled over
        return "error", str(error)


def probe(program, folder, inputs):
    lines = "".join(json.dumps(chat) + "\n" for chat in inputs)
    output = subprocess.run([program, "template", folder], input=lines.encode(), capture_output=True, check=True).stdout
    return [json.loads(line) for line in output.decode().split("\n")[:-1]]


def agrees(kind, text, got):
    if kind == "error":
        return "error" in got
    if kind == "raised":  # the file's name stands before the template's message
        return got.get("error", "").endswith(f": {text}")
    return got.get("text") == text


def compare(program, folder, source):
    template = compile_template(source)
    inputs = json.loads(json.dumps(chats.conversations(5, CONVERSATIONS)))
    counts = {"text": 0, "raised": 0, "error": 0}
    failures = 0
    for chat, got in zip(inputs, probe(program, folder, inputs), strict=True):
        kind, text = expected(template, chat)
        counts[kind] += 1
        if not agrees(kind, text, got):
            failures += 1
            if failures <= 3:
                print(f"FAIL\n  chat {json.dumps(chat)}\n  expected {kind} {text!r}\n  got {got}")
    print(f"{len(inputs)} chats: {counts['text']} rendered, {counts['raised']} raised, {counts['error']} failed in "
          f"Jinja2; {failures} differ")
    return failures == 0 and counts["text"] >= 300


def main():
    program, template_file = sys.argv[1:3]
    source = Path(template_file).read_text(encoding="utf-8")
    if len(sys.argv) > 3:
        return 0 if compare(program, sys.argv[3], source) else 1
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(template_file, Path(folder) / "chat_template.jinja")
        return 0 if compare(program, folder, source) else 1


if __name__ == "__main__":
    raise SystemExit(main())
