"""What a record says, in our own words: all of it, or a change of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from conversion_sync.api import UNSAID
from conversion_sync.api.canonical import canonical, same
from conversion_sync.records.change import Change

__all__ = ["BASE_DOMAIN", "REFERENCE", "Snapshot", "difference"]

#: What is no variable, by the name of its column; so it is shown to people, too.
BASE_DOMAIN, REFERENCE = "base_domain", "external_contact"

#: Where in a snapshot something is said, and its name there.
_Place = tuple[str, str]

_MAPS = ("variables", "company")
_ALONE: Mapping[_Place, str] = {("", BASE_DOMAIN): "base_domain", ("", REFERENCE): "reference"}


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What a record says, in our own words; a generation turns it into the vendor's.

    What is None is said to be blank. Of what is not there, nothing is said. Two are equal where
    they would be the same as JSON: ``1``, ``1.0`` and ``True`` differ.

    Args:
        key: of the record, in its normal form.
        variables: by name, those that every site has and custom ones.
        company: of a contact: what it says of its company, by the company's columns.
        base_domain: of a company.
        reference: of a contact: reference data of this site, any JSON.
    """

    key: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    company: Mapping[str, Any] = field(default_factory=dict)
    base_domain: Any = UNSAID
    reference: Any = UNSAID

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and same(self.as_json(), other.as_json())

    def __hash__(self) -> int:
        return hash(canonical(self.as_json()))

    @property
    def fields(self) -> dict[str, Any]:
        """What it says, by the names that people see; what is blank is left out."""
        return {
            place[1]: value
            for place, value in self._said().items()
            if value not in (None, "") and (value or place not in _ALONE)
        }

    @property
    def cleared(self) -> frozenset[str]:
        """The names of what it says to be blank."""
        return frozenset(place[1] for place, value in self._said().items() if value is None)

    def clearing(self, previous: Snapshot | None) -> Snapshot:
        """All that this says, and None for what only ``previous`` says."""
        if previous is None:
            return self
        return _made(self.key, dict.fromkeys(previous._said()) | self._said())

    def without_cleared(self) -> Snapshot:
        """What is left of it once what it clears has been cleared."""
        return _made(self.key, {k: v for k, v in self._said().items() if v is not None})

    def changed_by(self, change: Snapshot) -> Snapshot:
        """What a record says after this change of it."""
        return _made(self.key, self._said() | change._said())

    def only(self, names: Collection[str], *, instead_of: Snapshot) -> Snapshot:
        """What it says by these names; None for what only ``instead_of`` says by them."""
        ours, theirs = self._said(), instead_of._said()
        places = [place for place in {**theirs, **ours} if place[1] in names]
        return _made(self.key, {place: ours.get(place) for place in places})

    def as_json(self) -> dict[str, Any]:
        """The whole of it, as JSON; `from_json` reads it."""
        made: dict[str, Any] = {"key": self.key}
        made |= {where: dict(said) for where in _MAPS if (said := getattr(self, where))}
        made |= {
            attribute: said
            for attribute in _ALONE.values()
            if (said := getattr(self, attribute)) is not UNSAID
        }
        return made

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Snapshot:
        """What `as_json` has made; names that it does not know are passed over."""
        return cls(
            str(stored.get("key") or ""),
            **{where: stored.get(where) or {} for where in _MAPS},
            **{name: stored[name] for name in _ALONE.values() if name in stored},
        )

    def _said(self) -> dict[_Place, Any]:
        said = {
            (where, name): value for where in _MAPS for name, value in getattr(self, where).items()
        }
        for place, attribute in _ALONE.items():
            if (value := getattr(self, attribute)) is not UNSAID:
                said[place] = value
        return said


def difference(before: Snapshot | None, after: Snapshot | None) -> list[Change]:
    """What changes from one to the other, by the names that people see; a blank is None."""
    old, new = (each.fields if each else {} for each in (before, after))
    return [
        Change(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if not same(old.get(name), new.get(name))
    ]


def _made(key: str, said: Mapping[_Place, Any]) -> Snapshot:
    maps: dict[str, dict[str, Any]] = {where: {} for where in _MAPS}
    alone = dict[str, Any]()
    for place, value in said.items():
        if place in _ALONE:
            alone[_ALONE[place]] = value
        else:
            maps[place[0]][place[1]] = value
    return Snapshot(key, **maps, **alone)
