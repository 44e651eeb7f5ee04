"""The subscription of a contact says what stands in the consent log.

Earlier releases wrote what was asked for, blocked or not. It is done in steps of their own, and each
looks at what is there then; begun again, it goes on. Rows that somebody else holds for too long are
left to ``migrate``'s last step and to ``conversion_verify``, which compare the same.
"""

from collections import defaultdict
from typing import Any

from django.db import OperationalError, migrations
from django.db.models import Q

STEP, TRIES = 500, 3
OPT_OUT = "UNSUBSCRIBED"


def say_what_stands(apps: Any, schema_editor: Any) -> Any:
    def table(name: str) -> Any:
        model = apps.get_model("conversion_sync", name)
        return model._base_manager.using(schema_editor.connection.alias)

    contacts, changes, last = table("Contact"), table("SubscriptionChange"), 0
    opt_outs = changes.filter(status=OPT_OUT).order_by("pk")
    columns = ("pk", "contact_id", "address")
    while step := list(opt_outs.filter(pk__gt=last).values_list(*columns)[:STEP]):
        last = step[-1][0]
        theirs = Q(pk__in={c for _, c, _ in step if c}) | Q(key__in={a for _, _, a in step})
        others = contacts.exclude(subscription_status=OPT_OUT).filter(theirs)
        write(contacts, opted_out(changes, list(others.values_list("pk", "key"))))


def opted_out(changes: Any, people: Any) -> Any:
    """The primary keys of those of whom an opt-out stands."""
    if not people:
        return []
    theirs = Q(contact__in=[pk for pk, _ in people]) | Q(address__in=[k for _, k in people if k])
    of_contacts: Any = defaultdict(dict)
    of_addresses: Any = defaultdict(dict)
    for change in changes.filter(theirs):
        of_contacts[change.contact_id][change.pk] = change
        of_addresses[change.address][change.pk] = change
    return [pk for pk, key in people if stands(of_contacts[pk] | of_addresses[key], pk, key)]


def stands(log: Any, contact: Any, key: Any) -> Any:
    person_lifted = address_lifted = False
    for pk in sorted(log, reverse=True):
        change = log[pk]
        person, here = change.contact_id == contact, change.address == key
        if change.status == OPT_OUT:
            if not (person_lifted if person else address_lifted):
                return True
        elif change.sync_status == "SYNCED" or (
            change.override and change.sync_status in ("PENDING", "SENDING")
        ):
            person_lifted |= person
            address_lifted |= here
    return False


def write(contacts: Any, pks: Any) -> Any:
    for pk in pks:
        for _ in range(TRIES):
            try:
                contacts.filter(pk=pk).update(subscription_status=OPT_OUT)
            except OperationalError:
                continue
            break


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('conversion_sync', '0012_turns'),
    ]

    operations = [
        migrations.RunPython(say_what_stands, migrations.RunPython.noop),
    ]
