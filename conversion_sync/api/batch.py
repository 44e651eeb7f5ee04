"""The answer to a batch: which of its entries is about which item, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conversion_sync.api.errors import ErrorCode, ItemError
from conversion_sync.api.item_errors import item_error
from conversion_sync.api.lenient import first_id, is_key
from conversion_sync.api.request import Envelope
from conversion_sync.api.results import BatchResult, ItemResult

__all__ = ["parse_batch"]

#: What an entry may say instead of ``success: false`` (inferred).
_FAILURES = frozenset({"error", "failed", "failure", "invalid", "refused", "rejected"})


def parse_batch(
    envelope: Envelope,
    keys: Sequence[str],
    *,
    key_name: str,
    id_names: Sequence[str],
    normal: Callable[[str], str],
) -> BatchResult:
    """Return what the API says of each item (contacts documented, others inferred).

    The list may be short, reordered or repeated: items are matched by ``normal`` of ``key_name``,
    strangers are ignored, and an error in any repeat wins. What is left over is matched by its
    position, where that is certain: the vendor calls a merged record by another key.
    """
    callers: dict[str, list[tuple[int, str]]] = {}
    for index, key in enumerate(keys):
        callers.setdefault(normal(key), []).append((index, key))
    results: dict[str, ItemResult] = {}
    data = envelope.get("data")
    entries = data if isinstance(data, list) else []
    names = [_name(entry, key_name, normal) for entry in entries]
    for entry, name in zip(entries, names, strict=True):
        for index, key in callers.get(name, ()) if name is not None else ():
            result = _item_result(entry, index, key, id_names)
            before = results.get(key)
            if before is None or (result.error and not before.error):
                results[key] = result
    for index, position in _left_over([normal(key) for key in keys], names):
        results[keys[index]] = _item_result(entries[position], index, keys[index], id_names)
    return BatchResult(results)


def _name(entry: Any, key_name: str, normal: Callable[[str], str]) -> str | None:
    """Return what an entry of the list calls its record, or None where it names none."""
    if not isinstance(entry, Mapping) or not is_key(entry.get(key_name)):
        return None
    return normal(str(entry[key_name]))


def _left_over(keys: Sequence[str], names: Sequence[str | None]) -> list[tuple[int, int]]:
    """Return the items that no entry names, each with the position of the entry that is its.

    None unless there are as many entries as items, and all but one, or most, are certain.
    """
    left = [index for index, key in enumerate(keys) if key not in names]
    if len(keys) != len(names) or None in names or (len(left) > 1 and 2 * len(left) >= len(keys)):
        return []
    if all(names[index] == key for index, key in enumerate(keys) if index not in left):
        return [(index, index) for index in left]
    strangers = [position for position, name in enumerate(names) if name not in keys]
    return list(zip(left, strangers, strict=True)) if len(left) == len(strangers) == 1 else []


def _says_failure(entry: Mapping[str, Any]) -> bool:
    """Whether an entry that has no ``success`` says by another word that nothing was done."""
    words = {str(entry.get(name)).lower() for name in ("operation", "status")}
    return "success" not in entry and not words.isdisjoint(_FAILURES)


def _item_result(
    entry: Mapping[str, Any], index: int, key: str, id_names: Sequence[str]
) -> ItemResult:
    error = entry.get("error")
    if entry.get("success", True) is not True or error or _says_failure(entry):
        found = item_error(entry)
        code = found.code or ErrorCode.ITEM_ERROR
        reason = ItemError(index, key, code, found.message or "The API refused this item.")
        return ItemResult(key, error=reason)
    operation = entry.get("operation")
    return ItemResult(
        key,
        remote_id=first_id(entry, id_names),
        operation=operation if operation in ("created", "updated") else None,
    )
