"""The kinds of rows that are sent: a module each, and together the registry of all."""

from __future__ import annotations

from conversion_sync.models import SyncedModel
from conversion_sync.models.record import Record
from conversion_sync.sync.kinds.base import Kind
from conversion_sync.sync.kinds.company import Companies
from conversion_sync.sync.kinds.contact import Contacts
from conversion_sync.sync.kinds.deletion import Deletions
from conversion_sync.sync.kinds.engagement import Engagements
from conversion_sync.sync.kinds.record import Records
from conversion_sync.sync.kinds.subscription import OptOuts, OtherChanges

__all__ = ["KINDS", "MODELS", "MODEL_OF", "OPT_OUTS", "RECORDS", "RECORD_KINDS", "Kind"]

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

#: Their models, in the order in which they are sent: that of a model by its last kind.
MODELS: tuple[type[SyncedModel], ...] = tuple(
    reversed(dict.fromkeys(kind.model for kind in reversed(KINDS)))
)

#: By the name of a kind, as mirrors and deletions have it: the model of its rows.
MODEL_OF: dict[str, type[SyncedModel]] = {kind.name: kind.model for kind in KINDS}

#: The kinds of records, by their models.
RECORD_KINDS: dict[type[Record], Records] = {
    kind.model: kind for kind in KINDS if isinstance(kind, Records)
}

#: The models of records, by what commands call their rows.
RECORDS: dict[str, type[Record]] = {kind.plural: model for model, kind in RECORD_KINDS.items()}
