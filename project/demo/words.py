"""What the demo says, and how it gives up."""

from __future__ import annotations

import sys

__all__ = ["Failed", "say", "step"]


class Failed(Exception):
    """The demo can't go on; the message says why, and what to do."""


def step(words: str) -> None:
    """Print the heading of a step."""
    say(f"- {words} ...")


def say(words: str) -> None:
    """Print a text at once, also into a pipe."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()
