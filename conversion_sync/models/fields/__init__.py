"""Columns that behave alike on every database."""

from conversion_sync.models.fields.assigned import AssignedField
from conversion_sync.models.fields.json_object import ObjectField
from conversion_sync.models.fields.record_key import RecordKeyField
from conversion_sync.models.fields.spelling import AddressField, ExternalIdField
from conversion_sync.models.fields.text import KeyField, LineField, TextField, WebAddressField
from conversion_sync.models.fields.times import InstantField, SiteTimeField

__all__ = [
    "AddressField",
    "AssignedField",
    "ExternalIdField",
    "InstantField",
    "KeyField",
    "LineField",
    "ObjectField",
    "RecordKeyField",
    "SiteTimeField",
    "TextField",
    "WebAddressField",
]
