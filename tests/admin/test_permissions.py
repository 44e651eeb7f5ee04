"""Who may do what: each address and action of the admin, for each role, by GET and by POST.

``CASES`` says what each needs. A request that a role has not all the permissions for is refused
and changes nothing; one that it has them for is answered. No POST goes through without its token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.db.models import F
from django.test import Client

from conversion_sync import mirrors
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import (
    ApiCall,
    ApiGate,
    BulkJob,
    Company,
    Contact,
    Deletion,
    Engagement,
    Heartbeat,
    MirrorLink,
    MirrorMark,
    SubscriptionChange,
    Wakeup,
)
from conversion_sync.models.clock import db_now
from tests.admin.conftest import BASE, state
from tests.kit import push
from tests.mirrors.shop.models import Customer

KINDS = ("company", "contact", "deletion", "engagement", "subscriptionchange")
RECORDS = ("company", "contact")
OPERATIONS = ("bulkjob", "apicall", "apigate", "heartbeat", "mirrorlink", "wakeup")

#: The permissions of each role, beside that of looking at all.
ROLES: Mapping[str, tuple[str, ...]] = {
    "viewer": (),
    "editor": tuple(
        f"{right}_{kind}"
        for right in ("add", "change", "delete")
        for kind in ("company", "contact", "engagement")
    ),
    "syncer": tuple(f"sync_{kind}" for kind in KINDS),
    "subscriber": ("change_contact", "set_subscription"),
    "overrider": ("override_consent",),
    "pauser": ("pause",),
    "releaser": ("let_leave",),
    "importer": ("import_contact", "import_company"),
    "exporter": ("export_contact", "export_company"),
    # Some need two of the permissions.
    "mender": ("sync_contact", "sync_company", "change_contact", "change_company"),
    "keeper": ("sync_contact", "set_subscription"),
}
VIEWS = tuple(f"view_{kind}" for kind in (*KINDS, *OPERATIONS))

NEVER = frozenset({"never"})


@dataclass(frozen=True)
class Case:
    """A request: the name of its address, the permissions that it needs, and what it carries."""

    name: str
    path: str
    method: str
    needs: frozenset[str]
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        words = [self.method, self.path, *map(str, self.data.values())]
        return " ".join(words)


def case(name: str, path: str, method: str, /, *needs: str, **data: Any) -> Case:
    return Case(f"conversion_sync_{name}", path, method, frozenset(needs), data)


def both(name: str, path: str, *needs: str, **data: Any) -> Iterator[Case]:
    """A page that is looked at and sent back."""
    yield case(name, path, "GET", *needs)
    yield case(name, path, "POST", *needs, **data)


def page_cases(kind: str, pk: int) -> Iterator[Case]:
    """Django's own pages, of a kind whose rows people edit (or only look at)."""
    edits = kind in ("company", "contact", "engagement")
    view, row = f"view_{kind}", f"{kind}/{pk}"

    def right(name: str) -> str:
        return f"{name}_{kind}" if edits else "never"

    yield from both(f"{kind}_changelist", f"{kind}/", view)
    yield from both(f"{kind}_add", f"{kind}/add/", right("add"))
    yield case(f"{kind}_change", f"{row}/change/", "GET", view)
    yield case(f"{kind}_change", f"{row}/change/", "POST", view, right("change"))
    yield case(f"{kind}_delete", f"{row}/delete/", "GET", right("delete"))
    yield case(f"{kind}_delete", f"{row}/delete/", "POST", right("delete"), post="yes")
    yield case(f"{kind}_history", f"{row}/history/", "GET", view)


