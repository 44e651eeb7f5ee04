"""How many contacts a drain sends in a second, with the limit lifted, beside a bare loop.

A server of a few lines takes whole batches and names each contact. A bare loop posts the same
payloads to it, one batch after the other, and does nothing else. Both run in turn, in the same
minute; what counts is their ratio. Then come the statements of a batch, and of one contact alone.

    python benchmarks/drain_speed.py [--rows 10000] [--rounds 3]

Takes the database of DATABASE_URL (SQLite without it), in a test database that is removed at the
end.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent

BATCH = 200

#: What a transaction adds, and what batches share: slots, the look at the lease, whose turn it is.
FRAMING = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "SET ")


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    os.chdir(BASE_DIR)
    sys.path.insert(0, str(BASE_DIR))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test.utils import override_settings

    listener = socket.create_server(("127.0.0.1", 0))
    server = multiprocessing.get_context("fork").Process(
        target=serve, args=(listener,), daemon=True
    )
    server.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
    sends = {"API_KEY": "k", "BASE_URL": url, "RATE_LIMIT": 100_000, "QUEUE": "none"}
    connection.creation.create_test_db(verbosity=0)
    try:
        with override_settings(CONVERSION_SYNC={**settings.CONVERSION_SYNC, **sends}):
            measure(url, options)
    finally:
        connection.creation.destroy_test_db("", verbosity=0)
        server.terminate()


def measure(url: str, options: argparse.Namespace) -> None:
    """Send the rows both ways, several times, and print what came of it."""
    from django.db import connection

    drained, bare = [], []
    for _ in range(options.rounds):
        enter(options.rows)
        drained.append(options.rows / timed(drain_all))
        bare.append(options.rows / timed(lambda: post_all(url, options.rows)))
    print(
        f"{connection.vendor}, {options.rows} contacts, {options.rounds} rounds, the best of each"
    )
    print(f"{'a drain, limit lifted':34} {max(drained):>9,.0f} rows/s")
    print(f"{'a bare loop, the same payloads':34} {max(bare):>9,.0f} rows/s")
    print(f"{'drain : bare loop':34} {'1 :':>5} {max(bare) / max(drained):>5.1f}")
    print(f"{'statements of one contact alone':34} {len(statements(1)):>9}")
    two, six = statements(2 * BATCH), statements(6 * BATCH)
    print(f"{'statements a full batch, all':34} {(len(six) - len(two)) / 4:>9.1f}")
    for sql, count in (Counter(six) - Counter(two)).most_common():
        print(f"{count / 4:>9.2f}  {sql}")


def contact_values(number: int) -> dict[str, Any]:
    """What a contact says, but for its email."""
    return {"first_name": "Ann", "last_name": f"Number {number}", "title": "Engineer"}


def enter(rows: int) -> None:
    """Have so many new contacts due, and no others there."""
    from conversion_sync.models import ApiCall, Contact

    Contact.unmarked.all().delete()
    ApiCall.objects.all().delete()
    made = [Contact(email=f"c{n}@x.example", **contact_values(n)) for n in range(rows)]
    Contact.objects.bulk_create(made, batch_size=1000)


def drain_all() -> None:
    """Drain until all has arrived."""
    from conversion_sync.models import Contact
    from conversion_sync.sync.drain import drain

    while drain(30.0).go_on:
        pass
    left = Contact.objects.exclude(sync_status="SYNCED").count()
    if left or Contact.objects.filter(remote_id="").exists():
        sys.exit(f"{left} rows did not arrive")


def post_all(url: str, rows: int) -> None:
    """Post the same, and read the answers."""
    import requests

    session = requests.Session()
    for start in range(0, rows, BATCH):
        items = [
            {"email": f"c{n}@x.example", "variables": contact_values(n)}
            for n in range(start, min(rows, start + BATCH))
        ]
        answer = session.post(
            f"{url}/contacts/batch",
            json={"contacts": items},
            headers={"Authorization": "Bearer k"},
            timeout=20,
        )
        if not answer.json()["success"]:
            sys.exit("The server refused a batch")


def timed(act: Any) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def statements(rows: int) -> list[str]:
    """The statements of a drain of so many contacts, framing aside, without their values."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from conversion_sync.sync.drain import drain

    enter(rows)
    with CaptureQueriesContext(connection) as queries:
        drain(60.0)
    found = [query["sql"] for query in queries if not query["sql"].startswith(FRAMING)]
    return [shape(sql) for sql in found]


def shape(sql: str) -> str:
    """The verb and the table of a statement, and a word or two that tell it from others."""
    verb = sql.split(None, 1)[0]
    table = re.search(r"conversion_sync_(\w+)", sql)
    notes = {
        "is_ours": "the look at the lease",
        "waits_for": "ready?",
        "next_slot_at": "slot",
        "last_ok_at": "success",
        "FOR NO KEY UPDATE": "locked",
        "clock_timestamp": "time",
        "strftime('": "time",
        "UTC_TIMESTAMP(6)": "time",
    }
    note = next((note for mark, note in notes.items() if mark in sql), "")
    return f"{verb} {table[1] if table else ''} {note}".strip()


def serve(listener: socket.socket) -> None:
    """A server that takes every batch of contacts."""
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=answer_all, args=(connection,), daemon=True).start()


def answer_all(connection: socket.socket) -> None:
    """Answer the requests of a connection until it ends."""
    stream = connection.makefile("rb")
    while stream.readline().strip():
        length = 0
        while header := stream.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        emails = [item["email"] for item in json.loads(stream.read(length))["contacts"]]
        data = [
            {"email": e, "contactId": str(uuid.uuid4()), "operation": "created"} for e in emails
        ]
        body = json.dumps({"success": True, "data": data}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        connection.sendall(head.encode() + b"\r\n\r\n" + body)


if __name__ == "__main__":
    main()
