"""A column for what is wrong with a source, which an index finds; no database rewrites the table."""

from django.db import migrations, models

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
        migrations.AddIndex(
            model_name="mirrorlink",
            index=models.Index(
                fields=["trouble", "mirror", "id"], name="conversion_link_trouble"
            ),
        ),
    ]
