"""Pixels of every kind of file against Pillow, as transformers' processor reads with it.
Run: parity_decoding.py IMAGE_PROBE
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from transformers.image_transforms import convert_to_rgb
from transformers.image_utils import load_image

import pictures
import png_writer
from probe import Probe, Refused

# JPEG leaves the inverse transform and the upsampling of chroma to the decoder.
JPEG_LARGEST, JPEG_MEAN, CMYK_LARGEST = 4, 0.25, 1


def check_lossless(probe, folder):
    wrong = []
    names = pictures.lossless(folder)
    for name in names:
        expected = convert_to_rgb(load_image(str(folder / name)), return_numpy=True)
        actual = probe.pixels(folder / name)
        if expected.shape != actual.shape or not np.array_equal(expected, actual):
            wrong.append(f"{name}: {describe(expected, actual)}")
    assert not wrong, "\n".join(wrong)
    print(f"{len(names)} files equal to Pillow {Image.__version__}")


def describe(expected, actual):
    if expected.shape != actual.shape:
        return f"{actual.shape}, expected {expected.shape}"
    difference = np.abs(expected.astype(int) - actual)
    return f"{np.count_nonzero(difference)} values differ, by {difference.max()}"


def check_jpeg(probe, folder):
    names = pictures.jpeg(folder)
    worst = {"cmyk": 0, "rgb": 0}
    for name in names:
        expected = np.asarray(load_image(str(folder / name))).astype(int)
        actual = probe.pixels(folder / name)
        assert expected.shape == actual.shape, (name, expected.shape, actual.shape)
        difference = np.abs(expected - actual)
        kind = "cmyk" if name.startswith("cmyk") else "rgb"
        worst[kind] = max(worst[kind], int(difference.max()))
        limit = CMYK_LARGEST if kind == "cmyk" else JPEG_LARGEST
        assert difference.max() <= limit and difference.mean() <= JPEG_MEAN, \
            f"{name}: off by up to {difference.max()}, {difference.mean():.3f} on average"
    print(f"{len(names)} JPEG files, off by at most {worst}")


def check_16_bit_bmp(probe, folder):
    """Channels of 5 and 6 bits are scaled to the nearest level; Pillow truncates."""
    for name in pictures.bmp_16(folder):
        expected = np.asarray(load_image(str(folder / name))).astype(int)
        difference = probe.pixels(folder / name) - expected
        assert difference.min() >= 0 and difference.max() <= 1, name


def check_16_bit_grey(probe, folder):
    """The high byte; Pillow clips instead."""
    samples = np.random.default_rng(1).integers(0, 65536, (21, 33, 1))
    path = folder / "grey_16_bits.png"
    path.write_bytes(png_writer.png(samples, 16, png_writer.GREY))
    expected = np.broadcast_to(samples >> 8, (21, 33, 3))
    assert np.array_equal(probe.pixels(path), expected)


def check_truncated(probe, folder):
    """Every file, cut anywhere, is refused; so is a JPEG, which its decoder would not refuse."""
    cuts = 0
    for name in [*pictures.lossless(folder), *pictures.jpeg(folder)]:
        data = (folder / name).read_bytes()
        sizes = {1, 8, 20, len(data) // 3, len(data) // 2, len(data) - 20, len(data) - 1}
        for size in sorted(sizes & set(range(1, len(data)))):
            path = folder / f"cut_{name}"
            path.write_bytes(data[:size])
            try:
                probe.pixels(path)
            except Refused as refused:
                assert str(path) in str(refused), refused
                cuts += 1
                continue
            raise AssertionError(f"{name}: {size} of {len(data)} bytes are accepted")
    print(f"{cuts} files cut short are refused")


def main():
    with tempfile.TemporaryDirectory(prefix="octavo-decoding-") as folder:
        folder = Path(folder)
        probe = Probe()
        check_lossless(probe, folder)
        check_jpeg(probe, folder)
        check_16_bit_grey(probe, folder)
        check_16_bit_bmp(probe, folder)
        check_truncated(probe, folder)


if __name__ == "__main__":
    sys.exit(main())
