"""The rows of a whole filtered list, as conditions that a worker can apply later."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.utils import build_q_object_from_lookup_parameters
from django.core.exceptions import EmptyResultSet
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from conversion_sync.admin.site import Admin

__all__ = ["Unrepeatable", "conditions"]


class Unrepeatable(Exception):
    """The list is narrowed in a way that a worker can't do again; says so in words."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "This list is narrowed in a way that can't be repeated in the background. "
                "Choose other filters, or select fewer rows."
            )
        )


class _Recorder:
    """Stands in for a queryset, and notes by what it is filtered."""

    def __init__(self, *noted: Q) -> None:
        self.noted = noted

    def filter(self, *args: Any, **kwargs: Any) -> _Recorder:
        return _Recorder(*self.noted, Q(*args, **kwargs))

    def exclude(self, *args: Any, **kwargs: Any) -> _Recorder:
        return _Recorder(*self.noted, ~Q(*args, **kwargs))


def conditions(modeladmin: Admin, request: HttpRequest, rows: Any) -> list[Q]:
    """By what the list of this request is filtered and searched.

    Args:
        rows: those of the list. The conditions find the very same: where the site narrows the
            list by other means, what they find is more than the person was shown.

    Raises:
        Unrepeatable: it can't be said by conditions.
    """
    noted = [condition for condition in _noted(modeladmin, request) if condition]
    again = modeladmin.model._default_manager.using(rows.db).filter()
    for condition in noted:
        again = again.filter(condition)
    if _sql(again) != _sql(rows):
        raise Unrepeatable
    return noted


def _noted(modeladmin: Admin, request: HttpRequest) -> tuple[Q, ...]:
    changelist: Any = modeladmin.get_changelist_instance(request)
    filters, _any, others, *_more = changelist.get_filters(request)
    recorder: Any = _Recorder()
    try:
        for each in filters:
            # A filter that is not in use may say so by None.
            recorder = each.queryset(request, recorder) or recorder
        recorder = recorder.filter(build_q_object_from_lookup_parameters(others))
        recorder, _duplicates = modeladmin.get_search_results(request, recorder, changelist.query)
    except (AttributeError, TypeError) as error:
        # It asks more of a queryset than to filter.
        raise Unrepeatable from error
    noted: tuple[Q, ...] = recorder.noted
    return noted


def _sql(rows: Any) -> str:
    try:
        return str(rows.order_by().values("pk").query)
    except EmptyResultSet:
        return ""
