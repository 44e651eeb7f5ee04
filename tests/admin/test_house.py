"""How much of the admin one has to open to read a part of it."""

import ast
import inspect
from pathlib import Path

from conversion_sync.admin.contact import ContactAdmin

ADMIN = "conversion_sync.admin"


def of_ours(model_admin):
    """The classes of this app that a model admin is made of, itself first."""
    return [cls for cls in model_admin.__mro__ if cls.__module__.startswith(ADMIN)]


def named_in(model_admin):
    """The modules of the admin from which the module of a model admin imports something."""
    for node in ast.walk(ast.parse(Path(inspect.getfile(model_admin)).read_text())):
        if isinstance(node, ast.ImportFrom) and (module := node.module or "").startswith(ADMIN):
            names = [f"{module}.{alias.name}" for alias in node.names]
            yield from filter(_is_file, names) if any(map(_is_file, names)) else [module]


def _is_file(module):
    root = Path(inspect.getfile(ContactAdmin)).parents[2]
    return root.joinpath(*module.split(".")).with_suffix(".py").exists()


def test_the_admin_of_contacts_can_be_read_with_eight_files_open():
    files = {cls.__module__ for cls in of_ours(ContactAdmin)} | {*named_in(ContactAdmin)}
    assert len(files) <= 8, sorted(files)


def test_the_admin_of_contacts_is_made_of_few_classes():
    assert len(of_ours(ContactAdmin)) <= 5
