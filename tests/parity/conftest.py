"""pytest's entry: the fixtures live in fixtures.py, where the robustness suite finds them too."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: small matrices only

from fixtures import checkpoint, model, oracle, scratch  # noqa: E402, F401
