"""A company remembers that its contacts have still to hear of its new name."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversion_sync", "0013_consent_as_it_stands")]

    operations = [
        migrations.AddField(
            model_name="company",
            name="renamed_revision",
            field=models.PositiveBigIntegerField(
                default=None, editable=False, null=True, verbose_name="renamed"
            ),
        ),
        migrations.AddIndex(
            model_name="company",
            index=models.Index(fields=["renamed_revision"], name="conversion_company_renamed"),
        ),
    ]
