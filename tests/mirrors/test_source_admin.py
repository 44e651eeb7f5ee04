"""Mirrored sources in the admin: what is wrong with them, and what staff do about it."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models import F, Q
from django.test import Client
from django.urls import reverse

from conversion_sync import mirrors
from conversion_sync.models import MirrorLink, SubscriptionChange
from tests.admin.test_hostile import TAGS, TURNED, UNSEEN, harmless
from tests.mirrors.kit import State, link, marks, render
from tests.mirrors.shop.admin import CustomerAdmin
from tests.mirrors.shop.models import Customer, Order, Tag

pytestmark = pytest.mark.django_db

Trouble = MirrorLink.Trouble


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)
    variables = {  # noqa: RUF012
        "first_name": F("name"),
        "score": lambda customer: 0 if customer.name != "raises" else 1 / 0,
    }
    on_exit = mirrors.UNSUBSCRIBE


class TagMirror(mirrors.Mirror[Tag]):
    email = F("name")


@pytest.fixture
def customers(mirror):
    return mirror("contact", Customer, CustomerMirror)


def customer(name, email=None, **fields):
    given = f"{name}@x.example" if email is None else email
    found: Customer = Customer.objects.create(name=name, email=given, **fields)
    return found


@pytest.fixture
def held(customers):
    found = [customer(f"c{number}") for number in range(30)]
    render()
    for each in found[:19]:
        each.is_active = False
        each.save()
    found[19].delete()
    render()
    assert MirrorLink.objects.filter(trouble="held").count() == 20
    return found


def staff(*permissions):
    user = User.objects.create_user("sam", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


LIST = reverse("admin:conversion_sync_mirrorlink_changelist")
AGAIN = reverse("admin:conversion_sync_mirrorlink_look_again")
DASHBOARD = reverse("admin:conversion_sync_apigate_changelist")
DECIDE = reverse("admin:conversion_sync_mirrorlink_let_leave") + "?mirror=tests.CustomerMirror"


def text(answer):
    assert answer.status_code == 200, answer
    return answer.content.decode()


def of(source):
    return reverse("admin:conversion_sync_mirrorlink_change", args=(link(source).pk,))


# The dashboard


def test_the_dashboard_counts_each_mirror_and_leads_to_its_sources(held, admin_client):
    customer("raises")
    customer("second", "c25@x.example")
    render()
    customer("new")
    answer = admin_client.get(DASHBOARD)
    page = text(answer)
    [line] = answer.context["mirrors"]
    assert line.name == "Customers as contacts"
    assert {cell.label: cell.count for cell in line.cells} == {
        "Followed": "32",
        "Mirrored": "10",
        "To be looked at": "1",
        "Faults": "1",
        "Unusable values": "0",
        "Without a key": "0",
        "Conflicts": "1",
        "Waiting": "0",
        "Held": "20",
    }
    for cell in line.cells:
        if cell.address:
            assert admin_client.get(cell.address).context["cl"].result_count == int(cell.count)
    assert admin_client.get(line.address).context["cl"].result_count == 32
    assert "20 contacts</a>: Held, <bdi>would leave" in page
    assert "1 customer</a>: Fault, <bdi>the mirror&#x27;s code failed" in page


def test_a_site_without_mirrors_has_no_such_section(mirror, admin_client):
    assert "Your own models" not in text(admin_client.get(DASHBOARD))
    assert "Mirrored sources" not in text(admin_client.get("/admin/"))


def test_what_needs_a_person_stands_on_the_index(held, admin_client, settings):
    settings.CONVERSION_SYNC = {"API_KEY": "k"}
    page = text(admin_client.get("/admin/"))
    assert "20 rows would leave and wait for a decision" in page
    assert "Mirrored sources" in page


def test_who_may_not_see_sources_gets_no_links_to_them(held):
    page = text(staff("view_apigate").get(DASHBOARD))
    assert "20 contacts" in page
    assert LIST not in page


# The list


def test_the_list_says_what_is_wrong_and_leads_on(customers, admin_client):
    bad, out = customer("raises"), customer("out", is_active=False)
    render()
    page = text(admin_client.get(f"{LIST}?trouble=any"))
    assert "customer raises" in page
    assert "ZeroDivisionError" in page
    assert of(bad) in page
    assert reverse("admin:shop_customer_change", args=(bad.pk,)) in page
    assert reverse("admin:shop_customer_conversion", args=(bad.pk,)) in page
    assert of(out) not in page
    page = text(admin_client.get(f"{LIST}?mirror=tests.CustomerMirror"))
    assert "This does not hold of it: is_active=True." in page


def test_it_is_searched_by_the_key_and_by_the_source(customers, admin_client):
    ann = customer("ann")
    customer("bob")
    render()
    for term in ("ann@", str(ann.pk)):
        answer = admin_client.get(f"{LIST}?q={term}")
        assert [each.source for each in answer.context["cl"].result_list] == [str(ann.pk)]


def test_the_list_takes_the_same_queries_however_many_it_shows(
    customers, admin_client, django_assert_max_num_queries
):
    for number in range(3):
        customer("raises", f"{number}@x.example")
    render()
    text(admin_client.get(LIST))
    for number in range(30):
        customer("raises", f"r{number}@x.example")
    render()
    with django_assert_max_num_queries(18):
        text(admin_client.get(f"{LIST}?trouble=fault"))


def test_pages_of_the_list(customers, admin_client):
    for number in range(60):
        customer("raises", f"{number}@x.example")
    render()
    changelist = admin_client.get(f"{LIST}?trouble=fault&p=2").context["cl"]
    assert (changelist.result_count, len(changelist.result_list)) == (60, 10)


def test_a_source_is_named_for_those_alone_who_may_look_at_it(customers):
    ann = customer("ann")
    render()
    client = staff("view_mirrorlink")
    for address in (LIST, of(ann)):
        page = text(client.get(address))
        assert "ustomer" in page
        assert str(ann.pk) in page
        assert "ann</" not in page
        assert "variables.first_name" not in page
        assert reverse("admin:shop_customer_change", args=(ann.pk,)) not in page
    client = staff_again("view_mirrorlink", "view_customer")
    assert "variables.first_name" in text(client.get(of(ann)))
    assert "customer ann" in text(client.get(LIST))


def test_a_source_that_the_admin_of_the_site_hides_is_not_named(customers, monkeypatch):
    ann, bob = customer("ann"), customer("bob")
    render()
    rows = Customer.objects.exclude(pk=bob.pk)
    monkeypatch.setattr(CustomerAdmin, "get_queryset", lambda admin, request: rows.all())
    client = staff("view_mirrorlink", "view_customer", "view_contact")
    page = text(client.get(LIST))
    assert "customer ann" in page
    assert "customer bob" not in page
    assert f"customer {bob.pk}" in page
    assert "variables.first_name" in text(client.get(of(ann)))
    assert "variables.first_name" not in text(client.get(of(bob)))
    for each, is_named in ((ann, True), (bob, False)):
        row = reverse("admin:conversion_sync_contact_change", args=(link(each).row,))
        assert (f"Its source: customer “{each.name}”" in text(client.get(row))) is is_named


def staff_again(*permissions):
    User.objects.filter(username="sam").delete()
    return staff(*permissions)


def test_a_model_without_an_admin_of_its_own_is_shown_too(mirror):
    mirror("contact", Tag, TagMirror)
    tag = Tag.objects.create(name="nobody")
    render()
    client = staff("view_mirrorlink", "view_tag")
    assert "tag nobody" in text(client.get(f"{LIST}?trouble=unusable"))
    page = text(client.get(of(tag)))
    assert "Tag nobody" in page
    assert "email can&#x27;t be used" in page


# The page of a source


def test_the_page_says_why_and_what_to_do(customers, admin_client):
    bad = customer("raises")
    render()
    page = text(admin_client.get(of(bad)))
    assert "Customer raises" in page
    assert "ZeroDivisionError" in page
    assert "Have a developer see to the place" in page
    assert "is_active=True" in page
    assert reverse("admin:shop_customer_conversion", args=(bad.pk,)) in page


def test_the_page_of_a_source_that_is_gone(held, admin_client):
    gone = MirrorLink.objects.get(key="c19@x.example")
    page = text(
        admin_client.get(reverse("admin:conversion_sync_mirrorlink_change", args=(gone.pk,)))
    )
    assert "The source is gone." in page
    assert "Let all that are held leave" in page


def test_a_mirror_that_is_declared_no_more_is_no_fault(customers, admin_client):
    ann = customer("ann")
    render()
    MirrorLink.objects.update(mirror="shop.Forgotten")
    pk = MirrorLink.objects.get().pk
    page = text(admin_client.get(reverse("admin:conversion_sync_mirrorlink_change", args=(pk,))))
    assert "declared no more" in page
    assert str(ann.pk) in text(admin_client.get(LIST))


# Look again


def test_one_is_looked_at_again(customers, admin_client):
    bad = customer("raises")
    render()
    Customer.objects.filter(pk=bad.pk).update(name="good")
    given = {"pk": link(bad).pk, "back": of(bad)}
    answer = admin_client.post(AGAIN, given, follow=True)
    assert answer.redirect_chain == [(of(bad), 302)]
    assert "1 source is looked at again with the next drain." in text(answer)
    render()
    assert link(bad).state == State.MIRRORED


def test_all_of_a_mirror_with_one_trouble_are_looked_at_again(customers, admin_client):
    for number in range(3):
        customer("raises", f"{number}@x.example")
    customer("blank", "")
    render()
    address = f"{LIST}?mirror=tests.CustomerMirror&trouble=fault"
    assert "Look again at all of these" in text(admin_client.get(address))
    given = {"mirror": "tests.CustomerMirror", "trouble": "fault", "back": address}
    Customer.objects.filter(name="raises").update(name="good")
    answer = admin_client.post(AGAIN, given, follow=True)
    assert answer.redirect_chain == [(address, 302)]
    assert "3 sources are looked at again with the next drains." in text(answer)
    assert marks() == [("tests.CustomerMirror", "fault", "A")]
    render()
    assert not MirrorLink.objects.filter(trouble="fault").exists()
    given["trouble"] = "any"
    assert "1 source is" in text(admin_client.post(AGAIN, given, follow=True))


def test_nobody_is_led_elsewhere(customers, admin_client):
    bad = customer("raises")
    render()
    given = {"pk": link(bad).pk, "back": "https://evil.example/"}
    assert admin_client.post(AGAIN, given)["Location"] == LIST


MIRROR = {"mirror": "tests.CustomerMirror"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"pk": "77"},
        {"pk": "x"},
        {"mirror": "shop.None", "trouble": "fault"},
        MIRROR,
        MIRROR | {"trouble": ""},
        MIRROR | {"trouble": "released"},
    ],
)
def test_what_is_not_there_is_not_looked_at(customers, admin_client, given):
    customer("ann")
    render()
    assert admin_client.post(AGAIN, given).status_code == 404
    assert not marks()


def test_looking_again_needs_the_permission_of_the_kind(customers):
    bad = customer("raises")
    render()
    client = staff("view_mirrorlink", "sync_company")
    assert "Look again" not in text(client.get(f"{LIST}?trouble=fault"))
    assert client.post(AGAIN, {"pk": link(bad).pk}).status_code == 403
    assert not marks()
    client = staff_again("view_mirrorlink", "sync_contact")
    assert "Look again" in text(client.get(f"{LIST}?trouble=fault"))
    assert client.post(AGAIN, {"pk": link(bad).pk}).status_code == 302
    assert len(marks()) == 1


# Let them leave


def test_it_says_how_many_would_leave_and_what_happens(held, admin_client):
    assert f'href="{DECIDE}"' in text(admin_client.get(LIST)).replace("%3D", "=")
    page = text(admin_client.get(DECIDE))
    assert "Let 20 contacts leave?" in page
    assert "They are 20 of the 30 that this mirror has." in page
    assert "They are unsubscribed, here and in Conversion." in page
    assert "19 × <bdi>This does not hold of it: is_active=True.</bdi>" in page
    assert "1 × <bdi>The source is gone.</bdi>" in page
    assert "and 10 more" in page
    assert not SubscriptionChange.unmarked.exists()


def test_a_row_that_no_source_has_is_named_where_it_is_decided(customers, admin_client):
    owners = [customer(f"c{number}") for number in range(10)]
    waiting = [customer(f"own{number}") for number in range(10)]
    render()
    for owner, each in zip(owners, waiting, strict=True):
        each.email = owner.email
        each.save()
    render()
    for owner in owners:
        owner.delete()
    render()
    found = text(admin_client.get(DECIDE))
    assert "10 contacts" in found
    assert "what would leave: <bdi>own0@x.example</bdi>" in found
    assert "no source has that now" in found
    assert "own9@x.example" in text(admin_client.get(of(waiting[9])))


def test_a_row_that_another_source_has_taken_over_is_not_named(customers, admin_client):
    owner = customer("owner", "same@x.example")
    heirs = [customer(name, "same@x.example") for name in ("one", "two")]
    render()
    heirs[0].name = "raises"
    heirs[0].save()
    render()
    owner.delete()
    render()
    assert link(heirs[0]).orphans == [link(heirs[1]).row]
    assert link(heirs[1]).state == State.MIRRORED
    assert "What would leave" not in text(admin_client.get(of(heirs[0])))


def test_they_leave_once_somebody_says_so(held, admin_client):
    answer = admin_client.post(DECIDE, {"counted": "20"}, follow=True)
    assert "20 of the contacts leave with the next drains." in text(answer)
    render()
    assert SubscriptionChange.unmarked.filter(status="UNSUBSCRIBED").count() == 20
    assert {*SubscriptionChange.unmarked.values_list("requested_by", flat=True)} == {"admin"}
    assert "20 of the contacts" in LogEntry.objects.get().change_message
    answer = admin_client.get(DECIDE, follow=True)
    assert "Nothing of it is held any more." in text(answer)


def test_nothing_happens_where_there_are_more_than_were_asked_about(held, admin_client):
    for counted in ("19", "", "x"):
        page = text(admin_client.post(DECIDE, {"counted": counted}))
        assert "There are more than when you were asked" in page
    render()
    assert MirrorLink.objects.filter(trouble="held").count() == 20


def test_it_is_logged_or_does_not_happen(held, admin_client, monkeypatch):
    def fails(*args):
        raise LookupError

    monkeypatch.setattr("django.contrib.admin.ModelAdmin.log_change", fails)
    with pytest.raises(LookupError):
        admin_client.post(DECIDE, {"counted": "20"})
    assert MirrorLink.objects.filter(state=State.HELD).count() == 20
    assert not marks()


def test_letting_leave_needs_its_permission(held):
    client = staff("view_mirrorlink", "sync_contact", "view_customer")
    page = text(client.get(LIST))
    assert "would leave: too many not to ask you" in page
    assert "Look, and decide" not in page
    for send in (client.get, client.post):
        assert send(DECIDE, {"counted": "20"}).status_code == 403
    assert staff_again("let_leave").get(DECIDE).status_code == 403
    assert staff_again("view_mirrorlink", "let_leave").get(DECIDE).status_code == 200


def test_of_no_mirror_there_is_nothing_to_decide(customers, admin_client):
    for query in ("", "?mirror=shop.None"):
        address = reverse("admin:conversion_sync_mirrorlink_let_leave")
        assert admin_client.get(f"{address}{query}").status_code == 404


@pytest.mark.parametrize(
    ("on_exit", "settled", "words"),
    [
        (mirrors.DELETE, {}, "They are deleted here, and their records in Conversion."),
        (mirrors.DELETE, {"DELETE_REMOTE": False}, "Their records in Conversion stay"),
    ],
)
def test_what_happens_is_said_by_the_mirror(
    held, monkeypatch, admin_client, settings, on_exit, settled, words
):
    settings.CONVERSION_SYNC = settled
    monkeypatch.setattr(CustomerMirror, "on_exit", on_exit)
    assert words in text(admin_client.get(DECIDE))


# Whatever stands in them


def test_what_others_have_entered_is_harmless(held, mirror, admin_client, monkeypatch):
    odd = f"{TURNED}{UNSEEN}{TAGS}"
    monkeypatch.setattr(Customer, "__str__", lambda customer: odd + "x" * 10_000)
    ann = customer("ann", odd)
    customer("bob", name_of_a_fault := "bob@x.example")
    monkeypatch.setattr(Order._meta, "verbose_name", TAGS)
    render()
    MirrorLink.objects.filter(key=name_of_a_fault).update(
        fault=f"{odd}{'x' * 10_000}", trouble=Trouble.FAULT, key=odd
    )
    MirrorLink.objects.filter(source=held[0].pk).update(key=odd)
    why = reverse("admin:shop_customer_conversion", args=(ann.pk,))
    faulty = MirrorLink.objects.get(trouble=Trouble.FAULT)
    pages = [LIST, f"{LIST}?trouble=fault", of(ann), DECIDE, DASHBOARD, why]
    pages.append(reverse("admin:conversion_sync_mirrorlink_change", args=(faulty.pk,)))
    for address in pages:
        harmless(admin_client.get(address))


def test_a_name_that_raises_is_none(customers, admin_client, monkeypatch):
    ann = customer("ann")
    render()
    monkeypatch.setattr(Customer, "__str__", lambda customer: 1 / 0)
    assert f"customer {ann.pk}" in text(admin_client.get(LIST))


def test_the_mirror_is_named_where_there_are_several(customers, mirror, admin_client):
    customer("ann")
    render()
    head = "column-mirror_name"
    assert head not in text(admin_client.get(LIST))
    mirror("contact", Tag, TagMirror)
    assert head in text(admin_client.get(LIST))
    assert head not in text(admin_client.get(f"{LIST}?mirror=tests.CustomerMirror"))
