"""Contacts: form, consent, and two people at once."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from conversion_sync.admin.contact import ContactAdmin
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Subscription,
    SubscriptionChange,
)
from conversion_sync.status.verdict import Tone, Verdict
from conversion_sync.templatetags import conversion_verdict
from tests.admin.conftest import BASE, Form, state

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


def in_answer(answer):
    """What the form of this answer would send, untouched."""
    form = Form("contact_form")
    form.feed(answer.content.decode())
    return form.data


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


def test_a_reason_without_a_change_is_not_dropped_silently(staff, form_of, contact):
    client = staff(*ALL)
    data = form_of(client, page(contact))
    answer = save(client, page(contact), data, title="Boss", reason="asked on the phone")
    assert "no reason is kept" in errors(answer)["reason"][0]
    assert Contact.objects.get().title == ""


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

    def test_an_opt_out_that_the_page_has_not_told_of_is_told_first(self, staff, form_of, contact):
        client = staff(*ALL, "override_consent")
        data = form_of(client, page(contact))
        self.opt_out(contact)
        changes = {"subscription_status": "SUBSCRIBED", "reason": "met at the fair"}
        answer = save(client, page(contact), data, **changes)
        assert "opted out on" in errors(answer)["subscription_status"][0]
        assert Contact.objects.get().subscription_status == "UNSUBSCRIBED"
        again = in_answer(answer) | changes
        SubscriptionChange.objects.create(
            contact=contact, address=contact.key, status="UNSUBSCRIBED"
        )
        answer = save(client, page(contact), again)
        assert "save again" in errors(answer)["subscription_status"][0]
        assert save(client, page(contact), in_answer(answer) | changes).status_code == 302
        assert SubscriptionChange.objects.latest("pk").override
        assert "told" not in LogEntry.objects.latest("pk").get_change_message().lower()

    def test_an_opt_out_of_an_address_is_told_before_it_is_lifted(self, staff, form_of, contact):
        self.opt_out(contact)
        Contact.objects.all().delete()
        client = staff(*ALL, "override_consent")
        changes = {
            "subscription_status": "SUBSCRIBED",
            "reason": "new here",
            "email": contact.email,
        }
        answer = save(client, ADD, form_of(client, ADD), **changes)
        assert "save again" in errors(answer)["subscription_status"][0]
        assert save(client, ADD, in_answer(answer) | changes).status_code == 302
        assert SubscriptionChange.objects.latest("pk").override

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


class TestManyVariables:
    def test_a_contact_with_more_than_a_form_may_hold_is_saved(self, staff, form_of, contact):
        many = {f"v{n}": n for n in range(600)} | {"<b>": [1, {"a": None}], "x": "a\nb"}
        Contact.objects.update(custom_variables=many)
        client = staff(*ALL)
        data = form_of(client, page(contact))
        assert save(client, page(contact), data, first_name="Anna").status_code == 302
        row = Contact.objects.get()
        assert (row.first_name, row.custom_variables) == ("Anna", many)
        data = form_of(client, page(contact))
        text = data["custom_variables"].replace('"v599": 599', '"v599": "last"')
        assert save(client, page(contact), data, custom_variables=text).status_code == 302
        assert Contact.objects.get().custom_variables == many | {"v599": "last"}

    def test_what_is_no_json_is_said_and_shown_again(self, staff, form_of, contact):
        Contact.objects.update(custom_variables={f"v{n}": n for n in range(600)})
        client = staff(*ALL)
        data = form_of(client, page(contact))
        answer = save(client, page(contact), data, custom_variables='{"a": 1')
        assert "no JSON" in errors(answer)["custom_variables"][0]
        assert in_answer(answer)["custom_variables"] == '{"a": 1'


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


class TestKey:
    """Conversion can't rename: a changed email is confirmed."""

    @pytest.fixture
    def sent(self, contact):
        state(contact, sent_key=contact.key, sync_status="SYNCED", due_at=None)
        return contact

    def box(self, answer):
        html = answer.content.decode()
        assert html.count('type="checkbox" name="confirmed_key"') == 1
        return html.partition('name="confirmed_key" value="')[2].partition('"')[0]

    def test_it_is_changed_only_after_the_warning_was_confirmed(self, staff, form_of, sent):
        client = staff(*ALL)
        data = form_of(client, page(sent)) | {"email": "New@x.example", "title": "Boss"}
        answer = save(client, page(sent), data)
        (warning,) = errors(answer)["confirmed_key"]
        for words in (
            *("create <strong><bdi>new@x.example</bdi></strong>", "subscription is carried over"),
            "delete <strong><bdi>ann@x.example</bdi></strong> with its history",
        ):
            assert words in warning
        assert Contact.objects.get().email == "Ann@x.example"
        assert 'value="Boss"' in answer.content.decode()
        again = data | {"confirmed_key": self.box(answer)}
        assert save(client, page(sent), again).status_code == 302
        assert Contact.objects.get().key == "new@x.example"
        assert Deletion.objects.get().key == "ann@x.example"

    def test_saved_again_without_the_tick_it_is_asked_again(self, staff, form_of, sent):
        client = staff(*ALL)
        data = form_of(client, page(sent)) | {"email": "new@x.example"}
        for _ in range(2):
            assert errors(save(client, page(sent), data))["confirmed_key"]
        assert not Deletion.objects.exists()

    def test_a_tick_is_for_the_email_that_it_was_shown_with(self, staff, form_of, sent):
        client = staff(*ALL)
        data = form_of(client, page(sent)) | {"email": "new@x.example"}
        box = self.box(save(client, page(sent), data))
        answer = save(client, page(sent), data | {"email": "third@x.example", "confirmed_key": box})
        assert "third@x.example" in errors(answer)["confirmed_key"][0]
        assert self.box(answer) == "third@x.example"
        assert Contact.objects.get().email == "Ann@x.example"

    def test_capitals_alone_change_nothing_there(self, staff, form_of, sent):
        client = staff(*ALL)
        data = form_of(client, page(sent)) | {"email": "ANN@x.example"}
        assert save(client, page(sent), data).status_code == 302
        assert Contact.objects.get().email == "ANN@x.example"

    def test_a_contact_that_was_never_sent_is_changed_at_once(self, staff, form_of, contact):
        client = staff(*ALL)
        data = form_of(client, page(contact)) | {"email": "new@x.example"}
        assert save(client, page(contact), data).status_code == 302
        assert Contact.objects.get().key == "new@x.example"

    def test_it_says_so_where_the_old_record_stays(self, staff, form_of, sent, settings):
        settings.CONVERSION_SYNC = {"DELETE_CHANGED_KEYS": False}
        client = staff(*ALL)
        data = form_of(client, page(sent)) | {"email": "new@x.example"}
        (warning,) = errors(save(client, page(sent), data))["confirmed_key"]
        assert "ann@x.example</bdi></strong> stays there" in warning
        assert "delete" not in warning

    def test_it_is_asked_for_once_nothing_else_is_wrong(self, staff, form_of, sent):
        Contact.objects.create(email="taken@x.example")
        client = staff(*ALL)
        data = form_of(client, page(sent)) | {"email": "taken@x.example"}
        assert list(errors(save(client, page(sent), data))) == ["email"]


