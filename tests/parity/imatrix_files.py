"""Writes importance matrices as llama.cpp does: GGUF, and the older .dat form."""

import struct

import numpy as np

import tiny_checkpoints

UINT32, STRING, ARRAY = 4, 8, 9
F32 = 0


def gguf_string(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf_value(kind, value):
    if kind == UINT32:
        return struct.pack("<I", value)
    if kind == STRING:
        return gguf_string(value)
    return struct.pack("<IQ", STRING, len(value)) + b"".join(map(gguf_string, value))


def gguf(tensors, alignment=32):
    """A GGUF file: `{name: float32 array}`, the last dimension of an array being the fastest."""
    pairs = [
        ("general.type", STRING, "imatrix"),
        ("imatrix.datasets", ARRAY, ["random"]),
        ("imatrix.chunk_count", UINT32, 4),
        ("imatrix.chunk_size", UINT32, 512),
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    for key, kind, value in pairs:
        head += gguf_string(key) + struct.pack("<I", kind) + gguf_value(kind, value)
    data = b""
    for name, array in tensors.items():
        dims = array.shape[::-1]
        while len(dims) > 1 and dims[-1] == 1:
            dims = dims[:-1]  # GGUF drops trailing ones
        head += gguf_string(name) + struct.pack("<I", len(dims))
        head += struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", F32, len(data))
        data += np.asarray(array, dtype="<f4").tobytes()
        data += bytes(-len(data) % alignment)
    return head + bytes(-len(head) % alignment) + data


def statistics(kind, skip=(), unused_expert=None):
    """`{llama.cpp name: (sums of squares [matrices, width], counts [matrices, 1])}`.

    The channels' importance spans several powers of four, so every fold has something to do.
    """
    config = tiny_checkpoints.KINDS[kind]
    result = {}
    for name, shape in tiny_checkpoints.shapes(config).items():
        part = llama_name(name)
        if part is None or part.split(".")[2] in skip:
            continue
        matrices = shape[0] if len(shape) == 3 else 1
        random = tiny_checkpoints.generator("imatrix", name)
        shared = tiny_checkpoints.generator("imatrix", input_of(name))
        counts = random.integers(200, 2000, (matrices, 1)).astype(np.float32)
        importance = 4.0 ** shared.normal(0, 1.5, shape[-1])
        importance = importance * random.uniform(0.9, 1.1, (matrices, shape[-1]))
        if matrices > 1 and unused_expert is not None:
            counts[unused_expert] = 0
        result[part] = ((importance * counts).astype(np.float32), counts)
    return result


def input_of(name):
    """Matrices that read the same activations get similar statistics."""
    for group in (("q_proj", "k_proj", "v_proj"), ("mlp.gate_proj", "mlp.up_proj")):
        for member in group:
            if member in name:
                return name.replace(member, group[0])
    return name


def llama_name(name):
    parts = {
        "self_attn.q_proj.weight": "attn_q", "self_attn.k_proj.weight": "attn_k",
        "self_attn.v_proj.weight": "attn_v", "self_attn.o_proj.weight": "attn_output",
        "mlp.gate_proj.weight": "ffn_gate", "mlp.up_proj.weight": "ffn_up",
        "mlp.down_proj.weight": "ffn_down", "router.proj.weight": "ffn_gate_inp",
        "experts.gate_up_proj": "ffn_gate_up_exps", "experts.down_proj": "ffn_down_exps",
    }
    if not name.startswith("layers."):
        return None
    _, layer, rest = name.split(".", 2)
    return f"blk.{layer}.{parts[rest]}.weight" if rest in parts else None


def write_gguf(path, stats):
    tensors = {}
    for name, (sums, counts) in stats.items():
        tensors[name + ".in_sum2"] = sums
        tensors[name + ".counts"] = counts
    path.write_bytes(gguf(tensors))
    return path


def write_dat(path, stats, calls=4):
    """The older form: mean squares times the number of calls, no counts per expert."""
    raw = struct.pack("<i", len(stats))
    for name, (sums, counts) in stats.items():
        means = sums / np.maximum(counts, 1)
        means[counts[:, 0] == 0] = 1
        values = (means * calls).astype("<f4").ravel()
        raw += struct.pack("<i", len(name)) + name.encode()
        raw += struct.pack("<ii", calls, values.size) + values.tobytes()
    raw += struct.pack("<i", calls) + struct.pack("<i", 6) + b"random"
    path.write_bytes(raw)
    return path
