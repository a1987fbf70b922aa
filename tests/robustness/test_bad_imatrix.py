"""Broken importance matrices: one clear line, exit 1, no output folder."""

import struct

import numpy as np
import pytest

import imatrix_files
from test_bad_files import assert_clean, assert_refused, run


def stats():
    return imatrix_files.statistics("moe_shrunk")


def whole():
    tensors = {}
    for name, (sums, counts) in stats().items():
        tensors[name + ".in_sum2"], tensors[name + ".counts"] = sums, counts
    return tensors


def patched(offset, packed):
    raw = bytearray(imatrix_files.gguf(whole()))
    raw[offset:offset + len(packed)] = packed
    return bytes(raw)


def with_tensor(change):
    tensors = whole()
    change(tensors)
    return imatrix_files.gguf(tensors)


def after_first_name(packed, skip):
    """Overwrites bytes of the first tensor's description, `skip` bytes behind its name."""
    raw = bytearray(imatrix_files.gguf(whole()))
    name = next(iter(whole())).encode()
    at = raw.index(name) + len(name) + skip
    raw[at:at + len(packed)] = packed
    return bytes(raw)


def fill(suffix, value):
    def change(tensors):
        name = next(key for key in tensors if key.endswith(suffix))
        tensors[name] = np.full_like(tensors[name], value)
    return change


def wrong_width(tensors):
    name = "blk.0.attn_q.weight.in_sum2"
    tensors[name] = tensors[name][:, :-3]


def counts_missing(tensors):
    del tensors["blk.0.attn_q.weight.counts"]


U64 = "<Q"
CASES = {
    "empty": b"",
    "three bytes": b"GGU",
    "another magic": patched(0, b"GGML"),
    "version 0": patched(4, struct.pack("<I", 0)),
    "version 99": patched(4, struct.pack("<I", 99)),
    "big endian version": patched(4, struct.pack(">I", 3)),
    "tensor count 2^63": patched(8, struct.pack(U64, 2**63)),
    "tensor count too large": patched(8, struct.pack(U64, 100_000)),
    "key count 2^63": patched(16, struct.pack(U64, 2**63)),
    "key length 2^64-1": patched(24, struct.pack(U64, 2**64 - 1)),
    "key length 2^40": patched(24, struct.pack(U64, 2**40)),
    "value type 99": patched(24 + 8 + len("general.type"), struct.pack("<I", 99)),
    "value length 2^63": patched(24 + 8 + len("general.type") + 4, struct.pack(U64, 2**63)),
    "rank 0": after_first_name(struct.pack("<I", 0), 0),
    "rank 64": after_first_name(struct.pack("<I", 64), 0),
    "dimension 2^63": after_first_name(struct.pack(U64, 2**63), 4),
    "dimension 0": after_first_name(struct.pack(U64, 0), 4),
    "tensor type 99": after_first_name(struct.pack("<I", 99), 12),
    "offset past the end": after_first_name(struct.pack(U64, 2**40), 16),
    "offset near 2^64": after_first_name(struct.pack(U64, 2**64 - 32), 16),
    "offset misaligned": after_first_name(struct.pack(U64, 3), 16),
    "cut in the header": imatrix_files.gguf(whole())[:200],
    "cut in the data": imatrix_files.gguf(whole())[:-5000],
    "wrong width": with_tensor(wrong_width),
    "NaN sums": with_tensor(fill("in_sum2", np.nan)),
    "infinite sums": with_tensor(fill("in_sum2", np.inf)),
    "negative sums": with_tensor(fill("in_sum2", -1)),
    "NaN counts": with_tensor(fill("counts", np.nan)),
    "negative counts": with_tensor(fill("counts", -5)),
}

UNUSUAL = {
    "zero counts": with_tensor(fill("counts", 0)),
    "counts missing": with_tensor(counts_missing),
    "unknown weight": with_tensor(lambda t: t.update({
        "blk.0.ghost.weight.in_sum2": np.ones((1, 8), np.float32),
        "blk.0.ghost.weight.counts": np.ones((1, 1), np.float32)})),
    "layer that does not exist": with_tensor(lambda t: t.update({
        "blk.99.attn_q.weight.in_sum2": np.ones((1, 128), np.float32),
        "blk.99.attn_q.weight.counts": np.ones((1, 1), np.float32)})),
    "no statistics": imatrix_files.gguf({}),
}


def convert(content, checkpoint, tmp_path, name="im.gguf"):
    path = tmp_path / name
    path.write_bytes(content)
    result = run("convert", "-i", checkpoint("moe_shrunk"), "-o", tmp_path / "out",
                 "--imatrix-path", path, "--awq", "on", "--quiet")
    if result.returncode != 0:
        assert not (tmp_path / "out").exists(), "an output folder was left behind"
    return result


@pytest.mark.parametrize("case", CASES)
def test_broken(case, checkpoint, tmp_path):
    assert_refused(convert(CASES[case], checkpoint, tmp_path), ["im.gguf"], case)


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual(case, checkpoint, tmp_path):
    assert_clean(convert(UNUSUAL[case], checkpoint, tmp_path), case)


@pytest.mark.parametrize("size", [0, 3, 4, 11, 40, 1000])
def test_cut_legacy_file(size, checkpoint, tmp_path):
    path = imatrix_files.write_dat(tmp_path / "whole", stats())
    result = convert(path.read_bytes()[:size], checkpoint, tmp_path, "im.dat")
    assert_refused(result, ["im.dat"], f"{size} bytes")


def test_sound_file_is_accepted(checkpoint, tmp_path):
    result = convert(imatrix_files.gguf(whole()), checkpoint, tmp_path)
    assert result.returncode == 0, result.stderr.decode()
