"""Deleting rows: what the confirmation says of it, and that it does that and no more."""

import re

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversion_sync.admin.contact import ContactAdmin
from conversion_sync.models import Company, Contact, Deletion, Engagement
from tests.admin.conftest import BASE, state

RIGHTS = ("view_contact", "delete_contact", "delete_engagement")


def url(row):
    return f"{BASE}/{row._meta.model_name}/{row.pk}/delete/"


def page(client, row):
    """What the confirmation says, as text."""
    answer = client.get(url(row))
    assert answer.status_code == 200
    return as_text(answer)


def as_text(answer):
    html = answer.content.decode().partition('id="content-main"')[2]
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def tick(client, rows, **data):
    ticks = [row.pk for row in rows]
    data = {"action": "delete_selected", "_selected_action": ticks} | data
    return client.post(f"{BASE}/contact/", data)


def confirm(client, answer, path=f"{BASE}/contact/"):
    """Post what the confirmation holds."""
    inputs = re.findall(
        r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.content.decode()
    )
    data = {name: [value for key, value in inputs if key == name] for name, _ in inputs}
    del data["csrfmiddlewaretoken"]
    return client.post(path, data, follow=True)


class TestContact:
    def test_it_says_what_else_goes(self, admin, contact, engagement):
        state(contact, sent_key=contact.key)
        sent = Engagement.objects.create(contact=contact, name="Demo", description="x")
        state(sent, sync_status="SYNCED")
        text = page(admin, contact)
        assert "Delete this contact? Ann Ross <Ann@x.example>" in text.replace("&lt;", "<").replace(
            "&gt;", ">"
        )
        assert "2 engagements are deleted here, too." in text
        assert "1 of them has not arrived in Conversion, and is not sent any more: Call" in text
        assert "Demo" not in text
        assert "1 record in Conversion is deleted, too, with its history there" in text
        assert "The consent log stays" in text

    def test_it_says_so_where_there_is_nothing_in_conversion(self, admin, contact):
        text = page(admin, contact)
        assert "1 was never sent" in text
        assert "engagement" not in text

    def test_it_says_so_where_the_record_there_stays(self, admin, contact, settings):
        settings.CONVERSION_SYNC = {"DELETE_REMOTE": False}
        state(contact, sent_key=contact.key)
        assert "1 record in Conversion stays there" in page(admin, contact)

    def test_it_leaves_a_deletion_in_the_name_of_who_asked(self, staff, contact, engagement):
        state(contact, sent_key=contact.key)
        client = staff(*RIGHTS)
        answer = confirm(client, client.get(url(contact)), url(contact))
        assert answer.redirect_chain
        assert not Contact.objects.exists()
        assert Deletion.objects.get().requested_by == "sam"

    def test_engagements_are_not_deleted_without_the_permission(self, staff, contact, engagement):
        client = staff("view_contact", "delete_contact")
        answer = client.get(url(contact))
        assert "You may not delete what would go with it: engagements" in as_text(answer)
        assert 'name="post"' not in answer.content.decode()
        assert client.post(url(contact), {"post": "yes"}).status_code == 403
        assert Engagement.objects.exists()
        Engagement.unmarked.all().delete()
        assert client.post(url(contact), {"post": "yes"}).status_code == 302

    def test_the_way_back_works_without_javascript(self, admin, contact):
        html = admin.get(url(contact)).content.decode()
        back = f'<a class="button cs-back" href="{BASE}/contact/{contact.pk}/change/">'
        assert back in html
        assert " style=" not in html
        assert "<script>" not in html


def test_a_company_leaves_its_people(admin, contact):
    Company.unmarked.update(sent_key="C-1")
    company = Company.objects.get()
    text = page(admin, company)
    assert "1 contact loses its company, and is pushed again without the name: Ann Ross" in text
    assert "1 record in Conversion is deleted" in text
    confirm(admin, admin.get(url(company)), url(company))
    assert Contact.objects.get().company is None


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("SYNCED", "1 has arrived in Conversion, and stays there"),
        ("PENDING", "1 has not arrived in Conversion, and is not sent any more"),
    ],
)
def test_an_engagement_says_whether_conversion_keeps_it(admin, engagement, status, words):
    state(engagement, sync_status=status)
    assert words in page(admin, engagement)


