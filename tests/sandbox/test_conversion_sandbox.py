"""The command, by its options and its errors."""

import io
import threading

import pytest
from django.core.management import CommandError, call_command

from conversion_sync import sandbox
from conversion_sync.management.commands import conversion_sandbox
from conversion_sync.sandbox import Sandbox


def command(*args):
    out = io.StringIO()
    call_command(conversion_sandbox.Command(stdout=out, no_color=True), *args)
    return out.getvalue()


def test_it_prints_what_to_set(monkeypatch):
    timer = threading.Timer

    def run(*, announce, **options):
        stop = threading.Event()
        timer(0.1, stop.set).start()
        sandbox.run(announce=announce, stop=stop, **options)

    monkeypatch.setattr(conversion_sandbox, "run", run)
    out = command("--port", "0")
    assert "CONVERSION_BASE_URL=http://127.0.0.1:" in out
    assert out.rstrip().endswith("/api/v1")


def test_its_options_reach_the_sandbox(monkeypatch):
    given = {}
    monkeypatch.setattr(conversion_sandbox, "run", lambda **options: given.update(options))
    command(
        "--port",
        "1",
        "--host",
        "::1",
        "--rate",
        "5",
        "--latency",
        "0.5",
        "--fail",
        "500:0.1",
        "--fail",
        "drop",
        "--state",
        "f",
        "--key",
        "a",
        "--key",
        "b",
        "--item-errors",
        "--seed",
        "7",
    )
    given.pop("announce")
    assert given == {
        "port": 1,
        "host": "::1",
        "page_port": None,
        "rate": 5,
        "latency": 0.5,
        "fail": ["500:0.1", "drop"],
        "state": "f",
        "keys": ["a", "b"],
        "item_errors": True,
        "seed": 7,
    }


def test_a_busy_port_says_what_to_do():
    with Sandbox() as box, pytest.raises(CommandError, match=f"Port {box.port} is in use"):
        command("--port", str(box.port))


def test_a_bad_spec_is_told():
    with pytest.raises(CommandError, match="Unknown fault 'nonsense'"):
        command("--port", "0", "--fail", "nonsense")


def test_a_state_file_that_is_something_else_is_told(tmp_path):
    (tmp_path / "state").write_text("not a database" * 100)
    with pytest.raises(CommandError, match="state file"):
        command("--port", "0", "--state", str(tmp_path / "state"))


def test_an_address_that_is_not_ours_is_told():
    with pytest.raises(CommandError, match="Can't listen"):
        command("--port", "0", "--host", "192.0.2.1")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("429:2", "A probability is from 0 to 1"),
        ("429:x", "'x' is no probability"),
        ("500:", "'' is no probability"),
        ("hang=x", "The fault 'hang' takes a number, not 'x'"),
        ("foo", r"Unknown fault 'foo'; a status \(429\), or one of"),
    ],
)
def test_a_fault_that_can_not_be_read_is_said(spec, said):
    with pytest.raises(CommandError, match=said):
        command("--port", "0", "--fail", spec)


@pytest.mark.parametrize("spec", ["redirect=http://x.example:8080", "redirect=https://x.example/"])
def test_a_colon_may_be_part_of_a_value(spec):
    fault = sandbox.parse_spec(spec)
    assert (fault.location, fault.probability) == (spec.partition("=")[2], 1)


def test_a_status_that_nobody_can_have_is_refused():
    with Sandbox() as box, pytest.raises(ValueError, match="'OFF' is no status: "):
        box.set_status("ann@x.example", "OFF")
