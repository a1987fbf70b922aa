"""Shares the parity suite's helpers and fixtures."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
PARITY = Path(__file__).resolve().parents[1] / "parity"
sys.path.insert(0, str(PARITY))

from fixtures import checkpoint, scratch  # noqa: E402, F401
