from conversion_sync.sandbox.faults import Fault
from conversion_sync.sandbox.page import render
from conversion_sync.sandbox.store import Store
from conversion_sync.sandbox.traffic import Call, Traffic

EVIL = "<script>alert(1)</script>"


def page(store=None, calls=(), faults=(), rate=0):
    store = store or Store()
    return render(
        base_url="http://127.0.0.1:1/api/v1",
        contacts=store.contacts,
        companies=store.companies,
        engagements=store.engagements,
        calls=calls,
        counters=Traffic().counters(),
        faults=faults,
        rate=rate,
    )


def test_an_empty_page_says_so():
    assert page().count("None yet.") == 5


def test_what_arrived_is_shown_and_escaped():
    store = Store()
    store.upsert_contacts([{"email": "a@x.example", "variables": {"title": EVIL, "n": [1]}}])
    store.set_statuses([("a@x.example", "UNSUBSCRIBED")])
    store.upsert_companies([{"id": EVIL}])
    store.add_engagement(
        {
            "contactEmail": "a@x.example",
            "type": "ACTIVITY",
            "name": EVIL,
            "description": "d",
            "data": {"tags": [EVIL]},
        }
    )
    store.add_engagement(
        {"contactEmail": "a@x.example", "type": "ACTIVITY", "name": "Call", "description": "d"}
    )
    calls = [
        Call(0, "GET", f"/{EVIL}", status=200),
        Call(0, "GET", "/x", fault="drop_before"),
        Call(0, "GET", "/x", status=500),
    ]
    html = page(store, calls, [Fault("garbage")], rate=10)

    assert EVIL not in html
    for text in (
        "&lt;script&gt;",
        "n: [1]",
        '<span class="bad">UNSUBSCRIBED</span>',
        "Call",
        "no answer</span> (drop_before)",
        '<span class="ok">200</span>',
        '<span class="bad">500</span>',
        "garbage (1 more)",
        "0 of 10",
    ):
        assert text in html


def test_the_page_has_no_script_reloads_and_fits_a_phone():
    html = page()
    assert "<script" not in html
    assert 'http-equiv="refresh"' in html
    assert "width=device-width" in html
    assert "prefers-color-scheme: dark" in html


def test_only_the_latest_are_shown():
    store = Store()
    store.upsert_contacts([{"email": f"{n}@x.example"} for n in range(100)])
    assert page(store).count("@x.example") == 25
