"""Broken checkpoints: one clear line on stderr, exit 1, no crash, at once."""

import json
import os
import struct
import subprocess

import pytest
from broken_folder import BrokenFolder

import program
import tiny_checkpoints

LIMIT_SECONDS = 5 * float(os.environ.get("OCTAVO_TEST_PATIENCE", "1"))  # more under sanitizers
NORM = "layers.1.input_layernorm.weight"


def run(*arguments):
    try:
        return subprocess.run([program.path(), *map(str, arguments)], capture_output=True,
                              timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{arguments[0]}: no end after {LIMIT_SECONDS:.0f} s") from None


def assert_clean(result, what):
    """Success, or exit 1 with exactly one bounded line; never a signal."""
    stderr = result.stderr.decode(errors="replace")
    assert result.returncode in (0, 1), f"{what}: exit {result.returncode}\n{stderr[-1500:]}"
    if result.returncode == 1:
        lines = stderr.splitlines()
        assert len(lines) == 1, f"{what}: {len(lines)} lines on stderr\n{stderr[-1500:]}"
        assert lines[0].startswith("octavo: error:"), f"{what}: {lines[0][:300]}"
        assert len(lines[0]) < 2000, f"{what}: a line of {len(lines[0])} characters"
        result.stderr.decode("utf-8")  # whatever the file held, the message is valid UTF-8
    return stderr


def assert_refused(result, needles, what):
    stderr = assert_clean(result, what)
    assert result.returncode == 1, f"{what}: accepted"
    missing = [needle for needle in needles if needle not in stderr]
    assert not missing, f"{what}: {missing} not named in: {stderr[:500]}"


def logits(folder, scratch_file):
    return run("logits", "-m", folder, "--tokens", "20,21,22", "--out", scratch_file)


def header_length(value):
    def damage(folder):
        raw = folder.first_shard().read_bytes()
        folder.first_shard().write_bytes(struct.pack("<Q", value(len(raw))) + raw[8:])
    return damage


def replaced_file(content):
    return lambda folder: folder.first_shard().write_bytes(content)


def entry(**keys):
    return lambda folder: folder.edit_entry(NORM, **keys)


def raw_entry(text):
    """Replaces the norm's header entry by JSON text that the json module would not write."""
    def damage(folder):
        header, data = folder.split()
        name = next(key for key in header if key.endswith(NORM))
        header[name] = "@"
        folder.join(json.dumps(header).replace('"@"', text).encode(), data)
    return damage


def offsets(change):
    """Changes the norm's data_offsets with `change(begin, end, bytes of data)`."""
    def damage(folder):
        header, data = folder.split()
        name = next(key for key in header if key.endswith(NORM))
        begin, end = header[name]["data_offsets"]
        header[name]["data_offsets"] = change(begin, end, len(data))
        folder.join(header, data)
    return damage


def oversized_header(folder):
    """100 MB + 1 of header, on disk as a hole."""
    size = 100_000_001
    folder.first_shard().write_bytes(struct.pack("<Q", size))
    folder.truncate(8 + size + 64)


def duplicate_key(folder):
    header, data = folder.split()
    name = next(key for key in header if key.endswith(NORM))
    text = json.dumps(header)
    extra = json.dumps({name: header[name]})
    folder.join((text[:-1] + ", " + extra[1:]).encode(), data)


def renamed(old, new):
    def damage(folder):
        header, data = folder.split()
        folder.join(json.dumps(header).encode().replace(old, new), data)
    return damage


def hole(folder):
    header, data = folder.split()
    end = max(e["data_offsets"][1] for k, e in header.items() if k != "__metadata__")
    for key, item in header.items():
        if key != "__metadata__" and item["data_offsets"][1] == end:
            item["data_offsets"] = [offset + 64 for offset in item["data_offsets"]]
            data = data[:item["data_offsets"][0] - 64] + bytes(64) + \
                data[item["data_offsets"][0] - 64:]
            break
    folder.join(header, data)


def metadata(value):
    def damage(folder):
        def change(header):
            header["__metadata__"] = value
        folder.edit_header(change)
    return damage


MAIN = ["model.safetensors"]
WITH_NORM = MAIN + [NORM]

SAFETENSORS = {
    "empty": (replaced_file(b""), MAIN),
    "seven bytes": (replaced_file(b"\x10\0\0\0\0\0\0"), MAIN),
    "header length 0": (header_length(lambda size: 0), MAIN),
    "header length 2^63": (header_length(lambda size: 2**63), MAIN),
    "header length 2^64-1": (header_length(lambda size: 2**64 - 1), MAIN),
    "header longer than the file": (header_length(lambda size: size), MAIN),
    "header as long as the file": (header_length(lambda size: size - 8), MAIN),
    "header of 100 MB": (oversized_header, MAIN),
    "not JSON": (lambda f: f.join(b"hello, I am no header...", b""), MAIN),
    "JSON array": (lambda f: f.join(b"[]", b""), MAIN),
    "JSON number": (lambda f: f.join(b"17", b""), MAIN),
    "unfinished JSON": (lambda f: f.join(json.dumps(f.split()[0]).encode()[:-1], b""), MAIN),
    "text after JSON": (lambda f: f.edit_header(lambda h: json.dumps(h).encode() + b"}"), MAIN),
    "nested 100000 deep": (lambda f: f.join(b'{"a":' + b"[" * 100_000, b""), MAIN),
    "balanced deep nesting": (
        lambda f: f.join(b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", b""), MAIN),
    "duplicate key": (duplicate_key, MAIN),
    "invalid UTF-8 name": (renamed(b"layers.1.input_layernorm", b"layers.\xff\xfe.norm"), MAIN),
    "metadata a list": (metadata(["mlx"]), MAIN),
    "metadata of numbers": (metadata({"format": 3}), MAIN),
    "entry a string": (lambda f: f.edit_header(lambda h: {**h, "x": "y"}), MAIN),
    "entry without dtype": (raw_entry('{"shape":[128],"data_offsets":[0,256]}'), WITH_NORM),
    "entry without shape": (raw_entry('{"dtype":"BF16","data_offsets":[0,256]}'), WITH_NORM),
    "entry without offsets": (raw_entry('{"dtype":"BF16","shape":[128]}'), WITH_NORM),
    "unknown dtype": (entry(dtype="Q4_0"), WITH_NORM),
    "dtype a number": (entry(dtype=16), WITH_NORM),
    "dtype of another size": (entry(dtype="F32"), WITH_NORM),
    "dims negative": (entry(shape=[-128]), WITH_NORM),
    "dims zero": (entry(shape=[0]), WITH_NORM),
    "dims 2^63": (entry(shape=[2**63]), WITH_NORM),
    "dims 2^64": (entry(shape=[2**64]), WITH_NORM),
    "dims overflowing to the right product": (entry(shape=[2**62 + 32, 4]), WITH_NORM),
    "dims overflowing to zero": (entry(shape=[2**32, 2**32]), WITH_NORM),
    "dims fractional": (entry(shape=[128.5]), WITH_NORM),
    "dims a string": (entry(shape=["128"]), WITH_NORM),
    "dims null": (entry(shape=None), WITH_NORM),
    "rank 0": (entry(shape=[]), WITH_NORM),
    "rank 64": (entry(shape=[1] * 63 + [128]), WITH_NORM),
    "NaN in offsets": (raw_entry('{"dtype":"BF16","shape":[128],"data_offsets":[NaN,256]}'), MAIN),
    "1e999 in offsets": (
        raw_entry('{"dtype":"BF16","shape":[128],"data_offsets":[0,1e999]}'), MAIN),
    "one offset": (offsets(lambda b, e, n: [b]), WITH_NORM),
    "three offsets": (offsets(lambda b, e, n: [b, e, e]), WITH_NORM),
    "offsets reversed": (offsets(lambda b, e, n: [e, b]), WITH_NORM),
    "offsets negative": (offsets(lambda b, e, n: [-256, 0]), WITH_NORM),
    "offsets overlapping": (offsets(lambda b, e, n: [b + 2, e + 2] if b == 0 else [b - 2, e - 2]),
                            MAIN),
    "offsets past the end": (offsets(lambda b, e, n: [n, n + 256]), MAIN),
    "offsets near 2^64": (offsets(lambda b, e, n: [2**64 - 256, 2**64 - 1]), MAIN),
    "offsets wrapping": (offsets(lambda b, e, n: [2**64 - 128, 128]), MAIN),
    "hole": (hole, MAIN),
    "bytes after the data": (
        lambda f: f.join(f.split()[0], f.split()[1] + bytes(100)), MAIN),
    "truncated": (lambda f: f.truncate(f.first_shard().stat().st_size - 1), MAIN),
    "truncated by half": (lambda f: f.truncate(f.first_shard().stat().st_size // 2), MAIN),
    "tensor missing": (lambda f: f.drop_tensor(NORM), [NORM]),
    "expert matrix missing": (lambda f: f.drop_tensor("layers.1.experts.down_proj"),
                              ["layers.1.experts"]),
    "tensor of another shape": (entry(shape=[64, 2]), [NORM]),
    "tensor of another type": (entry(dtype="I16"), [NORM]),
}


def weight_file(name):
    """Sends every tensor of the index to the file `name`."""
    def damage(folder):
        def change(index):
            index["weight_map"] = {key: name for key in index["weight_map"]}
        folder.edit_json("model.safetensors.index.json", change)
    return damage


def outside(folder):
    (folder.path.parent / "outside.safetensors").write_bytes(folder.first_shard().read_bytes())
    weight_file("../outside.safetensors")(folder)


def fifo(folder):
    name = folder.first_shard()
    name.unlink()
    os.mkfifo(name)


def directory_as_shard(folder):
    name = folder.first_shard()
    name.unlink()
    name.mkdir()


def same_tensor_twice(folder):
    shards = sorted(folder.path.glob("model*.safetensors"))
    header, data = folder.split(shards[1].name)
    name = next(key for key in header if key.endswith("layernorm.weight"))
    begin, end = header[name]["data_offsets"]
    folder.add_tensor(name, "BF16", header[name]["shape"], data[begin:end], shards[0].name)


INDEX = "model.safetensors.index.json"
SHARDS = {
    "shard missing": (lambda f: f.first_shard().unlink(), ["model-00001-of-00003"]),
    "shard outside": (outside, ["outside.safetensors"]),
    "shard absolute": (weight_file("/etc/passwd"), ["passwd"]),
    "shard with NUL": (weight_file("model-00001\0.safetensors"), [INDEX]),
    "shard name empty": (weight_file(""), [INDEX]),
    "shard a FIFO": (fifo, ["model-00001-of-00003"]),
    "shard a folder": (directory_as_shard, ["model-00001-of-00003"]),
    "shard a device": (weight_file("../../../../../../../dev/zero"), [INDEX]),
    "shard truncated": (lambda f: f.truncate(1000), ["model-00001-of-00003"]),
    "same tensor twice": (same_tensor_twice, ["layernorm.weight"]),
    "index not JSON": (lambda f: f.file(INDEX).write_text("{"), [INDEX]),
    "index a list": (lambda f: f.file(INDEX).write_text("[]"), [INDEX]),
    "index without map": (lambda f: f.edit_json(INDEX, lambda i: {"metadata": {}}), [INDEX]),
    "index map of numbers": (
        lambda f: f.edit_json(INDEX, lambda i: {"weight_map": {"a": 1}}), [INDEX]),
    "index names an absent tensor": (
        lambda f: f.edit_json(INDEX, lambda i: i["weight_map"].update(
            {"model.language_model.ghost.weight": "model-00001-of-00003.safetensors"})),
        ["ghost"]),
}


def override(**keys):
    """A changed quantization entry for one module."""
    def damage(folder):
        def change(config):
            for name in ("quantization", "quantization_config"):
                config[name]["language_model.model.layers.1.self_attn.q_proj"] = keys
        folder.edit_config(change)
    return damage


def top_level(**keys):
    def damage(folder):
        def change(config):
            for name in ("quantization", "quantization_config"):
                config[name] = {**config[name], **keys}
        folder.edit_config(change)
    return damage


Q_PROJ = "layers.1.self_attn.q_proj"
QUANTISED = {
    "scales missing": (lambda f: f.drop_tensor(Q_PROJ + ".scales"), [Q_PROJ]),
    "scales of another shape": (lambda f: f.edit_entry(Q_PROJ + ".scales", shape=[8, 256]),
                                [Q_PROJ]),
    "weight of another shape": (lambda f: f.edit_entry(Q_PROJ + ".weight", shape=[64, 256]),
                                [Q_PROJ]),
    "biases in mode mxfp8": (
        lambda f: f.add_tensor(f"language_model.model.{Q_PROJ}.biases", "BF16", [256, 8],
                               bytes(256 * 8 * 2)), [Q_PROJ]),
    "group size 0": (override(group_size=0, bits=8, mode="mxfp8"), ["config.json"]),
    "group size 3": (override(group_size=3, bits=8, mode="affine"), ["config.json"]),
    "group size 33": (override(group_size=33, bits=8, mode="affine"), ["config.json"]),
    "group size negative": (override(group_size=-32, bits=8, mode="mxfp8"), ["config.json"]),
    "group size a string": (override(group_size="32", bits=8, mode="mxfp8"), ["config.json"]),
    "bits 7": (override(group_size=64, bits=7, mode="affine"), ["config.json"]),
    "bits 0": (override(group_size=64, bits=0, mode="affine"), ["config.json"]),
    "bits 2^40": (override(group_size=64, bits=2**40, mode="affine"), ["config.json"]),
    "unknown mode": (override(group_size=32, bits=8, mode="mxfp9"), ["mxfp9"]),
    "another mode than the file's": (override(group_size=64, bits=8, mode="affine"), [Q_PROJ]),
    "block a list": (
        lambda f: f.edit_config(lambda c: c.update(quantization=[], quantization_config=[])),
        ["config.json"]),
    "top level bits 7": (top_level(bits=7, mode="affine"), ["config.json"]),
    "top level group size 0": (top_level(group_size=0), ["config.json"]),
}


def text(**keys):
    return lambda folder: folder.edit_text_config(**keys)


def rope(layer_type, **keys):
    def damage(folder):
        def change(config):
            config["text_config"]["rope_parameters"][layer_type].update(keys)
        folder.edit_config(change)
    return damage


HUGE = 2**62
CONFIG = {
    "config missing": (lambda f: f.file("config.json").unlink(), ["config.json"]),
    "config empty": (lambda f: f.file("config.json").write_text(""), ["config.json"]),
    "config a list": (lambda f: f.file("config.json").write_text("[]"), ["config.json"]),
    "config cut": (lambda f: f.file("config.json").write_text('{"model_type": "gem'),
                   ["config.json"]),
    "config deep": (lambda f: f.file("config.json").write_text("[" * 200_000), ["config.json"]),
    "no text_config": (lambda f: f.edit_config(lambda c: c.pop("text_config") and None),
                       ["config.json"]),
    "text_config a number": (lambda f: f.edit_config(lambda c: c.update(text_config=3)),
                             ["text_config"]),
    "another model": (lambda f: f.edit_config(lambda c: c.update(model_type="llama")), ["llama"]),
    "num_experts 0": (text(num_experts=0), ["num_experts"]),
    "num_experts 129": (text(num_experts=129), ["router"]),
    "num_experts 2^62": (text(num_experts=HUGE), ["experts"]),
    "num_experts missing": (text(num_experts=...), ["num_experts"]),
    "top_k above experts": (text(top_k_experts=9), ["top_k_experts"]),
    "top_k 0": (text(top_k_experts=0), ["top_k_experts"]),
    "layer_types too short": (text(layer_types=["full_attention"] * 4), ["layer_types"]),
    "layer_types too long": (text(layer_types=["full_attention"] * 9), ["layer_types"]),
    "layer_types of another kind": (text(layer_types=["linear_attention"] * 5), ["layer_types"]),
    "head_dim odd": (text(head_dim=33), ["head_dim"]),
    "head_dim 0": (text(head_dim=0), ["head_dim"]),
    "global_head_dim odd": (text(global_head_dim=65), ["head_dim"]),
    "head_dim other than the tensors'": (text(head_dim=64), ["q_"]),
    "heads not a multiple of kv heads": (text(num_key_value_heads=3), ["num_attention_heads"]),
    "kv heads 0": (text(num_key_value_heads=0), ["num_key_value_heads"]),
    "heads 2^62": (text(num_attention_heads=HUGE), ["config.json"]),
    "hidden_size 0": (text(hidden_size=0), ["hidden_size"]),
    "hidden_size negative": (text(hidden_size=-128), ["hidden_size"]),
    "hidden_size 2^62": (text(hidden_size=HUGE), []),
    "hidden_size a string": (text(hidden_size="128"), ["hidden_size"]),
    "hidden_size 1e30": (text(hidden_size=1e30), ["hidden_size"]),
    "hidden_size missing": (text(hidden_size=...), ["hidden_size"]),
    "layers 2^40": (text(num_hidden_layers=2**40), ["num_hidden_layers"]),
    "layers 0": (text(num_hidden_layers=0, layer_types=[]), ["num_hidden_layers"]),
    "more layers than tensors": (
        text(num_hidden_layers=6, layer_types=["full_attention"] * 6), ["layers."]),
    "vocabulary other than the embedding": (
        lambda f: f.edit_config(lambda c: (c.update(vocab_size=600),
                                           c["text_config"].update(vocab_size=600)) and None),
        ["embed_tokens"]),
    "vocabulary 0": (text(vocab_size=0), ["vocab_size"]),
    "window 0": (text(sliding_window=0), ["sliding_window"]),
    "window negative": (text(sliding_window=-8), ["sliding_window"]),
    "intermediate_size other than the tensors'": (text(intermediate_size=256), ["mlp"]),
    "intermediate_size 2^62": (text(intermediate_size=HUGE), []),
    "another activation": (text(hidden_activation="silu"), ["hidden_activation"]),
    "eps negative": (text(rms_norm_eps=-1.0), ["rms_norm_eps"]),
    "eps a string": (text(rms_norm_eps="small"), ["rms_norm_eps"]),
    "softcap negative": (text(final_logit_softcapping=-30.0), ["final_logit_softcapping"]),
    "theta 0": (rope("full_attention", rope_theta=0), ["rope_theta"]),
    "theta negative": (rope("sliding_attention", rope_theta=-5.0), ["rope_theta"]),
    "factor 0": (rope("full_attention", factor=0), ["factor"]),
    "partial factor 2": (rope("full_attention", partial_rotary_factor=2.0),
                         ["partial_rotary_factor"]),
    "partial factor negative": (rope("full_attention", partial_rotary_factor=-0.5),
                                ["partial_rotary_factor"]),
    "another rope type": (rope("full_attention", rope_type="yarn"), ["yarn"]),
    "per-layer inputs without tensors": (
        text(hidden_size_per_layer_input=32), ["per_layer_input_gate"]),
    "per-layer inputs 2^62 wide": (text(hidden_size_per_layer_input=HUGE), []),
    "per-layer vocabulary too small": (
        text(hidden_size_per_layer_input=32, vocab_size_per_layer_input=17),
        ["vocab_size_per_layer_input"]),
    "all layers share": (text(num_kv_shared_layers=64), ["num_kv_shared_layers"]),
    "shared layers negative": (text(num_kv_shared_layers=-1), ["num_kv_shared_layers"]),
    "double-wide layers without tensors": (
        text(num_kv_shared_layers=2, use_double_wide_mlp=True), ["mlp"]),
    "rope_parameters a list": (text(rope_parameters=[]), ["rope_parameters"]),
}


# Unusual, yet not necessarily wrong: no crash, no hang, at most one line.
def symlink(folder):
    target = folder.path.parent / "blob"
    folder.first_shard().rename(target)
    (folder.path / "model.safetensors").symlink_to(target)


UNUSUAL = {
    "name of 1 MB": lambda f: f.add_tensor("x" * 1_000_000, "U8", [4], b"abcd"),
    "tensor nobody asks for": lambda f: f.add_tensor("model.ghost", "U8", [4], b"abcd"),
    "F8 tensor": lambda f: f.add_tensor("model.ghost", "F8_E4M3", [4], b"abcd"),
    "empty tensor": lambda f: f.add_tensor("model.ghost", "U8", [0], b""),
    "control characters in a name":
        lambda f: f.add_tensor("model.\x1b[31m\n\0ghost", "U8", [4], b"abcd"),
    "weights behind a link": symlink,
    "config with a lone surrogate":
        lambda f: f.edit_config(lambda c: c.update(note="\ud800")),
    "eos missing": lambda f: f.edit_config(lambda c: c.pop("eos_token_id") and None),
    "eos out of range": lambda f: f.edit_config(lambda c: c.update(eos_token_id=[1, 10**9])),
    "NaN weights": lambda f: f.fill(NORM, 0xFF),
}

UNUSUAL_QUANTISED = {
    "scale bytes 0": lambda f: f.fill(Q_PROJ + ".scales", 0),
    "scale bytes 255": lambda f: f.fill(Q_PROJ + ".scales", 255),
    "NaN codes": lambda f: f.fill(Q_PROJ + ".weight", 0x7F),
    "negative NaN codes": lambda f: f.fill(Q_PROJ + ".weight", 0xFF),
    "override of an unknown layer": lambda f: f.edit_config(lambda c: c["quantization"].update(
        {"language_model.model.layers.99.mlp.up_proj":
             {"bits": 8, "group_size": 32, "mode": "mxfp8"}})),
}


@pytest.fixture(scope="session")
def plain(checkpoint):
    return checkpoint("moe_shrunk", "hf")


@pytest.fixture(scope="session")
def sharded(scratch):
    """Three shards and the older form of the config, which the damages above edit."""
    folder = tiny_checkpoints.write("moe_shrunk", "hf_shards", scratch / "sharded")
    text_part = tiny_checkpoints.KINDS["moe_shrunk"]
    (folder / "config.json").write_text(
        json.dumps(tiny_checkpoints.full_config(text_part, "hf")))
    return folder


@pytest.fixture(scope="session")
def quantised(checkpoint, scratch):
    """mlx-lm's MXFP8 conversion: explicit entries only for the routers."""
    from test_quantized import mlx_convert
    return mlx_convert(checkpoint("moe_wide"), scratch / "mxfp8", ("mxfp8", None, None, None))


def check_refused(source, damage, needles, tmp_path):
    folder = BrokenFolder(source, tmp_path / "model")
    damage(folder)
    assert_refused(logits(folder.path, tmp_path / "logits.safetensors"), needles, "logits")
    assert not (tmp_path / "logits.safetensors").exists(), "logits left a file behind"
    assert_clean(run("inspect", folder.path), "inspect")
    return folder


def check_convert(folder, tmp_path):
    result = run("convert", "-i", folder.path, "-o", tmp_path / "out", "-q", "--q-mode", "mxfp8",
                 "--quiet")
    assert_clean(result, "convert")
    if result.returncode != 0:
        assert not (tmp_path / "out").exists(), "convert left an output folder behind"


def test_sound_folders_are_accepted(plain, sharded, quantised, tmp_path):
    """Else the cases below prove nothing."""
    for source in (plain, sharded, quantised):
        for command in (["logits", "-m", source, "--tokens", "20,21,22", "--out",
                         tmp_path / "logits.safetensors"], ["inspect", source]):
            result = run(*command)
            assert result.returncode == 0, result.stderr.decode()


@pytest.mark.parametrize("case", SAFETENSORS)
def test_safetensors(case, plain, tmp_path):
    folder = check_refused(plain, *SAFETENSORS[case], tmp_path)
    check_convert(folder, tmp_path)


@pytest.mark.parametrize("case", SHARDS)
def test_shards(case, sharded, tmp_path):
    folder = check_refused(sharded, *SHARDS[case], tmp_path)
    check_convert(folder, tmp_path)


@pytest.mark.parametrize("case", QUANTISED)
def test_quantised(case, quantised, tmp_path):
    check_refused(quantised, *QUANTISED[case], tmp_path)


@pytest.mark.parametrize("case", CONFIG)
def test_config(case, plain, tmp_path):
    folder = check_refused(plain, *CONFIG[case], tmp_path)
    check_convert(folder, tmp_path)


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual(case, plain, tmp_path):
    folder = BrokenFolder(plain, tmp_path / "model")
    UNUSUAL[case](folder)
    assert_clean(logits(folder.path, tmp_path / "logits.safetensors"), "logits")
    assert_clean(run("inspect", folder.path), "inspect")
    check_convert(folder, tmp_path)


@pytest.mark.parametrize("case", UNUSUAL_QUANTISED)
def test_unusual_quantised(case, quantised, tmp_path):
    folder = BrokenFolder(quantised, tmp_path / "model")
    UNUSUAL_QUANTISED[case](folder)
    assert_clean(logits(folder.path, tmp_path / "logits.safetensors"), "logits")
    assert_clean(run("inspect", folder.path), "inspect")


def test_non_finite_source_is_refused_by_convert(plain, tmp_path):
    folder = BrokenFolder(plain, tmp_path / "model")
    folder.fill("layers.1.self_attn.q_proj.weight", 0xFF)
    result = run("convert", "-i", folder.path, "-o", tmp_path / "out", "-q", "--q-mode", "mxfp8",
                 "--quiet")
    assert_refused(result, ["layers.1.self_attn.q_proj"], "convert")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", ["missing", "file", "empty"])
def test_no_folder(path, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert_refused(logits(tmp_path / path, tmp_path / "out"), [path], "logits")


@pytest.mark.parametrize("tokens", ["", "x", "-1", "512", "99999999999", "1,,2", "1;2"])
def test_token_lists(tokens, plain, tmp_path):
    result = run("logits", "-m", plain, f"--tokens={tokens}", "--out", tmp_path / "out")
    assert result.returncode in (1, 2), "accepted"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flags", [
    ["--chunk", "0"], ["--chunk", "-1"], ["--chunk", "99999999999999999999"], ["--threads", "-1"],
    ["--threads", "x"]])
def test_flags_out_of_range(flags, plain, tmp_path):
    result = run("logits", "-m", plain, "--tokens", "20", "--out", tmp_path / "out", *flags)
    assert result.returncode in (1, 2), "accepted"
    assert len(result.stderr.decode().splitlines()) == 1


def test_unwritable_output(plain, tmp_path):
    result = run("logits", "-m", plain, "--tokens", "20", "--out", tmp_path / "no" / "such" / "out")
    assert_refused(result, ["no/such"], "logits")


def test_input_is_output(plain):
    result = run("convert", "-i", plain, "-o", plain, "-q", "--quiet", "--force")
    assert result.returncode in (1, 2), "accepted"
    assert (plain / "model.safetensors").exists()
