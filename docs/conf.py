"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

import os

import django

import conversion_sync

# The reference of Python names is read from the code, which needs a site.
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

project = "django-conversion-sync"
author = copyright = "its authors"  # Sphinx calls it so
version = release = conversion_sync.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"{project} {version}"
# What the pages show comes from this machine alone: no search service, no others' fonts or scripts.
html_show_sphinx = False

# The anchors of headings, as GitHub makes them.
myst_heading_anchors = 4
suppress_warnings = []
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
