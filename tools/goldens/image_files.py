"""Small pictures of every format, and the pixels that transformers reads from them with Pillow.

    pip install pillow==13.0.0 numpy
    python tools/goldens/image_files.py tests/goldens/image

Writes files/NAME, the pictures, which are the seeds of the fuzz target too, and NAME.ppm, their
pixels in 8-bit RGB, turned as the EXIF says; of animations all frames, one behind the other.
"""

import io
import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, ImageSequence

HEIGHT, WIDTH = 17, 23


def scene(phase=0):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [128 + 90 * np.sin((x + phase) / (6 + c) + c) * np.cos(y / (9 - c)) for c in range(3)]
    return Image.fromarray(np.stack(waves, -1).astype(np.uint8))


def orientation(value, order):
    """EXIF with nothing else."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, value, 0, 0)


def pictures():
    """(name, picture, options of Image.save)"""
    rgb = scene()
    palette = rgb.quantize(16)
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray(np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, -1)))
    frames = {"save_all": True, "append_images": [scene(4), scene(9)], "duration": [50, 120, 200]}
    yield "rgb.png", rgb, {}
    yield "palette.png", palette, {"transparency": 3}
    yield "exif.png", alpha, {"exif": orientation(5, "<")}
    yield "rgb.jpg", rgb, {"quality": 90}
    yield "grey.jpg", rgb.convert("L"), {"quality": 90}
    yield "progressive.jpg", rgb, {"quality": 90, "progressive": True}
    yield "cmyk.jpg", rgb.convert("CMYK"), {"quality": 95}
    yield "exif.jpg", rgb, {"quality": 90, "exif": b"Exif\0\0" + orientation(6, ">")}
    yield "lossless.webp", alpha, {"lossless": True, "exact": True}
    yield "lossy.webp", rgb, {"quality": 80}
    yield "lossy_alpha.webp", alpha, {"quality": 80}
    yield "exif.webp", rgb, {"lossless": True, "exif": orientation(8, "<")}
    yield "animated.webp", rgb, {"lossless": True, **frames}
    yield "still.gif", palette, {"transparency": 2, "interlace": 1}
    yield "animated.gif", palette, {**frames, "append_images": [scene(4).quantize(16),
                                                               scene(9).quantize(16)]}
    yield "rgb.bmp", rgb, {}
    yield "palette.bmp", palette, {}


def as_rgb(picture):
    """As transformers' processor reads a file: one transparent colour becomes white, alpha goes."""
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    if "transparency" not in picture.info:
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def main(folder):
    for name, picture, options in pictures():
        buffer = io.BytesIO()
        kind = name.split(".")[-1]
        picture.save(buffer, {"jpg": "JPEG"}.get(kind, kind.upper()), **options)
        (folder / "files" / name).write_bytes(buffer.getvalue())
        with Image.open(buffer) as read, open(folder / f"{name}.ppm", "wb") as pixels:
            for frame in ImageSequence.Iterator(read):
                as_rgb(frame).save(pixels, "PPM")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
