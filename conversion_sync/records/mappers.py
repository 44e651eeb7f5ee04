"""The mapper of each model of records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conversion_sync.records.company import CompanyMapper
from conversion_sync.records.contact import ContactMapper
from conversion_sync.records.last_sent import last_sent
from conversion_sync.records.mapper import Mapper
from conversion_sync.records.snapshot import Snapshot

__all__ = ["mapper_named", "mapper_of", "push_of"]

_MAPPERS: Mapping[type[Any], Mapper] = {
    mapper.model: mapper for mapper in (CompanyMapper(), ContactMapper())
}

_BY_NAME = {str(model._meta.model_name): mapper for model, mapper in _MAPPERS.items()}


def mapper_of(model: type[Any]) -> Mapper:
    """The mapper of a model.

    Raises:
        KeyError: it is no model of records.
    """
    return _MAPPERS[model]


def mapper_named(name: str) -> Mapper:
    """The mapper of the model of this name, such as ``contact``.

    Raises:
        KeyError: it is no model of records.
    """
    return _BY_NAME[name]


def push_of(row: Any) -> Snapshot:
    """What a push of a row carries: what it has, and None for what it had when last sent.

    A blank that was never sent is not sent: it would wipe what the vendor knows.

    Raises:
        ValidationError: no API would take it, because of its key.
    """
    mapper = mapper_of(type(row))
    mapper.check(row)
    return mapper.of_row(row).clearing(last_sent(row))
