"""Times in the zone of whoever reads and enters them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.cache import patch_vary_headers

__all__ = ["browser_time_zone"]

GetResponse = Callable[[HttpRequest], HttpResponseBase]

#: The cookie that ``zone.js`` sets on the pages of the admin.
COOKIE = "conversion_sync_zone"


def browser_time_zone(get_response: GetResponse) -> GetResponse:
    """Show times, and read those of forms, in the time zone of the browser.

    Before the browser has told it, or where this server does not know it, in that of the site;
    without ``USE_TZ``, always.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        zone = _zone(request.COOKIES.get(COOKIE, "")) if settings.USE_TZ else None
        with timezone.override(zone) if zone else nullcontext():
            response = get_response(request)
        patch_vary_headers(response, ["Cookie"])
        return response

    return middleware


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, OSError, ValueError):
        # No zone, a folder of zones, or no name at all: anybody can send any cookie.
        return None
