"""From a picture to the patches that the vision tower reads, as Gemma 4 does it."""

import math

import numpy as np
from PIL import Image

PATCH, POOL = 16, 3
CELL = PATCH * POOL  # pixels of a soft token's side


def target_size(width, height, soft_tokens):
    """(width, height) of the resized picture: multiples of CELL that need at most `soft_tokens` cells."""
    factor = math.sqrt(soft_tokens * CELL * CELL / (width * height))
    columns, rows = math.floor(factor * width / CELL), math.floor(factor * height / CELL)
    if rows == 0:
        rows, columns = 1, min(width // height, soft_tokens)
    elif columns == 0:
        columns, rows = 1, min(height // width, soft_tokens)
    return columns * CELL, rows * CELL


def patches_of(image, soft_tokens):
    """float32 [patches, 768] in 0…1 and int64 [patches, 2] of (column, row), both row by row."""
    size = target_size(*image.size, soft_tokens)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)
    rows, columns = size[1] // PATCH, size[0] // PATCH
    patches = pixels.reshape(rows, PATCH, columns, PATCH, 3).transpose(0, 2, 1, 3, 4)
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1)
    return np.ascontiguousarray(patches.reshape(rows * columns, -1)), grid.reshape(-1, 2)
