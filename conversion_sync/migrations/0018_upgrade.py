"""What was last sent of the records is stored anew by the drains that follow, and not here."""

from typing import Any

from django.db import migrations, models


def leave_to_drains(apps: Any, schema_editor: Any) -> Any:
    using = schema_editor.connection.alias
    upgrades = apps.get_model("conversion_sync", "Upgrade")._base_manager.using(using)
    for model, name in (("Company", "sent companies"), ("Contact", "sent contacts")):
        rows = apps.get_model("conversion_sync", model)._base_manager.using(using)
        if rows.filter(sent_payload__isnull=False).exists():
            upgrades.create(name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("conversion_sync", "0017_mirrors"),
    ]

    operations = [
        migrations.CreateModel(
            name="Upgrade",
            fields=[
                (
                    "name",
                    models.CharField(
                        max_length=32, primary_key=True, serialize=False, verbose_name="name"
                    ),
                ),
                ("cursor", models.BigIntegerField(default=0, verbose_name="cursor")),
                (
                    "found",
                    models.BooleanField(
                        default=False,
                        verbose_name="there was something to do since it began",
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(default=None, null=True, verbose_name="due at"),
                ),
            ],
            options={
                "verbose_name": "rest of an upgrade",
                "verbose_name_plural": "rests of upgrades",
                "default_permissions": (),
            },
        ),
        migrations.RunPython(leave_to_drains, migrations.RunPython.noop),
    ]
