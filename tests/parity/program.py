"""Runs the octavo program under test: $OCTAVO_BIN, else build/octavo."""

import os
import subprocess
import tempfile
from pathlib import Path

import safetensors_io

ROOT = Path(__file__).resolve().parents[2]


def path():
    return os.environ.get("OCTAVO_BIN") or str(ROOT / "build" / "octavo")


def has_tiles():
    """Whether this machine has matrix tiles (AMX)."""
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and " amx_bf16" in cpu.read_text()


def run(*arguments, timeout=120, stdin=None, check=True):
    """The finished process, text streams; fails with its stderr unless it exits 0."""
    result = subprocess.run([path(), *map(str, arguments)], capture_output=True, text=True,
                            timeout=timeout, input=stdin, errors="replace")
    if check and result.returncode != 0:
        raise AssertionError(
            f"octavo {' '.join(map(str, arguments))[:300]}\nexit {result.returncode}\n"
            f"{result.stderr[-2000:]}")
    return result


def logits(folder, tokens, exact=True, chunk=None, threads=1, images=(), image_tokens=None,
           features_out=None):
    """float32 [tokens, vocab] of one teacher-forced pass."""
    with tempfile.TemporaryDirectory(prefix="octavo-logits-") as scratch:
        out = Path(scratch) / "logits.safetensors"
        arguments = ["logits", "-m", folder, "--tokens", ",".join(map(str, tokens)),
                     "--out", out, "--threads", threads]
        arguments += ["--exact"] if exact else []
        arguments += ["--chunk", chunk] if chunk else []
        arguments += ["--image-tokens", image_tokens] if image_tokens else []
        arguments += ["--features-out", features_out] if features_out else []
        for image in images:
            arguments += ["--image", image]
        run(*arguments)
        dtype, array = safetensors_io.read(out)["logits"]
        assert dtype == "F32"
        return array
