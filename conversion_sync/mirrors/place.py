"""Where in the site's code something is declared."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Place", "place_of"]


@dataclass(frozen=True)
class Place:
    """A class in a file.

    Attributes:
        file: its path.
        line: of the class.
        lines: of its attributes by name, and of the entries of its dicts (``variables.plan``).
    """

    file: str
    line: int
    lines: Mapping[str, int] = field(default_factory=dict)

    def of(self, name: str = "") -> str:
        """The file and the line of an attribute, or of the class."""
        return f"{self.file}:{self.lines.get(name, self.line)}"


def place_of(cls: type) -> Place:
    """Where a class is declared; of one that was not read from a file, its module."""
    try:
        file = inspect.getsourcefile(cls) or cls.__module__
        source, line = inspect.getsourcelines(cls)
        tree = ast.parse(textwrap.dedent("".join(source)))
    except (OSError, TypeError, SyntaxError):
        return Place(cls.__module__, 0)
    body = tree.body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101  # the source of a class
    lines = {name: line + number - 1 for name, number in _lines(body).items()}
    return Place(file, line + body.lineno - 1, lines)


def _lines(body: ast.ClassDef) -> dict[str, int]:
    found = dict[str, int]()
    for each in body.body:
        if isinstance(each, ast.FunctionDef):
            found[each.name] = each.lineno
        targets = each.targets if isinstance(each, ast.Assign) else []
        targets += [each.target] if isinstance(each, ast.AnnAssign) else []
        value = getattr(each, "value", None)
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = each.lineno
                found |= _entries(target.id, value)
    return found


def _entries(name: str, value: ast.expr | None) -> dict[str, int]:
    """The lines of the entries of a dict."""
    if not isinstance(value, ast.Dict):
        return {}
    keys = (key for key in value.keys if isinstance(key, ast.Constant))
    return {f"{name}.{key.value!s}": key.lineno for key in keys}
