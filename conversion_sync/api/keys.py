"""The one normal form of a key: one mailbox, one key, and one company, one key.

Keys are compared, stored and sent in this form. It is total (any text has one, whether or not the
API would take it) and idempotent. What is validated is the normal form, not what was typed.

Left out as invisible is what Unicode calls a control or format character (the categories Cc and
Cf) and what it has a reader see nothing of (Default_Ignorable_Code_Point: zero width spaces and
joiners, direction marks, soft hyphens, variation selectors, fillers, tags). The two joiners stay
in a domain where IDNA gives them a meaning, as in Persian names.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

import idna

__all__ = ["normal_domain", "normal_email", "normal_id", "readable"]

#: Default_Ignorable_Code_Point of DerivedCoreProperties.txt, Unicode 16 (the same since 5.1, but
#: for U+180F). Python's ``unicodedata`` does not have it.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

_JOINERS = "\u200c\u200d"

#: What ``str.strip`` takes away; the last of it is U+3000.
_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))

#: So long a text is no key: it is stripped, and nothing else. Python takes minutes to put a
#: million combining marks in order.
_LONGEST = 4096

#: What ends a label (UTS 46); the full width one becomes one of these under NFKC.
_DOTS = re.compile("[.\u3002]")


def normal_email(email: str) -> str:
    """Return the one form in which an email is compared and sent.

    Stripped, without invisible characters, split at the last ``@``; the local part NFKC and lower
    case, the domain as ``normal_domain``. A full width ``@`` is one.
    """
    if email.isascii() and email.isprintable():
        return email.strip().lower()
    email = _visible(email, "NFKC", _JOINERS)
    if len(email) > _LONGEST:
        return email
    if "@" not in email:
        return _lower(_without_joiners(email))
    local, _, domain = email.rpartition("@")
    return f"{_lower(_without_joiners(local))}@{_a_labels(domain)}"


def normal_domain(domain: str) -> str:
    """Return the one form in which a domain is compared and sent: A-labels, in lower case.

    As UTS 46 has it (non-transitional), label by label; a label that IDNA refuses is NFKC and
    lower case (``foo_bar``, an address literal).
    """
    domain = _visible(domain, "NFKC", _JOINERS)
    return domain if len(domain) > _LONGEST else _a_labels(domain)


def normal_id(value: str) -> str:
    """Return the one form in which an external id is compared and sent.

    Stripped, without invisible characters, NFC. Case counts.
    """
    return _visible(value, "NFC")


def readable(key: str) -> str:
    """Return an address or a domain with its A-labels (``xn--…``) as what they stand for."""
    local, at, domain = key.rpartition("@")
    try:
        labels = [
            idna.decode(label) if label.startswith("xn--") else label for label in domain.split(".")
        ]
    except idna.IDNAError:
        return key
    return f"{local}{at}{'.'.join(labels)}"


def _visible(text: str, form: Literal["NFC", "NFKC"], kept: str = "") -> str:
    """The text in a normal form, stripped, without what is invisible, but for what is ``kept``.

    Each of the three may make room for the others. After the first round none but the removal of
    a character does, so that a few rounds are enough.
    """
    text = text.strip(_SPACE + kept)
    while len(text) <= _LONGEST:
        seen = "".join(c for c in text if c in kept or not _is_invisible(c))
        seen = unicodedata.normalize(form, seen).strip(_SPACE + kept)
        if seen == text:
            break
        text = seen
    return text


def _is_invisible(character: str) -> bool:
    if character.isprintable():  # Then it is neither Cc nor Cf.
        return _IGNORABLE.match(character) is not None
    return unicodedata.category(character) in ("Cc", "Cf") or bool(_IGNORABLE.match(character))


def _without_joiners(text: str) -> str:
    return unicodedata.normalize("NFKC", text.translate(dict.fromkeys(map(ord, _JOINERS))))


def _lower(text: str) -> str:
    return unicodedata.normalize("NFKC", text.lower())


def _a_labels(domain: str) -> str:
    return ".".join(map(_a_label, _DOTS.split(domain)))


def _a_label(label: str) -> str:
    if label.isascii():
        return label.lower()
    # Letter by letter: UTS 46 knows no small sigma for the end of a word only.
    label = unicodedata.normalize("NFKC", "".join(map(str.lower, label)))
    plain = _without_joiners(label)
    for spelling in (label, plain):
        try:
            return idna.encode(spelling, uts46=True).decode("ascii")
        except UnicodeError:  # as all errors of IDNA are
            continue
    return plain