def synced_cases(kind: str, pk: int) -> Iterator[Case]:
    """The panel of a row and its buttons, and the actions of the list."""
    view, sync, row = f"view_{kind}", f"sync_{kind}", f"{kind}/{pk}"
    yield case(f"{kind}_panel", f"{row}/panel/", "GET", view)
    yield case(f"{kind}_do", f"{row}/do/", "POST", view, sync, action="sync_now")
    yield case(f"{kind}_do", f"{row}/do/", "POST", view, sync, action="retry_failed")
    if kind not in RECORDS:
        return
    yield case(f"{kind}_compare", f"{row}/compare/", "GET", view, sync)
    yield case(f"{kind}_compare", f"{row}/compare/", "POST", view, sync, action="push")
    change, taken = f"change_{kind}", {"contact": "title", "company": "location"}[kind]
    yield case(
        f"{kind}_compare", f"{row}/compare/", "POST", view, sync, change, action="take", field=taken
    )
    bring_in = (view, f"import_{kind}")
    yield from both(f"{kind}_import", f"{kind}/import/", *bring_in)
    yield case(f"{kind}_process_import", f"{kind}/process_import/", "POST", *bring_in)
    yield case(f"{kind}_rejected", f"{kind}/import/rejected/x/", "GET", *bring_in)
    yield case(f"{kind}_export", f"{kind}/export/", "GET", view, f"export_{kind}")


def action_cases(pks: Mapping[str, int]) -> Iterator[Case]:
    """The actions of the lists, confirmed."""
    wanted = {
        "sync_now": KINDS,
        "retry_failed": KINDS,
        "compare": RECORDS,
        "resend": ("engagement",),
        "mark_as_sent": ("engagement",),
        "discard_failed": ("deletion",),
    }
    for action, kinds in wanted.items():
        for kind in kinds:
            yield list_action(kind, pks[kind], action, f"sync_{kind}")
    yield list_action(
        "contact",
        pks["contact"],
        "set_subscription",
        "set_subscription",
        status="UNSUBSCRIBED",
        reason="asked to",
    )
    for kind in RECORDS:
        yield list_action(kind, pks[kind], "export_selected", f"export_{kind}")
    certain = {"post": "yes", "counted": "1"}
    for kind in ("company", "contact", "engagement"):
        yield list_action(kind, pks[kind], "delete_selected", f"delete_{kind}", **certain)


def list_action(kind: str, pk: int, action: str, *needs: str, **data: str) -> Case:
    given = {"action": action, "_selected_action": str(pk), "confirmed": "1", **data}
    return case(f"{kind}_changelist", f"{kind}/", "POST", f"view_{kind}", *needs, **given)


def other_cases(pks: Mapping[str, int]) -> Iterator[Case]:
    """What one kind alone has."""
    contact = f"contact/{pks['contact']}"
    yield case("contact_history-rows", f"{contact}/history-rows/", "GET", "view_contact")
    event = {"name": "Call", "description": "We talked.", "occurred_at": "2026-01-01T10:00"}
    event = {f"log-{name}": value for name, value in event.items()}
    may_log = ("view_contact", "add_engagement")
    yield case("contact_log", f"{contact}/log/", "POST", *may_log, **event)
    yield case(
        "contact_compare",
        f"{contact}/compare/",
        "POST",
        "view_contact",
        "sync_contact",
        "set_subscription",
        action="opt_out",
    )
    change = f"subscriptionchange/{pks['subscriptionchange']}"
    may_override = ("view_subscriptionchange", "override_consent")
    name = "subscriptionchange_override"
    yield from both(name, f"{change}/override/", *may_override, reason="asked to")
    job = f"bulkjob/{pks['bulkjob']}"
    may_cancel = ("view_bulkjob", "sync_contact")
    yield case("bulkjob_do", f"{job}/do/", "POST", *may_cancel, action="cancel")
    source, again = pks["mirrorlink"], ("view_mirrorlink", "sync_contact")
    name, decide = "mirrorlink_let_leave", "mirrorlink/let-leave/?mirror=tests.CustomerMirror"
    yield case("mirrorlink_look_again", "mirrorlink/look-again/", "POST", *again, pk=source)
    all_of_it = {"mirror": "tests.CustomerMirror", "trouble": "held"}
    yield case("mirrorlink_look_again", "mirrorlink/look-again/", "POST", *again, **all_of_it)
    yield from both(name, decide, "view_mirrorlink", "let_leave", counted="1")
    yield case("pause", "apigate/pause/", "POST", "pause")
    yield case("resume", "apigate/resume/", "POST", "pause")


