"""What of a row is changed at the source that it stands for."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from conversion_sync.api.canonical import same
from conversion_sync.mirrors.sources import origin_of

__all__ = ["check_variables", "hint", "read_only"]


def read_only(row: Any) -> frozenset[str]:
    """The fields of a row that are changed at its source."""
    origin = None if row is None else origin_of(row)
    return frozenset() if origin is None else frozenset(origin.columns)


def hint(row: Any) -> str:
    """Which custom variables are changed at the source; blank where none are."""
    origin = None if row.pk is None else origin_of(row)
    if origin is None or not origin.names:
        return ""
    said = {"names": ", ".join(sorted(origin.names)), "kind": origin.model._meta.verbose_name}
    return _("Of its %(kind)s, and changed there: %(names)s.") % said


def check_variables(row: Any, before: Any, after: Any) -> None:
    """Refuse to change custom variables that come from a source.

    Raises:
        ValidationError: one of them is another one now.
    """
    origin = origin_of(row)
    if origin is None or not isinstance(after, dict):
        return
    was = before if isinstance(before, dict) else {}
    changed = [name for name in sorted(origin.names) if not same(was.get(name), after.get(name))]
    if changed:
        raise ValidationError(
            _("“%(name)s” comes from %(kind)s %(source)s: change it there."),
            code="mirrored",
            params={
                "name": changed[0],
                "kind": origin.model._meta.verbose_name,
                "source": origin.pk,
            },
        )
