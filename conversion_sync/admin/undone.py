"""What somebody sent after the session ran out, and what is said of it after the login.

The login sends people on by GET, to the same page, where nothing tells that what they sent was not
done. So the browser keeps, for that address, that something was sent there in vain.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.encoding import escape_uri_path
from django.utils.translation import gettext as _

from conversion_sync.admin.site import says_so

__all__ = ["after_login", "saying"]

View = Callable[..., HttpResponse]

#: The cookie's name; seconds for which a login may take.
COOKIE, KEPT = "conversion_sync_undone", 3600


def after_login(view: View, site: AdminSite) -> View:
    """A view of the admin that says after the login what was not done before it.

    Args:
        view: as the admin has it, which sends to the login.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        may, path = site.has_permission(request), escape_uri_path(request.path)
        is_back = may and request.method == "GET" and request.COOKIES.get(COOKIE) == path
        if is_back:
            text = _("Nothing was done or saved, as you had to log in first. Please do it again.")
            messages.warning(request, text)
        response = view(request, *args, **kwargs)
        if is_back:
            response.delete_cookie(COOKIE, path=path)
        elif request.method == "POST" and not may:
            secure = request.is_secure()
            response.set_cookie(COOKIE, path, KEPT, path=path, secure=secure, httponly=True)
        return response

    return answer


def saying(found: list[Any], site: AdminSite) -> list[Any]:
    """The URLs of a model admin, whose pages say so; those of buttons do it themselves."""
    for each in found:
        if isinstance(each, URLPattern) and not says_so(each.callback):
            each.callback = after_login(each.callback, site)
    return found
