"""A site's own models as contacts, companies and engagements.

Declare them in ``conversion.py`` of any app of the site:

    from django.db.models import F, Q
    from conversion_sync import mirrors

    @mirrors.contact(Customer)
    class CustomerMirror(mirrors.Mirror[Customer]):
        source = Customer.objects.select_related("user")
        email = F("user__email")
        include = Q(is_active=True)
        variables = {"first_name": F("user__first_name"), "plan": F("plan__name")}
        on_exit = mirrors.UNSUBSCRIBE
"""

from conversion_sync.mirrors.declaration import DELETE, KEEP, UNSUBSCRIBE, Exit, Mirror, depends_on
from conversion_sync.mirrors.explain import Condition, Explanation, explain
from conversion_sync.mirrors.manager import (
    MirroredManager,
    MirroredManagerMixin,
    MirroredQuerySetMixin,
)
from conversion_sync.mirrors.registry import company, contact, engagement

__all__ = [
    "DELETE",
    "KEEP",
    "UNSUBSCRIBE",
    "Condition",
    "Exit",
    "Explanation",
    "Mirror",
    "MirroredManager",
    "MirroredManagerMixin",
    "MirroredQuerySetMixin",
    "company",
    "contact",
    "depends_on",
    "engagement",
    "explain",
]
