"""Figures as people and programs read them: lines, a table in Markdown, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.figure import Figure

__all__ = ["as_json", "from_json", "head", "line", "markdown"]

_WIDTHS = (11, 76, 16, 16, 21)
_HEAD = ("database", "what", "measured", "target", "verdict", "beside")


def line(figure: Figure) -> str:
    """A line for a terminal."""
    return _columns(_cells(figure))


def head() -> str:
    """The line above the lines."""
    return _columns(_HEAD)


def markdown(figures: Sequence[Figure]) -> str:
    """A table for a page; what was measured on several databases stands together."""
    rows = [
        "| what | database | measured | target | | beside |",
        "|---|---|--:|--:|---|---|",
    ]
    before = ""
    for figure in _in_order(figures):
        database, name, value, target, verdict, beside = _cells(figure)
        shown = "" if name == before else name
        rows.append(f"| {shown} | {database} | {value} | {target} | {verdict} | {beside} |")
        before = name
    return "\n".join(rows)


def _in_order(figures: Iterable[Figure]) -> list[Figure]:
    """The figures by name, in the order in which the names came up."""
    figures = list(figures)
    names = list(dict.fromkeys(figure.name for figure in figures))
    return sorted(figures, key=lambda figure: names.index(figure.name))


def as_json(figures: Sequence[Figure], about: dict[str, Any]) -> str:
    """All that is known, for programs."""
    listed = [asdict(figure) | {"verdict": figure.verdict} for figure in _in_order(figures)]
    return json.dumps(about | {"figures": listed}, indent=1, ensure_ascii=False)


def from_json(text: str) -> list[Figure]:
    """The figures of what ``as_json`` wrote."""
    found = json.loads(text)["figures"]
    return [Figure(**{k: v for k, v in each.items() if k != "verdict"}) for each in found]


def _cells(figure: Figure) -> tuple[str, ...]:
    target = ""
    if figure.target is not None:
        sign = "≥" if figure.at_least else "≤"
        target = f"{sign} {_number(figure.target)} {figure.unit}".strip()
    value = "-" if figure.value is None else f"{_number(figure.value)} {figure.unit}".strip()
    beside = "; ".join(each for each in (figure.beside, figure.note) if each)
    return (figure.database, figure.name, value, target, str(figure.verdict), beside)


def _number(value: float) -> str:
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _columns(cells: Sequence[str]) -> str:
    return (
        "".join(f"{cell:{width}}" for cell, width in zip(cells, _WIDTHS, strict=False)) + cells[-1]
    )
