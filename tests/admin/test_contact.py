"""Contacts: form, consent, and two people at once."""

import pytest
from django.db import models

from conversion_sync.admin.contact import ContactAdmin
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    Subscription,
    SubscriptionChange,
)
from tests.admin.conftest import BASE, state

ADD = f"{BASE}/contact/add/"
ALL = (
    "view_contact",
    "add_contact",
    "change_contact",
    "delete_contact",
    "sync_contact",
    "set_subscription",
    "view_company",
)


def page(contact):
    return f"{BASE}/contact/{contact.pk}/change/"


def errors(answer):
    assert answer.status_code == 200, "it was saved"
    return dict(answer.context["adminform"].form.errors.items())


def save(client, url, data, **changes):
    return client.post(url, data | changes)


def test_a_new_contact_is_due_and_its_consent_is_attributed(staff, form_of):
    client = staff(*ALL)
    data = form_of(client, ADD)
    answer = save(
        client,
        ADD,
        data,
        email="New@x.example",
        subscription_status="SUBSCRIBED",
        reason="asked on the phone",
        **{"custom_variables-0-name": "score", "custom_variables-0-value": "7"},
    )
    assert answer.status_code == 302
    contact = Contact.objects.get()
    assert (contact.sync_status, contact.custom_variables) == ("PENDING", {"score": 7})
    change = SubscriptionChange.objects.get()
    assert (change.requested_by, change.source, change.reason, change.override) == (
        *("sam", "admin", "asked on the phone"),
        False,
    )


def test_a_form_that_nobody_touched_writes_nothing(staff, form_of, contact):
    client = staff(*ALL)
    state(contact, sync_status="SYNCED", due_at=None)
    before = Contact.objects.values().get()
    assert save(client, page(contact), form_of(client, page(contact))).status_code == 302
    assert Contact.objects.values().get() == before


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("email", "nobody", "Enter a valid email address"),
        ("email", "", "This field is required"),
        ("email", "ANN@X.example", "already a contact with this email"),
        ("subscription_status", "MAYBE", "MAYBE is not one of the available choices"),
        ("linkedin_url", "not an address", "Enter a valid URL"),
        ("custom_variables", "[1]", "Enter names and values"),
        ("external_contact", "12", "Enter names and values"),
        ("custom_variables", '{"title": "Boss"}', "has a field of its own"),
        ("custom_variables", '{"a": "\\u0000"}', "NUL"),
    ],
)
def test_wrong_input_is_an_error_at_the_field_and_nothing_is_saved(
    staff, form_of, contact, field, value, message
):
    client = staff(*ALL)
    data = form_of(client, ADD) | {"email": "other@x.example", "first_name": "Typed"}
    answer = save(client, ADD, data, **{field: value})
    found = errors(answer)
    assert list(found) == [field]
    assert message in found[field][0]
    assert 'value="Typed"' in answer.content.decode()
    assert Contact.objects.count() == 1


def test_what_was_typed_into_pairs_is_kept_beside_its_error(staff, form_of, contact):
    client = staff(*ALL)
    data = form_of(client, page(contact))
    answer = save(client, page(contact), data, **{"custom_variables-1-value": "lonely"})
    assert "needs a name" in errors(answer)["custom_variables"][0]
    assert "lonely</textarea>" in answer.content.decode()


def test_a_variable_is_edited_added_and_removed(staff, form_of, contact):
    Contact.objects.update(custom_variables={"a": "1", "b": 2, "c": [1]})
    client = staff(*ALL)
    data = form_of(client, page(contact))
    data |= {
        "custom_variables-0-remove": "on",
        "custom_variables-1-value": "3",
        "custom_variables-9-name": "d",
        "custom_variables-9-value": "text",
    }
    assert save(client, page(contact), data).status_code == 302
    assert Contact.objects.get().custom_variables == {"b": 3, "c": [1], "d": "text"}


def test_no_state_column_can_be_posted(staff, form_of, contact):
    client = staff(*ALL)
    data = form_of(client, page(contact))
    posted = dict.fromkeys(Contact.STATE, "7") | {"sync_status": "SYNCED", "key": "evil"}
    assert not posted.keys() & data.keys()
    assert save(client, page(contact), data, first_name="New", **posted).status_code == 302
    contact = Contact.objects.get()
    assert (contact.sync_status, contact.attempts, contact.key) == ("PENDING", 0, "ann@x.example")


