"""Patches of every kind of file against transformers' processor. Run: parity_patches.py IMAGE_PROBE

Size and values of pictures without loss must be equal, for every budget.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import transformers
from transformers.utils import logging
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

import pictures
from probe import Probe

BUDGETS = (70, 140, 280, 560, 1120)
JPEG_MEAN = 0.25


def reference(path, budget):
    """(columns, rows, uint8 [rows * columns, values]) without the processor's padding."""
    batch = Gemma4ImageProcessorPil(max_soft_tokens=budget)(images=[str(path)],
                                                            return_tensors="np")
    positions = batch["image_position_ids"][0]
    count = int(np.count_nonzero(positions[:, 0] >= 0))
    columns, rows = (positions[:count].max(axis=0) + 1).tolist()
    values = batch["pixel_values"][0, :count]
    levels = np.rint(values * 255).astype(np.uint8)
    assert np.array_equal((levels * (1 / 255)).astype(np.float32), values.astype(np.float32))
    assert columns * rows == count and count == 9 * batch["num_soft_tokens_per_image"][0]
    return columns, rows, levels


def main():
    logging.set_verbosity_error()  # it wonders whether a picture of 3 pixels is one of 3 channels
    with tempfile.TemporaryDirectory(prefix="octavo-patches-") as folder:
        folder = Path(folder)
        probe = Probe()
        exact, close = pictures.lossless(folder), pictures.jpeg(folder)
        wrong = []
        for budget in BUDGETS:
            for name in exact + close:
                expected = reference(folder / name, budget)
                actual = probe.patches(folder / name, budget)
                difference = np.abs(expected[2].astype(int) - actual[2]) \
                    if expected[:2] == actual[:2] else None
                right = difference is not None and (
                    difference.mean() <= JPEG_MEAN if name in close else not difference.any())
                if not right:
                    wrong.append(f"{name}, {budget} tokens: {actual[:2]}, expected {expected[:2]}, "
                                 f"differ by {difference if difference is None else difference.max()}")
        assert not wrong, "\n".join(wrong)
        print(f"{len(exact)} pictures with {len(BUDGETS)} budgets each are equal to transformers "
              f"{transformers.__version__}, {len(close)} JPEG files close")


if __name__ == "__main__":
    sys.exit(main())
