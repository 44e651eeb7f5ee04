"""Staff, a site, its visitors and its mailing list, who change things while processes die."""

from __future__ import annotations

import datetime
import random
from collections import Counter

from django.utils import timezone

from conversion_sync.models import Company, Contact, Engagement, SubscriptionChange
from conversion_sync.sandbox import Sandbox

__all__ = ["World"]

ACTS = (
    *("edit", "edit", "bulk_edit", "blank", "delete", "move", "move", "swap"),
    *("opt_out", "opt_out_there", "subscribe", "company", "event"),
)


class World:
    """What happens, and what is to be remembered of it.

    Attributes:
        known: who was in Conversion before us.
        out: who opted out here, and since when that is known.
        out_there: who opted out in Conversion: at which address, and when.
        left: addresses at which somebody had opted out who was then deleted.
    """

    def __init__(self, seed: int, box: Sandbox) -> None:
        self.chance, self.box = random.Random(seed), box
        self.number = 0
        self.done = Counter[str]()
        self.known: set[str] = set()
        self.out: dict[int, datetime.datetime] = {}
        self.out_there: dict[int, tuple[str, datetime.datetime]] = {}
        self.left: set[str] = set()

    def next(self) -> int:
        self.number += 1
        return self.number

    def populate(self, contacts: int, companies: int, events: int) -> None:
        """A third of the contacts are in Conversion already: of these the guard asks."""
        self.known = {f"p{n}@x.example" for n in range(0, contacts, 3)}
        self.box.app.store.upsert_contacts([{"email": email} for email in self.known])
        firms = Company.objects.bulk_create(
            Company(external_id=f"c-{n}", company_name=f"Company {n}") for n in range(companies)
        )
        people = Contact.objects.bulk_create(
            Contact(
                email=f"p{n}@x.example",
                first_name=f"First {n}",
                company=firms[n % companies] if n % 3 else None,
                subscription_status="SUBSCRIBED" if n % 10 == 0 else "",
            )
            for n in range(contacts)
        )
        self.engage(self.chance.sample(people, events))

    def engage(self, contacts: list[Contact]) -> None:
        Engagement.objects.bulk_create(
            Engagement(contact=contact, name="Event", description=f"event {self.next()}")
            for contact in contacts
        )

    def some(self, most: int) -> list[Contact]:
        pks = list(Contact.objects.values_list("pk", flat=True))
        chosen = self.chance.sample(pks, min(most, len(pks)))
        return list(Contact.objects.filter(pk__in=chosen))

    def act(self) -> None:
        name = self.chance.choice(ACTS)
        getattr(self, name)()
        self.done[name] += 1

    def edit(self) -> None:
        for contact in self.some(5):
            contact.first_name = f"Edited {self.next()}"
            contact.save()

    def bulk_edit(self) -> None:
        pks = [contact.pk for contact in self.some(40)]
        Contact.objects.filter(pk__in=pks).update(title=f"Title {self.next()}")

    def blank(self) -> None:
        for contact in self.some(3):
            contact.first_name = contact.title = ""
            contact.save()

    def delete(self) -> None:
        for contact in self.some(2):
            self.out_there.pop(contact.pk, None)
            if self.out.pop(contact.pk, None):
                self.left |= set(
                    SubscriptionChange.objects.filter(
                        contact=contact, status="UNSUBSCRIBED", address=contact.key
                    ).values_list("address", flat=True)
                )
            key = contact.key
            contact.delete()
            if self.chance.random() < 0.5:
                # They come back, in other letters.
                Contact.objects.create(email=key.upper(), last_name=f"Back {self.next()}")

    def move(self) -> None:
        for contact in self.some(2):
            contact.email = f"m{self.next()}@x.example"
            contact.save()

    def swap(self) -> None:
        one, two = self.some(2)
        a, b = one.email, two.email
        for contact, email in ((one, f"s{self.next()}@x.example"), (two, a), (one, b)):
            contact.email = email
            contact.save()

    def opt_out(self) -> None:
        for contact in self.some(3):
            contact.subscription_status = "UNSUBSCRIBED"
            contact.save()
            self.out.setdefault(contact.pk, timezone.now())

    def opt_out_there(self) -> None:
        """They click in Conversion, which knew them before us, and as whom we know them now."""
        known = [c for c in self.some(20) if c.synced_revision and not c.remote_created_at]
        for contact in known[:3]:
            self.box.set_status(contact.key, "UNSUBSCRIBED")
            self.out_there[contact.pk] = (contact.key, timezone.now())

    def subscribe(self) -> None:
        """Of those who opted out, too: nobody may notice that in Conversion."""
        out = sorted({*self.out, *self.out_there})
        again = self.chance.sample(out, min(4, len(out)))
        for contact in [*self.some(3), *Contact.objects.filter(pk__in=again)]:
            contact.subscription_status = "SUBSCRIBED"
            contact.save()

    def company(self) -> None:
        company = self.chance.choice(list(Company.objects.all()))
        if self.chance.random() < 0.5:
            company.company_name = f"Renamed {self.next()}"
        else:
            company.external_id = f"moved-{self.next()}"
        company.save()

    def event(self) -> None:
        self.engage(self.some(10))
