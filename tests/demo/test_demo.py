"""Stopped, edited, killed and started again: the demo starts, and says what is so."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3

import requests

from tests.demo.kit import PATIENCE, Demo, eventually, write_samples

REFUSAL = {"kind": "poison", "status": 400, "code": "VALIDATION_ERROR", "count": None}


def statuses(demo: Demo, model: str) -> list[str]:
    """The states of a kind of rows."""
    return demo.shell(f"print(*{model}.objects.values_list('sync_status', flat=True))").split()


def test_it_starts_and_what_one_edits_or_deletes_stays_so(demo: Demo) -> None:
    said = demo.ready()
    for address in demo.addresses().values():
        assert requests.get(address, timeout=PATIENCE).ok
    assert len(demo.addresses()) == 2
    assert "6 created" in said
    demo.shell(
        "first, second, third = Contact.objects.order_by('pk')[:3]\n"
        "first.title = 'Edited'; first.save()\n"
        "second.delete()\n"
        "third.email = 'moved@x.example'; third.save()\n"
        "Company.objects.order_by('pk').first().delete()\n"
    )
    assert "contacts" in demo.manage("conversion_status")
    assert demo.stop() == 0
    assert "Stopped." in demo.said

    said = demo.ready()
    assert "stays as you left it" in said
    assert "created" not in said
    emails = demo.shell("print(*Contact.objects.order_by('pk').values_list('email', flat=True))")
    assert len(emails.split()) == 5
    assert "moved@x.example" in emails
    assert demo.shell("print(Contact.objects.order_by('pk').first().title)") == "Edited"
    assert demo.stop() == 0

    status, said = demo.once()
    assert status == 0, said
    assert "record by record" in said


def test_new_samples_are_imported_and_known_ones_are_not(demo: Demo) -> None:
    assert demo.once()[0] == 0
    demo.start("--once")
    write_samples(demo.samples, contacts=8)
    assert demo.ended() == 0
    status, said = demo.once()
    assert status == 0, said
    total = demo.shell("print(Contact.objects.count())")
    assert total == "8"


def test_it_starts_with_rows_that_failed_or_are_in_doubt_and_says_so(demo: Demo) -> None:
    demo.ready()
    email = demo.shell("print(Contact.objects.order_by('pk').first().email)")
    demo.control("faults", **REFUSAL, email=email, message="No such luck.")
    demo.control("faults", kind="drop_after", path="engagements")
    demo.shell(
        "contact, other = Contact.objects.order_by('pk')[:2]\n"
        "contact.title = 'Edited'; contact.save()\n"
        "Engagement.objects.create(contact=other, name='Call', description='Lost')\n"
    )
    eventually(lambda: "FAILED" in statuses(demo, "Contact"))
    eventually(lambda: "UNCONFIRMED" in statuses(demo, "Engagement"))
    assert demo.stop() == 0

    said = demo.ready()
    assert "1 contact failed: why, and what to do, is at" in said
    assert "1 engagement in doubt: why, and what to do, is at" in said
    links = re.findall(r"is at (http\S+)", said)
    assert [link.partition("?")[2] for link in links] == ["status=failed", "status=in-doubt"]
    assert all(requests.get(link, timeout=PATIENCE).ok for link in links)
    assert demo.stop() == 0

    status, said = demo.once()
    assert status == 1
    assert "2 rows have not arrived:" in said
    assert "failed (VALIDATION_ERROR: No such luck.)" in said
    assert f"contact {email!r}: variables is " in said
    assert "Traceback" not in said


def test_once_names_what_the_stand_in_lacks(demo: Demo) -> None:
    demo.ready()
    email = demo.shell("print(Contact.objects.order_by('pk').first().email)")
    requests.delete(
        f"http://127.0.0.1:{demo.api_port}/api/v1/contacts/by-email/{email}",
        headers={"Authorization": "Bearer key"},
        timeout=PATIENCE,
    ).raise_for_status()
    assert demo.stop() == 0
    status, said = demo.once()
    assert status == 1
    assert "The sandbox differs from the database in 1 places:" in said
    assert f"contact {email.lower()!r} did not arrive" in said


def test_a_second_one_says_where_the_first_is(demo: Demo) -> None:
    demo.ready()
    second = Demo(demo.folder, demo.samples)
    second.output = demo.output.with_name("second")
    second.start()
    assert second.running.wait(PATIENCE) == 1
    assert f"runs already, in another terminal. It is at http://127.0.0.1:{demo.site_port}/" in (
        second.said
    )
    assert demo.stop() == 0


def test_ports_that_are_taken_are_passed_over_and_said(demo: Demo) -> None:
    with socket.socket() as one, socket.socket() as other, socket.socket() as third:
        for taken, port in ((one, demo.site_port), (other, demo.api_port), (third, 0)):
            taken.bind(("127.0.0.1", port))
            taken.listen()
        said = demo.ready()
        for port in (demo.site_port, demo.api_port):
            assert f"Port {port} is taken: {port + 1} instead." in said
        demo.api_port += 1
        assert all(requests.get(a, timeout=PATIENCE).ok for a in demo.addresses().values())
        demo.shell("contact = Contact.objects.first(); contact.title = 'New'; contact.save()")
        eventually(lambda: set(statuses(demo, "Contact")) == {"SYNCED"})
        assert demo.stop() == 0


# Ends


def test_ctrl_c_twice_ends_at_once_what_would_take_its_time(demo: Demo) -> None:
    demo.ready()
    demo.control("faults", kind="hang_before", seconds=600, count=None)
    demo.shell("contact = Contact.objects.first(); contact.title = 'New'; contact.save()")
    eventually(lambda: "SENDING" in statuses(demo, "Contact"))
    demo.running.send_signal(signal.SIGINT)
    demo.says("Ctrl-C again: at once")
    assert demo.processes()
    demo.running.send_signal(signal.SIGINT)
    assert demo.ended() == 0
    # Its call was not waited for.
    assert "SENDING" in statuses(demo, "Contact")


def test_a_signal_while_it_imports_ends_it_and_the_next_run_imports_all(demo: Demo) -> None:
    write_samples(demo.samples, contacts=3000)
    demo.start()
    demo.says("Import contacts")
    assert demo.stop() == 0
    assert "Traceback" not in demo.said
    write_samples(demo.samples, contacts=6)
    status, said = demo.once()
    assert status == 0, said
    assert "6 created" in said


def test_killed_half_way_it_leaves_nothing_that_runs_and_goes_on(demo: Demo) -> None:
    write_samples(demo.samples, contacts=400)
    demo.start()
    demo.says("In sync")
    demo.stop(signal.SIGKILL)
    status, said = demo.once()
    assert status == 0, said


def test_when_its_keeper_is_killed_nothing_goes_on_to_run(demo: Demo) -> None:
    demo.ready()
    os.kill(demo.program("-m project.processes"), signal.SIGKILL)
    assert demo.ended() == 1
    assert demo.once()[0] == 0


def test_a_start_waits_for_what_an_earlier_run_still_has_to_end(demo: Demo) -> None:
    demo.ready()
    demo.control("faults", kind="hang_before", seconds=600, count=None)
    demo.shell("contact = Contact.objects.first(); contact.title = 'New'; contact.save()")
    eventually(lambda: "SENDING" in statuses(demo, "Contact"))
    # The q cluster ends its call first.
    demo.running.send_signal(signal.SIGKILL)
    demo.running.wait(PATIENCE)
    said = demo.ready()
    assert "still ending" in said
    assert demo.stop() == 0


def test_a_program_that_ends_by_itself_ends_all_and_its_last_words_are_shown(demo: Demo) -> None:
    demo.ready()
    os.kill(demo.program("manage.py conversion_sandbox"), signal.SIGKILL)
    assert demo.ended() == 1
    assert "The sandbox ended (-9)." in demo.said
    assert "conversion_sandbox.log" in demo.said
    assert "Traceback" not in demo.said


# Folders that others left


def test_a_folder_of_an_older_release_keeps_what_was_edited_and_deleted(demo: Demo) -> None:
    assert demo.once()[0] == 0
    demo.shell(
        "first, second = Contact.objects.order_by('pk')[:2]\n"
        "first.title = 'Edited'; first.save(); second.delete()\n"
        "from django.db import connection\n"
        "connection.cursor().execute('DROP TABLE demo_sample')\n"
    )
    for name in ("env", "manage", "programs"):
        (demo.folder / name).unlink()
    write_samples(demo.samples, contacts=8)
    status, said = demo.once()
    assert status == 0, said
    assert "Contacts: 2 created" in said, said
    assert demo.shell("print(Contact.objects.count())") == "7"
    assert demo.shell("print(Contact.objects.order_by('pk').first().title)") == "Edited"


def test_a_database_of_a_newer_release_is_set_aside(demo: Demo) -> None:
    assert demo.once()[0] == 0
    with sqlite3.connect(demo.folder / "demo.sqlite3") as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied)"
            " VALUES ('conversion_sync', '9999_later', '2026-01-01')"
        )
    database.close()
    status, said = demo.once()
    assert status == 0, said
    assert "it is of a newer release" in said
    assert len(list(demo.folder.glob("set-aside-*/*.sqlite3"))) == 2


def test_files_that_are_no_databases_are_set_aside(demo: Demo) -> None:
    demo.folder.mkdir()
    for name in ("demo.sqlite3", "sandbox.sqlite3"):
        (demo.folder / name).write_text("not a database" * 1000)
    (demo.folder / "password").touch()
    status, said = demo.once()
    assert status == 0, said
    assert "file is not a database" in said


def test_a_new_database_has_a_new_stand_in(demo: Demo) -> None:
    assert demo.once()[0] == 0
    demo.shell("Contact.objects.create(email='only@x.example')")
    assert demo.once()[0] == 0
    for path in demo.folder.glob("demo.sqlite3*"):
        path.unlink()
    status, said = demo.once()
    assert status == 0, said
    assert "has records of another database" in said


def test_a_stand_in_that_lost_its_records_gets_them_again(demo: Demo) -> None:
    (demo.samples / "engagements.csv").write_text("source_key\n")
    demo.ready()
    assert demo.stop() == 0
    for spoiled in (b"", b"no database" * 1000):
        for path in demo.folder.glob("sandbox.sqlite3*"):
            path.unlink()
        if spoiled:
            (demo.folder / "sandbox.sqlite3").write_bytes(spoiled)
        said = demo.ready()
        assert "has lost its records" in said
        assert demo.stand_in()["counts"]["contacts"] == 6
        assert demo.stop() == 0


def test_a_folder_that_cannot_be_used_is_told(demo: Demo) -> None:
    demo.folder.write_text("a file")
    status, said = demo.once()
    assert status == 1
    assert "can't be used" in said
    assert "Traceback" not in said


def test_a_password_of_ones_own_stays(demo: Demo) -> None:
    assert "(the one that you set)" not in demo.ready()
    users = (
        "from django.contrib.auth import get_user_model\nuser = get_user_model().objects.get()\n"
    )
    demo.shell(f"{users}user.set_password('mine'); user.is_active = False; user.save()")
    assert demo.stop() == 0
    assert "(the one that you set)" in demo.ready()
    assert demo.shell(f"{users}print(user.check_password('mine'), user.is_active)") == "True True"
    assert demo.stop() == 0
