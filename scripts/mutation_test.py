#!/usr/bin/env python3
"""Breaks the forward pass on purpose, one line at a time, and shows that the parity tests notice.

    python scripts/mutation_test.py [--only NAME …] [--list]

Works on a copy of the sources under build/mutation with its own incremental build, so the tree
stays untouched. Run it with the Python of the oracles (tools/requirements-oracles.txt). First the
unbroken program must pass; then every mutation must make tests/parity/test_logits.py fail. Exit
status 1 if a mutation survives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "mutation"
SOURCES, BUILD = WORK / "tree", WORK / "build"
COPIED = ["CMakeLists.txt", "cmake", "ffi", "include", "src"]

ATTENTION = "src/backend/cpu/attention.cc"
BACKEND = "src/backend/cpu/cpu_backend.cc"
EXPERTS = "src/backend/cpu/experts.cc"
ELEMENTWISE = "src/kernels/elementwise.h"
TILE = "src/kernels/attention.h"
LAYER = "src/model/decoder_layer.cc"
MODEL = "src/model/gemma4_model.cc"
PER_LAYER = "src/model/per_layer_inputs.cc"
ROPE = "src/model/rope.cc"
ROTATE = "src/kernels/kv_write.h"
WEIGHTS = "src/model/gemma4_weights.cc"

# name -> (file, text that occurs there once, what replaces it)
MUTATIONS = {
    "window one shorter": (TILE, "position - window + 1 : 0", "position - window + 2 : 0"),
    "window on full layers too": (
        LAYER, ".window = layer.full_attention ? 0 : c.text.sliding_window",
        ".window = c.text.sliding_window"),
    "norm weight plus one": (
        ELEMENTWISE, "return a * all * w;", "return a * all * (w + V::broadcast(1.0f));"),
    "eps ignored": (
        ELEMENTWISE, "static_cast<float>(n) + eps)", "static_cast<float>(n) + 1e-6f)"),
    "router weights not renormalised": (
        EXPERTS, "weights[k] = weights[k] / sum *", "weights[k] = weights[k] *"),
    "per_expert_scale left out": (
        EXPERTS, "/ sum * router.per_expert_scale[experts[k]]", "/ sum"),
    "router input not divided by the root of hidden": (
        EXPERTS, "1.0f / std::sqrt(static_cast<float>(x.cols()))", "1.0f"),
    "router reads the normed residual": (LAYER, "b.route(residual,", "b.route(x,"),
    "experts share the dense branch's norm": (
        LAYER, "b.norm(residual, moe.pre_feedforward_layernorm_2, eps)",
        "b.norm(residual, w.pre_feedforward_layernorm, eps)"),
    "post norms of the branches swapped": (
        LAYER, "b.norm(dense, moe.post_feedforward_layernorm_1, eps)",
        "b.norm(dense, moe.post_feedforward_layernorm_2, eps)"),
    "fused gate and up halves swapped": (
        WEIGHTS, "bank.gate = {fused, 2 * width, 0, width};",
        "bank.gate = {fused, 2 * width, width, width};"),
    "dense gate and up swapped": (
        LAYER, "b.gated_mlp(x, w.mlp.gate, w.mlp.up, w.mlp.down)",
        "b.gated_mlp(x, w.mlp.up, w.mlp.gate, w.mlp.down)"),
    "rope exponent over the rotated part": (
        ROPE, "/ static_cast<double>(head_dim);", "/ static_cast<double>(2 * rotating);"),
    "rope factor ignored": (ROPE, " / config.factor", ""),
    "rope turns the other way": (
        ROTATE, "(a * c - b * s).store(x + i);", "(a * c + b * s).store(x + i);"),
    "positions restart with every chunk": (
        MODEL, "positions.push_back(segment.cache->length() + i)", "positions.push_back(i)"),
    "value after the key norm": (
        ATTENTION, "kernels_.rms_norm(v.row(t) + h * dim, nullptr,",
        "kernels_.rms_norm(v.row(t) + h * dim, p.k_norm.data(),"),
    "value projection ignored": (LAYER, "w.v_proj ? qkv[2] : k", "k"),
    "heads read another key head": (
        ATTENTION, "segment.cache->view(p.layer, h)",
        "segment.cache->view(p.layer, (h + 1) % p.kv_heads)"),
    "layer_scalar left out": (
        LAYER, "w.post_feedforward_layernorm, eps, gate ? 1.0f : w.layer_scalar)",
        "w.post_feedforward_layernorm, eps, 1.0f)"),
    "layer_scalar before the per-layer input too": (
        LAYER, "eps, gate ? 1.0f : w.layer_scalar)", "eps, w.layer_scalar)"),
    "every layer takes the first one's per-layer input": (LAYER, "c.index * w.gate.rows", "0"),
    "per-layer inputs not divided by the root of two": (
        PER_LAYER, "wider_eps, kHalfRoot)", "wider_eps, 1.0f)"),
    "per-layer projection not divided by the root of hidden": (
        PER_LAYER, "wider_eps = eps * static_cast<float>(h0.cols())", "wider_eps = eps"),
    "table of per-layer embeddings not scaled": (
        PER_LAYER, "embed(w.table, tokens, table_scale)", "embed(w.table, tokens, 1.0f)"),
    "layer_scalar without the residual": (
        BACKEND, "sum[i] = (base[i] + sum[i]) * scale;", "sum[i] = base[i] + sum[i] * scale;"),
    "embedding not scaled": (MODEL, "options.exact ? scale", "options.exact ? 1.0f"),
    "embedding scale rounded to BF16": (
        MODEL, "options.exact ? scale", "options.exact ? bf16_to_float(float_to_bf16(scale))"),
    "softcap left out": (BACKEND, "if (cap == 0) return;", "return;"),
    "gelu without its cubic term": (ELEMENTWISE, "V::broadcast(0.044715f)", "V::broadcast(0.0f)"),
    "sliding rope everywhere": (
        MODEL, "layer.full_attention ? config_.text.full_rope : config_.text.sliding_rope",
        "config_.text.sliding_rope"),
}


def copy_changed(source, target):
    """Copies files whose content differs: unchanged ones keep their time, so builds stay short."""
    wanted = set()
    for path in [source] if source.is_file() else source.rglob("*"):
        if path.is_dir() or "target" in path.relative_to(ROOT).parts:
            continue
        copy = target / path.relative_to(ROOT)
        wanted.add(copy)
        content = path.read_bytes()
        if not copy.exists() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
            shutil.copymode(path, copy)
    return wanted


def copy_tree():
    wanted = set()
    for name in COPIED:
        wanted |= copy_changed(ROOT / name, SOURCES)
    for path in list(SOURCES.rglob("*")):
        if path.is_file() and path not in wanted:
            path.unlink()


def configure():
    cargo = ROOT / "build" / "cargo"
    command = ["cmake", "-S", SOURCES, "-B", BUILD, "-G", "Ninja", "-DOCTAVO_BUILD_TESTS=OFF",
               "-DCMAKE_BUILD_TYPE=RelWithDebInfo", f"-DOCTAVO_CARGO_TARGET_DIR={cargo}"]
    if shutil.which("ccache"):
        command.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def build():
    result = subprocess.run(["cmake", "--build", BUILD, "--target", "octavo"],
                            capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"the build failed:\n{(result.stdout + result.stderr)[-3000:]}")


def first_failure():
    """None if the logits tests pass, else the first one that fails."""
    environment = {**os.environ, "OCTAVO_BIN": str(BUILD / "octavo"),
                   "OCTAVO_TEST_DATA": str(WORK / "data"), "PYTHONDONTWRITEBYTECODE": "1",
                   "OPENBLAS_NUM_THREADS": "1"}
    tests = ROOT / "tests" / "parity"
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=line",
         "-p", "no:cacheprovider", tests / "test_logits.py"],
        cwd=tests, env=environment, capture_output=True, text=True)
    if result.returncode == 0:
        return None
    if result.returncode != 1:
        sys.exit(f"pytest could not run:\n{(result.stdout + result.stderr)[-3000:]}")
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAILED")]
    return failed[0].split("::", 1)[1].split(" - ")[0]


def apply(file, old, new):
    """Replaces `old` in the copied file; returns the original text."""
    path = SOURCES / file
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"{file}: {old!r} occurs {text.count(old)} times, expected once")
    path.write_text(text.replace(old, new))
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=MUTATIONS, metavar="NAME",
                        help="these mutations only")
    parser.add_argument("--list", action="store_true", help="print the mutations")
    options = parser.parse_args()
    if options.list:
        for name, (file, old, new) in MUTATIONS.items():
            print(f"{name}\n  {file}\n  - {old}\n  + {new}")
        return
    copy_tree()
    configure()
    build()
    failure = first_failure()
    if failure:
        sys.exit(f"the unbroken program fails {failure}")
    print("unbroken: passes")
    survivors = []
    for name in options.only or MUTATIONS:
        begin = time.monotonic()
        file, old, new = MUTATIONS[name]
        original = apply(file, old, new)
        build()
        failure = first_failure()
        (SOURCES / file).write_text(original)
        print(f"{name}: {f'caught by {failure}' if failure else 'SURVIVED'} "
              f"({time.monotonic() - begin:.0f} s)", flush=True)
        if not failure:
            survivors.append(name)
    print(f"{len(options.only or MUTATIONS) - len(survivors)} caught, {len(survivors)} survived")
    if survivors:
        sys.exit(1)


if __name__ == "__main__":
    main()
