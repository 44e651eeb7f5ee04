"""Collect the tests of all suites several times, and compare what was found.

The tests must be the same in every process and at every second, or pytest-xdist refuses to run
them. Compared are their names, the values they are given, and their order.

    python -m tests.collection
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Suites that have a target of their own are collected, too.
EVERYTHING = ("-o", "norecursedirs=.*", "tests")
ORDERS = (("-p", "no:randomly"), ("--randomly-seed=1",))
HASH_SEEDS = ("0", "1", "random")

#: The variable that names the file to write to.
OUTPUT = "COLLECTED_TESTS"


def pytest_collection_finish(session: pytest.Session) -> None:
    """As a plugin of pytest: write down what was found."""
    Path(os.environ[OUTPUT]).write_text("".join(map(line, session.items)), encoding="utf-8")


def line(item: pytest.Item) -> str:
    """A test's name and values in one line, without addresses in memory and the order of sets."""
    call = getattr(item, "callspec", None)
    given = call.params if call else {}
    values = {name: sorted(v, key=repr) if isinstance(v, Set) else v for name, v in given.items()}
    try:
        shown = repr(values)
    except (RecursionError, ValueError):  # a value that is too deep, or too long, on purpose
        shown = repr({name: type(value).__name__ for name, value in values.items()})
    return f"{item.nodeid} {re.sub('0x[0-9a-f]+', '0x', shown)}\n"


def collect(order: tuple[str, ...], hash_seed: str) -> list[str]:
    """The lines of a process of its own; ends this one where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "tests.txt"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "--collect-only", "-qq"),
                *("-p", "tests.collection", *order, *EVERYTHING),
            ],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "TMPDIR": folder, OUTPUT: str(output)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        return output.read_text(encoding="utf-8").splitlines()


def compare(order: tuple[str, ...]) -> tuple[int, list[str]]:
    """How many tests there are in this order, and what differs from process to process."""
    differences: list[str] = []
    first = collect(order, HASH_SEEDS[0])
    for seed in HASH_SEEDS[1:]:
        time.sleep(1)  # another second
        differences += difflib.unified_diff(first, collect(order, seed), lineterm="", n=0)
    return len(first), differences


def main() -> None:
    """Compare; end with what differs, if anything does."""
    with ThreadPoolExecutor(len(ORDERS)) as pool:
        found = list(pool.map(compare, ORDERS))
    if differences := [each for _, differing in found for each in differing]:
        sys.exit("\n".join(("Not every process collects the same:", *differences)))
    sys.stdout.write(f"{found[0][0]} tests, the same in every process\n")


if __name__ == "__main__":
    main()
