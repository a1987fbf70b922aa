"""Renders chats with the model's own chat template, in the Jinja dialect that Hugging Face tools use."""

from pathlib import Path

from jinja2.sandbox import ImmutableSandboxedEnvironment

MODEL_DIR = Path(__file__).resolve().parents[2] / "models" / "capitals"


def load_template(path=MODEL_DIR / "chat_template.jinja"):
    """Compiles a template file."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    return environment.from_string(Path(path).read_text(encoding="utf-8"))


TEMPLATE = load_template()


def render(messages, tools=None, thinking=False, generate=True):
    """The prompt text of a chat."""
    return TEMPLATE.render(messages=messages, tools=tools, bos_token="<bos>",
                           enable_thinking=thinking, add_generation_prompt=generate)
