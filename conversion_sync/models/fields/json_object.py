"""Names and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from conversion_sync.models.fields.storable import StorableJSON
from conversion_sync.models.validators import check_depth

__all__ = ["ObjectField"]

if TYPE_CHECKING:
    _JSONField: TypeAlias = models.JSONField[Any, Any]
else:
    _JSONField = models.JSONField


class ObjectField(StorableJSON, _JSONField):
    """Names and values that people enter; for migrations, JSON like any other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"encoder": DjangoJSONEncoder, **kwargs})

    def validate(self, value: Any, model_instance: Any) -> None:
        # Django writes it out to see whether it is JSON, and fails where it is nested too deep.
        check_depth(value)
        super().validate(value, model_instance)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs
