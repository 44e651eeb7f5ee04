"""What the last drain left."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from conversion_sync.models import Heartbeat
from conversion_sync.models.clock import believed

__all__ = ["LastDrain", "last_drain"]

#: Seconds by which two looks at the clock may differ without anybody having set it.
JITTER = 1.0


@dataclass(frozen=True)
class LastDrain:
    """What the last drain left; ``finished_at`` is that of the one before, while one runs."""

    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    worker: str
    rows: int
    calls: int

    @property
    def seen_at(self) -> datetime.datetime | None:
        """When a drain last gave a sign of life."""
        return max(filter(None, (self.started_at, self.finished_at)), default=None)

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended: it runs, or died."""
        return bool(
            self.started_at and (self.finished_at is None or self.finished_at < self.started_at)
        )


def last_drain(using: str, now: datetime.datetime) -> LastDrain:
    """Read what the last drain left, as far as its times can be believed at this one."""
    beat = Heartbeat._default_manager.using(using).filter(pk=1).first() or Heartbeat()
    # What lies ahead has happened before the clock was set back: nobody knows when.
    for name in ("started_at", "finished_at"):
        setattr(beat, name, believed(getattr(beat, name), now, JITTER))
    fields = LastDrain.__dataclass_fields__
    return LastDrain(**{name: getattr(beat, name) for name in fields})
