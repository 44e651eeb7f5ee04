"""Import and export on the lists, where django-import-export is installed; else nothing.

The extra brings the pages, their forms and the store of uploaded files. What a file means is
decided in one place, ``conversion_sync.importing``, as for ``manage.py conversion_import``.
"""

from typing import TYPE_CHECKING

from django.apps import apps

if TYPE_CHECKING or apps.is_installed("import_export"):
    from conversion_sync.admin.pages.import_export.admin import ImportExportAdmin
else:

    class ImportExportAdmin:
        """Adds nothing: the extra is not there."""


__all__ = ["ImportExportAdmin"]
