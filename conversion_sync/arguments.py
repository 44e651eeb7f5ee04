"""Numbers of a command line, with words for those that can't be meant; nothing of Django."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable

__all__ = ["number", "whole"]


def whole(least: int, most: int) -> Callable[[str], int]:
    """What reads an option that is a whole number, from ``least`` to ``most``."""

    def read(text: str) -> int:
        try:
            found = int(text)
        except ValueError:
            found = least - 1
        if not least <= found <= most:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return found

    return read


def number(least: float, most: float) -> Callable[[str], float]:
    """What reads an option that is a number, from ``least`` to ``most``: no infinity, no NaN."""

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not least <= found <= most:
            raise ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:.15g}")
        return found

    return read
