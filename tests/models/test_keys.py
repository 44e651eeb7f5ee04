"""The key of a record is derived by its field, and any spelling finds the row."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.models import Count, Exists, F, OuterRef, Q, Value
from django.db.models.functions import Concat, Lower, Upper

from conversion_sync.models import Company, Contact, Engagement
from tests.kit import ANN, BOB, company, contact, engagement, fresh, push, write

pytestmark = pytest.mark.django_db

#: Spellings of one mailbox, and of one external id.
SPELLINGS = (
    "ann@bücher.example",
    " Ann@Bücher.example\n",
    "ANN@BU\u0308CHER.EXAMPLE",
    "ann@xn--bcher-kva.example",
    "a\u200bnn@bücher\u00ad.example",
    "\uff41nn\uff20bücher.example",
)
KEY = "ann@xn--bcher-kva.example"
IDS = ("Acme-Å", " Acme-A\u030a ", "Ac\u200eme-Å\ufeff")


def historical(model: type[models.Model]) -> Any:
    """The model as a data migration sees it."""
    apps = ProjectState.from_apps(django_apps()).apps
    return apps.get_model("conversion_sync", model.__name__)


def django_apps() -> Any:
    from django.apps import apps

    return apps


# Deriving


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_has_the_one_key(spelling):
    row = contact(spelling)
    assert fresh(row).key == row.key == KEY
    assert fresh(row).email == spelling.strip()


def test_another_spelling_of_a_key_is_refused():
    contact(SPELLINGS[0])
    for spelling in SPELLINGS:
        with pytest.raises(IntegrityError), transaction.atomic():
            contact(spelling)
        with pytest.raises(IntegrityError), transaction.atomic():
            Contact.objects.bulk_create([Contact(email=spelling)])
    company(IDS[0])
    for external_id in IDS:
        with pytest.raises(IntegrityError), transaction.atomic():
            company(external_id)


@pytest.mark.parametrize("in_bulk", [True, False])
def test_a_row_of_a_historical_model_has_its_key(in_bulk):
    model = historical(Contact)
    rows = [model(email=SPELLINGS[1]), model(email=BOB)]
    if in_bulk:
        model.objects.bulk_create(rows)
    else:
        for row in rows:
            row.save()
    assert set(Contact.objects.values_list("key", flat=True)) == {KEY, BOB}
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.create(email=BOB.upper())


def test_a_row_that_a_historical_model_saves_again_has_its_new_key():
    contact()
    row = historical(Contact).objects.get(email="ANN@x.example")
    row.email = "Anna@x.example"
    row.save()
    assert Contact.objects.get().key == "anna@x.example"


def test_a_historical_company_has_its_key():
    historical(Company).objects.create(external_id=IDS[2])
    assert Company.objects.get().key == IDS[0]


def test_a_key_field_can_be_written_into_a_migration():
    field = Contact._meta.get_field("key")
    text, imports = MigrationWriter.serialize(field)
    assert "normal=conversion_sync.api.keys.normal_email" in text
    assert "source='email'" in text
    assert "import conversion_sync.api.keys" in imports


# What is validated is the normal form


def test_an_address_is_valid_in_any_spelling():
    for spelling in SPELLINGS:
        Contact(email=spelling).full_clean()


@pytest.mark.parametrize(
    "email",
    [
        "İnfo@x.example",
        "ann\u200b",
        "\u200b@x.example",
        "a b@x.example",
        "ann@" + "ü." * 120 + "example",  # much longer in A-labels
    ],
)
def test_what_would_be_refused_when_sent_is_refused_by_the_form(email):
    with pytest.raises(ValidationError) as caught:
        Contact(email=email).full_clean()
    assert set(caught.value.message_dict) == {"email"}


@pytest.mark.parametrize("external_id", ["\u200b", "\ufb1d" * 200])
def test_an_id_that_cannot_be_sent_is_refused_by_the_form(external_id):
    with pytest.raises(ValidationError) as caught:
        Company(external_id=external_id).full_clean()
    assert set(caught.value.message_dict) == {"external_id"}


# Finding


def named(email: str) -> list[dict[str, Any]]:
    return [{"email": email}, {"email__exact": email}, {"email__iexact": email}]


@pytest.mark.parametrize("spelling", [*SPELLINGS, SPELLINGS[0].upper()])
def test_any_spelling_finds_the_row(spelling):
    row, other = contact(SPELLINGS[0]), contact(BOB)
    event = engagement(row)
    engagement(other)
    for how in [*named(spelling), {"email__in": [spelling, "nobody@x.example"]}]:
        assert Contact.objects.get(**how) == row
        assert Contact.unmarked.get(**how) == row
        assert list(Contact.objects.filter(Q(**how) | Q(pk=0))) == [row]
        assert list(Contact.objects.exclude(**how)) == [other]
        of_contact = {f"contact__{name}": value for name, value in how.items()}
        assert Engagement.objects.get(**of_contact) == event
        assert Engagement.objects.exclude(**of_contact).count() == 1
        assert Contact.objects.aggregate(n=Count("pk", filter=Q(**how))) == {"n": 1}


@pytest.mark.parametrize("external_id", IDS)
def test_any_spelling_finds_the_company(external_id):
    row, other = company(IDS[0]), company("acme-Å")
    theirs = contact(company=row)
    contact(BOB)
    for how in (
        {"external_id": external_id},
        {"external_id__exact": external_id},
        {"external_id__in": [external_id]},
    ):
        assert Company.objects.get(**how) == row
        assert list(Company.objects.exclude(**how)) == [other]
        of_company = {f"company__{name}": value for name, value in how.items()}
        assert Contact.objects.get(**of_company) == theirs
        assert Contact.objects.exclude(**of_company).count() == 1


def test_the_case_of_an_id_counts_unless_it_is_asked_not_to():
    rows = {company("a"), company("A")}
    assert Company.objects.get(external_id="A").external_id == "A"
    assert set(Company.objects.filter(external_id__iexact="A")) == rows
    assert Company.objects.get(external_id__iexact="\u200bA", pk=min(r.pk for r in rows))


def test_get_or_create_and_update_or_create_find_any_spelling():
    row = contact(SPELLINGS[0])
    for spelling in SPELLINGS:
        assert Contact.objects.get_or_create(email=spelling) == (row, False)
        found = Contact.objects.update_or_create(
            email__iexact=spelling, defaults={"first_name": spelling.strip()}
        )
        assert found == (row, False)
        assert fresh(row).first_name == spelling.strip()
    assert fresh(row).email == SPELLINGS[0]
    other = company(IDS[0])
    for external_id in IDS:
        assert Company.objects.get_or_create(external_id=external_id) == (other, False)


def test_an_expression_may_be_saved_as_a_key(conversion):
    row = contact("ann@x.example")
    employer = company("Acme")
    push()
    row.email = Concat(Value("new."), F("email"))
    row.save()
    employer.external_id = Concat("external_id", Value("-2"))
    employer.save(update_fields=["external_id"])
    assert (row.email, fresh(row).key) == ("new.ann@x.example", "new.ann@x.example")
    assert fresh(employer).key == "Acme-2"
    push()
    assert (list(conversion.contacts), list(conversion.companies)) == ([row.email], ["Acme-2"])


@pytest.mark.parametrize("in_bulk", [True, False])
def test_a_row_may_be_created_with_an_expression_as_its_key(conversion, in_bulk):
    person = Contact(email=Lower(Value(" Ann@X.example")), subscription_status="UNSUBSCRIBED")
    employer = Company(external_id=Concat(Value("Acme"), Value("-2")))
    for row in (person, employer):
        if in_bulk:
            type(row).objects.bulk_create([row])
        else:
            row.save()
    assert (fresh(person).key, fresh(employer).key) == (ANN, "Acme-2")
    assert person.email == " ann@x.example"
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert list(conversion.companies) == ["Acme-2"]


@pytest.mark.parametrize("email", [F("first_name"), Lower("first_name")])
def test_a_new_row_has_no_column_for_its_key(email):
    with pytest.raises(ValueError, match="new row has no columns"), transaction.atomic():
        Contact.objects.create(email=email)
    assert not Contact.objects.exists()


def test_an_expression_may_be_saved_as_a_subscription(conversion):
    row = contact(first_name="unsubscribed")
    push()
    row.subscription_status = Upper("first_name")
    row.save()
    push()
    assert row.subscription_status == "UNSUBSCRIBED"
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_an_update_and_a_deletion_find_any_spelling():
    contact(SPELLINGS[0], first_name="Ann")
    contact(BOB)
    assert Contact.objects.filter(email=SPELLINGS[4]).update(first_name="Anna") == 1
    assert Contact.unmarked.filter(email=SPELLINGS[5]).update(last_name="Lee") == 1
    assert Contact.objects.filter(email__in=[SPELLINGS[3]]).delete()[0] == 1
    assert Contact.objects.get().email == BOB
    assert Contact.unmarked.filter(email=BOB.upper()).delete()[0] == 1


def test_a_text_in_a_value_finds_any_spelling():
    row = contact(SPELLINGS[0])
    for spelling in map(Value, SPELLINGS):
        assert Contact.objects.get(email=spelling) == row
        assert Contact.objects.get(email__iexact=spelling) == row
        assert Contact.objects.get_or_create(email=spelling) == (row, False)
        assert not Contact.objects.exclude(email=spelling).exists()


def test_what_is_no_plain_text_is_compared_as_it_is_written():
    row = contact("Ann@X.example", first_name="ann@x.example", last_name="Ann@X.example")
    assert not Contact.objects.filter(email__exact=F("phone")).exists()
    assert Contact.objects.get(email=F("last_name")) == row
    assert Contact.objects.annotate(low=Lower("email")).get(low="ann@x.example") == row
    assert Contact.objects.get(email__in=Contact.objects.values("last_name")) == row
    same = Contact.objects.filter(email=OuterRef("email"))
    assert Contact.objects.filter(Exists(same)).get() == row
    assert not Contact.objects.filter(email=None).exists()
    assert not Contact.objects.filter(email__in=[]).exists()
    assert list(Contact.objects.filter(email__icontains="ann@x", email__startswith="Ann")) == [row]


def test_a_lookup_may_be_shown_and_grouped_by():
    contact()
    contact(BOB)
    rows = Contact.objects.annotate(is_ann=Q(email="ANN@x.example")).order_by("pk")
    assert list(rows.values_list("is_ann", flat=True)) == [True, False]
    groups = rows.order_by().values("is_ann").annotate(n=Count("pk"))
    assert {group["is_ann"]: group["n"] for group in groups} == {True: 1, False: 1}


@pytest.mark.django_db(transaction=True)
def test_two_who_get_or_create_one_mailbox_at_once_get_one_row():
    at_once, found = threading.Barrier(2, timeout=30), []

    def sign_up(email: str) -> None:
        try:
            at_once.wait()
            found.append(Contact.objects.get_or_create(email=email)[0].pk)
        finally:
            connection.close()

    for number in range(5):
        spellings = (f"ann{number}@bücher.example", f"ANN{number}@xn--bcher-kva.example")
        threads = [threading.Thread(target=sign_up, args=(each,)) for each in spellings]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(found) == 10
    assert Contact.objects.count() == 5


# A row without a key


def keyless(row: Any) -> Any:
    write(row, key=None)
    return row


def test_a_row_without_a_key_is_found_by_its_own_spelling_alone():
    alone = keyless(contact("a\u200bnn@x.example"))
    holder, other = contact(), contact(BOB)
    for how in (*named("a\u200bnn@x.example"),):
        assert Contact.objects.get(**how) == alone
        assert set(Contact.objects.exclude(**how)) == {holder, other}
    for how in (*named(ANN), *named("a\u00adnn@x.example")):
        assert Contact.objects.get(**how) == holder
        assert set(Contact.objects.exclude(**how)) == {alone, other}
    assert set(Contact.objects.filter(email__in=["a\u200bnn@x.example", BOB])) == {
        alone,
        holder,
        other,
    }
    assert Contact.objects.get_or_create(email="a\u200bnn@x.example") == (alone, False)
    assert Contact.objects.filter(email="a\u200bnn@x.example").update(first_name="A") == 1
    assert Contact.unmarked.filter(email="a\u200bnn@x.example").update(last_name="A") == 1
    assert fresh(alone).first_name == fresh(alone).last_name == "A"
    assert Contact.unmarked.filter(email="a\u200bnn@x.example").delete()[0] == 1
    assert set(Contact.objects.all()) == {holder, other}


def test_a_row_without_a_key_is_found_through_a_relation():
    alone = keyless(contact("a\u200bnn@x.example"))
    holder = contact()
    ours, theirs = engagement(alone), engagement(holder)
    assert Engagement.objects.get(contact__email="a\u200bnn@x.example") == ours
    assert Engagement.objects.get(contact__email=ANN) == theirs
    firm = keyless(company("C\u200b1"))
    write(alone, company_id=firm.pk)
    assert Contact.objects.get(company__external_id="C\u200b1") == alone
    assert not Contact.objects.filter(company__external_id="C1").exists()
    assert set(Contact.objects.exclude(company__external_id="C\u200b1")) == {holder}
