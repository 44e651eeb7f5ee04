"""Columns of text that count, among other expressions, as columns of Django's own kind.

Django takes a ``Value("x")`` for a ``CharField``, and refuses to have it beside a column of a field
that inherits from that, in ``Case``, ``Coalesce`` and the like: a site would have to say an
``output_field`` at each.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models.expressions import Col
from django.utils.functional import cached_property

__all__ = ["PlainText"]


class PlainText:
    """A field of text whose columns count as Django's own.

    ``PLAIN``: the field of Django that they count as.
    """

    PLAIN: ClassVar[Any] = models.CharField()

    @cached_property
    def cached_col(self) -> Col:
        """As Django's."""
        field: Any = self
        return _PlainCol(field.model._meta.db_table, field)

    def get_col(self, alias: str, output_field: Any = None) -> Any:
        """As Django's."""
        field: Any = self
        col = super().get_col(alias, output_field)  # type: ignore[misc]  # a field's
        is_own = output_field is None or output_field == field
        return _PlainCol(alias, field) if is_own and type(col) is Col else col


class _PlainCol(Col):
    # Django has no public way to say which kind an expression counts as beside others, and looks
    # ``output_field`` up for everything else. What it was tried with: test_private_django.py.
    @property
    def _output_field_or_none(self) -> Any:
        field: Any = self.target
        return field.PLAIN
