"""Records that know whether their subscription was assigned."""

from __future__ import annotations

from typing import Any, Self

from conversion_sync.models.record import Record
from conversion_sync.models.synced import Proof

__all__ = ["AssigningRecord"]

#: The attribute in which an instance keeps the subscription that it was saved with.
_ENTERED = "_subscription_status_entered"


class AssigningRecord(Record):
    """A record whose ``subscription_status``, an ``AssignedField``, is written where assigned.

    What was only loaded is not written back: meanwhile the log may say something else.
    """

    subscription_status: Any

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        """As Django's; loading a column is not assigning it."""
        row = super().from_db(*args, **kwargs)
        row.__dict__.pop("_subscription_status_assigned", None)
        return row

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """As Django's; loading a column is not assigning it."""
        assigned = self.__dict__.get("_subscription_status_assigned")
        super().refresh_from_db(*args, **kwargs)
        fields = kwargs.get("fields", args[1] if len(args) > 1 else None)
        if fields is None or "subscription_status" in fields:
            assigned = None
        self.__dict__["_subscription_status_assigned"] = assigned

    def keep_subscription(self) -> None:
        """Have the next ``save`` leave the subscription as the database has it."""
        self.__dict__.pop("_subscription_status_assigned", None)

    def _written(self, update_fields: set[str] | None) -> set[str]:
        written = super()._written(update_fields)
        if not self.__dict__.get("_subscription_status_assigned"):
            written.discard("subscription_status")
        return written

    def _unwritten(self) -> set[str]:
        return super()._unwritten() | {"subscription_status"}

    def _remembered(self) -> dict[str, Any]:
        return super()._remembered() | self._assigned()

    def _restore(self, columns: dict[str, Any]) -> None:
        """What was assigned before the change, or since, has still to be written."""
        super()._restore(columns | self._assigned())

    def _assigned(self) -> dict[str, Any]:
        """The subscription, where it was assigned and is not written yet."""
        names = ("_subscription_status_assigned", "subscription_status")
        return {n: self.__dict__[n] for n in names} if self.__dict__.get(names[0]) else {}

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As ``SyncedModel.save``; an assigned subscription is entered in the consent log.

        After it the instance says what stands: an opt-out does, until a later wish is let through.
        """
        super().save(*args, **kwargs)
        fields = kwargs.get("update_fields")
        if fields is None or "subscription_status" in fields:
            if self.__dict__.get("_subscription_status_assigned"):
                # Read when it is next asked for.
                self.__dict__[_ENTERED] = self.__dict__.pop("subscription_status")
            self.keep_subscription()

    def _begin(self, priority: int, due_at: Any) -> None:
        super()._begin(priority, due_at)
        self._copy_subscription()

    def _copy_subscription(self) -> None:
        """Have a copy, whose primary key was taken away, say what its row was saved with."""
        held = self.__dict__
        if self.pk is None and _ENTERED in held and "subscription_status" not in held:
            self.subscription_status = held[_ENTERED]

    def _create_usually(self, using: str, force_insert: Any) -> bool:
        self._copy_subscription()
        is_done = not self.subscription_status and super()._create_usually(using, force_insert)
        if is_done:
            self.keep_subscription()
        return is_done

    def _proof_of(self, written: set[str]) -> Proof | None:
        return None if "subscription_status" in written else super()._proof_of(written)