class TestConsent:
    def opt_out(self, contact):
        row = Contact.objects.get(pk=contact.pk)
        row.subscription_status = Subscription.UNSUBSCRIBED
        row.save()

    def test_an_opt_out_that_came_in_meanwhile_is_not_undone(self, staff, form_of, contact):
        Contact.objects.update(subscription_status="SUBSCRIBED")
        client = staff(*ALL)
        data = form_of(client, page(contact))
        self.opt_out(contact)
        assert save(client, page(contact), data, first_name="Anna").status_code == 302
        row = Contact.objects.get()
        assert (row.first_name, row.subscription_status) == ("Anna", "UNSUBSCRIBED")
        assert SubscriptionChange.objects.latest("pk").status == "UNSUBSCRIBED"

    def test_a_stale_form_cannot_lift_an_opt_out_either(self, staff, form_of, contact):
        Contact.objects.update(subscription_status="SUBSCRIBED")
        client = staff(*ALL)
        data = form_of(client, page(contact))
        self.opt_out(contact)
        answer = save(client, page(contact), data, subscription_status="PENDING")
        assert "opted out" in errors(answer)["subscription_status"][0]

    @pytest.mark.parametrize("status", ["SUBSCRIBED", "PENDING", ""])
    def test_an_opt_out_stands(self, staff, form_of, contact, status):
        self.opt_out(contact)
        client = staff(*ALL)
        data = form_of(client, page(contact))
        answer = save(client, page(contact), data, subscription_status=status, reason="please")
        assert "opted out on" in errors(answer)["subscription_status"][0]
        assert Contact.objects.get().subscription_status == "UNSUBSCRIBED"
        assert SubscriptionChange.objects.count() == 1

    def test_with_the_permission_a_reason_is_still_needed(self, staff, form_of, contact):
        self.opt_out(contact)
        client = staff(*ALL, "override_consent")
        data = form_of(client, page(contact))
        answer = save(client, page(contact), data, subscription_status="SUBSCRIBED", reason=" ")
        assert "give the reason" in errors(answer)["reason"][0]
        assert Contact.objects.get().subscription_status == "UNSUBSCRIBED"

    def test_with_permission_and_reason_it_is_lifted(self, staff, form_of, contact):
        self.opt_out(contact)
        client = staff(*ALL, "override_consent")
        data = form_of(client, page(contact))
        changes = {"subscription_status": "SUBSCRIBED", "reason": "signed form"}
        assert save(client, page(contact), data, **changes).status_code == 302
        change = SubscriptionChange.objects.latest("pk")
        assert (change.status, change.override, change.reason, change.requested_by) == (
            *("SUBSCRIBED", True, "signed form"),
            "sam",
        )

    def test_an_override_is_for_an_opt_out_alone(self, staff, form_of, contact):
        client = staff(*ALL, "override_consent")
        data = form_of(client, page(contact))
        save(client, page(contact), data, subscription_status="SUBSCRIBED", reason="why not")
        assert not SubscriptionChange.objects.get().override

    def test_an_opt_out_of_a_deleted_contact_stands_for_its_address(self, staff, form_of, contact):
        self.opt_out(contact)
        Contact.objects.all().delete()
        client = staff(*ALL)
        data = form_of(client, ADD) | {"email": "ANN@x.example"}
        answer = save(client, ADD, data, subscription_status="SUBSCRIBED")
        assert "opted out" in errors(answer)["subscription_status"][0]


