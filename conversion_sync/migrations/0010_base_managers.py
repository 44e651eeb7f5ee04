"""Related managers write through the managers that mark."""

from __future__ import annotations

from django.db import migrations

RIGHTS = ("add", "change", "delete", "view", "sync")


class Migration(migrations.Migration):
    dependencies = [("conversion_sync", "0009_column_mapping")]

    operations = [
        migrations.AlterModelOptions(
            name="company",
            options={
                "base_manager_name": "objects",
                "default_permissions": (*RIGHTS, "import", "export"),
                "ordering": ("pk",),
                "verbose_name": "company",
                "verbose_name_plural": "companies",
            },
        ),
        migrations.AlterModelOptions(
            name="contact",
            options={
                "base_manager_name": "objects",
                "default_permissions": (*RIGHTS, "import", "export"),
                "ordering": ("pk",),
                "permissions": (("set_subscription", "Can set the subscription of contacts"),),
                "verbose_name": "contact",
                "verbose_name_plural": "contacts",
            },
        ),
        migrations.AlterModelOptions(
            name="deletion",
            options={
                "base_manager_name": "objects",
                "default_permissions": RIGHTS,
                "ordering": ("-pk",),
                "verbose_name": "deletion",
                "verbose_name_plural": "deletions",
            },
        ),
        migrations.AlterModelOptions(
            name="engagement",
            options={
                "base_manager_name": "objects",
                "default_permissions": RIGHTS,
                "ordering": ("-pk",),
                "verbose_name": "engagement",
                "verbose_name_plural": "engagements",
            },
        ),
        migrations.AlterModelOptions(
            name="subscriptionchange",
            options={
                "base_manager_name": "objects",
                "default_permissions": RIGHTS,
                "ordering": ("-pk",),
                "permissions": (("override_consent", "Can subscribe people who opted out"),),
                "verbose_name": "subscription change",
                "verbose_name_plural": "subscription changes",
            },
        ),
    ]
