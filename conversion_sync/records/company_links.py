"""The companies that contacts may be linked to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["EXTERNAL_ID", "NAME", "CompanyLinks"]

#: What a contact says of its company; and what says which row that is.
NAME, EXTERNAL_ID = "company_name", "external_id"


@dataclass(frozen=True, slots=True)
class CompanyLinks:
    """The primary keys of companies that snapshots of contacts name.

    Args:
        by_key: by their keys.
        by_name: by their names, those that no two companies have; None: a name links nobody.
    """

    by_key: Mapping[str, int] = field(default_factory=dict)
    by_name: Mapping[str, int] | None = None
