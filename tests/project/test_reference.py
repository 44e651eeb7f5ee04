"""The reference says all that there is: held against the code, so that nothing is forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.core.management.base import CommandParser
from django.dispatch import Signal

from conversion_sync import signals
from conversion_sync.mirrors import Mirror
from conversion_sync.mirrors.declaration import COLUMNS, Exit
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
    SyncedModel,
)

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
COMMANDS = sorted(
    path.stem
    for path in Path(signals.__file__).parent.glob("management/commands/*.py")
    if path.stem != "__init__"
)
STATE = {field.name for field in SyncedModel._meta.get_fields()}


def sections(name):
    """The sections of a page by their headings."""
    _, *parts = re.split(r"^## ", (REFERENCE / f"{name}.md").read_text(), flags=re.M)
    return dict(part.split("\n", 1) for part in parts)


def columns(section):
    """The names in the first column of the tables of a section."""
    firsts = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for first in firsts for name in re.findall(r"`(\w+)`", first)]


@pytest.mark.parametrize("model", [Contact, Company, Engagement, SubscriptionChange, Deletion])
def test_each_column_of_a_model_has_its_line(model):
    there = {field.name for field in model._meta.concrete_fields} - STATE
    named = columns(sections("models")[model.__name__])
    assert sorted(named) == sorted(there)


def test_each_column_of_the_state_has_its_line():
    assert sorted(columns(sections("models")["The state of each row"])) == sorted(STATE)


def test_each_signal_has_its_line_and_its_section():
    there = {name for name in signals.__all__ if isinstance(getattr(signals, name), Signal)}
    page = (REFERENCE / "signals.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, flags=re.M)) == there
    assert {f"`{name}`" for name in there} <= set(sections("signals"))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_section_and_each_option_is_in_it(name):
    [heading] = [each for each in sections("commands") if re.match(rf"`{name}\b", each)]
    section = heading + sections("commands")[heading]
    command = load_command_class("conversion_sync", name)
    ours = CommandParser(add_help=False)
    command.add_arguments(ours)
    # What all commands have in common stands above them.
    options = {each for action in ours._actions for each in action.option_strings} - {"--database"}
    assert {option for option in options if option not in section} == set()


def test_no_command_is_described_that_is_not_there():
    named = {re.match(r"`(\w+)", each) for each in sections("commands")}
    assert {each[1] for each in named if each} == set(COMMANDS)


def test_each_word_of_a_mirror_is_on_its_page():
    page = (REFERENCE / "mirrors.md").read_text()
    words = {name for name in vars(Mirror) if not name.startswith("_")}
    words |= {name for names in COLUMNS.values() for name in names}
    assert {word for word in words if not re.search(rf"\b{word}\b", page)} == set()
    assert {each.name for each in Exit if f"`{each.name}`" not in page} == set()


def test_each_system_check_has_its_line():
    package = Path(signals.__file__).parent
    code = "".join(path.read_text() for path in sorted(package.rglob("*.py")))
    ids = {*re.findall(r"\b[EW]0\d\d\b", code)}
    assert {*re.findall(r"`([EW]0\d\d)`", (REFERENCE / "checks.md").read_text())} == ids
