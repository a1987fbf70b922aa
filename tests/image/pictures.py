"""Writes pictures of every kind that is read, into a folder."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

import png_writer
from bmp_writer import bmp

SEED = 20261129
# (height, width): extreme ratios, tiny ones, photographs, sizes that stay as they are.
SIZES = [(1, 1), (1, 2), (2, 1), (7, 5), (1, 500), (500, 1), (3, 900), (900, 3), (10, 4000),
         (4000, 10), (100, 2000), (2000, 100), (224, 224), (480, 640), (640, 480), (768, 768),
         (1080, 1920), (1654, 2339), (48, 3360), (384, 384), (333, 517), (53, 1201)]


def noise(shape, seed):
    return np.random.default_rng([SEED, seed]).integers(0, 256, shape, dtype=np.uint8)


def scene(height, width, seed):
    """Waves, edges and a little noise: uint8 [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (7 + c) + seed) + np.cos(y / (11 - c)) for c in range(3)]
    values = 128 + 50 * np.stack(waves, -1) + 40 * (((x // 16 + y // 24) % 2)[..., None] - 0.5)
    values += np.random.default_rng([SEED, seed]).normal(0, 6, values.shape)
    return np.clip(values, 0, 255).astype(np.uint8)


def soft_scene(height, width):
    """Slow waves alone: what chroma subsampling keeps."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [128 + 100 * np.sin(x / (60 + 20 * c) + c) * np.cos(y / (90 - 20 * c))
             for c in range(3)]
    return np.stack(waves, -1).astype(np.uint8)


def exif(orientation, order, of_32_bits=False):
    """A TIFF header with the one entry."""
    entry = struct.pack(order + "HHI", 0x112, 4 if of_32_bits else 3, 1) \
        + struct.pack(order + ("I" if of_32_bits else "Hxx"), orientation)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


class Folder:
    """Collects files in memory, then on disk."""

    def __init__(self, path):
        self.path = Path(path)
        self.names = []

    def add(self, name, data):
        (self.path / name).write_bytes(data)
        self.names.append(name)

    def save(self, name, picture, **options):
        buffer = io.BytesIO()
        format_name = {"jpg": "JPEG"}.get(name.split(".")[-1], name.split(".")[-1].upper())
        picture.save(buffer, format_name, **options)
        self.add(name, buffer.getvalue())


def palette_picture(colours, height=37, width=61):
    indices = np.random.default_rng([SEED, colours]).integers(0, colours, (height, width), np.uint8)
    picture = Image.frombytes("P", (width, height), indices.tobytes())
    picture.putpalette(noise((colours, 3), 3).tobytes())
    return picture


def add_png(folder):
    for height, width in SIZES:
        folder.save(f"rgb_{height}x{width}.png", Image.fromarray(scene(height, width, 1)))
    rgba = Image.fromarray(noise((60, 90, 4), 4), "RGBA")
    folder.save("rgba.png", rgba)
    folder.save("grey.png", Image.fromarray(noise((50, 70), 5)))
    folder.save("grey_alpha.png", rgba.convert("LA"))
    folder.save("bilevel.png", Image.fromarray(noise((33, 47), 6)).convert("1"))
    for colours in (2, 4, 16, 256):
        folder.save(f"palette_{colours}.png", palette_picture(colours))
    add_png_transparent(folder)
    for depth in (1, 2, 4):
        samples = noise((31, 45, 1), depth) % (1 << depth)
        folder.add(f"grey_{depth}_bits.png", png_writer.png(samples, depth, png_writer.GREY))
        folder.add(f"grey_{depth}_bits_interlaced.png",
                   png_writer.png(samples, depth, png_writer.GREY, interlaced=True))
    add_png_16(folder)
    rgb = scene(45, 67, 7)
    folder.add("interlaced.png", png_writer.png(rgb, 8, png_writer.RGB, interlaced=True))
    folder.add("gamma.png", png_writer.png(rgb, 8, png_writer.RGB,
                                           before=[(b"gAMA", struct.pack(">I", 100000))]))
    for orientation in range(1, 9):
        for order, name in (("<", "little"), (">", "big")):
            data = (b"eXIf", exif(orientation, order))
            where = {"after" if order == ">" else "before": [data]}
            folder.add(f"exif_{orientation}_{name}.png",
                       png_writer.png(scene(40, 70, orientation), 8, png_writer.RGB, **where))


def add_png_transparent(folder):
    """With a transparent colour, which may be that of several entries, or with degrees of it."""
    folder.save("palette_transparent.png", palette_picture(16), transparency=7)
    folder.save("palette_bilevel.png", palette_picture(2), transparency=1)
    for name, transparency in (("degrees", bytes(range(16))), ("two", b"\xff\0\xff\0")):
        folder.save(f"palette_{name}.png", palette_picture(16), transparency=transparency)
    twins = palette_picture(4)
    twins.putpalette(bytes([7, 8, 9, 50, 60, 70, 7, 8, 9, 255, 255, 255]))
    folder.save("palette_twins.png", twins, transparency=2)

    def with_key(name, samples, depth, colour, *key):
        chunk = (b"tRNS", struct.pack(f">{len(key)}H", *map(int, key)))
        folder.add(f"key_{name}.png", png_writer.png(samples, depth, colour, before=[chunk]))

    rgb = scene(45, 67, 7)
    with_key("rgb", rgb, 8, png_writer.RGB, *rgb[3, 2])
    with_key("rgb_high", rgb, 8, png_writer.RGB, *(rgb[3, 2].astype(int) + 256))
    wide = rgb.astype(int) * 256
    with_key("rgb_16_bits", wide, 16, png_writer.RGB, *wide[3, 2])
    with_key("rgb_16_bits_low", wide, 16, png_writer.RGB, *rgb[3, 2])
    for depth in (1, 2, 4, 8):
        samples = noise((31, 45, 1), depth) >> (8 - depth)
        for key in (0, 1, 85, 300):
            with_key(f"grey_{depth}_{key}", samples, depth, png_writer.GREY, key)


def add_png_16(folder):
    wide = np.random.default_rng(SEED).integers(0, 65536, (29, 43, 4))
    for name, colour, channels in (("rgb", png_writer.RGB, 3), ("rgba", png_writer.RGBA, 4),
                                   ("grey_alpha", png_writer.GREY_ALPHA, 2)):
        folder.add(f"{name}_16_bits.png", png_writer.png(wide[..., :channels], 16, colour))


def add_gif(folder):
    folder.save("palette.gif", palette_picture(256))
    for index in (0, 5):
        folder.save(f"transparent_{index}.gif", palette_picture(16), transparency=index)
    folder.save("transparent_grey.gif", Image.fromarray(noise((20, 30), 17)), transparency=99)
    folder.save("interlaced.gif", palette_picture(32, 65, 40), interlace=1)
    frames = [palette_picture(16, 40, 50) for _ in range(3)]
    frames[1].paste(3, (5, 5, 20, 20))
    folder.save("animated.gif", frames[0], save_all=True, append_images=frames[1:], duration=70)
    folder.add("small_first_frame.gif", small_first_frame(transparent=None))
    folder.add("small_first_frame_transparent.gif", small_first_frame(transparent=2))


def small_first_frame(transparent):
    """A frame of 2x2 at (3, 1) in a picture of 8x6."""
    colours = noise((4, 3), 8).tobytes()
    control = b"" if transparent is None else b"\x21\xf9\4\1\0\0" + bytes([transparent, 0])
    codes = 0
    for position, code in enumerate((4, 0, 1, 4, 2, 3, 5)):  # clear, pixels, end: 3 bits each
        codes |= code << 3 * position
    return (b"GIF89a" + struct.pack("<HHBBB", 8, 6, 0x81, 0, 0) + colours + control + b","
            + struct.pack("<HHHHB", 3, 1, 2, 2, 0) + b"\2\3" + codes.to_bytes(3, "little") + b"\0;")


def add_webp(folder):
    rgb = Image.fromarray(scene(77, 103, 9))
    rgba = Image.fromarray(noise((45, 33, 4), 10), "RGBA")
    folder.save("lossless.webp", rgb, lossless=True)
    folder.save("lossless_alpha.webp", rgba, lossless=True, exact=True)
    folder.save("lossy.webp", rgb, quality=70)
    folder.save("lossy_alpha.webp", rgba, quality=70)
    folder.save("large.webp", Image.fromarray(scene(701, 333, 11)), quality=85)
    folder.save("animated.webp", rgb, save_all=True, append_images=[rgb.rotate(90)], duration=40,
                lossless=True)
    for orientation in (3, 6, 8):
        folder.save(f"exif_{orientation}.webp", rgb, lossless=True, exif=exif(orientation, "<"))
    folder.save("exif_32_bits.webp", rgb, lossless=True, exif=exif(6, ">", of_32_bits=True))
    folder.save("exif_preamble.webp", rgb, lossless=True, exif=b"Exif\0\0" + exif(5, ">"))


def add_bmp(folder):
    rgb = scene(39, 53, 12)
    folder.save("rgb.bmp", Image.fromarray(rgb))
    folder.save("grey.bmp", Image.fromarray(rgb[..., 0]))
    folder.save("bilevel.bmp", Image.fromarray(rgb[..., 0]).convert("1"))
    folder.save("palette.bmp", palette_picture(256))
    folder.add("top_down.bmp", bmp(12, -5, 24, 0, noise((5, 36), 13).tobytes()))
    folder.add("32_bits.bmp", bmp(7, 5, 32, 0, noise((5, 28), 14).tobytes()))
    palette = noise((16, 4), 15) & np.array([255, 255, 255, 0], np.uint8)
    folder.add("4_bits.bmp", bmp(7, 5, 4, 0, noise((5, 4), 16).tobytes(), palette=palette.tobytes()))
    runs = b"".join(bytes([3, row, 2, 15 - row, 0, 0]) for row in range(4)) + b"\0\1"
    folder.add("rle.bmp", bmp(5, 4, 8, 1, runs, palette=palette.tobytes()))


def bmp_16(path):
    folder = Folder(path)
    words = np.random.default_rng(SEED).integers(0, 32768, (6, 10), dtype=np.uint16)
    folder.add("555.bmp", bmp(10, 6, 16, 0, words.astype("<u2").tobytes()))
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    folder.add("565.bmp", bmp(10, 6, 16, 3, (words * 2 + 1).astype("<u2").tobytes(), masks))
    return folder.names


def lossless(path):
    """Files whose pixels Pillow and Octavo must agree on exactly."""
    folder = Folder(path)
    add_png(folder)
    add_gif(folder)
    add_webp(folder)
    add_bmp(folder)
    return folder.names


def jpeg(path):
    folder = Folder(path)
    picture = Image.fromarray(soft_scene(203, 311))
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            folder.save(f"rgb_{subsampling}_{progressive}.jpg", picture, quality=90,
                        subsampling=subsampling, progressive=progressive)
    folder.save("grey.jpg", picture.convert("L"), quality=85)
    folder.save("restarts.jpg", picture, quality=80, restart_marker_blocks=5)
    folder.save("tiny.jpg", Image.fromarray(soft_scene(1, 1)))
    folder.save("cmyk.jpg", picture.convert("CMYK"), quality=90)
    folder.save("cmyk_dark.jpg", Image.fromarray(np.dstack(
        [soft_scene(90, 130), soft_scene(90, 130)[..., 0] // 2]), "CMYK"), quality=95)
    for orientation in range(1, 9):
        for order, name in (("<", "little"), (">", "big")):
            folder.save(f"exif_{orientation}_{name}.jpg", picture, quality=90,
                        exif=b"Exif\0\0" + exif(orientation, order))
    return folder.names
