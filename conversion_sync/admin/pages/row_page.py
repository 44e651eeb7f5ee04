"""A page of one row, beside those that Django has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.contrib.admin import AdminSite
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from conversion_sync.admin.site import pressed

__all__ = ["RowAdmin", "RowPage"]


class RowAdmin(Protocol):
    """What the page of a row asks of the model admin that it belongs to."""

    model: Any
    opts: Any
    admin_site: AdminSite

    def row_or_404(self, request: HttpRequest, object_id: str) -> Any: ...

    def row_address(self, page: str, row: Any) -> str: ...

    def prepare(self, rows: Sequence[Any]) -> None: ...

    def badge(self, row: Any) -> SafeString: ...

    def companions(self, row: Any) -> Sequence[Any]: ...

    def panel_links(self, request: HttpRequest, row: Any) -> Iterator[tuple[str, str]]: ...

    def get_actions(self, request: HttpRequest) -> Any: ...

    def on_behalf_of(self, request: HttpRequest, **more: Any) -> Any: ...

    def get_queryset(self, request: HttpRequest) -> Any: ...

    def has_change_permission(self, request: HttpRequest, obj: Any) -> bool: ...

    def has_sync_permission(self, request: HttpRequest) -> bool: ...

    def has_set_subscription_permission(self, request: HttpRequest) -> bool: ...

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str, extra_context: dict[str, Any]
    ) -> HttpResponse: ...

    def message_user(self, request: HttpRequest, message: Any, level: int) -> None: ...

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any: ...

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any: ...


View = Callable[[Any, HttpRequest, Any], HttpResponse]


@dataclass(frozen=True)
class RowPage:
    """A page of one row.

    Attributes:
        word: the last part of its address, and of its URL's name.
        view: answers, given the model admin, the request, and a row that this person may look at.
        methods: the HTTP methods that it answers.
        calls_api: it calls the API, so it runs outside of the transactions of ``ATOMIC_REQUESTS``.
    """

    word: str
    view: View
    methods: tuple[str, ...] = ("GET", "POST")
    calls_api: bool = False

    def url(self, modeladmin: RowAdmin) -> URLPattern:
        """The URL of this page for the rows of this model admin."""

        def answer(request: HttpRequest, object_id: str) -> HttpResponse:
            return self.view(modeladmin, request, modeladmin.row_or_404(request, object_id))

        def back(request: HttpRequest, object_id: str) -> str:
            return modeladmin.row_address("change", modeladmin.row_or_404(request, object_id))

        view: Any = require_http_methods(list(self.methods))(answer)
        if "GET" not in self.methods:
            view = pressed(answer, back)
        if self.calls_api:
            for alias in connections:
                view = transaction.non_atomic_requests(using=alias)(view)
        found: URLPattern = path(
            f"<path:object_id>/{self.word}/",
            modeladmin.admin_site.admin_view(view),
            name=f"{modeladmin.opts.app_label}_{modeladmin.opts.model_name}_{self.word}",
        )
        return found
