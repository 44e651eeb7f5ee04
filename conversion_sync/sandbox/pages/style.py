"""How the pages look: in the light and in the dark, at a desk and on a telephone."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

__all__ = ["STYLE", "STYLE_SOURCE"]

STYLE = files(__package__).joinpath("style.css").read_text(encoding="utf-8")

#: The one style that a page's policy allows.
STYLE_SOURCE = "'sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode() + "'"
