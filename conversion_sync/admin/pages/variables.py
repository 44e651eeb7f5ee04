"""The variables of a row on its page, for those who may not change it."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from conversion_sync.admin.forms.key_values import as_text

__all__ = ["variables_table"]


def variables_table(variables: Any) -> SafeString | str:
    """Names and values, for reading."""
    if not isinstance(variables, dict):
        return as_text(variables)
    rows = ((name, as_text(value)) for name, value in variables.items())
    return format_html(
        '<dl class="cs-variables">{}</dl>',
        format_html_join("", "<div><dt><bdi>{}</bdi></dt><dd><bdi>{}</bdi></dd></div>", rows),
    )