class TestSubscriptionPermission:
    """Who may change contacts may not, by that alone, change what they consented to."""

    EDITOR = ("view_contact", "add_contact", "change_contact")

    def test_without_it_the_subscription_is_shown_and_can_not_be_posted(
        self, staff, form_of, contact
    ):
        Contact.objects.update(subscription_status="SUBSCRIBED")
        client = staff(*self.EDITOR, "override_consent")
        data = form_of(client, page(contact))
        assert not {"subscription_status", "reason"} & data.keys()
        html = client.get(page(contact)).content.decode()
        assert '<div class="readonly">Subscribed</div>' in html
        forged = {"subscription_status": "UNSUBSCRIBED", "reason": "x", "title": "Boss"}
        forged |= {"initial-subscription_status": ""}
        assert save(client, page(contact), data, **forged).status_code == 302
        row = Contact.objects.get()
        assert (row.title, row.subscription_status) == ("Boss", "SUBSCRIBED")
        assert SubscriptionChange.objects.count() == 1

    def test_nor_for_a_new_contact(self, staff, form_of):
        client = staff(*self.EDITOR)
        data = form_of(client, ADD) | {"email": "new@x.example"}
        assert "subscription_status" not in data
        assert save(client, ADD, data, subscription_status="SUBSCRIBED").status_code == 302
        assert Contact.objects.get().subscription_status == ""
        assert not SubscriptionChange.objects.exists()

    def test_with_it_alone_nothing_can_be_changed(self, staff, contact):
        client = staff("view_contact", "set_subscription")
        assert 'name="subscription_status"' not in client.get(page(contact)).content.decode()
        answer = client.post(page(contact), {"subscription_status": "SUBSCRIBED"})
        assert answer.status_code == 403


