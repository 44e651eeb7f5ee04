"""The mirrors of the site that these tests look at."""

from __future__ import annotations

from django.db.models import F, Q

from conversion_sync import mirrors
from tests.mirrors.shop.models import Customer


def score(customer: Customer) -> float:
    """Fails for some."""
    return 1 / int(customer.name != "Grace")


@mirrors.contact(Customer)
class CustomerMirror(mirrors.Mirror[Customer]):
    """Customers as contacts."""

    label = "shop.CustomerMirror"
    email = F("email")
    include = Q(is_active=True)
    variables = {"first_name": F("name"), "score": score, "plan": F("plan__name")}  # noqa: RUF012
    on_exit = mirrors.UNSUBSCRIBE
