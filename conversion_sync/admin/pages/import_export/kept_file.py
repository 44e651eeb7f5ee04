"""An uploaded file between two pages, and how it is read: signed for whoever brought it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from django.core import signing

from conversion_sync.admin.pages.import_export.uploads import KEEP_SECONDS

__all__ = ["KeptFile"]


@dataclass(frozen=True)
class KeptFile:
    """A file in the store.

    Args:
        name: in the store.
        file_name: as its owner calls it.
        header: by which what is said of its columns is remembered.
        choices: what is said of them.
        encoding: what is said of it.
        columns: their titles, and what each is taken for by itself.
    """

    name: str
    file_name: str
    header: str = ""
    choices: Mapping[str, str] | None = None
    encoding: str = ""
    columns: Sequence[tuple[str, str]] = ()

    def signed(self, salt: str, whose: Sequence[str]) -> str:
        """It, as it is handed to this person for this use."""
        return signing.dumps([list(whose), *astuple(self)], salt=salt, compress=True)

    @classmethod
    def opened(cls, token: str, salt: str, whose: Sequence[str]) -> KeptFile | None:
        """What was handed to this person for this use, while the file is kept; else None."""
        try:
            owner, *values = signing.loads(token, salt=salt, max_age=KEEP_SECONDS)
        except signing.BadSignature:
            return None
        return cls(*values) if owner == list(whose) else None
