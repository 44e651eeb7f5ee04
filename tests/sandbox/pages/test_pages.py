"""The pages over real HTTP, as a browser asks for them."""

import base64
import hashlib
import html
import re

import pytest
import requests

from conversion_sync.sandbox import Sandbox

ANN = "ann@x.example"
EVIL = "<script>alert(1)</script>"
PATHS = ("/", "/?follow", "/contacts", "/companies", "/engagements", "/calls")
SECONDS = 10


@pytest.fixture
def box():
    with Sandbox(page_port=0, rate=50) as box:
        yield box


def fill(box):
    """Some of each kind, with what a stranger may write."""
    store = box.app.store
    store.upsert_contacts([{"email": ANN, "variables": {"title": EVIL, "n": [1], "no": None}}])
    store.upsert_contacts([{"email": "it's\"@xn--bcher-kva.example"}])
    store.set_statuses([(ANN, "UNSUBSCRIBED")])
    store.upsert_companies([{"id": EVIL, "baseDomain": "x.example", "variables": {"size": "1-10"}}])
    for data in ({"tags": [EVIL]}, [EVIL], EVIL, None):
        event = {"contactEmail": ANN, "type": "ACTIVITY", "name": EVIL, "description": EVIL}
        store.add_engagement({**event, "data": data})
    session = requests.Session()
    session.headers["Authorization"] = "Bearer key"
    session.get(f"{box.base_url}/contacts/by-email/ann%40x.example", timeout=SECONDS)
    session.get(f"{box.base_url}/{EVIL}", timeout=SECONDS)
    contacts = [{"email": f"{n}@x.example"} for n in range(5)]
    session.post(f"{box.base_url}/contacts/batch", json={"contacts": contacts}, timeout=SECONDS)
    box.fail("500:0.25")


def page(box, path="/", **options):
    return requests.get(box.url.rstrip("/") + path, timeout=SECONDS, **options)


def text(answer):
    """What of a page is read."""
    body = re.sub(r"<style>.*?</style>", "", answer.text, flags=re.S)
    body = re.sub(r"<wbr>", "", body)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split()).replace(" ,", ",")


def do(box, given, *, token=None, headers=None):
    """Press a button of the first page."""
    if token is None:
        token = re.findall('name="token" value="([^"]+)"', page(box).text)[0]
    return requests.post(
        f"{box.url}do",
        data={"token": token, **given},
        headers=headers,
        timeout=SECONDS,
        allow_redirects=False,
    )


