"""Keys in the form of this release, without marking a row as due: an upgrade changes no key.

Of rows that have one key now, the one that was confirmed first holds it; the others are not sent,
and say so (KEY_CLASH). Nothing here fails because of them. It is done in steps, each a transaction
of its own; begun again, it goes on.
"""

import unicodedata
from typing import Any

from django.db import migrations, models, transaction
from django.db.models import F, Q
from django.utils import timezone

from conversion_sync.api.keys import normal_email, normal_id

STEP = 1000
LONGEST = 255
OPT_OUT = "UNSUBSCRIBED"


def former_email(email: Any) -> Any:
    """The normal form of the releases before."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", email.strip()).lower())


def former_id(value: Any) -> Any:
    """The normal form of the releases before."""
    return unicodedata.normalize("NFC", value.strip())


def spell_anew(apps: Any, schema_editor: Any) -> Any:
    def table(name: str) -> Any:
        model = apps.get_model("conversion_sync", name)
        return models.QuerySet(model, using=schema_editor.connection.alias)

    companies, contacts = table("Company"), table("Contact")
    changes, deletions = table("SubscriptionChange"), table("Deletion")
    spell_records(companies, "external_id", normal_id, former_id)
    spell_records(contacts, "email", normal_email, former_email)
    spell_log(changes)
    spell_deletions(deletions.filter(kind="company"), companies, normal_id)
    spell_deletions(deletions.filter(kind="contact"), contacts, normal_email)
    enter_opt_outs(contacts, changes)


def steps(rows: Any, *columns: Any) -> Any:
    last, rows = 0, rows.order_by("pk")
    while step := list(rows.filter(pk__gt=last).values_list("pk", *columns)[:STEP]):
        last = step[-1][0]
        yield step


# Records


def spell_records(table: Any, source: Any, normal: Any, former: Any) -> Any:
    for step in steps(table.filter(key__isnull=False), source, "key", "sent_key"):
        changed = [
            pk
            for pk, spelling, key, sent_key in step
            if normal(spelling) != key or (sent_key and normal(sent_key) != sent_key)
        ]
        if changed:
            with transaction.atomic(using=table.db):
                for pk in changed:
                    spell_record(table, pk, source, normal, former)
    say_who(table, source, normal)


def spell_record(table: Any, pk: Any, source: Any, normal: Any, former: Any) -> Any:
    row = table.select_for_update().filter(pk=pk, key__isnull=False).first()
    if row is None:
        return
    key = normal(getattr(row, source))
    if len(key) > LONGEST:
        take_key_away(table, row, source, former, "VALIDATION_ERROR", "The key is too long.")
        return
    holder = table.select_for_update().filter(key=key).exclude(pk=pk).first()
    if holder is not None:
        first, second = sorted((holder, row), key=confirmed_first)
        take_key_away(table, second, source, former, "KEY_CLASH", "Another row has the same key.")
        if first is holder:
            return
    sent_key = row.sent_key and normal(row.sent_key)[:LONGEST]
    table.filter(pk=pk).update(key=key, sent_key=sent_key)


def confirmed_first(row: Any) -> Any:
    since = getattr(row, "remote_created_at", None) or row.created_at
    return not row.synced_revision, since, row.pk


def say_who(table: Any, source: Any, normal: Any) -> Any:
    """Say on the rows that lost their key which row holds it."""
    for step in steps(table.filter(key=None, last_error_code="KEY_CLASH"), source):
        for pk, spelling in step:
            holder = table.filter(key=normal(spelling)).values_list("pk", flat=True).first()
            name = f"{table.model._meta.verbose_name.capitalize()} {holder}"
            table.filter(pk=pk).update(last_error_message=f"{name} has the same key.")


def take_key_away(table: Any, row: Any, source: Any, former: Any, code: Any, message: Any) -> Any:
    """The row keeps what it was sent as, in the spelling that is known in Conversion."""
    spelling = getattr(row, source)
    table.filter(pk=row.pk).update(
        **{source: spelling.strip()},
        key=None,
        sent_key=former(spelling) if row.sent_key else None,
        claim=None,
        due_at=None,
        sync_status="FAILED",
        last_error_code=code,
        last_error_message=message,
        attempts=0,
        failing_since=None,
    )


# What refers to them


def spell_log(changes: Any) -> Any:
    for step in steps(changes, "address"):
        spelled = {pk: normal_email(address)[:LONGEST] for pk, address in step}
        with transaction.atomic(using=changes.db):
            for pk, address in step:
                if spelled[pk] != address:
                    changes.filter(pk=pk).update(address=spelled[pk])


def spell_deletions(deletions: Any, records: Any, normal: Any) -> Any:
    for step in steps(deletions, "key", "sync_status"):
        with transaction.atomic(using=deletions.db):
            for pk, spelling, status in step:
                key = normal(spelling)[:LONGEST]
                if key == spelling:
                    continue
                deletions.filter(pk=pk).update(key=key, spelling=spelling)
                if status in ("PENDING", "SENDING", "FAILED"):
                    push_after(records.filter(key=key, sent_key__isnull=False))


def push_after(records: Any) -> Any:
    """What is still to be deleted may be the record of a row that goes on: it is pushed again."""
    records.update(sent_revision=0, revision=F("revision") + 1)
    records.filter(claim=None).update(sync_status="PENDING", due_at=timezone.now())


# Consent


def enter_opt_outs(contacts: Any, changes: Any) -> Any:
    """An opt-out of any row of a mailbox is told to the one record that is kept of it."""
    for step in steps(contacts.filter(key=None, last_error_code="KEY_CLASH"), "email"):
        with transaction.atomic(using=contacts.db):
            for pk, email in step:
                key = normal_email(email)
                holder = contacts.select_for_update().filter(key=key).first()
                if holder is None:
                    continue
                of_both = Q(contact__in=[pk, holder.pk]) | Q(address=key)
                opt_out = standing(changes.filter(of_both).order_by("-pk"))
                if opt_out is not None and opt_out.contact_id != holder.pk:
                    enter_opt_out(contacts, changes, holder, opt_out)


def standing(newest_first: Any) -> Any:
    for change in newest_first:
        if change.status == OPT_OUT:
            return change
        waits = change.sync_status in ("PENDING", "SENDING")
        if change.sync_status == "SYNCED" or (change.override and waits):
            return None
    return None


def enter_opt_out(contacts: Any, changes: Any, holder: Any, opt_out: Any) -> Any:
    changes.create(
        contact=holder,
        address=holder.key,
        status=OPT_OUT,
        previous_status=holder.subscription_status,
        requested_by=opt_out.requested_by,
        source="same mailbox",
        reason=opt_out.reason,
        priority=0,
    )
    contacts.filter(pk=holder.pk).update(subscription_status=OPT_OUT)


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('conversion_sync', '0005_deletion_spelling'),
    ]

    operations = [
        migrations.RunPython(spell_anew, migrations.RunPython.noop),
    ]
