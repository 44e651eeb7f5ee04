"""The opt-out that stands for a person, in the changes of the consent log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from conversion_sync.models.erased import PREFIX, trace

__all__ = ["LogChange", "by_person", "standing_opt_out"]


class LogChange(Protocol):
    """A change of the log, as far as it matters here."""

    pk: Any

    @property
    def contact_id(self) -> int | None: ...
    @property
    def address(self) -> str: ...
    @property
    def is_opt_out(self) -> bool: ...
    @property
    def takes_effect(self) -> bool: ...


C = TypeVar("C", bound=LogChange)


def by_person(
    log: Iterable[C],
) -> Callable[[int | None, str], list[C]]:
    """The changes of each person by contact and address, the newest first; read once for all."""
    of_contacts = defaultdict[Any, dict[int, C]](dict)
    of_addresses = defaultdict[str, dict[int, C]](dict)
    for change in log:
        of_contacts[change.contact_id][change.pk] = change
        of_addresses[change.address][change.pk] = change
    is_any_erased = any(address.startswith(PREFIX) for address in of_addresses)

    def of(contact: int | None, address: str) -> list[C]:
        both = of_addresses.get(address, {})
        if is_any_erased:
            both = both | of_addresses.get(trace(address), {})
        if contact is not None:
            both = both | of_contacts.get(contact, {})
        return [both[pk] for pk in sorted(both, reverse=True)]

    return of


def standing_opt_out(
    newest_first: Iterable[C],
    contact: int | None,
    address: str,
    limit: int | None = None,
) -> C | None:
    """The opt-out that stands for a person, of whose changes these are all."""
    person_lifted = address_lifted = False
    for change in newest_first:
        person = contact is not None and change.contact_id == contact
        here = change.address in (address, trace(address))
        if not (person or here) or (limit is not None and change.pk >= limit):
            continue
        if change.is_opt_out:
            # What somebody said at another address lifts nothing that others said at this one.
            if not (person_lifted if person else address_lifted):
                return change
        elif change.takes_effect:
            person_lifted |= person
            address_lifted |= here
    return None
