"""Decoding of MLX's quantised matrices in plain numpy, from the description of the formats."""

import numpy as np

import safetensors_io

DEFAULT_GROUP = {"affine": 64, "mxfp4": 32, "mxfp8": 32, "nvfp4": 16}
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=np.float64)


def e4m3_table():
    codes = np.arange(256)
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    magnitude = np.where(
        exponent == 0, mantissa * 2.0**-9, (8 + mantissa) * 2.0 ** (exponent - 10.0))
    magnitude[(codes & 127) == 127] = np.nan
    return np.where(codes >= 128, -magnitude, magnitude)


E4M3 = e4m3_table()


def unpack(words, bits):
    """Little-endian bit stream: uint32 [..., n * bits / 32] -> codes [..., n]."""
    stream = np.unpackbits(
        np.ascontiguousarray(words, dtype="<u4").view(np.uint8), axis=-1, bitorder="little")
    fields = stream.reshape(*stream.shape[:-1], -1, bits)
    return fields @ (1 << np.arange(bits))


def decode(words, scales, biases, mode, bits, group_size):
    """float64 weights [..., n]; scales and biases as stored: (dtype, array)."""
    codes = unpack(words, bits)
    groups = codes.reshape(*codes.shape[:-1], -1, group_size)
    if mode == "affine":
        scale, bias = (safetensors_io.from_bf16_bits(part[1]).astype(np.float64)
                       if part[0] == "BF16" else part[1].astype(np.float64)
                       for part in (scales, biases))
        values = groups * scale[..., None] + bias[..., None]
    else:
        assert biases is None, "a float mode has no biases"
        raw = scales[1]
        scale = E4M3[raw] if mode == "nvfp4" else 2.0 ** (raw.astype(np.float64) - 127)
        if mode == "mxfp8":
            elements = E4M3[groups]
        else:
            elements = np.where(groups >= 8, -1.0, 1.0) * E2M1[groups & 7]
        values = elements * scale[..., None]
    return values.reshape(codes.shape)


def infer(weight, scales, biases):
    """(mode, bits, group_size) when only shapes and dtypes are known; the width is not."""
    if biases is not None:
        return None
    ratio = weight.shape[-1] * 32 / scales[1].shape[-1]  # bits * group size
    return {256: ("mxfp8", 8, 32), 128: ("mxfp4", 4, 32), 64: ("nvfp4", 4, 16)}[int(ratio)]


def spec_of(block, module):
    """(mode, bits, group_size) of `module` by the rules of the config's quantization block."""
    override = block.get(module)
    entry = override if isinstance(override, dict) else block
    mode = entry.get("mode") or "affine"
    return mode, entry["bits"], entry.get("group_size") or DEFAULT_GROUP[mode]


def decode_module(tensors, module, block):
    weight = tensors[module + ".weight"][1]
    scales = tensors[module + ".scales"]
    biases = tensors.get(module + ".biases")
    mode, bits, group = infer(weight, scales, biases) or spec_of(block, module)
    return decode(weight, scales, biases, mode, bits, group)
