"""The admin site: the types of its classes, the addresses of its pages, what a person may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

__all__ = ["Admin", "ChangeList", "address", "may_view", "pressed", "says_so"]

# These generic classes can't be subscripted at run time.
if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Any]
else:
    Admin = admin.ModelAdmin


def address(site: AdminSite, name: str, *args: Any) -> str:
    """The address of a page of this site; blank where the site has none.

    Args:
        name: of the URL, such as ``"conversion_sync_contact_change"``.
        args: of the URL: the primary key, where it is the page of a row.
    """
    try:
        return reverse(f"admin:{name}", args=args, current_app=site.name)
    except NoReverseMatch:
        return ""


def pressed(view: Callable[..., HttpResponse], back: Callable[..., str]) -> Any:
    """The view of a button: asked for by a link, it does nothing, says so, and leads back.

    Who presses a button after the session ran out comes here by way of the login.

    Args:
        back: given the same, the address of the page where the button is.
    """

    @require_http_methods(["GET", "HEAD", "POST"])
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            return view(request, *args, **kwargs)
        text = _("Nothing was done, as you had to log in first. Press the button again.")
        messages.warning(request, text)
        return HttpResponseRedirect(back(request, *args, **kwargs))

    answer.says_so = True  # type: ignore[attr-defined]  # which wrappers of the view keep
    return answer


def says_so(view: Any) -> bool:
    """Whether a view is that of a button, which says that nothing was done."""
    return bool(getattr(view, "says_so", False))


def may_view(request: HttpRequest, model: str) -> bool:
    """Whether this person may look at rows of this app's model of that name."""
    user: Any = request.user
    return any(user.has_perm(f"conversion_sync.{right}_{model}") for right in ("view", "change"))
