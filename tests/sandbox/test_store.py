import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from conversion_sync.sandbox.store import Store

ENGAGEMENT = {"contactEmail": "A@x.example", "type": "ACTIVITY", "name": "n", "description": "d"}


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    store = Store(tmp_path / "state" if request.param == "file" else None)
    yield store
    store.close()


def test_variables_are_merged_and_null_clears(store):
    store.upsert_contacts([{"email": "A@x.example", "variables": {"a": 1, "b": 2}}])
    [(record, operation)] = store.upsert_contacts(
        [{"email": "a@x.example", "variables": {"a": None, "c": 3}, "externalContact": 7}]
    )
    assert operation == "updated"
    assert record["variables"] == {"b": 2, "c": 3}
    assert record["externalContact"] == 7
    assert list(store.contacts) == ["a@x.example"]


def test_a_snapshot_does_not_change(store):
    store.upsert_contacts([{"email": "a@x.example", "variables": {"a": 1}}])
    before = store.contacts
    store.upsert_contacts([{"email": "a@x.example", "variables": {"a": 2}}])
    assert before["a@x.example"]["variables"] == {"a": 1}


def test_a_deleted_contact_forgets_its_status(store):
    store.upsert_contacts([{"email": "a@x.example"}])
    store.set_statuses([("a@x.example", "UNSUBSCRIBED")])
    assert store.delete_contact("A@x.example")
    assert not store.delete_contact("a@x.example")
    store.upsert_contacts([{"email": "a@x.example"}])
    assert store.get_contact("a@x.example")["subscriptionStatus"] == "PENDING"


def test_a_file_of_an_older_release_is_read_with_today_s_keys(tmp_path):
    store = Store(tmp_path / "state")
    store.upsert_contacts([{"email": "x@xn--bcher-kva.example"}])
    store.upsert_companies([{"id": "acme"}])
    store.add_engagement({**ENGAGEMENT, "contactEmail": "x@xn--bcher-kva.example"})
    store.close()
    with sqlite3.connect(tmp_path / "state") as file:
        file.execute(
            "UPDATE record SET key = replace(key, 'xn--bcher-kva', 'bücher'),"
            " body = replace(body, 'xn--bcher-kva', 'b\\u00fccher')"
        )
    file.close()
    for _ in range(2):
        store = Store(tmp_path / "state")
        assert list(store.contacts) == ["x@xn--bcher-kva.example"]
        assert store.has_contact("x@bücher.example")
        assert list(store.companies) == ["acme"]
        assert store.engagements[0]["contactEmail"] == "x@xn--bcher-kva.example"
        store.close()


def test_statuses_are_set_all_or_none(store):
    store.upsert_contacts([{"email": "a@x.example"}])
    with pytest.raises(KeyError):
        store.set_statuses([("a@x.example", "SUBSCRIBED"), ("b@x.example", "SUBSCRIBED")])
    assert store.get_contact("a@x.example")["subscriptionStatus"] == "PENDING"


def test_companies_are_merged(store):
    store.upsert_companies([{"id": " Acme ", "baseDomain": "x.example"}])
    [(record, operation)] = store.upsert_companies([{"id": "Acme", "variables": {"size": "1-10"}}])
    assert operation == "updated"
    assert (record["baseDomain"], record["variables"]) == ("x.example", {"size": "1-10"})
    assert store.get_company("Acme") == record
    assert store.delete_company("Acme")
    assert not store.delete_company("Acme")


def test_reset_forgets_everything(store):
    store.upsert_contacts([{"email": "a@x.example"}])
    store.upsert_companies([{"id": "1"}])
    store.add_engagement(ENGAGEMENT)
    store.reset()
    assert (store.contacts, store.companies, store.engagements) == ({}, {}, [])


def test_a_file_is_read_again(tmp_path):
    store = Store(tmp_path / "state")
    store.upsert_contacts([{"email": "a@x.example"}, {"email": "b@x.example"}])
    store.upsert_companies([{"id": "1", "variables": {"x": "ü"}}])
    store.add_engagement(ENGAGEMENT)
    store.set_statuses([("a@x.example", "UNSUBSCRIBED")])
    store.delete_contact("b@x.example")
    before = (store.contacts, store.companies, store.engagements)
    store.close()
    store.close()

    again = Store(tmp_path / "state")
    assert (again.contacts, again.companies, again.engagements) == before
    again.reset()
    again.close()
    empty = Store(tmp_path / "state")
    assert empty.contacts == {}
    empty.close()


def test_a_file_that_is_something_else_is_refused(tmp_path):
    (tmp_path / "state").write_text("not a database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        Store(tmp_path / "state")


def test_what_was_answered_survives_a_kill(tmp_path):
    program = (
        "import sys\n"
        "from conversion_sync.sandbox.store import Store\n"
        "store = Store(sys.argv[1])\n"
        "for n in range(10 ** 6):\n"
        "    store.upsert_contacts([{'email': f'{n}@x.example'}])\n"
        "    sys.stdout.write(f'{n}\\n'); sys.stdout.flush()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "state")], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for _ in range(50):
            process.stdout.readline()
        time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        done = 50 + len(process.stdout.read().splitlines())

    store = Store(tmp_path / "state")
    assert len(store.contacts) >= done - 1
    store.close()
