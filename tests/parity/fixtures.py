"""Fixtures: checkpoints are written once per run, below the build folder."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

import program
import reference
import tiny_checkpoints


@pytest.fixture(scope="session")
def scratch():
    """A fresh folder below $OCTAVO_TEST_DATA, removed at the end."""
    parent = Path(os.environ.get("OCTAVO_TEST_DATA") or program.ROOT / "build" / "test-data")
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="parity-", dir=parent))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def checkpoint(scratch):
    """checkpoint(kind, layout) -> folder."""
    def get(kind, layout="hf"):
        folder = scratch / f"{kind}-{layout}"
        return folder if folder.exists() else tiny_checkpoints.write(kind, layout, folder)
    return get


@pytest.fixture(scope="session")
def model(checkpoint):
    """model(kind) -> the float64 reference."""
    models = {}

    def get(kind):
        if kind not in models:
            models[kind] = reference.Model(checkpoint(kind))
        return models[kind]
    return get


@pytest.fixture(scope="session")
def oracle(checkpoint):
    """oracle(kind) -> mlx-lm in float32."""
    import mlx_oracle
    models = {}

    def get(kind):
        if kind not in models:
            models[kind] = mlx_oracle.load(checkpoint(kind))
        return models[kind]
    return get
