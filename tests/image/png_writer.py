"""PNG files of the kinds that Pillow does not write: any depth, interlaced, with extra chunks."""

import struct
import zlib

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
# First row and column, steps, of the seven passes of an interlaced picture.
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
          (1, 0, 2, 1)]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed_rows(samples, depth):
    """Rows of [height, width, channels], each behind the filter type 0."""
    height = samples.shape[0]
    rows = samples.reshape(height, -1)
    if depth == 16:
        data = rows.astype(">u2").view(np.uint8).reshape(height, -1)
    elif depth == 8:
        data = rows.astype(np.uint8)
    else:
        bits = (rows[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        data = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in data)


def png(samples, depth, colour, interlaced=False, before=(), after=()):
    """File of integer samples [height, width, channels]; chunks before and after the image data."""
    height, width = samples.shape[:2]
    if interlaced:
        parts = [samples[y::dy, x::dx] for y, x, dy, dx in PASSES]
        data = b"".join(packed_rows(part, depth) for part in parts if part.size)
    else:
        data = packed_rows(samples, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header),
                     *(chunk(*one) for one in before), chunk(b"IDAT", zlib.compress(data)),
                     *(chunk(*one) for one in after), chunk(b"IEND", b"")])
