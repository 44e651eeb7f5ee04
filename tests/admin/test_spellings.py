"""Keys in the admin: whatever staff type or paste, it is the same mailbox, or it is refused."""

from __future__ import annotations

import pytest

from conversion_sync.models import Company, Contact, Deletion, Engagement
from tests.admin.conftest import BASE

pytestmark = pytest.mark.django_db

RIGHTS = ("view_contact", "add_contact", "change_contact", "view_company", "view_engagement")


def found(client, term, model="contact"):
    answer = client.get(f"{BASE}/{model}/", {"q": term})
    return [row.pk for row in answer.context["cl"].result_list]


def test_a_pasted_address_is_taken_as_it_would_be_sent(staff, form_of):
    client = staff(*RIGHTS)
    data = form_of(client, f"{BASE}/contact/add/") | {"email": "a\u200bnn@\uff38.example"}
    assert client.post(f"{BASE}/contact/add/", data).status_code == 302
    assert Contact.objects.get(email="ann@x.example").key == "ann@x.example"


def test_an_address_that_could_not_be_sent_is_refused(staff, form_of):
    client = staff(*RIGHTS)
    data = form_of(client, f"{BASE}/contact/add/") | {"email": "İnfo@x.example"}
    answer = client.post(f"{BASE}/contact/add/", data)
    assert answer.context["adminform"].form.errors["email"] == ["Enter a valid email address."]
    assert not Contact.objects.exists()


@pytest.mark.parametrize(
    "spelling", ["ann@xn--bcher-kva.example", "ANN@bücher.example", "\ufeffann@bücher.example"]
)
def test_a_mailbox_that_is_there_in_another_spelling_is_there(staff, form_of, spelling):
    Contact.objects.create(email="ann@bücher.example")
    client = staff(*RIGHTS)
    data = form_of(client, f"{BASE}/contact/add/") | {"email": spelling}
    answer = client.post(f"{BASE}/contact/add/", data)
    assert "already a contact with this email" in str(answer.context["adminform"].form.errors)


@pytest.mark.parametrize(
    "term",
    ["Ann@", "ann@bü", "ann@bücher", "ANN@BÜCHER.example", "ann@xn--bch", "an\u200bn@bücher.ex"],
)
def test_a_search_finds_any_spelling(staff, term):
    row = Contact.objects.create(email="Ann@bücher.example")
    event = Engagement.objects.create(contact=row, name="Call", description="text")
    Contact.objects.create(email="bob@bücher.example")
    client = staff(*RIGHTS)
    assert found(client, term) == [row.pk]
    assert found(client, term, "engagement") == [event.pk]


def test_a_search_finds_rows_without_a_key(staff):
    row = Contact.objects.create(email="a\u200bnn@x.example")
    firm = Company.objects.create(external_id="C\u200b1")
    Contact.unmarked.update(key=None)
    Company.unmarked.update(key=None)
    client = staff(*RIGHTS)
    assert found(client, "a\u200bnn") == [row.pk]
    assert found(client, "C\u200b1", "company") == [firm.pk]


@pytest.mark.parametrize("model", ["subscriptionchange", "deletion"])
def test_an_address_that_is_sent_can_be_read(staff, model):
    row = Contact.objects.create(email="ann@bücher.example", subscription_status="UNSUBSCRIBED")
    Deletion.objects.create(kind="contact", key=row.key)
    Deletion.objects.create(kind="company", key="xn--bcher-kva")
    client = staff(*RIGHTS, "view_subscriptionchange", "view_deletion")
    page = client.get(f"{BASE}/{model}/").content.decode().replace("<wbr>", "")
    assert '<bdi title="ann@xn--bcher-kva.example">ann@bücher.example</bdi>' in page
    assert ("<bdi>xn--bcher-kva</bdi>" in page) == (model == "deletion")
