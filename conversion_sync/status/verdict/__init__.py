"""One sentence, and a colour, for how the whole stands; decided from facts alone."""

from __future__ import annotations

from conversion_sync.status.verdict.facts import NEXT_DRAIN, Facts
from conversion_sync.status.verdict.judging import stop, verdict
from conversion_sync.status.verdict.stopped import START_A_WORKER
from conversion_sync.status.verdict.verdict import Tone, Verdict

__all__ = ["NEXT_DRAIN", "START_A_WORKER", "Facts", "Tone", "Verdict", "stop", "verdict"]
