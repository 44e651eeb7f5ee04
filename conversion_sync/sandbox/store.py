"""What has arrived: contacts, companies, engagements. Thread-safe; kept in a file if asked.

Records are replaced, never changed, so that a reader may keep what it got.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from typing import Any

from conversion_sync.api.keys import normal_email, normal_id

__all__ = ["Record", "Store"]

Record = dict[str, Any]


class Store:
    """The state of the stand-in.

    Args:
        path: a file that outlives the process, also one that is killed; None keeps it in memory.

    Raises:
        sqlite3.Error: the file can't be used.
    """

    def __init__(self, path: str | PathLike[str] | None = None) -> None:
        self._lock = threading.RLock()
        self._contacts: dict[str, Record] = {}
        self._companies: dict[str, Record] = {}
        self._engagements: list[Record] = []
        self._file = _File(path) if path is not None else None
        if self._file is not None:
            for kind, key, record in self._file.load():
                self._take(self._file, kind, key, record)

    @property
    def contacts(self) -> dict[str, Record]:
        """A snapshot, by normal email, in the order of creation."""
        with self._lock:
            return dict(self._contacts)

    @property
    def companies(self) -> dict[str, Record]:
        """A snapshot, by normal id, in the order of creation."""
        with self._lock:
            return dict(self._companies)

    @property
    def engagements(self) -> list[Record]:
        """A snapshot, in the order of arrival."""
        with self._lock:
            return list(self._engagements)

    def has_contact(self, email: str) -> bool:
        """Tell whether the contact is known."""
        with self._lock:
            return normal_email(email) in self._contacts

    def get_contact(self, email: str) -> Record | None:
        """Return a contact as the API shows it."""
        with self._lock:
            return self._contacts.get(normal_email(email))

    def get_company(self, id: str) -> Record | None:
        """Return a company as the API shows it."""
        with self._lock:
            return self._companies.get(normal_id(id))

    def upsert_contacts(self, items: Sequence[Mapping[str, Any]]) -> list[tuple[Record, str]]:
        """Create or merge; return each record with "created" or "updated"."""
        with self._lock:
            done = [self._upsert_contact(item) for item in items]
            self._save("contact", [(record["email"], record) for record, _ in done])
            return done

    def upsert_companies(self, items: Sequence[Mapping[str, Any]]) -> list[tuple[Record, str]]:
        """Create or merge; return each record with "created" or "updated"."""
        with self._lock:
            done = [self._upsert_company(item) for item in items]
            self._save("company", [(record["id"], record) for record, _ in done])
            return done

    def set_statuses(self, changes: Sequence[tuple[str, str]]) -> list[Record]:
        """Set the status of contacts that exist.

        Raises:
            KeyError: one does not; nothing was changed.
        """
        with self._lock:
            keys = [normal_email(email) for email, _ in changes]
            for key in keys:
                self._contacts[key]  # all or nothing
            records = []
            for key, (_, status) in zip(keys, changes, strict=True):
                record = {**self._contacts[key], "subscriptionStatus": status, "updatedAt": _now()}
                self._contacts[key] = record
                records.append(record)
            self._save("contact", [(record["email"], record) for record in records])
            return records

    def add_engagement(self, body: Mapping[str, Any]) -> Record:
        """Append one engagement; a repeat is another engagement, as at the vendor."""
        with self._lock:
            record = {
                "id": str(uuid.uuid4()),
                "contactEmail": normal_email(body["contactEmail"]),
                "type": body["type"],
                "name": body["name"],
                "description": body["description"],
                "data": body.get("data"),
                "createdAt": _now(),
            }
            self._engagements.append(record)
            self._save("engagement", [(record["id"], record)])
            return record

    def delete_contact(self, email: str) -> bool:
        """Forget a contact and its status; return whether it was known."""
        return self._delete("contact", self._contacts, normal_email(email))

    def delete_company(self, id: str) -> bool:
        """Forget a company; return whether it was known."""
        return self._delete("company", self._companies, normal_id(id))

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._contacts.clear()
            self._companies.clear()
            self._engagements.clear()
            if self._file is not None:
                self._file.clear()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _take(self, file: _File, kind: str, key: str, record: Record) -> None:
        """Take a record of the file; its key in today's form, if an older release had another."""
        if kind == "engagement":
            email = normal_email(record["contactEmail"])
            self._engagements.append({**record, "contactEmail": email})
            return
        normal, name = (normal_email, "email") if kind == "contact" else (normal_id, "id")
        records = self._contacts if kind == "contact" else self._companies
        if (new := normal(key)) != key:
            record = {**record, name: new}
            file.delete(kind, key)
            file.save(kind, [(new, record)])
        records[new] = record

    def _upsert_contact(self, item: Mapping[str, Any]) -> tuple[Record, str]:
        key = normal_email(item["email"])
        old = self._contacts.get(key)
        record: Record = (
            dict(old)
            if old
            else {
                "id": str(uuid.uuid4()),
                "businessId": "sandbox",
                "email": key,
                "variables": {},
                "subscriptionStatus": "PENDING",
                "createdAt": _now(),
            }
        )
        record["variables"] = _merged(record["variables"], item)
        if "externalContact" in item:
            record["externalContact"] = item["externalContact"]
        record["updatedAt"] = _now()
        self._contacts[key] = record
        return record, "updated" if old else "created"

    def _upsert_company(self, item: Mapping[str, Any]) -> tuple[Record, str]:
        key = normal_id(item["id"])
        old = self._companies.get(key)
        record: Record = (
            dict(old)
            if old
            else {
                "id": key,
                "companyId": str(uuid.uuid4()),
                "baseDomain": None,
                "variables": {},
                "createdAt": _now(),
            }
        )
        record["variables"] = _merged(record["variables"], item)
        record["baseDomain"] = item.get("baseDomain", record["baseDomain"])
        record["updatedAt"] = _now()
        self._companies[key] = record
        return record, "updated" if old else "created"

    def _delete(self, kind: str, records: dict[str, Record], key: str) -> bool:
        with self._lock:
            if records.pop(key, None) is None:
                return False
            if self._file is not None:
                self._file.delete(kind, key)
            return True

    def _save(self, kind: str, records: Sequence[tuple[str, Record]]) -> None:
        if self._file is not None:
            self._file.save(kind, records)


def _merged(variables: Mapping[str, Any], item: Mapping[str, Any]) -> Record:
    """Return the variables after an upsert: they are merged, and a null clears one."""
    both = {**variables, **item.get("variables", {})}
    return {name: value for name, value in both.items() if value is not None}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _File:
    """Records as JSON in SQLite. WAL without fsync survives a killed process, and is fast."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            self._set_up()
        except sqlite3.Error:
            self._db.close()
            raise

    def _set_up(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS record (number INTEGER PRIMARY KEY AUTOINCREMENT,"
            " kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (kind, key))"
        )

    def load(self) -> list[tuple[str, str, Record]]:
        rows = self._db.execute("SELECT kind, key, body FROM record ORDER BY number")
        return [(kind, key, json.loads(body)) for kind, key, body in rows]

    def save(self, kind: str, records: Sequence[tuple[str, Record]]) -> None:
        rows = [(kind, key, json.dumps(record)) for key, record in records]
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO record (kind, key, body) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
                rows,
            )

    def delete(self, kind: str, key: str) -> None:
        self._db.execute("DELETE FROM record WHERE kind = ? AND key = ?", (kind, key))

    def clear(self) -> None:
        self._db.execute("DELETE FROM record")

    def close(self) -> None:
        self._db.close()
