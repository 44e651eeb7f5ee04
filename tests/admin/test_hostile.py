"""Texts of others (of the API, of senders, of proxies between) are harmless on every page."""

import re
from html.parser import HTMLParser

import pytest
from django.utils import timezone

from conversion_sync.models import (
    ApiCall,
    ApiGate,
    BulkJob,
    Company,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
)
from tests.admin.conftest import BASE, state
from tests.kit import contact, push, write

#: Turns that are not closed, characters without a shape, a byte order mark, controls.
UNSEEN = "\u202e\u2066\u2067\u200e\u200f\u061c\u200b\u2060\ufeff\x07\x1b"
TAGS = "<script>alert(1)</script><img src=x onerror=alert(1)>"
#: In a script that is written from right to left.
TURNED = "שלום"
TEXT = f"{TURNED}{UNSEEN}{TAGS}\r\n{'x' * 10_000}{UNSEEN}"
#: What the client lets through of a code.
CODE = "<script>alert(1)</script>{%"
#: The attributes that are read to people.
SHOWN = {"title", "aria-label", "placeholder", "alt"}
VOID = {"input", "img", "br", "link", "meta", "hr", "col"}
#: The most of a text that any page shows.
LONGEST = 2000

EVENTS = {"subscriptionchange", "deletion", "engagement"}
ROWS = ("company", "contact", "subscriptionchange", "engagement", "deletion")


class Page(HTMLParser):
    """What a page shows, and the tags within which it stands; what its controls hold aside."""

    def __init__(self, html):
        super().__init__()
        self.open, self.shown, self.tags = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.shown += [(value or "", {"bdi"}) for name, value in attrs if name in SHOWN]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "textarea" not in self.open:
            self.shown.append((data, set(self.open)))


def harmless(answer):
    assert answer.status_code == 200, answer
    html = answer.content.decode()
    page = Page(html)
    assert "<script>alert" not in html
    assert not re.search("<img[^>]*onerror", html)
    for text, within in page.shown:
        assert "x" * (LONGEST + 1) not in text
        assert not {f"U+{ord(c):04X}" for c in UNSEEN if c in text}, text[:80]
        assert TURNED not in text or {"bdi", "title"} & within, text[:80]
    return html


@pytest.fixture
def rows(db):
    """A row of each kind whose last call failed with a hostile answer."""
    call = ApiCall.objects.create(
        endpoint="POST /contacts/batch",
        started_at=timezone.now(),
        http_status=400,
        error_code=CODE,
        error_message=TEXT,
    )
    company = Company.objects.create(external_id="C-1")
    contact = Contact.objects.create(email="ann@x.example", company=company)
    found = {
        "company": company,
        "contact": contact,
        "engagement": Engagement.objects.create(contact=contact, name="Call", description="x"),
        "deletion": Deletion.objects.create(kind="contact", key="b@x.example"),
        "subscriptionchange": SubscriptionChange.objects.create(
            contact=contact, address=contact.key, status="UNSUBSCRIBED"
        ),
        "apicall": call,
    }
    for name in ROWS:
        state(
            found[name],
            last_call=call,
            sync_status="FAILED",
            last_error_code=CODE,
            last_error_message=TEXT,
            last_attempt_at=timezone.now(),
            remote_id=f"{TURNED}{UNSEEN}{TAGS}",
        )
    return found


@pytest.mark.parametrize("status", ["FAILED", "PENDING", "SYNCED", "UNCONFIRMED"])
@pytest.mark.parametrize("name", ROWS)
def test_lists_and_pages_of_rows(admin, rows, name, status, conversion):
    state(rows[name], sync_status=status, attempts=1)
    page = f"{BASE}/{name}/{rows[name].pk}"
    state(rows["contact"], synced_revision=1)
    words = {"FAILED": "Failed: ", "PENDING": "Retrying now", "SYNCED": "Synced"}
    for url in (f"{BASE}/{name}/", f"{page}/change/", f"{page}/panel/"):
        assert words.get(status, "In doubt") in harmless(admin.get(url))