#: A page to confirm nothing on, a file, and what is no question of a row in doubt.
NO_CHANGE = {
    *(f"POST {kind}/ export_selected 1 1" for kind in RECORDS),
    *(f"POST engagement/{rest}" for rest in ("1/do/ sync_now", "1/do/ retry_failed")),
    *(f"POST engagement/ {action} 1 1" for action in ("sync_now", "retry_failed")),
}


def cases(pks: Mapping[str, int]) -> list[Case]:
    found = list(other_cases(pks)) + list(action_cases(pks))
    for kind in (*KINDS, *OPERATIONS):
        found += page_cases(kind, pks[kind])
    for kind in KINDS:
        found += synced_cases(kind, pks[kind])
    return found


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")


@pytest.fixture
def held(contact: Contact) -> Iterator[MirrorLink]:
    """A source whose row would leave."""
    with registry.only(Declared(MirrorLink.Kind.CONTACT, Customer, CustomerMirror)):
        yield MirrorLink.objects.create(
            mirror="tests.CustomerMirror",
            source="1",
            kind="contact",
            row=contact.pk,
            state="held",
            trouble="held",
        )


@pytest.fixture
def pks(
    held: MirrorLink, conversion: Any, contact: Contact, engagement: Engagement, company: Company
) -> dict[str, int]:
    """A row of each kind, in a state in which the buttons do something."""
    push()
    conversion.set_status(contact.key, "UNSUBSCRIBED")
    state(contact, title="Head of Sales")
    state(company, location="Berlin")
    now = db_now("default")
    change = SubscriptionChange.objects.create(
        contact=contact, address=contact.key, status="SUBSCRIBED"
    )
    deletion = Deletion.objects.create(kind="contact", key="old@x.example")
    failed = {"sync_status": "FAILED", "last_attempt_at": now, "due_at": None}
    for row in (company, contact, deletion):
        state(row, **failed, last_error_code="VALIDATION_ERROR")
    state(change, **failed, last_error_code="CONSENT_BLOCKED")
    state(engagement, **{**failed, "sync_status": "UNCONFIRMED"}, last_error_code="NO_ANSWER")
    call = ApiCall.objects.create(endpoint="POST /contacts/batch", started_at=now)
    job = BulkJob.objects.create(
        action="sync_now", model="conversion_sync.Contact", requested_by="eve", total=1
    )
    ApiGate.load("default")
    Heartbeat.load("default")
    Wakeup.load("default")
    rows: list[Any] = [company, contact, engagement, change, deletion, call, job, held]
    return {str(row._meta.model_name): row.pk for row in rows} | {
        "apigate": 1,
        "heartbeat": 1,
        "wakeup": 1,
    }


KEPT: tuple[Any, ...] = (Company, Contact, Engagement, SubscriptionChange, Deletion)


def snapshot() -> list[Any]:
    """All that the app holds, as the database has it."""
    found = []
    with connection.cursor() as cursor:
        for model in (*KEPT, BulkJob, ApiGate, MirrorLink, MirrorMark):
            cursor.execute(f"SELECT * FROM {model._meta.db_table} ORDER BY 1")  # noqa: S608  # no input
            found.append(cursor.fetchall())
    return found


def is_login(answer: Any) -> bool:
    return answer.status_code == 302 and "/login/" in answer["Location"]


def ask(client: Client, one: Case, base: str = BASE) -> Any:
    """The answer to a request."""
    send = client.get if one.method == "GET" else client.post
    return send(f"{base}/{one.path}", one.data)


class Undone(Exception):
    pass


