"""What a verdict is: one sentence, and a colour."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Tone", "Verdict"]


class Tone(enum.StrEnum):
    """The colour; the values are those of the badges."""

    GOOD = "ok"
    BUSY = "busy"
    WAITING = "wait"
    RETRYING = "retry"
    OFF = "off"
    BAD = "bad"


@dataclass(frozen=True)
class Verdict:
    """The sentence, and what to do, where a person can do something."""

    tone: Tone
    words: str
    advice: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nobody need be told who did not ask."""
        return self.tone not in (Tone.OFF, Tone.BAD)
