"""The built package, and an environment that has it, made once for all tests that share it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.installation.kit import ROOT, Environment, run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--wheel", "--outdir", str(target), str(ROOT)], ROOT)
    [built] = target.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("shared") / "venv", sys.executable)
    made.install(str(wheel))
    return made