class TestMany:
    @pytest.fixture
    def people(self, db):
        return Contact.objects.bulk_create(
            Contact(email=f"p{number:03}@x.example") for number in range(60)
        )

    def test_the_ticked_ones_are_deleted_and_no_others(self, admin, people):
        answer = tick(admin, people[:3])
        text = as_text(answer)
        assert "Delete 3 contacts?" in text
        assert "3 were never sent" in text
        assert Contact.objects.count() == 60
        confirm(admin, answer)
        assert Contact.objects.count() == 57
        assert not Contact.objects.filter(pk__in=[row.pk for row in people[:3]]).exists()

    def test_a_whole_list_is_counted_and_only_the_first_are_named(self, admin, people):
        answer = tick(admin, people[:1], select_across="1")
        html, text = answer.content.decode(), as_text(answer)
        assert "Delete 60 contacts?" in text
        assert "and 50 more" in text
        assert html.count("@x.example") == 10
        assert html.count('name="_selected_action"') == 1
        confirm(admin, answer)
        assert not Contact.objects.exists()

    def test_a_filtered_list_stays_filtered(self, admin, people):
        state(people[0], sync_status="FAILED", due_at=None)
        failed = f"{BASE}/contact/?status=failed"
        data = {"action": "delete_selected", "_selected_action": people[0].pk, "select_across": "1"}
        answer = admin.post(failed, data)
        assert "Delete 1 contact?" in as_text(answer)
        assert f'class="button cs-back" href="{failed}"' in answer.content.decode()
        confirm(admin, answer, failed)
        assert Contact.objects.count() == 59

    def test_it_is_asked_again_where_the_number_has_changed(self, admin, people):
        answer = tick(admin, people[:1], select_across="1")
        Contact.objects.create(email="new@x.example")
        again = confirm(admin, answer)
        assert "Nothing was deleted yet" in again.content.decode()
        assert "Delete 61 contacts?" in as_text(again)
        assert Contact.objects.count() == 61
        confirm(admin, again)
        assert not Contact.objects.exists()

    def test_what_comes_after_the_rows_were_counted_stays(self, admin, people, monkeypatch):
        answer = tick(admin, people[:1], select_across="1")
        log = ContactAdmin.log_deletions

        def meanwhile(self, request, rows):
            Contact.objects.create(email="new@x.example")
            return log(self, request, rows)

        monkeypatch.setattr(ContactAdmin, "log_deletions", meanwhile)
        again = confirm(admin, answer)
        assert "Successfully deleted 60 contacts." in again.content.decode()
        assert [row.email for row in Contact.objects.all()] == ["new@x.example"]
        assert LogEntry.objects.filter(action_flag=DELETION).count() == 60

    def test_many_are_deleted_in_chunks(self, admin, people, monkeypatch):
        monkeypatch.setattr("conversion_sync.admin.pages.delete.ROWS", 25)
        confirm(admin, tick(admin, people[:1], select_across="1"))
        assert not Contact.objects.exists()
        assert LogEntry.objects.filter(action_flag=DELETION).count() == 60

    @pytest.mark.parametrize("counted", ["", "x", "-1", "59", "9" * 30])
    def test_another_number_deletes_nothing(self, admin, people, counted):
        data = {"action": "delete_selected", "_selected_action": people[0].pk, "post": "yes"}
        admin.post(f"{BASE}/contact/", {**data, "select_across": "1", "counted": counted})
        assert Contact.objects.count() == 60

    def test_the_number_of_queries_does_not_grow(self, admin, people):
        counts = []
        for number in (2, 60):
            with CaptureQueriesContext(connection) as queries:
                tick(admin, people[:number])
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_who_may_not_is_refused(self, staff, people):
        client = staff("view_contact", "change_contact")
        tick(client, people[:3], post="yes", counted="3")
        assert Contact.objects.count() == 60