@pytest.mark.parametrize("path", PATHS)
def test_nothing_that_arrived_runs_and_nothing_comes_from_elsewhere(box, path):
    fill(box)
    answer = page(box, path)
    assert answer.status_code == 200
    assert EVIL not in answer.text
    assert not re.findall("<script|javascript:|https?://(?!127.0.0.1)", answer.text)
    policy = answer.headers["Content-Security-Policy"]
    [style] = re.findall("<style>(.*?)</style>", answer.text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "style=" not in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_sandbox_has_pages_too(box, path):
    assert "None yet." in text(page(box, path)) or "No call yet." in text(page(box, path))


def test_the_first_page_shows_what_was_last_received(box):
    fill(box)
    said = text(page(box))
    for words in (
        "Contacts 7",
        "Companies 1",
        "1 of the contacts are unsubscribed",
        "of 50 allowed",
        f"Read a contact {ANN} HTTP 200",
        "Upsert contacts (5) 0@x.example, 1@x.example, 2@x.example, and 2 more HTTP",
        "status 500 (always, 0.25 of the calls)",
    ):
        assert words in said


def test_it_follows_only_when_asked_to(box):
    assert "http-equiv" not in page(box).text
    assert '<meta http-equiv="refresh"' in page(box, "/?follow").text


def test_addresses_are_readable(box):
    fill(box)
    contacts = page(box, "/contacts").text
    assert 'title="it&#x27;s&quot;@xn--bcher-kva.example"' in contacts
    assert "it's\"@bücher.example" in text(page(box, "/contacts"))
    assert "ann@<wbr>x.<wbr>example" in contacts


def test_lists_have_pages_the_latest_first(box):
    store = box.app.store
    for n in range(60):
        store.upsert_contacts([{"email": f"c{n:02}@x.example"}])
        store._contacts[f"c{n:02}@x.example"]["updatedAt"] = f"2026-01-01T00:00:{n:02}Z"

    def shown(query):
        return re.findall(r"c\d\d(?=@x.example Engagements)", text(page(box, f"/contacts{query}")))

    assert shown("") == [f"c{n:02}" for n in range(59, 34, -1)]
    assert shown("?page=3") == shown("?page=999") == [f"c{n:02}" for n in range(9, -1, -1)]
    assert shown("?page=-1") == shown("?page=x") == shown("?page=0") == shown("")
    said = text(page(box, "/contacts?page=2"))
    assert "26 to 50 of 60" in said
    assert "Page 2 of 3" in said
    assert 'href="/contacts?page=3"' in page(box, "/contacts?page=2").text


@pytest.mark.parametrize(
    ("path", "query", "found"),
    [
        ("/contacts", "ANN", 1),
        ("/contacts", "x.example alert", 1),
        ("/contacts", "xn--bcher", 1),
        ("/contacts", "nobody", 0),
        ("/contacts", "@x.example", 6),
        ("/companies", "1-10", 1),
        ("/engagements", ANN, 4),
        ("/calls", ANN, 1),
        ("/calls", "batch", 1),
        ("/calls", "404", 1),
    ],
)
def test_a_search_finds_all_words_anywhere(box, path, query, found):
    fill(box)
    answer = page(box, path, params={"q": query})
    body = answer.text.partition("<tbody>")[2]
    assert body.count("<tr>") == found
    assert ("Nothing found." in text(answer)) == (not found)
    assert f'value="{html.escape(query)}"' in answer.text


def test_what_was_searched_for_stays_on_the_other_pages(box):
    box.app.store.upsert_contacts([{"email": f"{n}@x.example"} for n in range(30)])
    answer = page(box, "/contacts", params={"q": "@x.example"})
    assert 'href="/contacts?q=%40x.example&amp;page=2"' in answer.text


# Buttons


def test_buttons_switch_troubles_on_and_off(box):
    answer = do(box, {"begin": "slow"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert 'value="slow" aria-pressed="true"' in page(box).text
    assert "Not normal now" in text(page(box, "/contacts"))
    do(box, {"refuse": "", "email": " Ann@X.example "})
    assert box.app.troubles.refused == [ANN]
    assert f"{ANN} (which has not arrived yet)" in text(page(box))
    do(box, {"accept": ANN})
    do(box, {"end": "slow"})
    assert "Not normal now" not in text(page(box))
    do(box, {"begin": "refuse_key"})
    do(box, {"normal": ""})
    assert box.app.troubles.current == []


def test_a_contact_of_the_list_is_refused_there_and_one_stays_there(box):
    fill(box)
    back = "/contacts?q=ann&page=1"
    answer = do(box, {"refuse-this": ANN, "back": back})
    assert answer.headers["Location"] == back
    assert f'name="accept" value="{ANN}"' in page(box, "/contacts").text


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\r\nX: y", "/contacts?\r\nX: y", "/é"]
)
def test_a_button_leads_to_a_page_of_ours_alone(box, back):
    answer = do(box, {"begin": "slow", "back": back})
    assert answer.headers["Location"] == "/"
    assert "X" not in answer.headers


@pytest.mark.parametrize("email", ["", "  ", "ann", "@x.example", "ann@"])
def test_what_is_no_address_is_said_at_the_field(box, email):
    answer = do(box, {"refuse": "", "email": email})
    assert answer.status_code == 400
    assert "An address has a name, an @ and a domain." in text(answer)
    assert 'aria-invalid="true"' in answer.text
    assert box.faults == []


def test_the_field_can_be_filled_by_a_link(box):
    assert 'value="ann+1@x.example"' in page(box, "/?email=ann%2B1%40x.example").text


@pytest.mark.parametrize("given", [{"begin": "nonsense"}, {}, {"begin": "poison"}])
def test_a_button_that_is_none_is_told(box, given):
    assert do(box, given).status_code == 404
    assert box.faults == []


def test_many_fields_are_none(box):
    assert do(box, {f"f{n}": "" for n in range(50)}).status_code == 403
    assert page(box, "/?" + "&".join(f"f{n}=1" for n in range(50))).ok


# Who may press them


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_a_form_without_the_token_of_this_process_changes_nothing(box, token):
    answer = do(box, {"begin": "fail"}, token=token)
    assert answer.status_code == 403
    assert "Open the page anew" in text(answer)
    assert box.faults == []


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"sec-fetch-site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_of_another_origin_changes_nothing(box, headers):
    assert do(box, {"begin": "fail"}, headers=headers).status_code == 403
    for method, path in (("POST", "reset"), ("POST", "faults"), ("DELETE", "faults")):
        box.app.store.upsert_contacts([{"email": ANN}])
        answer = requests.request(
            method,
            f"{box.url}_sandbox/{path}",
            data='{"spec": "500"}',
            headers={"Content-Type": "text/plain", **headers},
            timeout=SECONDS,
        )
        assert answer.status_code == 403
    assert (list(box.contacts), box.faults) == ([ANN], [])


def test_a_page_of_its_own_may(box):
    origin = box.url.rstrip("/")
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    assert do(box, {"begin": "fail"}, headers=headers).status_code == 303


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("path", ["", "contacts", "_sandbox/state"])
def test_a_name_that_a_stranger_can_own_is_not_answered(box, host, path):
    answer = requests.get(box.url + path, headers={"Host": host}, timeout=SECONDS)
    assert answer.status_code == 421


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "sandbox", "a.localhost", "[::1]:8", "10.0.0.7", "", "[x"]
)
def test_names_of_this_machine_and_of_containers_are(box, host):
    answer = requests.get(box.url, headers={"Host": host}, timeout=SECONDS)
    assert answer.status_code == (421 if host == "[x" else 200)


# Ports


def test_the_api_s_port_leads_to_the_pages_and_the_pages_port_is_no_api(box):
    api = box.base_url.removesuffix("/api/v1")
    answer = requests.get(f"{api}/", timeout=SECONDS, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, box.url)
    answer = requests.get(f"{box.url}api/v1/contacts/by-email/{ANN}", timeout=SECONDS)
    assert answer.status_code == 404
    assert box.calls == []
    assert requests.get(f"{api}/_sandbox/state", timeout=SECONDS).ok


def test_alone_the_api_s_port_has_the_pages():
    with Sandbox() as box:
        assert page(box).ok
        assert do(box, {"begin": "fail"}).status_code == 303
        assert "Refuse connections" not in text(page(box))