def test_a_contact_with_its_history(admin, rows):
    url = f"{BASE}/contact/{rows['contact'].pk}"
    for word in ("change", "history-rows"):
        assert "Failed: " in harmless(admin.get(f"{url}/{word}/"))
    assert "Opt-out failed: " in harmless(admin.get(f"{BASE}/contact/"))


def test_the_dashboard(admin, rows):
    assert "1 contact" in harmless(admin.get(f"{BASE}/apigate/"))
    ApiGate.write("default", closed_for="x", closed_reason=CODE, closed_at=timezone.now())
    harmless(admin.get(f"{BASE}/apigate/"))


def test_the_call_log(admin, rows):
    harmless(admin.get(f"{BASE}/apicall/"))
    html = harmless(admin.get(f"{BASE}/apicall/{rows['apicall'].pk}/change/"))
    assert "Failed: " in html


@pytest.mark.parametrize("name", ["company", "contact", "engagement"])
def test_the_confirmations_of_deletions(admin, rows, name):
    row = rows[name]
    harmless(admin.get(f"{BASE}/{name}/{row.pk}/delete/"))
    data = {"action": "delete_selected", "_selected_action": row.pk}
    harmless(admin.post(f"{BASE}/{name}/", data))


def test_a_comparison(admin, conversion):
    odd = f"{TURNED}{UNSEEN}{TAGS}"
    row = contact(title=odd, custom_variables={odd: TEXT})
    push()
    write(row, title="Boss", custom_variables={odd: "other"})
    url = f"{BASE}/contact/{row.pk}/compare/"
    html = harmless(admin.get(url))
    assert html.count("Differs") == 2
    admin.post(url, {"action": "take", "field": ["title", odd]})
    assert "Taken from Conversion: " in harmless(admin.get(f"{BASE}/contact/"))
    conversion.fail("status", status=400, code=f"{odd}", message=TEXT)
    assert "could not be asked" in harmless(admin.get(url))


def test_the_findings_of_a_job(admin, rows):
    finding = {
        "pk": rows["contact"].pk,
        "key": rows["contact"].key,
        "label": TEXT,
        "opt_out": False,
        "fields": [TEXT],
        "missing": False,
        "error": CODE,
        "message": TEXT,
    }
    job = BulkJob.objects.create(
        action="compare",
        model="conversion_sync.Contact",
        findings=[finding],
        error=TEXT,
        finished_at=timezone.now(),
    )
    harmless(admin.get(f"{BASE}/bulkjob/"))
    harmless(admin.get(f"{BASE}/bulkjob/{job.pk}/change/"))


def test_names_that_staff_or_a_site_entered(admin, rows):
    """They are shown as they are, but never as tags."""
    Contact.unmarked.update(first_name=TAGS, last_name=TURNED, custom_variables={TAGS: TAGS})
    Company.unmarked.update(company_name=TAGS, custom_variables={TAGS: TAGS})
    Engagement.unmarked.update(name=TAGS, data={TAGS: TAGS})
    SubscriptionChange.unmarked.update(reason=TAGS, requested_by=TAGS, source=TAGS)
    Deletion.unmarked.update(key=TAGS, requested_by=TAGS)
    urls = [f"{BASE}/{name}/" for name in ROWS]
    urls += [f"{BASE}/{name}/{rows[name].pk}/change/" for name in ROWS]
    urls += [f"{BASE}/{name}/{rows[name].pk}/delete/" for name in ("contact", "company")]
    for url in [*urls, f"{BASE}/apigate/"]:
        html = admin.get(url).content.decode()
        assert "<script>alert" not in html
        assert not re.search("<img [^>]*onerror", html)
        assert "&lt;script&gt;alert" in html or url.endswith("apigate/")
