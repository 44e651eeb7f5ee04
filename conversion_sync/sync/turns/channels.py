"""How the channels stand: which fail, which do not answer in time; all processes know it."""

from __future__ import annotations

import datetime
import time

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Q

from conversion_sync.conf import conf
from conversion_sync.models import ChannelState
from conversion_sync.models.clock import DbNow
from conversion_sync.sync.error_text import error_in_words
from conversion_sync.sync.retry import retried
from conversion_sync.sync.transactions import close_broken, short_transaction

__all__ = ["Channels"]

#: Seconds after its last answer for which an endpoint may have all the calls that there are.
ANSWERING = 1.0


class Channels:
    """The channels of one drain, by the names of their kinds.

    Args:
        is_troubled: whether any of them failed or timed out before.
    """

    def __init__(self, using: str, is_troubled: bool) -> None:
        self._using = using
        self._answered_at = dict[str, float]()
        self._failing, self._slow = set[str](), set[str]()
        self.read(is_troubled)

    def read(self, is_troubled: bool) -> None:
        """Read how they stand, where any of them failed or timed out before."""
        states = list(ChannelState.objects.using(self._using)) if is_troubled else []
        self._failing = {state.name for state in states if state.failed_at is not None}
        self._slow = {state.name for state in states if state.timed_out_at is not None}

    def is_slow(self, name: str) -> bool:
        """Whether its endpoint did not answer in time: it has one call at a time."""
        return name in self._slow

    def answers(self, name: str) -> bool:
        """Whether its endpoint has answered just now."""
        return time.monotonic() - self._answered_at.get(name, 0.0) <= ANSWERING

    @retried
    def may_try(self, name: str) -> bool:
        """Whether the one call that a slow endpoint gets now is ours; that may end its trouble."""
        states = ChannelState.objects.using(self._using).filter(name=name)
        lease = datetime.timedelta(seconds=conf.lease)
        over = Q(trial_until__lt=DbNow()) | Q(trial_until__gt=DbNow() + lease)
        free = Q(trial_until=None) | over
        taken = states.filter(free, timed_out_at__isnull=False).update(trial_until=DbNow() + lease)
        if not taken and not states.filter(timed_out_at__isnull=False).exists():
            self._slow.discard(name)
            return True
        return bool(taken)

    def heard(self, name: str, is_silent: bool | None) -> None:
        """Keep whether the endpoint answered the last call of a delivery; None: it made none."""
        if is_silent:
            self._write(name, timed_out_at=DbNow(), trial_until=None)
            self._slow.add(name)
        elif is_silent is not None:
            self._answered_at[name] = time.monotonic()
        if not is_silent and name in self._slow:
            ended = {} if is_silent is None else {"timed_out_at": None}
            self._write(name, trial_until=None, **ended)
            self._slow -= {name} if ended else set()

    def failed(self, name: str, error: Exception) -> None:
        """Keep that the kind raised.

        Raises:
            Exception: what it raised, where the database can't keep it: this is the fault of none.
        """
        try:
            if not connections[self._using].in_atomic_block:
                close_broken()
            self._write(name, failed_at=DbNow(), error=error_in_words(error), trial_until=None)
        except (DatabaseError, InterfaceError):
            raise error from None
        self._failing.add(name)

    def works(self, name: str) -> None:
        """Keep that the kind has raised nothing this time."""
        if name in self._failing:
            self._write(name, failed_at=None, error="")
            self._failing.discard(name)

    @retried
    def _write(self, name: str, **columns: object) -> None:
        states = ChannelState.objects.using(self._using)
        with short_transaction(self._using):
            if not states.filter(name=name).update(**columns):
                states.bulk_create([ChannelState(name=name)], ignore_conflicts=True)
                states.filter(name=name).update(**columns)
