"""Whose turn it is in a drain.

Opt-outs have a turn before each of the others. These take turns, and a drain goes on where the
last one stopped. A kind that raises has no further turn in that drain; one whose endpoint did not
answer in time has one call at a time, all processes together, and one turn in a drain.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from conversion_sync.api import ConfigurationError
from conversion_sync.conf import conf
from conversion_sync.sync import jobs, renames, steps
from conversion_sync.sync.deliveries import Delivery, NoSlot
from conversion_sync.sync.kinds import KINDS, OPT_OUTS
from conversion_sync.sync.loop import Loop, Running
from conversion_sync.sync.preflight import Preflight
from conversion_sync.sync.run import Run
from conversion_sync.sync.transactions import CallInTransaction
from conversion_sync.sync.turns.channels import Channels
from conversion_sync.sync.turns.due import due
from conversion_sync.sync.turns.names import JOBS, RENAMES, after, others

__all__ = ["Turns"]

logger = logging.getLogger(__name__)

#: Seconds for which a kind of which nothing could be taken is not asked again.
REST = 0.1

_KINDS = {kind.name: kind for kind in KINDS}


class Turns:
    """Gives the kinds of one drain their turns, and keeps how each of them stands.

    Attributes:
        found: what the drain found when it began.
        next: the kind with which the next drain begins.
        dealt: how many rows were dealt with.
    """

    def __init__(self, run: Run, found: Preflight) -> None:
        self.loop, self.found = Loop(run, self._ended), found
        self.dealt = 0
        self._run, self._renames = run, renames.Renames(run.using)
        self._channels = Channels(run.using, found.is_troubled)
        self._done = set[str]()
        self._resting = dict[str, float]()
        self._asked_at = 0.0
        self._was_opt_out = False
        self._others = others()
        self.next = found.turn if found.turn in self._others else self._others[0]

    def begin_anew(self, found: Preflight) -> None:
        """Go on as another drain would: who was left out may have turns again."""
        self.found = found
        self._channels.read(found.is_troubled)
        self._done.clear()

    def give(self) -> bool:
        """Give turns, until a delivery waits for its slots or nobody has anything to do.

        Returns:
            Whether anybody had a turn.
        """
        gave = False
        while not (self._run.is_over() or self.loop.no_slot):
            if self.loop.is_waiting() and time.monotonic() - self._asked_at < REST:
                break  # An opt-out of this moment finds the next slot.
            self._asked_at = time.monotonic()
            priorities = due(self._run.using)
            name = self._next({*priorities})
            if name is None:
                break
            self._give(name, priorities[name])
            gave = True
        return gave

    def let_rest_end(self) -> bool:
        """Let those be asked again of which nothing could be taken. Returns whether any were."""
        had, self._resting = bool(self._resting), {}
        return had

    def _next(self, names: set[str]) -> str | None:
        """The first of the names, in the order of their turns, that may have one now.

        No other is asked: a slow endpoint's trial would be taken for nothing.
        """
        if self.loop.is_waiting():
            # A look that is not used yet would be the same again; an opt-out never waits for it.
            names &= {OPT_OUTS.name}
        start = self._others.index(self.next)
        order = [*self._others[start:], *self._others[:start]]
        order.insert(len(order) if self._was_opt_out else 0, OPT_OUTS.name)
        return next((name for name in order if name in names and self._may(name)), None)

    def _may(self, name: str) -> bool:
        if name in self._done or self._resting.get(name, 0.0) > time.monotonic():
            return False
        if self.loop.is_waiting(name):
            return False
        if self._channels.is_slow(name):
            return not self.loop.in_flight(name) and self._may_try(name)
        return self._room(name) > 0

    def _room(self, name: str) -> int:
        """How many more calls of the kind may be on their way at once.

        An opt-out finds room always. An endpoint that does not answer leaves some to the others.
        """
        most = conf.concurrency - (name != OPT_OUTS.name)
        free = max(1, most) - self.loop.in_flight()
        if not self._channels.answers(name):
            free = min(free, max(1, most * 7 // 8) - self.loop.in_flight(name))
        return free

    def _give(self, name: str, priorities: Sequence[int]) -> None:
        self._was_opt_out = name == OPT_OUTS.name
        at_once = 1 if self._channels.is_slow(name) else self._room(name)
        delivery = self._delivery(name, at_once, priorities)
        running = Running(name, delivery, is_urgent=self._was_opt_out)
        self.loop.start(running)
        if not self._was_opt_out:
            self.next = after(name)

    def _delivery(self, name: str, at_once: int, priorities: Sequence[int]) -> Delivery[int]:
        if name == RENAMES:
            return self._renames.step()
        if (step := steps.step_of(name)) is not None:
            return step.take(self._run.using)
        if name == JOBS:
            return (yield from jobs.deliver(self._run, at_once))
        return (yield from _KINDS[name].deliver(self._run, at_once, priorities))

    def _may_try(self, name: str) -> bool:
        """Whether the one call that a slow endpoint gets now is ours; if not, it has no turn."""
        if self._channels.may_try(name):
            return True
        self._done.add(name)
        return False

    def _ended(self, running: Running) -> None:
        """Keep how the endpoint stands, and whether the kind raised.

        Raises:
            ConfigurationError, CallInTransaction: nothing can be sent now.
            Exception: what the kind raised, where the database can't keep it.
        """
        name, error = running.name, running.error
        if isinstance(error, ConfigurationError | CallInTransaction):
            self._channels.heard(name, running.is_silent)
            raise error
        if error is not None and not isinstance(error, NoSlot):
            logger.error("The kind “%s” failed; the others go on.", name, exc_info=error)
            self._channels.failed(name, error)
            self._done.add(name)
            return
        self._channels.heard(name, running.is_silent)
        if running.is_silent:
            self._done.add(name)
        if error is None:
            self._channels.works(name)
        self.dealt += running.result or 0
        if not running.result and error is None:
            self._resting[name] = time.monotonic() + REST
