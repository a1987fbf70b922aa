"""BMP files of the kinds that Pillow does not write."""

import struct


def bmp(width, height, bits, compression, pixels, masks=b"", palette=b""):
    """`pixels` are the bytes of the rows as they lie in the file; a negative height is top-down."""
    offset = 14 + 40 + len(masks) + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 2835,
                       2835, len(palette) // 4, 0)
    return (b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + info + masks
            + palette + pixels)
