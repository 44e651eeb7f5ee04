"""The form of a contact: consent is changed knowingly, or not at all."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import router
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.admin.forms.record import RecordForm
from conversion_sync.models import Contact, Subscription, SubscriptionChange
from conversion_sync.status import times

__all__ = ["ContactForm"]


class _Note(forms.CharField):
    """What a page notes for itself: nothing that a person changes."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class ContactForm(RecordForm):
    """Knows who fills it in (``user``), and what the consent log says of the contact."""

    user: ClassVar[Any]
    LAST_WRITE_WINS = frozenset({"subscription_status"})
    CARRIED_OVER = gettext_lazy("The subscription is carried over.")

    NO_CHANGE = gettext_lazy(
        "The subscription is as it was, so no reason is kept: change the subscription, or leave "
        "this blank."
    )

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=1000,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=gettext_lazy("Why the subscription changes, for the consent log."),
    )

    #: The newest opt-out that the page has told of; see `_has_been_told`.
    told_opt_out = _Note(label="", required=False, widget=forms.HiddenInput)

    class Meta:
        model = Contact
        fields = "__all__"

    #: Whether this save lifts an opt-out, knowingly and with a reason.
    overrides = False

    #: The opt-out that stands, as a page notes it.
    _standing = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["told_opt_out"].show_hidden_initial = False

    @property
    def changes_subscription(self) -> bool:
        """Whether the person chose another subscription than the form had shown."""
        return "subscription_status" in self.changed_data

    def clean(self) -> dict[str, Any]:
        super().clean()
        if "subscription_status" in self.cleaned_data:
            if self.changes_subscription:
                self._respect_opt_out(self.cleaned_data["subscription_status"])
            elif self.cleaned_data.get("reason"):
                self.add_error("reason", ValidationError(self.NO_CHANGE, code="no_change"))
        return self.cleaned_data

    def _respect_opt_out(self, status: str) -> None:
        if status == Subscription.UNSUBSCRIBED or not (opted_out := self._opted_out()):
            return
        if not status:
            self.add_error(
                "subscription_status",
                ValidationError(
                    _("%(opted_out)s The entry can't be blanked.") % {"opted_out": opted_out},
                    code="opted_out",
                ),
            )
        elif not self.user.has_perm("conversion_sync.override_consent"):
            self.add_error(
                "subscription_status",
                ValidationError(
                    _(
                        "%(opted_out)s It would not be sent. Only somebody with the permission "
                        "to subscribe people who opted out can change it, with a reason."
                    )
                    % {"opted_out": opted_out},
                    code="opted_out",
                ),
            )
        elif not self.cleaned_data.get("reason"):
            self.add_error(
                "reason",
                ValidationError(
                    _("%(opted_out)s To subscribe this person anyway, give the reason.")
                    % {"opted_out": opted_out},
                    code="reason",
                ),
            )
        elif not self._has_been_told():
            self.add_error(
                "subscription_status",
                ValidationError(
                    _("%(opted_out)s To subscribe this person anyway, save again.")
                    % {"opted_out": opted_out},
                    code="told",
                ),
            )
        else:
            self.overrides = True
        self._tell()

    def _has_been_told(self) -> bool:
        """Whether the page has said that the person opted out, before the reason was given for it.

        Somebody may opt out while the form is open, and a new contact may have done so long ago.
        """
        shown = self.data.get(self.add_initial_prefix("subscription_status"))
        told = self.cleaned_data.get("told_opt_out")
        return told == self._standing if told else shown == Subscription.UNSUBSCRIBED

    def _tell(self) -> None:
        """Note in the page which opt-out it tells of."""
        posted: Any = self.data
        data = posted.copy()
        data[self.add_prefix("told_opt_out")] = self._standing
        self.data = data

    def _opted_out(self) -> str:
        """Say that an opt-out stands; blank if none does."""
        contact: Any = self.instance
        key = Contact.normal_key(self.cleaned_data.get("email") or contact.email)
        using = router.db_for_write(Contact, instance=contact)
        people = [(contact.pk, key)]
        (standing,) = SubscriptionChange.standing_opt_outs(using, people)
        self._standing = "column" if standing is None else str(standing.pk)
        if standing is not None:
            return _("This person opted out on %(date)s.") % {
                "date": times.exact(standing.created_at)
            }
        if self.initial.get("subscription_status") == Subscription.UNSUBSCRIBED:
            return _("This person has opted out.")
        return ""
