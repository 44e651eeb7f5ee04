"""Nothing changes in the database: how values are written as JSON is no property of a column."""

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import migrations, models

from conversion_sync.models.validators import validate_json_object


def altered(model: str, name: str, **more: Any) -> migrations.AlterField:
    field: models.JSONField[Any, Any] = models.JSONField(
        blank=True,
        default=dict,
        encoder=DjangoJSONEncoder,
        validators=[validate_json_object],
        **more,
    )
    return migrations.AlterField(model_name=model, name=name, field=field)


class Migration(migrations.Migration):
    dependencies = [
        ("conversion_sync", "0015_deletion_only_asks"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                altered("company", "custom_variables", verbose_name="custom variables"),
                altered("contact", "custom_variables", verbose_name="custom variables"),
                altered(
                    "contact",
                    "external_contact",
                    verbose_name="reference data",
                    help_text="What your own systems know this person by.",
                ),
                altered("engagement", "data", verbose_name="data"),
            ]
        ),
    ]
