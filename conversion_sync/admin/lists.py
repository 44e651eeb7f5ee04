"""Lists that stay fast at any size."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest

from conversion_sync.admin.types import ChangeList

__all__ = ["SyncedChangeList"]


class SyncedChangeList(ChangeList):
    """A list whose rows are told together what holds them up."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        cast("Any", self.model_admin).prepare(rows)
        self.result_list = rows