def outcome(client: Client, one: Case, before: list[Any], base: str = BASE) -> tuple[Any, bool]:
    """The answer, and whether anything is not as before; then that is undone."""
    found = None
    # As the block of a TestCase: in one of a site, no page would call Conversion.
    undoing: Any = transaction.atomic()
    undoing._from_testcase = True
    try:
        with undoing:
            answer = ask(client, one, base)
            found = answer, snapshot() != before
            raise Undone
    except Undone:
        pass
    assert found
    return found


def client_of(name: str, permissions: tuple[str, ...], **fields: Any) -> Client:
    user = User.objects.create_user(name, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_the_table_knows_each_address(pks: dict[str, int]) -> None:
    known = {one.name for one in cases(pks)}
    served = {
        found.name
        for resolver in admin.site.get_urls()
        for found in getattr(resolver, "url_patterns", ())
        if "conversion_sync" in str(found.name)
    }
    assert served == known


@pytest.mark.parametrize("role", [*ROLES, "all of them"])
def test_a_role_is_answered_just_what_it_may(role: str, pks: dict[str, int]) -> None:
    """What everybody may look at is asked for by those who may least, and most."""
    permissions = (*VIEWS, *ROLES.get(role, sum(ROLES.values(), ())))
    client = client_of(role, permissions, is_staff=True)
    before, wrong = snapshot(), []
    for one in cases(pks):
        if one.needs <= set(VIEWS) and role not in ("viewer", "all of them"):
            continue
        answer, has_changed = outcome(client, one, before)
        may = one.needs <= set(permissions)
        refused = answer.status_code == 403 or is_login(answer)
        is_page = one.method == "POST" and "action" in one.data and one.path.count("/") == 1
        if may and (refused or answer.status_code >= 400):
            wrong.append(f"{one.label}: may, and got {answer.status_code}")
        if not may and has_changed:
            wrong.append(f"{one.label}: changed something")
        # A list shows itself again where the action is none of this person's.
        if not may and not refused and not is_page:
            wrong.append(f"{one.label}: may not, and got {answer.status_code}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("name", "staff"), [("stranger", False), ("newcomer", True), ("anonymous", None)]
)
def test_nobody_else_is_answered_anything(
    name: str, staff: bool | None, pks: dict[str, int]
) -> None:
    everything = sum(ROLES.values(), VIEWS) if staff is False else ()
    client = Client() if staff is None else client_of(name, everything, is_staff=bool(staff))
    before, wrong = snapshot(), []
    for one in cases(pks):
        answer, has_changed = outcome(client, one, before)
        if has_changed or not (answer.status_code == 403 or is_login(answer)):
            wrong.append(f"{one.label}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_no_post_goes_through_without_its_token(pks: dict[str, int]) -> None:
    user = User.objects.create_superuser("root")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    posts = [one for one in cases(pks) if one.method == "POST"]
    before, wrong = snapshot(), []
    for one in posts:
        answer, has_changed = outcome(client, one, before)
        if has_changed or answer.status_code != 403:
            wrong.append(f"{one.label}: {answer.status_code}")
    assert posts
    assert not wrong, "\n".join(wrong)


def test_what_the_buttons_do_is_done_for_those_who_may(pks: dict[str, int]) -> None:
    """Else the tests above would compare nothing with nothing."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    before = snapshot()
    changing = {
        one.label: outcome(client, one, before)[1]
        for one in cases(pks)
        if one.method == "POST"
        and one.data
        and "never" not in one.needs
        and one.label not in NO_CHANGE
    }
    idle = [label for label, has_changed in changing.items() if not has_changed]
    assert not idle, "\n".join(idle)


def test_a_page_offers_no_button_that_is_refused(
    staff: Callable[..., Client], pks: dict[str, int]
) -> None:
    client = staff(*VIEWS)
    for one in cases(pks):
        if one.method == "GET" and one.needs <= set(VIEWS):
            text = ask(client, one).content.decode()
            main = text.partition('id="content-start"')[2] or text
            posts = main.count('method="post"')
            # The list's own form is there for its filters; it has no action.
            own = main.count('id="changelist-form"') + main.count('_form" novalidate')
            assert posts <= own, one.label
            assert 'name="action"' not in main, one.label
