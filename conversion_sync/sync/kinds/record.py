"""What contacts and companies have in common: records, which are upserted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Q

from conversion_sync.api import BatchResult
from conversion_sync.api.request import Request
from conversion_sync.models import Record
from conversion_sync.records.mappers import mapper_of, push_of
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.sync import clashes
from conversion_sync.sync.kinds.batches import Batches
from conversion_sync.sync.outcomes import Operation
from conversion_sync.sync.types import Condition, Rows

__all__ = ["Records"]

#: It is not sent: another row has its key, or nobody gave it one.
_KEYLESS = Q(key__isnull=True)


class Records(Batches):
    """Rows of which a snapshot is sent."""

    model: ClassVar[type[Record]]
    operation = Operation.UPSERT
    #: Its rows are people, who may opt out.
    are_people: ClassVar[bool] = False

    def rows(self, using: str) -> Rows:
        return super().rows(using).exclude(_KEYLESS)

    def obsolete(self, using: str) -> Condition:
        return _KEYLESS

    def clear(self, using: str, pks: Sequence[int]) -> None:
        clashes.look_again(self.model, using, pks)

    def payload(self, row: Any) -> Snapshot:
        return push_of(row)

    def request(self, items: Sequence[Snapshot]) -> Request[BatchResult]:
        return mapper_of(self.model).upsert(items)

    def key(self, item: Snapshot) -> str:
        return item.key

    @abstractmethod
    def hand_over(self, using: str, holder: Any, other: Any) -> set[str]:
        """Have what belongs to a row belong to the one that holds its key, from now on.

        Returns:
            The columns of ``holder`` that were changed, and are still to be saved.
        """
