"""Where an uploaded file waits between its preview and the import."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

from import_export.tmp_storages import BaseStorage

__all__ = ["KEEP_SECONDS", "Uploads"]

PREFIX = "conversion-import-"

#: Seconds for which a file that nobody imports is kept: it holds people's data.
KEEP_SECONDS = 24 * 60 * 60


class Uploads(BaseStorage):  # type: ignore[misc]  # it ships no types
    """Files that only this process's user can read; those that nobody imported go."""

    name: str

    def save(self, data: bytes) -> None:
        """Keep the data under a name that can't be guessed."""
        forget_old()
        with tempfile.NamedTemporaryFile(prefix=PREFIX, delete=False) as file:
            file.write(data)
        self.name = Path(file.name).name

    def read(self) -> bytes:
        """The data.

        Raises:
            FileNotFoundError: it was imported already, or nobody did for too long.
        """
        return self._path.read_bytes()

    def remove(self) -> None:
        """Forget the data; somebody else may have been faster."""
        self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return Path(tempfile.gettempdir(), self.name)


def forget_old() -> None:
    """Remove what was uploaded too long ago."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - KEEP_SECONDS:
                path.unlink()
