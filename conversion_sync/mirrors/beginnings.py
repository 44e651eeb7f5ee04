"""When each mirror began: what happened before is entered as no engagement."""

from __future__ import annotations

import datetime
from typing import Any

from django.db import connections, router, transaction
from django.utils import timezone

from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink, MirrorMark, MirrorState
from conversion_sync.models.announcement import announce

__all__ = ["after_migrate", "began_at", "begin"]

#: How long a drain may take to find a mirror that no ``migrate`` has found.
MARGIN = datetime.timedelta(minutes=5)


def begin(using: str, margin: datetime.timedelta = MARGIN) -> None:
    """Keep of mirrors that are new that they began now, less ``margin``."""
    known = {*MirrorState.objects.using(using).values_list("mirror", flat=True)}
    for declared in registry:
        if declared.label not in known:
            with transaction.atomic(using=using):
                _begin(using, declared, timezone.now() - margin)


def began_at(using: str, declared: Declared) -> datetime.datetime:
    """When a mirror began; one that is new begins now."""
    states = MirrorState.objects.using(using).filter(mirror=declared.label)
    if not states.exists():
        begin(using)
    found: datetime.datetime = states.get().began_at
    return found


def _begin(using: str, declared: Declared, when: datetime.datetime) -> None:
    _state, is_new = MirrorState.objects.using(using).get_or_create(
        mirror=declared.label, defaults={"began_at": when}
    )
    if is_new and declared.kind is MirrorLink.Kind.ENGAGEMENT:
        # What there is now, and has no time, is what happened before.
        what = MirrorMark.What.BEGUN
        MirrorMark.objects.using(using).create(model=declared.label, what=what, bulk=True)
        announce(using)


def after_migrate(using: str, plan: Any = (), **kwargs: Any) -> None:
    """The deployment that brings a mirror is its beginning."""
    if router.allow_migrate_model(using, MirrorState) and _is_there(using):
        begin(using, datetime.timedelta(0))
        _forget_troubles(using)


def _forget_troubles(using: str) -> None:
    """What is wrong with sources of a mirror that is declared no more, nobody can mend."""
    troubled = MirrorLink.objects.using(using).filter(trouble__isnull=False)
    troubled.exclude(mirror__in=[*registry.labels()]).update(trouble=None)


def _is_there(using: str) -> bool:
    """Whether the tables are, as the models have them: migrations may stop before."""
    connection = connections[using]
    there = connection.introspection.table_names()
    for model in (MirrorState, MirrorLink, MirrorMark):
        table = model._meta.db_table
        if table not in there:
            return False
        with connection.cursor() as cursor:
            columns = connection.introspection.get_table_description(cursor, table)
        if not {field.column for field in model._meta.concrete_fields} <= {
            column.name for column in columns
        }:
            return False
    return True