class TestOptOut:
    """An opt-out that has not arrived is seen on its contact, whatever the contact's own state."""

    LIST = f"{BASE}/contact/"

    @pytest.fixture
    def change(self, contact):
        contact.subscription_status = Subscription.UNSUBSCRIBED
        contact.save()
        state(contact, sync_status="SYNCED", due_at=None)
        return SubscriptionChange.objects.get()

    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            ({}, "Opt-out not arrived yet"),
            ({"sync_status": "SENDING"}, "Opt-out not arrived yet"),
            (
                {"sync_status": "FAILED", "last_error_message": "<b>no"},
                "Opt-out failed: &lt;b&gt;no",
            ),
        ],
    )
    def test_list_and_page_say_so(self, staff, contact, change, columns, words):
        state(change, **columns)
        client = staff(*ALL)
        for url in (self.LIST, page(contact), f"{BASE}/contact/{contact.pk}/panel/"):
            html = client.get(url).content.decode()
            assert words in html
            assert "<bdi>Synced</bdi>" in html

    @pytest.mark.parametrize("status", ["SYNCED", "SUPERSEDED"])
    def test_one_that_arrived_is_not_mentioned(self, staff, contact, change, status):
        state(change, sync_status=status)
        newer = {"contact": contact, "address": contact.key, "sync_status": "SYNCED"}
        SubscriptionChange.objects.create(status="UNSUBSCRIBED", **newer)
        SubscriptionChange.unmarked.filter(pk__gt=change.pk).update(sync_status="SYNCED")
        assert "Opt-out" not in staff(*ALL).get(self.LIST).content.decode()

    def test_one_that_a_sent_change_lifted_is_not_mentioned(self, staff, contact, change):
        state(change, sync_status="FAILED")
        lift = SubscriptionChange.objects.create(
            contact=contact, address=contact.key, status="SUBSCRIBED", override=True
        )
        state(lift, sync_status="SYNCED")
        assert "Opt-out" not in staff(*ALL).get(self.LIST).content.decode()

    def test_the_page_leads_to_it_and_waits_for_it(self, staff, contact, change):
        url = f"{BASE}/subscriptionchange/{change.pk}/change/"
        html = staff("view_contact").get(page(contact)).content.decode()
        assert "Opt-out not arrived yet" in html
        assert url not in html
        assert f'data-live="{BASE}/contact/{contact.pk}/panel/"' in html
        seer = staff("view_contact", "view_subscriptionchange", name="seer")
        assert f'<a class="button" href="{url}">' in seer.get(page(contact)).content.decode()

    def test_the_list_asks_once_for_all(self, staff, contact, change, monkeypatch):
        client, counts = staff(*ALL), []
        # The banner asks for itself.
        monkeypatch.setattr(conversion_verdict, "glance", lambda using: Verdict(Tone.GOOD, ""))
        for number in range(2):
            other = Contact.objects.create(email=f"{number}@x.example")
            other.subscription_status = Subscription.UNSUBSCRIBED
            other.save()
            with CaptureQueriesContext(connection) as queries:
                client.get(self.LIST)
            counts.append(sum("subscriptionchange" in query["sql"] for query in queries))
        assert counts == [1, 1]


class TestHeldWish:
    """Who opted out is shown so, with a later wish and why it is held beside it."""

    LIST = f"{BASE}/contact/"

    @pytest.fixture
    def held(self, contact):
        for status in (Subscription.UNSUBSCRIBED, Subscription.SUBSCRIBED):
            contact.subscription_status = status
            contact.save()
        wish = SubscriptionChange.objects.latest("pk")
        state(
            wish,
            sync_status="FAILED",
            last_error_code="CONSENT_BLOCKED",
            last_error_message="An opt-out <stands> in the log.",
        )
        return wish

    def test_list_and_pages_say_so(self, staff, contact, held):
        words = "ish to subscribe is held: An opt-out &lt;stands&gt; in the log, since "
        for client in (staff(*ALL), staff("view_contact", name="eve")):
            for url in (self.LIST, page(contact)):
                html = client.get(url).content.decode()
                assert words in html
                assert "Unsubscribed" in html

    def test_one_that_is_not_checked_yet_is_shown_too(self, staff, contact, held):
        state(held, sync_status="PENDING", last_error_code="", last_error_message="")
        assert "wish to subscribe is not checked yet, since" in (
            staff(*ALL).get(self.LIST).content.decode()
        )

    def test_without_one_nothing_is_said(self, staff, contact):
        html = staff(*ALL).get(page(contact)).content.decode()
        assert "field-wish" not in html

    def test_the_filters_find_who_stands_unsubscribed_and_whose_wish_is_held(
        self, staff, contact, held
    ):
        client = staff(*ALL)
        other = Contact.objects.create(email="out@x.example", subscription_status="UNSUBSCRIBED")
        Contact.objects.create(email="in@x.example", subscription_status="SUBSCRIBED")
        for query, found in (
            ("subscription_status__exact=UNSUBSCRIBED", {contact.pk, other.pk}),
            ("subscription_status__exact=SUBSCRIBED", {contact.pk + 2}),
            ("wish=held", {contact.pk}),
        ):
            shown = client.get(f"{self.LIST}?{query}").context["cl"].queryset
            assert {row.pk for row in shown} == found

    def test_a_form_that_had_shown_the_wish_as_what_stands_changes_nothing(
        self, staff, contact, held, form_of
    ):
        client = staff(*ALL)
        data = form_of(client, page(contact))
        client.post(page(contact), {**data, "first_name": "Anna"})
        assert SubscriptionChange.objects.count() == 2
        contact.refresh_from_db()
        assert (contact.first_name, contact.subscription_status) == ("Anna", "UNSUBSCRIBED")


def test_who_may_only_look_sees_the_variables_and_can_save_nothing(staff, contact):
    client = staff("view_contact")
    html = client.get(page(contact)).content.decode()
    assert "lead_score" in html
    assert 'name="email"' not in html
    assert client.post(page(contact), {"email": "x@x.example"}).status_code == 403
