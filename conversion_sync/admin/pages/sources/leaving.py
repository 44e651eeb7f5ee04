"""The question whether rows that are held may leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from conversion_sync.admin.lists.sources import kinds_of, mirror_name
from conversion_sync.admin.pages.sources.shown import note
from conversion_sync.admin.pages.sources.words import wrong
from conversion_sync.conf import conf
from conversion_sync.mirrors.declaration import DELETE, UNSUBSCRIBE, Declared
from conversion_sync.models import MirrorLink
from conversion_sync.status.numbers import grouped

__all__ = ["Leaving", "leaving"]

State = MirrorLink.State

#: So many are shown by name, and so many are asked why.
NAMED, ASKED = 10, 1000

_OUTCOMES: Mapping[str, Promise] = {
    UNSUBSCRIBE: gettext_lazy(
        "They are unsubscribed, here and in Conversion. Nothing undoes that by itself: who is "
        "included again later stays unsubscribed."
    ),
    DELETE: gettext_lazy("They are deleted here, and their records in Conversion."),
}


@dataclass(frozen=True)
class Leaving:
    """The rows of a mirror that would leave.

    Attributes:
        mirror: its name; ``label``: by which it is declared.
        count: how many; ``rows``: that number, and what they are called.
        share: of how many rows, in a sentence.
        outcome: what becomes of them.
        reasons: why they would leave, each with how many; of very many, of the first of them.
        named: the first of them.
    """

    mirror: str
    label: str
    count: int
    rows: str
    share: str
    outcome: str
    reasons: Sequence[tuple[str, int]]
    named: Sequence[MirrorLink]

    @property
    def others(self) -> int:
        """How many are not named."""
        return self.count - len(self.named)


def leaving(site: AdminSite, request: HttpRequest, declared: Declared, using: str) -> Leaving:
    """What is held of a mirror now."""
    links = MirrorLink.objects.using(using).filter(mirror=declared.label)
    held = links.filter(state=State.HELD)
    count = held.count()
    named = list(held.order_by("pk")[:NAMED])
    note(site, request, named)
    share = ngettext(
        "It is %(count)s of the %(total)s that this mirror has.",
        "They are %(count)s of the %(total)s that this mirror has.",
        count,
    )
    total = links.filter(row__isnull=False).count()
    return Leaving(
        mirror=mirror_name(declared),
        label=declared.label,
        count=count,
        rows=f"{grouped(count)} {kinds_of(declared.kind, count)}",
        share=share % {"count": grouped(count), "total": grouped(total)},
        outcome=_outcome(declared),
        reasons=_reasons(held.order_by("pk")[:ASKED]),
        named=named,
    )


def _outcome(declared: Declared) -> str:
    if declared.on_exit is DELETE and not conf.delete_remote:
        return _("They are deleted here. Their records in Conversion stay (DELETE_REMOTE is off).")
    return str(_OUTCOMES.get(declared.on_exit, _("They stay as they are.")))


def _reasons(links: Iterable[MirrorLink]) -> list[tuple[str, int]]:
    found = Counter(capfirst(wrong(link)) for link in links)
    return found.most_common()
