"""Changes in the admin: each is somebody's."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db import DatabaseError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from conversion_sync.admin.forms.conflicts import ConflictForm
from conversion_sync.admin.site import Admin
from conversion_sync.models import ImmutableEngagement, SyncedModel, attributed

__all__ = ["AttributedAdmin"]


class AttributedAdmin(Admin):
    """Pages on which whatever is changed is the doing of the person who asks for them."""

    def on_behalf_of(self, request: HttpRequest, **more: Any) -> Any:
        """A block in which whatever is changed is this person's doing, in the admin.

        Args:
            more: as for `attributed`.
        """
        name = request.user.get_username()
        return attributed(requested_by=name, source="admin", **more)

    def save_model(self, request: HttpRequest, obj: SyncedModel, form: Any, change: bool) -> None:
        """Write what the person changed; a new row as a whole."""
        if change and isinstance(form, ConflictForm):
            obj.save(update_fields=form.changed_columns())
        else:
            obj.save()

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with self.on_behalf_of(request):
            return super().changelist_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with self.on_behalf_of(request):
            return super().delete_view(request, *args, **kwargs)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """As Django's; what happens between the check of a form and its save is no error page."""
        view = super().changeform_view
        with self.on_behalf_of(request):
            try:
                return view(request, object_id, *args, **kwargs)
            except ImmutableEngagement:
                return self._refuse(request, object_id)
            except OperationalError:
                raise
            except DatabaseError:
                # A key was taken, or the row deleted: looked at anew, the form says so.
                return view(request, object_id, *args, **kwargs)

    def _refuse(self, request: HttpRequest, object_id: str | None) -> HttpResponse:
        name = self.model._meta.verbose_name
        text = _(
            "Your change was not saved: the %s was sent meanwhile, and Conversion may have it as "
            "it was."
        )
        self.message_user(request, text % name, messages.ERROR)
        if object_id is not None and self.get_object(request, unquote(object_id)) is not None:
            return HttpResponseRedirect(request.get_full_path())
        return HttpResponseRedirect("../")
