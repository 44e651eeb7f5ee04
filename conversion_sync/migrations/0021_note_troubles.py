"""What is wrong with the sources that there are: apart from the column, whose lock is not held for it.

Each statement is by itself, and the same again does no harm.
"""

from typing import Any

from django.db import migrations
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
    atomic = False

    dependencies = [
        ("conversion_sync", "0020_troubles_of_sources"),
    ]

    operations = [
        migrations.RunPython(note_troubles, migrations.RunPython.noop),
    ]
