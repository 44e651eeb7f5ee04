"""Engagements: named data, and what was sent stays as it was."""

import pytest

from conversion_sync.models import Engagement
from tests.admin.conftest import BASE, state
from tests.kit import in_utc

ALL = ("view_engagement", "add_engagement", "change_engagement", "sync_engagement", "view_contact")
ADD = f"{BASE}/engagement/add/"
LIST = f"{BASE}/engagement/"


def page(engagement):
    return f"{LIST}{engagement.pk}/change/"


def errors(answer):
    assert answer.status_code == 200, "it was saved"
    return dict(answer.context["adminform"].form.errors.items())


def test_the_common_data_has_fields_and_the_rest_is_pairs(staff, form_of, engagement):
    data = form_of(staff(*ALL), page(engagement))
    shown = {name: data[f"data_{name}"] for name in Engagement.COMMON}
    assert shown == {
        "duration_minutes": "30",
        "outcome": "good",
        "next_steps": "",
        "priority": "urgent",
        "tags": "a, b",
    }
    assert (data["data-0-name"], data["data-0-value"]) == ("room", '"2"')


def test_what_nobody_touched_stays_as_it_was(staff, form_of, engagement):
    before = Engagement.objects.values().get()
    client = staff(*ALL)
    assert client.post(page(engagement), form_of(client, page(engagement))).status_code == 302
    after = Engagement.objects.values().get()
    assert after == before
    assert list(after["data"]) == list(before["data"])


def test_named_data_is_stored_in_its_own_type(staff, form_of, contact):
    client = staff(*ALL)
    data = form_of(client, ADD) | {
        "contact": contact.pk,
        "name": "Demo",
        "description": "a\r\nb",
        "data_duration_minutes": "45",
        "data_priority": "high",
        "data_tags": " q4, ,renewal ",
        "data-0-name": "seats",
        "data-0-value": "4",
    }
    assert client.post(ADD, data).status_code == 302
    row = Engagement.objects.get()
    assert row.description == "a\nb"
    assert row.data == {
        "duration_minutes": 45,
        "priority": "high",
        "tags": ["q4", "renewal"],
        "seats": 4,
    }
    assert type(row.data["duration_minutes"]) is int


def test_one_changed_part_leaves_the_others(staff, form_of, engagement):
    client = staff(*ALL)
    data = form_of(client, page(engagement)) | {"data_tags": "", "data_duration_minutes": "7.5"}
    assert client.post(page(engagement), data).status_code == 302
    after = Engagement.objects.get().data
    assert after == {
        "room": "2",
        "duration_minutes": 7.5,
        "priority": "urgent",
        "outcome": "good",
    }


@pytest.mark.parametrize(
    "odd", [{"duration_minutes": "half an hour"}, {"tags": "a"}, {"tags": ["a,b"]}, {"priority": 3}]
)
def test_data_of_another_type_stays_among_the_pairs(staff, form_of, engagement, odd):
    Engagement.objects.update(data=odd)
    client = staff(*ALL)
    data = form_of(client, page(engagement))
    assert data["data-0-name"] in odd
    assert client.post(page(engagement), data | {"name": "New"}).status_code == 302
    row = Engagement.objects.get()
    assert (row.name, row.data) == ("New", odd)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("description", "", "This field is required"),
        ("name", "", "This field is required"),
        ("contact", "999", "not one of the available choices"),
        ("data_duration_minutes", "-1", "greater than or equal to 0"),
        ("data_duration_minutes", "long", "Enter a number"),
        ("data_priority", "mad", "mad is not one of the available choices"),
        ("data", "[1]", "Enter names and values"),
        ("data", '{"tags": ["x"]}', "“tags” has a field of its own"),
    ],
)
def test_wrong_input_is_an_error_at_the_field(staff, form_of, contact, field, value, message):
    client = staff(*ALL)
    data = form_of(client, ADD) | {"contact": contact.pk, "name": "Demo", "description": "text"}
    found = errors(client.post(ADD, data | {field: value}))
    assert list(found) == [field]
    assert message in found[field][0]
    assert not Engagement.objects.exists()


def test_what_was_sent_is_shown_and_cannot_be_edited(staff, engagement):
    state(engagement, sync_status="SYNCED", due_at=None, last_attempt_at="2026-11-24T00:00Z")
    html = staff(*ALL).get(page(engagement)).content.decode()
    assert "duration_minutes" in html
    assert 'name="description"' not in html
    assert 'name="_save"' not in html


def test_what_is_sent_while_the_form_is_open_is_said(staff, form_of, engagement):
    client = staff(*ALL)
    data = form_of(client, page(engagement)) | {"description": "other"}
    state(engagement, sync_status="SYNCED", due_at=None, last_attempt_at="2026-11-24T00:00Z")
    answer = client.post(page(engagement), data, follow=True)
    assert answer.status_code == 200
    assert "Your change was not saved" in answer.content.decode()
    assert Engagement.objects.get().description == "two\nlines"


def test_what_is_claimed_between_check_and_save_is_said(staff, form_of, engagement, monkeypatch):
    client = staff(*ALL)
    data = form_of(client, page(engagement)) | {"description": "other"}

    def clean(self):
        state(self, sync_status="SENDING", claim="0" * 32)

    monkeypatch.setattr(Engagement, "clean", clean)
    answer = client.post(page(engagement), data, follow=True)
    assert "Your change was not saved" in answer.content.decode()
    assert Engagement.objects.get().description == "two\nlines"


