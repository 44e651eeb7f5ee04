"""Keys: one mailbox is one key, however it is spelled."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conversion_sync.api.keys import normal_domain, normal_email, normal_id

#: All of Unicode: what Hypothesis leaves out by itself, halves of characters too.
ANY = st.characters(exclude_categories=())
TEXTS = st.text(ANY) | st.builds("@".join, st.lists(st.text(ANY, max_size=9), max_size=4))

ANN = "ann@x.example"

#: What nobody sees: of categories Cf and Cc, and of others that Unicode calls ignorable.
UNSEEN = (
    "\0\b\t\n\r\x1b\x7f\x85\u00ad\u034f\u061c\u115f\u17b4\u180b\u180e\u180f\u200b\u200c\u200d\u200e"
    "\u200f\u202a\u202c\u202e\u2060\u2064\u2066\u206f\u3164\ufe00\ufe0f\ufeff\uffa0\ufff9"
    "\U0001d173\U000e0001\U000e0061\U000e0100"
)


@given(TEXTS)
@example("@" * 5000 + " ")
@example(" \u200d" * 5000)
@example("\ufdfa" * 4000)
@example("a@" + "é." * 3000 + "\u200d.")
@example("a" + "\u0315\u0300" * 40_000)
@example("\ud800@\udfff.example")
def test_each_text_has_one_normal_form_and_that_has_itself(text):
    for normal in (normal_email, normal_domain, normal_id):
        once = normal(text)
        assert normal(once) == once


@pytest.mark.parametrize("plane", range(17))
def test_each_character_has_one_normal_form_and_that_has_itself(plane):
    places = ("{}n@x.y", "n{}n@x.y", "n@x{}y.z")
    # Beyond the first three planes there is nothing but a few tags and what has no meaning.
    step = 1 if plane < 3 or plane == 14 else 64
    for code in range(plane << 16, (plane + 1) << 16, step):
        text = places[code % 3].format(chr(code))
        once = normal_email(text)
        assert normal_email(once) == once
        assert normal_id(normal_id(text)) == normal_id(text)


@pytest.mark.parametrize(
    "spelling",
    [
        "  ANN@x.example\n",
        "ann@X.EXAMPLE",
        "\u00a0ann@x.example\u3000",
        "\uff21\uff2e\uff2e@\uff38.\uff45xample",  # full width
        "ann\uff20x.example",
        "ann\ufe6bx.example",
        "ann@x\u3002example",
        "ann@x\uff0eexample",
        "ann@x\uff61example",
        "\u2090nn@x.example",
    ],
)
def test_spellings_of_one_mailbox_are_one_key(spelling):
    assert normal_email(spelling) == ANN


@pytest.mark.parametrize("unseen", UNSEEN)
def test_what_nobody_sees_is_no_part_of_a_key(unseen):
    for spelling in (f"{unseen}{ANN}", f"an{unseen}n@x.example", f"ann@x.ex{unseen}ample{unseen}"):
        assert normal_email(spelling) == ANN
    assert normal_id(f"{unseen}Ac{unseen}me{unseen}") == "Acme"


def test_only_the_last_at_sign_parts_an_address():
    assert normal_email('"A@b"@X.example') == '"a@b"@x.example'


@pytest.mark.parametrize(
    ("domain", "normal"),
    [
        ("Bücher.example", "xn--bcher-kva.example"),
        ("BU\u0308CHER.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("ΑΣ.example", "xn--mxa0b.example"),  # UTS 46 knows no small sigma of a word's end
        ("ας.example", "xn--mxa8a.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("foo_bar.com", "foo_bar.com"),
        ("Foo_Bar.Bücher.example", "foo_bar.xn--bcher-kva.example"),
        ("☕.example", "☕.example"),  # refused by IDNA 2008
        ("[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"),
        ("ü" * 64 + ".example", "ü" * 64 + ".example"),  # longer than a label may be
        ("", ""),
    ],
)
def test_domains_are_compared_as_idna_writes_them(domain, normal):
    assert normal_domain(domain) == normal
    assert normal_email(f"ann@{domain}") == f"ann@{normal}"


def test_a_joiner_stays_where_idna_gives_it_a_meaning():
    # U+200C joins the two words of this Persian name, and makes it another one.
    assert normal_domain("نامه\u200cای.example") == "xn--mgba3gch31f060k.example"
    assert normal_domain("xn--mgba3gch31f060k.example") == "xn--mgba3gch31f060k.example"
    assert normal_domain("نامهای.example") == "xn--mgba3gch31f.example"
    assert normal_domain("na\u200cme.example") == "name.example"


def test_a_local_part_is_composed_and_lower():
    assert normal_email("JOSE\u0301@x.example") == "jos\u00e9@x.example"
    assert normal_email("ＩＮＦＯ@x.example") == "info@x.example"


def test_a_capital_that_becomes_two_characters_is_two():
    assert normal_email("İnfo@x.example") == "i\u0307nfo@x.example"


def test_what_is_no_address_has_a_normal_form_too():
    assert normal_email(" Ann\u200b ") == "ann"
    assert normal_email("\u200b") == ""
    assert normal_email("@") == "@"


def test_an_external_id_keeps_its_case():
    assert normal_id(" Acme-A\u030a ") == "Acme-\u00c5"
    assert normal_id("ＡＢ") == "ＡＢ"  # composed, not compatible: the two may be two companies


@given(TEXTS)
def test_normal_forms_are_composed(text):
    assert unicodedata.is_normalized("NFC", normal_id(text))
    assert unicodedata.is_normalized("NFKC", normal_email(text))
