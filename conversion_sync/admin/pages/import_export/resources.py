"""What the extra calls a resource and a format: here, the importer and its files."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from typing import Any, BinaryIO, ClassVar

from import_export.formats.base_formats import Format
from import_export.resources import Resource

from conversion_sync.admin.pages.import_export.review import Review
from conversion_sync.importing import TABLES, Importer, Layout, Outcome, RejectedLines, Result
from conversion_sync.models import Company, Contact
from conversion_sync.models.database import database

__all__ = ["RESOURCES", "CompanyResource", "ContactResource", "CsvFile", "TableResource"]


class CsvFile(Format):  # type: ignore[misc]  # it ships no types
    """The one format: its cells are text, as the importer wants them."""

    def __init__(self, encoding: str | None = None) -> None:
        """The importer knows the encoding."""

    def get_title(self) -> str:
        return "CSV"

    def get_extension(self) -> str:
        return "csv"

    def get_content_type(self) -> str:
        return "text/csv; charset=utf-8"

    def can_import(self) -> bool:
        return True

    def can_export(self) -> bool:
        return True

    def create_dataset(self, in_stream: bytes | None) -> BinaryIO:
        """The file as the importer reads it, line by line; a store may have lost it."""
        return io.BytesIO(in_stream or b"")


class TableResource(Resource):  # type: ignore[misc]  # it ships no types
    """A kind of file, imported in chunks by the rules of ``conversion_sync.importing``."""

    kind: ClassVar[str]

    @classmethod
    def get_display_name(cls) -> str:
        return str(TABLES[cls.kind].model._meta.verbose_name_plural)

    def import_data(
        self,
        dataset: BinaryIO,
        dry_run: bool = False,
        *,
        user: Any,
        file_name: str = "",
        layout: Layout | None = None,
        choices: Mapping[str, str],
        encoding: str = "",
        clear_blanks: bool = False,
        withheld: Collection[str] = (),
        **kwargs: Any,
    ) -> Review:
        """Import the file, or say what that would do.

        Args:
            layout: how it is read, where that is known already.
            choices: what a person says of its columns.

        Raises:
            UnusableFile: no line of it can be read.
        """
        table = TABLES[self.kind]
        layout = layout or Layout(table, dataset, choices, withheld, encoding)
        review = Review(table.model, file_name, layout)
        if layout.problem and dry_run:
            return review
        importer = Importer(
            self.kind,
            layout,
            using=database(),
            requested_by=user.get_username(),
            clear_blanks=clear_blanks,
            dry_run=dry_run,
        )
        rejected = io.StringIO(newline="")
        lines = RejectedLines(layout, lambda: rejected)

        def hear(outcome: Outcome) -> None:
            review.hear(outcome)
            if outcome.result is Result.BAD:
                lines.add(outcome)

        review.report = importer.run(hear)
        review.rejected = rejected.getvalue().encode()
        return review


class CompanyResource(TableResource):
    """Companies."""

    kind = "companies"


class ContactResource(TableResource):
    """Contacts."""

    kind = "contacts"


RESOURCES: dict[Any, type[TableResource]] = {Company: CompanyResource, Contact: ContactResource}
