"""Tables of one row."""

from __future__ import annotations

from typing import Any, Self

from django.db import models

__all__ = ["Singleton"]


class Singleton(models.Model):
    """A table of one row, made when it is first asked for."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def only(cls, using: str) -> models.QuerySet[Self]:
        """The one row, as a queryset."""
        return cls._default_manager.using(using).filter(pk=1)

    @classmethod
    def load(cls, using: str, *, lock: bool = False) -> Self:
        """The one row; ``lock`` holds it until the transaction ends."""
        rows = cls.only(using)
        rows = rows.select_for_update() if lock else rows
        row = rows.first()
        if row is None:
            cls._default_manager.using(using).bulk_create([cls(pk=1)], ignore_conflicts=True)
            row = rows.get()
        return row

    @classmethod
    def write(cls, using: str, **columns: Any) -> None:
        """Write columns of the one row."""
        if not cls.only(using).update(**columns):
            cls.load(using)
            cls.only(using).update(**columns)