class TestTwoPeople:
    def test_who_edit_different_fields_undo_nothing_of_each_other(self, staff, form_of, contact):
        client = staff(*ALL)
        data = form_of(client, page(contact))
        other = Contact.objects.get()
        other.phone, other.custom_variables = "+49", {"lead_score": 99}
        other.save()
        assert save(client, page(contact), data, title="Boss").status_code == 302
        row = Contact.objects.get()
        assert (row.phone, row.title, row.custom_variables) == ("+49", "Boss", {"lead_score": 99})

    def test_who_edit_the_same_field_are_told(self, staff, form_of, contact):
        client = staff(*ALL)
        data = form_of(client, page(contact))
        other = Contact.objects.get()
        other.phone = "+49"
        other.save()
        answer = save(client, page(contact), data, phone="+33")
        assert "Somebody else has changed this to “+49”" in errors(answer)["phone"][0]
        assert Contact.objects.get().phone == "+49"
        assert 'value="+33"' in answer.content.decode()
        again = data | {"initial-phone": "+49", "phone": "+33"}
        assert 'name="initial-phone" value="+49"' in answer.content.decode()
        assert save(client, page(contact), again).status_code == 302
        assert Contact.objects.get().phone == "+33"

    def test_who_choose_different_companies_are_told_by_name(self, staff, form_of, contact):
        client = staff(*ALL)
        data = form_of(client, page(contact))
        theirs, mine = (
            Company.objects.create(external_id=name, company_name=name) for name in ("B", "C")
        )
        other = Contact.objects.get()
        other.company = theirs
        other.save()
        answer = save(client, page(contact), data, company=str(mine.pk))
        assert "to “B” meanwhile" in errors(answer)["company"][0]

    def test_a_row_deleted_between_check_and_save_is_said(
        self, staff, form_of, contact, monkeypatch
    ):
        client = staff(*ALL)
        data = form_of(client, page(contact))

        def delete(*args):
            # In the same transaction, so that it has to happen again once that is rolled back.
            models.QuerySet(Contact).delete()

        def look(*args):
            if looked:
                delete()
            looked.append(args)
            return real(*args)

        looked, real = [], ContactAdmin.get_object
        monkeypatch.setattr(Contact, "clean", delete)
        monkeypatch.setattr(ContactAdmin, "get_object", look)
        answer = client.post(page(contact), data | {"first_name": "New"}, follow=True)
        assert "Perhaps it was deleted?" in answer.content.decode()
        assert not Contact.objects.exists()

    def test_an_email_taken_between_check_and_save_is_an_error_at_the_field(
        self, staff, form_of, contact, monkeypatch
    ):
        client = staff(*ALL)
        data = form_of(client, ADD) | {"email": "ann@X.example"}
        real, calls = Contact.clean, []

        def clean(self):
            calls.append(self)
            return None if len(calls) == 1 else real(self)

        monkeypatch.setattr(Contact, "clean", clean)
        assert "already a contact" in errors(client.post(ADD, data))["email"][0]
        assert len(calls) == 2


class TestDeletion:
    def test_the_confirmation_says_what_goes_with_it(self, staff, contact, engagement):
        state(contact, sent_key=contact.key)
        client = staff(*ALL, "delete_engagement")
        html = client.get(f"{BASE}/contact/{contact.pk}/delete/").content.decode()
        assert "Engagements: 1" in html
        assert "Engagements among them that have not arrived in Conversion: 1" in html
        assert "Contacts deleted in Conversion, too: 1" in html

    def test_it_leaves_a_deletion_in_the_name_of_who_asked(self, staff, contact, engagement):
        state(contact, sent_key=contact.key)
        client = staff(*ALL, "delete_engagement")
        answer = client.post(f"{BASE}/contact/{contact.pk}/delete/", {"post": "yes"})
        assert answer.status_code == 302
        assert not Contact.objects.exists()
        assert Deletion.objects.get().requested_by == "sam"

    def test_engagements_are_not_deleted_without_the_permission(self, staff, contact, engagement):
        client = staff(*ALL)
        url = f"{BASE}/contact/{contact.pk}/delete/"
        assert "permission" in client.get(url).content.decode()
        assert client.post(url, {"post": "yes"}).status_code == 403
        assert Engagement.objects.exists()


def test_who_may_only_look_sees_the_variables_and_can_save_nothing(staff, contact):
    client = staff("view_contact")
    html = client.get(page(contact)).content.decode()
    assert "lead_score" in html
    assert 'name="email"' not in html
    assert client.post(page(contact), {"email": "x@x.example"}).status_code == 403
