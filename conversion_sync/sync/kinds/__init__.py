"""The kinds of rows that are sent: a module each, and together the registry of all."""

from __future__ import annotations

from conversion_sync.sync.kinds.base import Kind
from conversion_sync.sync.kinds.company import Companies
from conversion_sync.sync.kinds.contact import Contacts
from conversion_sync.sync.kinds.deletion import Deletions
from conversion_sync.sync.kinds.engagement import Engagements
from conversion_sync.sync.kinds.subscription import OptOuts, OtherChanges

__all__ = ["KINDS", "OPT_OUTS", "Kind"]

#: What nothing goes before.
OPT_OUTS = OptOuts()

KINDS: tuple[Kind, ...] = (
    OPT_OUTS,
    Deletions(),
    Companies(),
    Contacts(),
    OtherChanges(),
    Engagements(),
)
