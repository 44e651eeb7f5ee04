"""What a drain has to know before it begins, read in one query."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Exists, ExpressionWrapper, Q
from django.db.models.fields import BooleanField

from conversion_sync.models import ChannelState, Heartbeat
from conversion_sync.models.wakeup import Wakeup
from conversion_sync.sync.clock import has_run_ahead
from conversion_sync.sync.gate.closure import closures

__all__ = ["Preflight", "preflight"]


@dataclass(frozen=True)
class Preflight:
    """What a drain finds. Where nobody has ever drained, anything may be there.

    Attributes:
        turn: the kind that the last drain left the next turn to; blank: none.
        was_set_back: the clock of the database was set back.
        is_closed: the gate is closed for the API key that is used now.
        is_troubled: some endpoint failed or timed out the last time.
        is_asked_for: somebody has asked for a drain.
    """

    turn: str = ""
    was_set_back: bool = False
    is_closed: bool = True
    is_troubled: bool = True
    is_asked_for: bool = True


def preflight(using: str, key: str) -> Preflight:
    """Read what a drain has to know before it begins. Writes nothing.

    Args:
        key: the fingerprint of the API key that is used now.
    """
    troubled = Q(failed_at__isnull=False) | Q(timed_out_at__isnull=False)
    rows = Heartbeat.only(using).annotate(
        was_set_back=ExpressionWrapper(has_run_ahead(), output_field=BooleanField()),
        is_closed=Exists(closures(using, key)),
        is_troubled=Exists(ChannelState.objects.using(using).filter(troubled)),
        is_asked_for=Exists(Wakeup.only(using).filter(requested_until__isnull=False)),
    )
    columns = ("turn", "was_set_back", "is_closed", "is_troubled", "is_asked_for")
    # Not "first", which would order the one row.
    found = list(rows.values_list(*columns))
    if not found:
        return Preflight()
    turn, *flags = found[0]
    return Preflight(turn, *map(bool, flags))
