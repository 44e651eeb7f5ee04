"""What a row is to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conversion_sync.records.snapshot import Snapshot

__all__ = ["Wanted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a row is to say.

    Args:
        snapshot: what it leaves out, the row keeps; what is None in it becomes blank. ``company``
            links a contact by ``external_id``, a company's key; None: to none.
        spelling: of the key, as people write it; "": as the snapshot has it.
        subscription: of a contact; "": nothing is said of it.
        opts_out: whoever brings this brings an opt-out of this person, too.
        row: locked, of this model: it is to say so, whichever key it has until now. None: the row
            that has the key, or a new one.
    """

    snapshot: Snapshot
    spelling: str = ""
    subscription: str = ""
    opts_out: bool = False
    row: Any = None
