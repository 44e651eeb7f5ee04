"""What is asked before something is done to many rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminRadioSelect, AdminTextInputWidget
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.models import Subscription
from conversion_sync.status.numbers import grouped
from conversion_sync.sync.consent.opted_out import (
    by_subscription,
    newest_change,
    opted_out_by_subscription,
)

__all__ = ["BulkForm", "CompareForm", "SubscriptionForm"]


class BulkForm(forms.Form):
    """Nothing is asked but whether it is meant.

    Args:
        rows: the rows that were chosen.
        user: who is asked.
    """

    def __init__(self, data: Any, *, rows: Any, user: Any) -> None:
        super().__init__(data)

    def arguments(self) -> dict[str, Any]:
        """Of the action, in JSON."""
        return dict(self.cleaned_data)


class CompareForm(BulkForm):
    """Comparing reports, and may push."""

    push = forms.BooleanField(
        label=gettext_lazy("Push ours where it differs"),
        required=False,
        help_text=gettext_lazy(
            "Otherwise nothing is changed, here or there: you see what differs, and decide then."
        ),
    )


class SubscriptionForm(BulkForm):
    """Which subscription, and why; each choice says how many it changes."""

    status = forms.ChoiceField(
        label=gettext_lazy("Subscription"), widget=AdminRadioSelect(attrs={"class": "radiolist"})
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=1000,
        widget=AdminTextInputWidget,
        help_text=gettext_lazy("Why the subscription changes, for the consent log."),
    )
    override = forms.BooleanField(
        label=gettext_lazy("Subscribe those who opted out, too"),
        required=False,
        help_text=gettext_lazy(
            "Only if each of them has asked for it; the reason says how and when."
        ),
    )

    #: How far the consent log went when the page was shown.
    seen = forms.IntegerField(label="", required=False, min_value=0, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, rows: Any, user: Any) -> None:
        super().__init__(data, rows=rows, user=user)
        self._newest = newest_change(rows.db)
        self.fields["seen"].initial = self._newest
        counts, opt_outs = by_subscription(rows), opted_out_by_subscription(rows)
        status: Any = self.fields["status"]
        status.choices = [
            (each.value, _words(each, counts, opt_outs, self._may_override(user)))
            for each in Subscription
        ]
        if not self._may_override(user) or not opt_outs:
            del self.fields["override"]

    def clean(self) -> dict[str, Any]:
        """As Django's; where it asks again, it does so with what is shown then."""
        if self.errors:
            posted: Any = self.data
            data = posted.copy()
            data["seen"] = self._newest
            self.data = data
        return self.cleaned_data

    def arguments(self) -> dict[str, Any]:
        """As the base; whoever opts out after the page was shown is not among those lifted."""
        given = super().arguments()
        seen = given.pop("seen")
        if given.get("override"):
            given["seen"] = self._newest if seen is None else seen
        return given

    @staticmethod
    def _may_override(user: Any) -> bool:
        return bool(user.has_perm("conversion_sync.override_consent"))


def _words(
    status: Subscription,
    counts: Mapping[str, int],
    opt_outs: Mapping[str, int],
    may_override: bool,
) -> str:
    """Such as “Subscribed: 113 contacts change; 7 have opted out and stay so”."""
    others = sum(count for each, count in counts.items() if each != status)
    kept = sum(count for each, count in opt_outs.items() if each != status)
    if status == Subscription.UNSUBSCRIBED:
        kept = 0
    changes = ngettext("%(count)s contact changes", "%(count)s contacts change", others - kept)
    words = _("%(status)s: %(changes)s") % {
        "status": status.label,
        "changes": changes % {"count": grouped(others - kept)},
    }
    if not kept:
        return words
    stay = ngettext(
        "%(count)s has opted out and stays so", "%(count)s have opted out and stay so", kept
    ) % {"count": grouped(kept)}
    if may_override:
        stay = _("%(stay)s, unless you tick the box below") % {"stay": stay}
    return f"{words}; {stay}"
