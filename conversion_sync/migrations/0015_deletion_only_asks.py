from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("conversion_sync", "0014_renamed_companies"),
    ]

    operations = [
        migrations.AddField(
            model_name="deletion",
            name="only_asks",
            field=models.BooleanField(
                default=False,
                editable=False,
                help_text="Conversion is only asked whether the person has opted out at the old email.",
                verbose_name="nothing is deleted",
            ),
        ),
    ]
