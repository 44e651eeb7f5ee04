"""A save of a mirrored model and its mark, committed together."""

from __future__ import annotations

import functools
from typing import Any

from django.db import connections, models, router, transaction

from conversion_sync.mirrors.followed import sender_of

__all__ = ["make_atomic"]

#: By which it is known that a model's ``save_base`` is this module's.
_OURS = "_conversion_sync_atomic"


def make_atomic(model: type[models.Model]) -> None:
    """Have a save in autocommit be one transaction with its mark: the signal comes after it."""
    original = model.save_base
    if getattr(original, _OURS, False):
        return

    @functools.wraps(original)
    def save_base(self: models.Model, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        if connections[using].in_atomic_block or sender_of(type(self)) is None:
            original(self, *args, **kwargs)
            return
        with transaction.atomic(using=using):
            original(self, *args, **kwargs)

    setattr(save_base, _OURS, True)
    model.save_base = save_base  # type: ignore[method-assign]  # of the class: its code stays as it is
