"""A plain safetensors reader and writer: BF16 included, the test decides on the file's layout."""

import json
import struct

import numpy as np

SIZES = {"F32": 4, "BF16": 2, "F16": 2, "U32": 4, "U8": 1}
NUMPY = {"F32": "<f4", "BF16": "<u2", "F16": "<f2", "U32": "<u4", "U8": "u1"}


def to_bf16_bits(values):
    """Nearest BF16, ties to even, as uint16."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16_bits(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def write(path, tensors, metadata=None, start="aligned", order=None):
    """Writes `{name: (dtype, array)}`.

    start: "aligned" pads the header to 8 bytes, "padded" with 4 KiB of spaces, "odd" makes the
    data begin at an odd byte. order: the names in the order of their data (default: sorted).
    """
    entries = {"__metadata__": metadata} if metadata else {}
    offset = 0
    spans = {}
    for name in order or sorted(tensors):
        dtype, array = tensors[name]
        spans[name] = (offset, offset + array.size * SIZES[dtype])
        offset = spans[name][1]
    for name in sorted(tensors):
        dtype, array = tensors[name]
        entries[name] = {
            "dtype": dtype,
            "shape": list(array.shape),
            "data_offsets": list(spans[name]),
        }
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    if start == "padded":
        header += b" " * 4096
    elif start == "odd":
        header += b" "
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for name in order or sorted(tensors):
            dtype, array = tensors[name]
            file.write(np.ascontiguousarray(array.astype(NUMPY[dtype], copy=False)).tobytes())


def read(path):
    """`{name: (dtype, array)}`; BF16 arrays hold their bits."""
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        array = np.frombuffer(data[begin:end], dtype=NUMPY[entry["dtype"]])
        tensors[name] = (entry["dtype"], array.reshape(entry["shape"]))
    return tensors


def read_folder(folder):
    tensors = {}
    for path in sorted(folder.glob("model*.safetensors")):
        tensors.update(read(path))
    return tensors