def act(client, name, *rows):
    data = {"action": name, "_selected_action": [row.pk for row in rows], "confirmed": "yes"}
    return client.post(LIST, data, follow=True).content.decode()


def test_an_engagement_in_doubt_is_sent_again_or_taken_for_arrived(staff, engagement):
    client = staff(*ALL)
    state(engagement, sync_status="UNCONFIRMED", due_at=None)
    assert "1 engagement in doubt is marked as sent" in act(client, "mark_as_sent", engagement)
    assert Engagement.objects.get().sync_status == "SYNCED"
    assert "None of these engagements is in doubt" in act(client, "resend", engagement)
    state(engagement, sync_status="UNCONFIRMED", due_at=None)
    assert "1 engagement in doubt is sent again" in act(client, "resend", engagement)
    assert Engagement.objects.get().sync_status == "PENDING"


def test_who_may_only_look_is_offered_no_action(staff, engagement):
    client = staff("view_engagement")
    state(engagement, sync_status="UNCONFIRMED", due_at=None)
    act(client, "mark_as_sent", engagement)
    assert Engagement.objects.get().sync_status == "UNCONFIRMED"


@in_utc
def test_two_people_who_change_the_same_time_and_data_are_told(staff, form_of, engagement):
    client = staff(*ALL)
    data = form_of(client, page(engagement))
    other = Engagement.objects.get()
    other.occurred_at = "2026-01-02T03:04:05Z"
    other.data = {"room": "9"}
    other.save()
    mine = {"occurred_at_0": "2026-05-05", "data-0-value": "1", "data_outcome": "bad"}
    answer = client.post(page(engagement), data | mine)
    found = errors(answer)
    assert "2026-01-02 03:04:05" in found["occurred_at"][0]
    assert "room: 9" in found["data"][0]
    html = answer.content.decode()
    assert 'name="initial-occurred_at_0" value="2026-01-02"' in html
    assert "2026-05-05" in html
    shown = {"initial-occurred_at_0": "2026-01-02", "initial-occurred_at_1": "03:04:05"}
    shown |= {"initial-data": '{"room": "9"}', "initial-data_outcome": ""}
    assert client.post(page(engagement), data | mine | shown).status_code == 302
    row = Engagement.objects.get()
    assert (row.occurred_at.month, row.data["room"], row.data["outcome"]) == (5, 1, "bad")


def test_two_people_who_change_different_parts_of_the_data_undo_nothing(staff, form_of, engagement):
    client = staff(*ALL)
    data = form_of(client, page(engagement))
    other = Engagement.objects.get()
    other.data = {"room": "9", "tags": ["a", "b"]}
    other.save()
    assert client.post(page(engagement), data | {"data_outcome": "bad"}).status_code == 200
    assert client.post(page(engagement), data | {"data_tags": "c"}).status_code == 302
    assert Engagement.objects.get().data == {"room": "9", "tags": ["c"]}


def test_a_time_that_was_changed_survives_another_error(staff, form_of, engagement):
    client = staff(*ALL)
    data = form_of(client, page(engagement)) | {"occurred_at_0": "2026-05-05"}
    html = client.post(page(engagement), data | {"name": ""}).content.decode()
    assert f'name="initial-occurred_at_0" value="{data["initial-occurred_at_0"]}"' in html
    assert client.post(page(engagement), data).status_code == 302
    assert Engagement.objects.get().occurred_at.month == 5


@in_utc
def test_the_time_of_a_new_one_can_be_chosen(staff, form_of, contact):
    client = staff(*ALL)
    data = form_of(client, ADD) | {"contact": contact.pk, "name": "Demo", "description": "x"}
    data |= {"occurred_at_0": "2026-11-20", "occurred_at_1": "10:30"}
    # The form was shown a while ago, with the time of then.
    data |= {"initial-occurred_at_0": "2026-11-19", "initial-occurred_at_1": "08:00:00"}
    assert client.post(ADD, data).status_code == 302
    assert Engagement.objects.get().occurred_at.isoformat() == "2026-11-20T10:30:00+00:00"


@pytest.mark.parametrize("zone", ["", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize(("day", "time"), [("9999-12-31", "23:59"), ("0001-01-01", "00:01")])
def test_a_time_that_not_every_zone_has_is_refused_in_words(
    staff, form_of, engagement, day, time, zone
):
    client = staff(*ALL)
    client.cookies["conversion_sync_zone"] = zone
    data = form_of(client, page(engagement)) | {"occurred_at_0": day, "occurred_at_1": time}
    assert list(errors(client.post(page(engagement), data))) == ["occurred_at"]


def test_values_that_are_too_deep_or_too_large_are_refused_in_words(staff, form_of, engagement):
    client = staff(*ALL)
    data = form_of(client, page(engagement))
    for value, said in (("[" * 30 + "]" * 30, "nested too deep"), ("x" * 100_001, "too large")):
        found = errors(client.post(page(engagement), data | {"data-0-value": value}))
        assert said in found["data"][0]
