"""A host has several addresses: one that is dead costs a moment, on real sockets."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from typing import Any

import pytest

from conversion_sync.api import addresses as module
from conversion_sync.api import connections
from conversion_sync.api.addresses import Addresses
from conversion_sync.api.errors import NotSent
from tests.api.kit import OK, Raw, answering, request, silent
from tests.kit import wait_until

#: Seconds: so long no attempt takes that succeeds; a delay of that length never passes.
LONG = 30.0

FOUR, SIX = socket.AF_INET, socket.AF_INET6


class Place:
    """The addresses of one name, each alive, dead or shut."""

    def __init__(self, stack, monkeypatch):
        self.stack, self.asked = stack, 0
        self.infos: list[Any] = []
        real = socket.getaddrinfo

        def lookup(host, port, *args, **kwargs):
            if host != "api.test":
                return real(host, port, *args, **kwargs)
            self.asked += 1
            return list(self.infos)

        monkeypatch.setattr(socket, "getaddrinfo", lookup)

    def add(self, family, address):
        self.infos.append((family, socket.SOCK_STREAM, 6, "", address))
        return address

    def alive(self, family=FOUR, host="127.0.0.1"):
        """Somebody listens there, and takes connections."""
        listener = self.stack.enter_context(socket.create_server((host, 0), family=family))
        return self.add(family, listener.getsockname())

    def dead(self, family=FOUR, host="127.0.0.1"):
        """Nobody ever says anything there: the queue of who listens is full."""
        listener = self.stack.enter_context(socket.socket(family))
        listener.bind((host, 0))
        listener.listen(0)
        for _ in range(4):
            caller = self.stack.enter_context(socket.socket(family))
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        return self.add(family, listener.getsockname())

    def shut(self, family=FOUR, host="127.0.0.1"):
        """Nobody listens there."""
        with socket.create_server((host, 0), family=family) as free:
            return self.add(family, free.getsockname())


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    """A port is given out again in time: what worked for an earlier test says nothing here."""
    monkeypatch.setattr(connections, "_addresses", Addresses())


@pytest.fixture
def place(monkeypatch):
    with contextlib.ExitStack() as stack:
        yield Place(stack, monkeypatch)


def reached(found, timeout=LONG, addresses=None):
    """The address that was connected to; its socket is connected indeed."""
    sock, address = (addresses or Addresses()).connect("api.test", 80, timeout)
    with sock:
        assert sock.getpeername() == address
        assert sock.gettimeout() == timeout
    return address == found


def test_one_address_is_connected_to(place):
    assert reached(place.alive())


def test_a_dead_address_of_ipv6_that_comes_first_costs_a_moment(place):
    place.dead(SIX, "::1")
    found = place.alive()
    began = time.monotonic()
    assert reached(found)
    assert time.monotonic() - began < LONG / 2


@pytest.mark.parametrize("dead", [1, 2, 5])
def test_so_do_several(place, dead):
    for number in range(dead):
        place.dead(host=f"127.0.0.{number + 2}")
    assert reached(place.alive(SIX, "::1"))


def test_while_one_is_silent_the_next_is_tried(place, monkeypatch):
    """Were the delay not what starts it, nothing would."""
    place.dead()
    found = place.alive(host="127.0.0.2")
    monkeypatch.setattr(module, "_DELAY", LONG)
    with pytest.raises(TimeoutError):
        reached(found, timeout=0.3)
    monkeypatch.setattr(module, "_DELAY", 0.01)
    assert reached(found)


def test_an_address_that_refuses_is_not_waited_for(place, monkeypatch):
    monkeypatch.setattr(module, "_DELAY", LONG)
    place.shut()
    place.shut(SIX, "::1")
    assert reached(place.alive(host="127.0.0.2"), timeout=LONG / 2)


def test_what_this_machine_cannot_reach_at_all_is_not_waited_for(place, monkeypatch):
    monkeypatch.setattr(module, "_DELAY", LONG)
    # Broadcasting needs a right that the socket does not have: an error at once.
    place.add(FOUR, ("255.255.255.255", 80))
    assert reached(place.alive(), timeout=LONG / 2)


def test_where_all_refuse_the_last_one_says_so(place):
    place.shut()
    place.shut(SIX, "::1")
    with pytest.raises(OSError, match="refused") as caught:
        Addresses().connect("api.test", 80, LONG)
    assert caught.value.errno == errno.ECONNREFUSED


def test_where_all_are_dead_the_time_is_kept(place):
    place.dead()
    place.dead(SIX, "::1")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        Addresses().connect("api.test", 80, 0.5)
    assert 0.4 < time.monotonic() - began < LONG


def test_a_name_that_nobody_knows(place):
    with pytest.raises(socket.gaierror):
        Addresses().connect("nowhere.invalid", 80, LONG)


def test_who_no_longer_waits_ends_it(place):
    place.dead()

    def given_up():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Addresses().connect("api.test", 80, LONG, (), given_up)


def test_families_take_turns():
    infos = [(SIX, 1), (SIX, 2), (SIX, 3), (FOUR, 4), (FOUR, 5)]
    assert [n for _, n in module._alternating(infos)] == [1, 4, 2, 5, 3]  # type: ignore[arg-type,misc]  # two parts suffice
    assert module._alternating([]) == []


# What is remembered


def test_what_worked_is_tried_first(place, monkeypatch):
    addresses = Addresses()
    place.dead()
    found = place.alive(host="127.0.0.2")
    assert reached(found, addresses=addresses)
    addresses.worked("api.test", 80, found)
    monkeypatch.setattr(module, "_DELAY", LONG)
    assert reached(found, timeout=LONG / 2, addresses=addresses)


def test_what_failed_is_tried_last(place, monkeypatch):
    monkeypatch.setattr(module, "_DELAY", LONG)
    addresses = Addresses()
    bad, good = place.alive(), place.alive(host="127.0.0.2")
    assert reached(bad, addresses=addresses)
    addresses.failed("api.test", 80, bad)
    assert reached(good, addresses=addresses)
    addresses.worked("api.test", 80, bad)
    assert reached(bad, addresses=addresses)
    addresses.failed("api.test", 80, bad)
    assert reached(good, addresses=addresses)
    assert reached(bad, addresses=Addresses())


# Calls


def at(server, host="127.0.0.1"):
    return FOUR, (host, server.port)


def test_a_call_goes_past_a_dead_address(make, place):
    with Raw(answering(OK)) as server:
        place.dead(SIX, "::1")
        place.add(*at(server))
        transport = make(f"http://localhost:{server.port}", deadline=5)
        transport.base_url = f"http://api.test:{server.port}"
        assert transport.send(request("POST", "/x", {})).status == 200
        assert transport.send(request("POST", "/x", {})).status == 200
        assert place.asked == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_call_to_dead_addresses_is_not_sent(make, place, scheme):
    place.dead(SIX, "::1")
    place.dead()
    transport = make("http://localhost", deadline=0.6)
    transport.base_url = f"{scheme}://api.test"
    with pytest.raises(NotSent, match=r"within|timed out"):
        transport.send(request("POST", "/x", {}))


def test_an_address_whose_handshake_hangs_is_not_tried_first_again(
    make, place, context, certificate, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    # The second address has no start only because this machine is slow.
    monkeypatch.setattr(module, "_DELAY", LONG)
    real = socket.getaddrinfo
    with Raw(silent) as hanging, Raw(answering(OK), context) as server:

        def lookup(host, port, *args, **kwargs):
            if host != "127.0.0.1" or port != server.port:
                return real(host, port, *args, **kwargs)
            return [
                (FOUR, socket.SOCK_STREAM, 6, "", ("127.0.0.1", hanging.port)),
                (FOUR, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)),
            ]

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        transport = make(server.url, deadline=0.5)
        with pytest.raises(NotSent):
            transport.send(request("POST", "/x", {}))
        wait_until(lambda: transport._state.workers.idle, "the call's thread does not end")
        transport = make(server.url, deadline=10)
        assert transport.send(request("POST", "/x", {})).status == 200
        assert (hanging.connections, server.connections) == (1, 1)
