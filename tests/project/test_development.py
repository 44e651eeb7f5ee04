"""What the page for developers says of the code, held against the code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "conversion_sync"
PAGE = ROOT / "docs" / "development.md"

#: Where what is listed under a heading lies.
FOLDERS = {
    "The parts": ROOT,
    "The vendor's API": PACKAGE / "api",
    "What a record says": PACKAGE / "records",
    "From a due row to a settled row": PACKAGE / "sync",
    "Files": PACKAGE / "importing",
    "Mirrors": PACKAGE / "mirrors",
    "How things stand": PACKAGE / "status",
    "The admin": PACKAGE / "admin",
}

SECTION = re.compile(r"^##+ (.+)\n((?:(?!##).*\n)*)", re.MULTILINE)
NAME = re.compile(r"[\w/]+(?:\.py|/)(?=[, …]|$)")


def named(section: str) -> list[str]:
    """The modules and folders that the lists of a section begin their lines with."""
    lines = [line[4:] for line in section.splitlines() if re.match(r" {4}\w", line)]
    return [name for line in lines for name in NAME.findall(re.split(r" {2,}", line)[0])]


def sections() -> dict[str, list[str]]:
    return {head: named(text) for head, text in SECTION.findall(PAGE.read_text())}


@pytest.mark.parametrize("head", FOLDERS)
def test_what_is_named_is_there(head):
    names = sections()[head]
    assert names
    assert not [name for name in names if not (FOLDERS[head] / name).exists()]


def test_every_folder_and_module_of_the_delivery_is_named():
    there = {
        each.name + "/" * each.is_dir()
        for each in (PACKAGE / "sync").iterdir()
        if not each.name.startswith("__")
    }
    # What these do is said where they are used.
    helpers = {
        *("call_log.py", "error_text.py", "leases.py", "payloads.py", "preflight.py"),
        *("remote.py", "retry.py", "run.py", "transactions.py", "types.py", "worker.py"),
    }
    assert there - helpers <= {*sections()["From a due row to a settled row"]}
