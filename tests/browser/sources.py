"""Customers of a site, and whatever may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.step import step
from conversion_sync.models import MirrorLink, MirrorMark
from tests.browser.mirrored.conversion import CustomerMirror
from tests.browser.rows import NASTY
from tests.mirrors.shop.models import Customer

__all__ = ["make", "mirrored"]

NAMES = ("Ada", "Grace", "Edsger", "Barbara", "Alan", "Joan", "Donald", "Frances", "Ken", "Radia")


@contextmanager
def mirrored() -> Iterator[None]:
    """Have this process mirror customers, as the site does."""
    with registry.only(Declared(MirrorLink.Kind.CONTACT, Customer, CustomerMirror)):
        yield


def make() -> dict[str, int]:
    """Make them. Returns primary keys by a name for each."""
    with mirrored():
        people = [
            Customer.objects.create(name=name, email=f"{name.lower()}{number}@customer.example")
            for number in range(4)
            for name in NAMES
        ]
        extra = [
            Customer.objects.create(name="Second", email=people[0].email),
            Customer.objects.create(name="No email"),
            Customer.objects.create(name=NASTY[:190], email="nobody"),
        ]
        look()
        leaving = [each for each in people if each.name not in ("Grace", "Ada")][:21]
        with transaction.atomic():
            for each in leaving[:19]:
                each.is_active = False
                each.save()
            for each in leaving[19:]:
                each.delete()
        look()
    found = {"ada": people[0], "grace": people[1], "held": leaving[0], "second": extra[0]}
    found |= {"nasty": extra[2]}
    links = {name: link_of(source) for name, source in found.items()}
    row = links["ada"].row
    assert row is not None, vars(links["ada"])
    return {
        **{name: link.pk for name, link in links.items()},
        "customer": people[0].pk,
        "raises": people[1].pk,
        "mirrored": row,
    }


def look() -> None:
    """Have all that has changed looked at, by this process or the site's cluster."""
    while MirrorMark.objects.exists():
        step("default")


def link_of(source: Customer) -> MirrorLink:
    return MirrorLink.objects.get(mirror=CustomerMirror.label, source=str(source.pk))
