"""What happens between the check of a form and its save is no error page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db import DatabaseError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from conversion_sync.models import ImmutableEngagement

__all__ = ["answer"]


def answer(
    view: Callable[[], HttpResponse], modeladmin: Any, request: HttpRequest, object_id: str | None
) -> HttpResponse:
    """The answer of Django's view of a form; of one that it could not save, what became of it."""
    try:
        return view()
    except ImmutableEngagement:
        return _refuse(modeladmin, request, object_id)
    except OperationalError:
        raise
    except DatabaseError:
        # A key was taken, or the row deleted: looked at anew, the form says so.
        return view()


def _refuse(modeladmin: Any, request: HttpRequest, object_id: str | None) -> HttpResponse:
    text = _(
        "Your change was not saved: the %s was sent meanwhile, and Conversion may have it as "
        "it was."
    )
    modeladmin.message_user(request, text % modeladmin.opts.verbose_name, messages.ERROR)
    if object_id is not None and modeladmin.get_object(request, unquote(object_id)) is not None:
        return HttpResponseRedirect(request.get_full_path())
    return HttpResponseRedirect("../")
