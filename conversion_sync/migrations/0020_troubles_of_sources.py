"""A column for what is wrong with a source, which an index finds; no database rewrites the table."""

from typing import Any

from django.db import migrations, models
from django.db.models import Q

#: As the model derives it; what stands further down overrides what stands above it.
TROUBLES = (
    ("conflict", Q(state="conflict")),
    ("waiting", Q(state="waiting")),
    ("held", Q(state="held")),
    ("unusable", Q(state="excluded", reason__startswith="conversion_sync:unusable")),
    ("no-key", Q(state="excluded", reason__startswith="conversion_sync:no-key")),
    ("fault", ~Q(fault="") & ~Q(kind="engagement", state__in=("mirrored", "past"))),
)


def note_troubles(apps: Any, schema_editor: Any) -> None:
    using = schema_editor.connection.alias
    links = apps.get_model("conversion_sync", "MirrorLink")._base_manager.using(using)
    for trouble, condition in TROUBLES:
        links.filter(condition).update(trouble=trouble)


class Migration(migrations.Migration):
    dependencies = [
        ("conversion_sync", "0019_margin_of_the_gate"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="mirrorlink",
            options={
                "ordering": ("pk",),
                "permissions": (("let_leave", "Can let rows leave that are held"),),
                "verbose_name": "mirrored source",
                "verbose_name_plural": "mirrored sources",
            },
        ),
        migrations.AddField(
            model_name="mirrorlink",
            name="trouble",
            field=models.CharField(
                choices=[
                    ("fault", "Fault"),
                    ("unusable", "Unusable value"),
                    ("no-key", "No key"),
                    ("conflict", "Conflict"),
                    ("waiting", "Waiting"),
                    ("held", "Held"),
                ],
                default=None,
                max_length=12,
                null=True,
                verbose_name="trouble",
            ),
        ),
        migrations.AddField(
            model_name="mirrorstate",
            name="released_by",
            field=models.CharField(
                blank=True, default="", max_length=150, verbose_name="released by"
            ),
        ),
        migrations.AlterField(
            model_name="mirrorlink",
            name="state",
            field=models.CharField(
                choices=[
                    ("mirrored", "Mirrored"),
                    ("excluded", "Excluded"),
                    ("conflict", "Conflict"),
                    ("waiting", "Waiting"),
                    ("past", "Happened before"),
                    ("held", "Held"),
                    ("released", "Leaving"),
                    ("gone", "Gone"),
                ],
                max_length=12,
                verbose_name="state",
            ),
        ),
        migrations.RunPython(note_troubles, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="mirrorlink",
            index=models.Index(
                fields=["trouble", "mirror", "id"], name="conversion_link_trouble"
            ),
        ),
    ]
