"""The page that puts a record beside what Conversion has of it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conversion_sync.admin.pages import asking
from conversion_sync.api.errors import RateLimited
from conversion_sync.models import ApiCall, Company, Contact, SubscriptionChange
from conversion_sync.status.errors import remedy
from conversion_sync.sync.gate import Gate, Refusal
from tests.admin.conftest import BASE
from tests.kit import push


@pytest.fixture
def there(conversion, contact):
    """The contact has arrived; then it changed here, and nobody marked it."""
    push()
    key = contact.key
    Contact.unmarked.filter(pk=contact.pk).update(first_name="Anna", title="Boss")
    return conversion.contacts[key]


def url(row):
    return f"{BASE}/{row._meta.model_name}/{row.pk}/compare/"


def page(client, row):
    answer = client.get(url(row))
    assert answer.status_code == 200
    return answer


def decide(client, row, action, **data):
    return client.post(url(row), {"action": action, **data}, follow=True)


def test_both_sides_are_shown_the_differences_first(admin, contact, there):
    answer = page(admin, contact)
    lines = answer.context["lines"]
    assert [(line.name, line.ours, line.theirs, line.words) for line in lines[:2]] == [
        ("First name", "Anna", "Ann", "Differs"),
        ("Job title", "Boss", "", "Only here"),
    ]
    assert all(line.is_same for line in lines[2:])
    html = answer.content.decode()
    assert html.count('name="field"') == 2
    assert " style=" not in html
    assert "<script>" not in html


def test_an_answer_that_does_not_come_holds_the_page_for_less_time_than_a_drain(
    admin, contact, conversion, monkeypatch
):
    monkeypatch.setattr(asking, "CALL_SECONDS", 2)
    conversion.fail("hang")
    html = page(admin, contact).content.decode()
    assert "within 2 s." in html
    assert ApiCall.objects.get().endpoint.startswith("GET ")


def test_an_answer_that_is_cut_off_is_told_in_words(admin, contact, conversion):
    conversion.fail("drop_before")
    html = page(admin, contact).content.decode()
    assert "no usable answer came back (NO_ANSWER)" in html
    assert "Error:" not in html


def test_theirs_is_taken_for_the_chosen_fields_alone(admin, contact, there):
    html = decide(admin, contact, "take", field=["first_name"]).content.decode()
    assert "Taken from Conversion: First name." in html
    contact.refresh_from_db()
    assert (contact.first_name, contact.title) == ("Ann", "Boss")
    assert contact.subscription_status == ""
    assert "Left as they are, here and there: Job title." in html
    assert "Choose the fields" in decide(admin, contact, "take").content.decode()


def test_nothing_is_taken_that_the_page_has_not_shown(admin, contact, there):
    shown = page(admin, contact).context["shown"]
    chosen = {"field": ["first_name"], "shown": shown}
    there["variables"]["first_name"] = "Eve"
    assert "Nothing was taken" in decide(admin, contact, "take", **chosen).content.decode()
    there["variables"]["first_name"] = "Ann"
    Contact.unmarked.update(first_name="Annabel")
    html = decide(admin, contact, "take", **chosen).content.decode()
    assert "changed, here or there: First name." in html
    Contact.unmarked.update(first_name="Anna")
    del there["variables"]["first_name"]
    assert "Nothing was taken" in decide(admin, contact, "take", **chosen).content.decode()
    assert Contact.objects.get().first_name == "Anna"
    chosen["shown"] = page(admin, contact).context["shown"]
    assert "Taken from" in decide(admin, contact, "take", **chosen).content.decode()
    assert Contact.objects.get().first_name == ""


def test_a_field_whose_name_has_a_line_break_is_taken_and_no_stranger(admin, contact, there):
    there["variables"]["a\nb"] = "c"
    html = decide(admin, contact, "take", field=["a\r\nb", "nonsense"]).content.decode()
    assert "Taken from" in html
    assert "nonsense" not in html
    assert Contact.objects.get().custom_variables["a\nb"] == "c"


@pytest.mark.parametrize("fault", ["500", "400", "403", "409", "html", "429", "drop_before"])
def test_what_to_do_is_about_the_question_and_not_about_rows(admin, contact, conversion, fault):
    conversion.fail(fault)
    html = page(admin, contact).content.decode()
    assert "ry again" in html.partition('class="cs-remedy"')[2].partition("</p>")[0]
    for words in ("by itself", "Resend", "save", "retry"):
        assert words not in html.partition('class="cs-remedy"')[2]


def test_only_what_would_change_something_is_offered(admin, contact, conversion):
    push()
    html = page(admin, contact).content.decode()
    for words in ("Push ours", "Take theirs"):
        assert words not in html
    conversion.contacts[contact.key]["variables"]["plan"] = "pro"
    html = page(admin, contact).content.decode()
    assert "Push ours" not in html
    assert html.count('name="field"') == 1
    assert "Take theirs for the chosen fields" in html
    contact.refresh_from_db()
    contact.title = "Boss"
    contact.save()
    html = page(admin, contact).content.decode()
    assert "Push ours" in html


def test_what_a_row_can_not_have_is_not_taken(admin, contact, there, conversion):
    Contact.unmarked.filter(pk=contact.pk).update(linkedin_url="no address")
    html = decide(admin, contact, "take", field=["title"]).content.decode()
    assert "Nothing was taken" in html
    assert Contact.objects.get().title == "Boss"


def test_ours_is_pushed(admin, contact, there, conversion):
    assert "Ours is sent now" in decide(admin, contact, "push").content.decode()
    push()
    assert conversion.contacts[contact.key]["variables"]["first_name"] == "Anna"
    assert "Conversion has all that we would send" in page(admin, contact).content.decode()


def test_a_remote_opt_out_comes_first_and_is_taken_with_one_click(
    admin, contact, there, conversion
):
    assert "opted out in Conversion" not in page(admin, contact).content.decode()
    assert "no opt-out to take" in decide(admin, contact, "opt_out").content.decode()
    conversion.set_status(contact.key, "UNSUBSCRIBED")
    html = page(admin, contact).content.decode()
    assert html.index("opted out in Conversion") < html.index("cs-compare")
    assert "The opt-out is taken" in decide(admin, contact, "opt_out").content.decode()
    change = SubscriptionChange.objects.get()
    assert (change.status, change.sync_status, change.source) == (
        "UNSUBSCRIBED",
        "SYNCED",
        "Conversion",
    )
    assert Contact.objects.get().subscription_status == "UNSUBSCRIBED"
    assert "opted out in Conversion" not in page(admin, contact).content.decode()


def test_a_record_that_is_not_there(admin, company, conversion):
    assert "Conversion has no such record" in page(admin, company).content.decode()
    html = decide(admin, company, "take", field=["company_name"]).content.decode()
    assert "no such record" in html
    push()
    assert "all that we would send" in page(admin, Company.objects.get()).content.decode()


def test_it_says_why_conversion_could_not_be_asked(admin, contact, conversion, settings):
    conversion.fail("401")
    html = page(admin, contact).content.decode()
    assert "UNAUTHORIZED" in html
    assert remedy("UNAUTHORIZED") in html
    html = page(admin, contact).content.decode()
    assert "The API key was refused" in html
    assert remedy("UNAUTHORIZED") in html
    Gate().resume()
    settings.CONVERSION_SYNC = {"API_KEY": ""}
    assert "no API key" in page(admin, contact).content.decode()


def test_it_says_why_no_call_goes_through(admin, contact, conversion, monkeypatch):
    Gate().pause("Ann")
    html = page(admin, contact).content.decode()
    assert "Paused by Ann" in html
    assert "Press “Resume” on the dashboard" in html
    Gate().resume()
    Gate().report(RateLimited("slowly", retry_after=600))
    assert "Too many calls." in page(admin, contact).content.decode()
    Gate().resume()
    monkeypatch.setattr(Gate, "take", lambda *args, **kwargs: Refusal(60.0))
    html = page(admin, contact).content.decode()
    assert "Other calls had all the time that there was." in html
    assert not conversion.calls


def test_permissions(staff, contact, conversion):
    client = staff("view_contact")
    assert client.get(url(contact)).status_code == 403
    for action in ("push", "take", "opt_out"):
        assert decide(client, contact, action, field=["title"]).status_code == 403
    html = client.get(f"{BASE}/contact/{contact.pk}/change/").content.decode()
    assert "/compare/" not in html
    editor = staff("view_contact", "change_contact", "sync_contact", name="ed")
    assert url(contact) in editor.get(f"{BASE}/contact/{contact.pk}/change/").content.decode()
    assert decide(editor, contact, "x").status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="ed"))
    assert decide(strict, contact, "push").status_code == 403
    assert not conversion.calls


class TestRights:
    """Each of the three decisions has a permission of its own."""

    def test_without_the_right_to_change_theirs_can_not_be_taken(self, staff, contact, there):
        client = staff("view_contact", "sync_contact", "set_subscription")
        html = page(client, contact).content.decode()
        assert 'value="push"' in html
        assert 'value="take"' not in html
        assert 'name="field"' not in html
        assert decide(client, contact, "take", field=["first_name"]).status_code == 403
        assert Contact.objects.get().first_name == "Anna"

    def test_without_the_right_to_set_subscriptions_no_opt_out_is_taken(
        self, staff, contact, there, conversion
    ):
        conversion.set_status(contact.key, "UNSUBSCRIBED")
        client = staff("view_contact", "sync_contact", "change_contact")
        html = page(client, contact).content.decode()
        assert "opted out in Conversion" in html
        assert "who may set subscriptions" in html
        assert 'value="opt_out"' not in html
        assert decide(client, contact, "opt_out").status_code == 403
        assert Contact.objects.get().subscription_status == ""

    def test_without_the_right_to_sync_there_is_no_page(self, staff, contact, there):
        client = staff("view_contact", "change_contact", "set_subscription")
        assert client.get(url(contact)).status_code == 403
        for action in ("push", "take", "opt_out"):
            assert decide(client, contact, action, field=["title"]).status_code == 403

    def test_a_company_has_no_opt_out(self, staff, company, conversion):
        client = staff("view_company", "sync_company", "change_company", "set_subscription")
        assert decide(client, company, "opt_out").status_code == 403


# What the vendor says


def nested(levels):
    return {"a": nested(levels - 1)} if levels else 1


def success(value):
    return {"success": True, "data": {"email": "Ann@x.example", "variables": {"deep": value}}}


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("status", {"status": 200, "body": success(nested(55))}, "Only in Conversion"),
        ("status", {"status": 200, "body": success(nested(100))}, "nested too deep"),
        ("deep", {"size": 900}, "nested too deep"),
        ("deep", {"size": 5000}, "nested too deep"),
        ("garbage", {}, "not valid JSON"),
        ("html", {"status": 404}, "between"),
        ("status", {"status": 404, "body": {"message": "no Route matched"}}, "no Route matched"),
        ("html", {"status": 413}, "HTTP 413"),
        ("status", {"status": 503, "headers": {"Retry-After": "9"}}, "come back"),
        ("echo", {}, "***"),
        ("echo", {"status": 400}, "***"),
    ],
)
def test_whatever_the_vendor_answers_is_a_page(
    admin, contact, there, conversion, kind, options, words
):
    conversion.fail(kind, method="GET", **options)
    html = page(admin, contact).content.decode()
    assert words in html
    assert "test-key" not in html
    assert "Conversion has no such record" not in html


def test_half_a_character_is_shown(admin, contact, there, conversion):
    variables = {"first_name": "A\ud800nn"}
    conversion.fail(
        "status",
        method="GET",
        status=200,
        body={"success": True, "data": {"email": contact.key, "variables": variables}},
    )
    assert "A?nn" in page(admin, contact).content.decode()
