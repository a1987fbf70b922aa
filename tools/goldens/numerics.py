"""Golden vectors of the quantization formats, made by MLX on the CPU.

    pip install 'mlx[cpu]==0.32.4' numpy
    python tools/goldens/numerics.py tests/goldens/numerics

Layout of a file: one line of JSON, ending in a newline, then the raw little-endian arrays in the
order of the header's "arrays" ([name, bytes] each). Header: "mlx" and "numpy" versions, "seed",
"rows", "in", and for quantized matrices "mode", "bits", "group_size".

- weights.golden, subnormal.golden: array "weights", BF16 [rows, in]
- quantized_<mode>_<bits>_<group>.golden: what mx.quantize makes of weights.golden: "codes" (the
  packed bytes), "scales", "biases" (BF16, affine only), and "decoded", f32: mx.dequantize with
  float32 side arrays
- subnormal_<mode>_<bits>_<group>.golden: the same of subnormal.golden, without the mx modes, whose
  scale bytes MLX lets wrap around there
- decoded_<mode>.golden: every code under many scale bytes: "codes", "scales", "decoded"
"""

import json
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np

SEED = 20260817
IN = 128
AFFINE = [("affine", bits, group) for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)]
FLOATS = [("mxfp8", 8, 32), ("mxfp4", 4, 32), ("nvfp4", 4, 16)]


def to_bf16(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def as_mlx(bits):
    return mx.view(mx.array(bits), mx.bfloat16)


def bf16_bits(array):
    return np.array(mx.view(array, mx.uint16))


def e4m3_midpoints():
    """Values half way between neighbouring codes, from the subnormals to the largest."""
    steps = np.arange(8)
    normal = [(1 + steps / 8) * 2.0 ** (e - 7) for e in range(1, 16)]
    values = np.concatenate([steps * 2.0**-9, *normal])[:127]
    return (values[1:] + values[:-1]) / 2


def make_weights(rng):
    gauss = rng.standard_normal
    one_third_zero = 0.02 * gauss(IN)
    one_third_zero[32:64] = 0
    zeros = np.where(np.arange(IN) % 2 == 0, 0.0, -0.0)
    tiny_negative = zeros.copy()
    tiny_negative[:32] = -np.abs(gauss(32)) * 1e-7
    tiny_negative[3] = 1.0
    outliers = rng.laplace(0, 0.02, IN)
    outliers[::41] *= 20
    thresholds = np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 6.0])
    fp4_ties = np.tile(np.concatenate([thresholds, -thresholds]), IN // 16)
    midpoints = e4m3_midpoints()
    fp8_ties = np.where(np.arange(IN) % 3 == 0, -1, 1) * midpoints[np.arange(IN) * 37 % 126]
    fp8_ties[::32] = 448
    affine_ties = (np.arange(IN) * 7 % 511) / 2.0
    affine_ties[::32], affine_ties[1::32] = 0, 255
    rows = [
        0.02 * gauss(IN),
        0.0274 * gauss(IN),
        0.02 * rng.standard_t(3, IN),
        outliers,
        1e-8 * gauss(IN),
        -0.01 - 0.02 * np.abs(gauss(IN)),
        0.01 + 0.02 * np.abs(gauss(IN)),
        np.full(IN, 0.0371),
        np.full(IN, -0.0371),
        np.zeros(IN),
        tiny_negative,
        fp4_ties,
        fp8_ties,
        affine_ties,
        100 * gauss(IN),
        one_third_zero,
    ]
    return to_bf16(np.stack(rows))


def make_subnormal(rng):
    signs = rng.integers(0, 2, (3, IN)) << 15
    rows = np.stack([
        rng.integers(0, 0x80, IN),  # subnormal
        rng.integers(0, 0x100, IN),  # and the first normal binade
        np.where(np.arange(IN) % 32 == 5, 1, 0),  # the smallest one alone
    ])
    return (rows | signs).astype(np.uint16)


def write(path, header, arrays):
    header = {"mlx": mx.__version__, "numpy": np.__version__, "seed": SEED, **header,
              "arrays": [[name, array.nbytes] for name, array in arrays.items()]}
    with open(path, "wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())


def write_weights(path, bits):
    write(path, {"rows": bits.shape[0], "in": bits.shape[1]}, {"weights": bits})


def write_quantized(path, bits, mode, width, group):
    result = mx.quantize(as_mlx(bits), group_size=group, bits=width, mode=mode)
    codes, scales = result[0], result[1]
    arrays = {"codes": np.array(codes)}
    biases = None
    if mode == "affine":
        arrays["scales"], arrays["biases"] = bf16_bits(scales), bf16_bits(result[2])
        scales, biases = scales.astype(mx.float32), result[2].astype(mx.float32)
    else:
        arrays["scales"] = np.array(scales)
    arrays["decoded"] = np.array(
        mx.dequantize(codes, scales, biases, group, width, mode=mode, dtype=mx.float32))
    write(path, {"rows": bits.shape[0], "in": bits.shape[1], "mode": mode, "bits": width,
                 "group_size": group}, arrays)


def write_decoded(path, mode, width, group):
    if mode == "mxfp8":
        scales, row = np.array([0, 1, 60, 127, 200, 254]), np.arange(256)
    else:
        scales = np.array([0, 1, 7, 8, 9, 60, 90, 126, 127, 128, 200, 253, 254])
        low = np.arange(0, 16, 2)
        row = np.tile(low | (low + 1) << 4, 2)
    codes = np.tile(row.astype(np.uint8), (len(scales), 1))
    width_in = codes.shape[1] * 8 // width
    scales = np.repeat(scales.astype(np.uint8)[:, None], width_in // group, 1)
    decoded = np.array(mx.dequantize(mx.view(mx.array(codes), mx.uint32), mx.array(scales), None,
                                     group, width, mode=mode, dtype=mx.float32))
    write(path, {"rows": len(scales), "in": width_in, "mode": mode, "bits": width,
                 "group_size": group}, {"codes": codes, "scales": scales, "decoded": decoded})


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    mx.set_default_device(mx.cpu)
    rng = np.random.default_rng(SEED)
    weights, subnormal = make_weights(rng), make_subnormal(rng)
    write_weights(folder / "weights.golden", weights)
    write_weights(folder / "subnormal.golden", subnormal)
    for mode, width, group in AFFINE + FLOATS:
        name = f"{mode}_{width}_{group}.golden"
        write_quantized(folder / f"quantized_{name}", weights, mode, width, group)
        if not mode.startswith("mx"):
            write_quantized(folder / f"subnormal_{name}", subnormal, mode, width, group)
    for mode, width, group in FLOATS:
        write_decoded(folder / f"decoded_{mode}.golden", mode, width, group)


if __name__ == "__main__":
    main()
