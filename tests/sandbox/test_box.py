import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests

from conversion_sync.sandbox import PortInUse, Sandbox, run
from tests.kit import PROMPT, wait_until

HEADERS = {"Authorization": "Bearer k"}
CONTACTS = {"contacts": [{"email": "a@x.example"}]}


def post(box):
    return requests.post(
        box.base_url + "/contacts/batch", json=CONTACTS, headers=HEADERS, timeout=PROMPT
    )


def test_a_box_tells_what_arrived():
    with Sandbox() as box:
        assert post(box).ok
        assert box.base_url == box.url + "api/v1"
        assert list(box.contacts) == ["a@x.example"]
        assert (box.companies, box.engagements) == ({}, [])
        assert box.counters["calls"] == 1
        box.set_status("A@x.example", "UNSUBSCRIBED")
        assert box.contacts["a@x.example"]["subscriptionStatus"] == "UNSUBSCRIBED"
        with pytest.raises(KeyError):
            box.set_status("z@x.example", "PENDING")
        box.reset()
        assert (box.contacts, box.calls, box.worst_second) == ({}, [], 0)


def test_a_stopped_box_cuts_kept_connections_and_starts_again_on_its_port():
    with Sandbox() as box, requests.Session() as session:
        session.headers.update(HEADERS)
        url, port = box.base_url + "/contacts/batch", box.port
        assert session.post(url, json=CONTACTS, timeout=PROMPT).ok
        box.stop()
        box.stop()
        with pytest.raises(requests.ConnectionError):
            session.post(url, json=CONTACTS, timeout=PROMPT)
        box.start()
        assert box.port == port
        assert (
            session.post(url, json=CONTACTS, timeout=PROMPT).json()["data"][0]["operation"]
            == "updated"
        )


def test_stopping_does_not_wait_for_what_hangs():
    box = Sandbox()
    box.start()
    box.fail("hang")
    failed = []

    def hang():
        with pytest.raises(requests.RequestException):
            post(box)
        failed.append(True)

    thread = threading.Thread(target=hang)
    thread.start()
    wait_until(lambda: box.calls, "no call")
    started = time.monotonic()
    box.close()
    thread.join(PROMPT)
    # It hangs for an hour.
    assert time.monotonic() - started < PROMPT
    assert failed == [True]


def test_a_state_file_outlives_the_box(tmp_path):
    for operation in ("created", "updated"):
        with Sandbox(state=tmp_path / "state") as box:
            assert post(box).json()["data"][0]["operation"] == operation


def test_bodies_need_not_be_kept():
    with Sandbox(keep_bodies=False) as box:
        post(box)
        assert box.calls[0].body is None


def test_a_busy_port_is_told():
    with Sandbox() as box, pytest.raises(PortInUse):
        Sandbox(box.port).start()


def test_another_trouble_with_the_address_is_told():
    with pytest.raises(OSError, match=r".+") as caught:
        Sandbox(host="192.0.2.1").start()
    assert not isinstance(caught.value, PortInUse)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_a_url_of_ipv6_has_brackets():
    box = Sandbox(8000, "::1")
    assert box.url == "http://[::1]:8000/"
    box.close()


def test_run_serves_until_it_is_told_to_stop():
    stop = threading.Event()
    boxes: list[Sandbox] = []
    thread = threading.Thread(
        target=run, kwargs={"port": 0, "fail": ["503"], "stop": stop, "announce": boxes.append}
    )
    thread.start()
    wait_until(lambda: boxes, "it does not serve")
    assert [post(boxes[0]).status_code for _ in range(2)] == [503, 503]
    stop.set()
    thread.join(PROMPT)
    assert not thread.is_alive()


def test_run_refuses_a_bad_spec_before_it_listens():
    with pytest.raises(ValueError, match="Unknown fault"):
        run(port=0, fail=["nonsense"])


def test_run_restores_the_signals():
    before = signal.getsignal(signal.SIGTERM)
    stop = threading.Event()
    stop.set()
    run(port=0, stop=stop)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number):
    def announce(box):
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()

    run(port=0, announce=announce)


def test_it_needs_no_django():
    program = (
        "import sys, conversion_sync.sandbox, conversion_sync.api\n"
        "sys.exit(any(name.partition('.')[0] == 'django' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
