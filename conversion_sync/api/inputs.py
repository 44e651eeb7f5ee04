"""What calls carry, in our own words; a generation turns them into the vendor's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

__all__ = ["UNSAID", "CompanyRecord", "ContactRecord", "EngagementRecord", "StatusChange", "Unsaid"]


class Unsaid(Enum):
    """The type of `UNSAID`."""

    UNSAID = "unsaid"


#: Nothing is said of it, so that the API keeps what it has.
UNSAID: Final = Unsaid.UNSAID


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """A contact to be created or updated.

    Args:
        email: its key.
        variables: by name; None clears one, and what is left out stays as it is.
        external_contact: reference data of this site, any JSON; None clears it.
        company: what is said of the contact's company, by name, as ``company_name``; so too.
    """

    email: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    external_contact: Any = UNSAID
    company: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CompanyRecord:
    """A company to be created or updated.

    Args:
        id: its key, this site's own.
        base_domain: None clears it.
        variables: by name; None clears one, and what is left out stays as it is.
    """

    id: str
    base_domain: str | Unsaid | None = UNSAID
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """The subscription status that a contact is to have."""

    email: str
    status: str


@dataclass(frozen=True, slots=True)
class EngagementRecord:
    """Something that happened with a contact.

    Args:
        contact_email: the key of the contact.
        data: any JSON; None: there is none.
    """

    contact_email: str
    name: str
    description: str
    data: Any = None
