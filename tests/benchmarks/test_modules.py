"""Each benchmark can be begun, also those that no suite runs."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import benchmarks

ROOT = Path(__file__).resolve().parents[2]


def test_each_module_can_be_imported():
    modules = pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")
    names = sorted(module.name for module in modules if not module.name.endswith("__main__"))
    assert "benchmarks.families.lifted" in names
    script = f"import django; django.setup(); import {', '.join(names)}"
    own = {"DJANGO_SETTINGS_MODULE": "benchmarks.settings", "IGNORE_DOT_ENV": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | own,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
