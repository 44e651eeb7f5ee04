"""The API key: in no repr, and in no text, however a server spells it."""

import copy
import html
import json
import pickle
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.api.secret import Secret

KEY = "sk_live/Very+Secret=\"1\\2'&<3>"
SECRET = Secret(KEY)


def test_it_is_shown_nowhere():
    for text in (repr(SECRET), str(SECRET), f"{SECRET}", repr([SECRET]), repr({"key": SECRET})):
        assert "sk_live" not in text
    assert SECRET.reveal() == KEY


@pytest.mark.parametrize("dump", [pickle.dumps, copy.deepcopy])
def test_it_is_not_copied_elsewhere(dump):
    with pytest.raises(TypeError):
        dump(SECRET)


def test_secrets_are_equal_by_what_they_hide():
    assert Secret(f" {KEY}\n") == SECRET == Secret(SECRET)
    assert hash(Secret(KEY)) == hash(SECRET)
    assert Secret("other") != SECRET
    assert SECRET != KEY


@pytest.mark.parametrize("value", ["", "  ", None, 7, b"bytes"])
def test_what_is_no_text_is_no_key(value):
    assert not Secret(value)


@pytest.mark.parametrize("value", ["a b", "a\nb", "a\tb", "schl\u00fcssel", "a\x7fb"])
def test_what_cannot_stand_in_a_header(value):
    assert not Secret(value).is_sendable()
    assert SECRET.is_sendable()


def escaped(text):
    return "".join(f"\\u{ord(char):04X}" for char in text)


SPELLINGS = {
    "as it is": KEY,
    "URL": quote(KEY, safe=""),
    "URL, with slashes": quote(KEY),
    "form": quote_plus(KEY),
    "URL, all of it": "".join(f"%{ord(char):02x}" for char in KEY),
    "URL, twice": quote(quote(KEY, safe=""), safe=""),
    "JSON": json.dumps(KEY)[1:-1],
    "JSON, all of it": escaped(KEY),
    "JSON in JSON": json.dumps(json.dumps(KEY))[3:-3],
    "JSON, all of it, in JSON": json.dumps(escaped(KEY))[1:-1],
    "slashes escaped": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "HTML": html.escape(KEY),
    "HTML by numbers": "".join(f"&#{ord(char)};" for char in KEY),
    "HTML by hexadecimal numbers": "".join(f"&#x{ord(char):X};" for char in KEY),
    "a mixture": quote(KEY[:9], safe="") + escaped(KEY[9:12]) + html.escape(KEY[12:]),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_each_spelling_is_taken_out(name):
    text = f"The key é\ud800 '{SPELLINGS[name]}' is wrong."
    assert SECRET.hide(text) == "The key é\ud800 '***' is wrong."
    body = text.replace("\ud800", "").encode()
    assert SECRET.hide_in(body) == "The key é '***' is wrong.".encode()


@pytest.mark.parametrize("name", sorted(SPELLINGS.keys() - {"JSON", "JSON in JSON"}))
def test_a_body_that_was_cleaned_is_still_json(name):
    body = json.dumps({"message": f"key {SPELLINGS[name]}!", "id": KEY}).encode()
    cleaned = json.loads(SECRET.hide_in(body))
    assert cleaned == {"message": "key ***!", "id": "***"}


def test_other_texts_are_left_alone():
    for text in ("", "sk_live", "100% of \\u0041 &amp; &#65;", KEY[:-1], KEY[1:]):
        assert SECRET.hide(text) == text
        assert SECRET.hide_in(text.encode()) == text.encode()


def test_a_word_is_no_key_that_could_be_told_from_data():
    short = Secret("demo")
    assert short.hide_in(b'{"email": "demo@x.example"}') == b'{"email": "demo@x.example"}'
    assert short.hide("The key demo is wrong.") == "The key *** is wrong."
    assert Secret("").hide("text") == "text"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8), st.binary())
def test_any_key_and_any_bytes(key, noise):
    secret = Secret(key)
    for spelled in (key, quote(key, safe=""), escaped(key)):
        cleaned = secret.hide_in(noise + b" " + spelled.encode() + b" " + noise)
        assert key.encode() not in cleaned or key.encode() in noise + noise
