"""The generations of the API: what each must offer, which there are, and the one in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from conversion_sync.api import v1
from conversion_sync.api.capabilities import Capabilities
from conversion_sync.api.inputs import (
    CompanyRecord,
    ContactRecord,
    EngagementRecord,
    StatusChange,
)
from conversion_sync.api.request import Envelope, Request
from conversion_sync.api.results import (
    BatchResult,
    EngagementResult,
    RemoteCompany,
    RemoteContact,
)

__all__ = ["GENERATIONS", "IN_USE", "Generation"]


class Generation(Protocol):
    """A module that turns our own words into requests, and answers into results.

    Nobody asks for a call that its ``CAPABILITIES`` lack. Each function that makes a request raises
    ValueError or TypeError where that can't be written.
    """

    NAME: str

    #: The base URL by default, without a slash at its end.
    BASE_URL: str

    #: The header that carries the API key, and what stands before the key in it.
    KEY_HEADER: tuple[str, str]

    CAPABILITIES: Capabilities

    def read_envelope(
        self, status: int, headers: Mapping[str, str], body: bytes, endpoint: str
    ) -> Envelope:
        """Return what a success says; raise the ConversionError that any other answer is."""

    def upsert_contacts(self, items: Sequence[ContactRecord]) -> Request[BatchResult]:
        """Create or update contacts; the results are keyed by email."""

    def get_contact(self, email: str) -> Request[RemoteContact]:
        """Read one contact."""

    def delete_contact(self, email: str) -> Request[None]:
        """Delete one contact."""

    def set_subscriptions(self, items: Sequence[StatusChange]) -> Request[BatchResult]:
        """Set subscription statuses; the results are keyed by email."""

    def track_engagement(self, item: EngagementRecord) -> Request[EngagementResult]:
        """Record an engagement."""

    def upsert_companies(self, items: Sequence[CompanyRecord]) -> Request[BatchResult]:
        """Create or update companies; the results are keyed by id."""

    def get_company(self, id: str) -> Request[RemoteCompany]:
        """Read one company."""

    def delete_company(self, id: str) -> Request[None]:
        """Delete one company."""


#: The generation in use.
IN_USE: Generation = v1

#: All generations, by name.
GENERATIONS: Mapping[str, Generation] = {each.NAME: each for each in (IN_USE,)}
