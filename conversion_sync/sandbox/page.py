"""The page at ``/``: what has arrived, for a person. No script; reloads by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from conversion_sync.sandbox.faults import Fault
from conversion_sync.sandbox.traffic import Call

__all__ = ["render"]

_SHOWN = 25
_REFRESH = 3

_STYLE = """
:root { color-scheme: light dark; --line: #d8dee6; --soft: #5b6673; --card: #f6f8fa;
  --ok: #17693b; --bad: #b3261e; --wait: #80560a; }
@media (prefers-color-scheme: dark) { :root { --line: #39424e; --soft: #9aa7b5; --card: #1b2027;
  --ok: #6fd39a; --bad: #ff9b93; --wait: #e8bd6a; } body { background: #11151a; color: #e8edf2; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
p { margin: .25rem 0 1rem; color: var(--soft); } code { font-size: .85rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem;
  margin: 0; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .5rem .8rem; }
dt { color: var(--soft); font-size: .8rem; } dd { margin: 0; font-size: 1.35rem; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .7rem; vertical-align: top; }
td { border-top: 1px solid var(--line); overflow-wrap: anywhere; min-width: 6rem; }
td .ok, td .bad, td .wait { white-space: nowrap; }
th { color: var(--soft); font-weight: 500; font-size: .8rem; white-space: nowrap; }
.ok { color: var(--ok); } .bad { color: var(--bad); } .wait { color: var(--wait); }
"""

_STATUS_CLASS = {"SUBSCRIBED": "ok", "UNSUBSCRIBED": "bad", "PENDING": "wait"}


class _Html(str):
    """Text that is escaped already."""

    __slots__ = ()


def render(
    *,
    base_url: str,
    contacts: Mapping[str, Mapping[str, Any]],
    companies: Mapping[str, Mapping[str, Any]],
    engagements: Sequence[Mapping[str, Any]],
    calls: Sequence[Call],
    counters: Mapping[str, Any],
    faults: Sequence[Fault],
    rate: float,
) -> str:
    """Return the page; everything that came from outside is escaped."""
    opted_out = sum(1 for c in contacts.values() if c["subscriptionStatus"] == "UNSUBSCRIBED")
    counts = (
        ("Contacts", len(contacts)),
        ("Unsubscribed", opted_out),
        ("Companies", len(companies)),
        ("Engagements", len(engagements)),
        ("Calls", counters["calls"]),
        ("Most in a second", f"{counters['worst_second']}{f' of {rate:g}' if rate else ''}"),
    )
    tiles = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in counts)
    parts = [
        _table(
            "Contacts",
            ("Email", "Status", "Variables", "Changed"),
            (
                (
                    c["email"],
                    _status(c["subscriptionStatus"]),
                    _pairs(c["variables"]),
                    _clock(c["updatedAt"]),
                )
                for c in _latest(contacts.values())
            ),
        ),
        _table(
            "Companies",
            ("Id", "Domain", "Variables", "Changed"),
            (
                (c["id"], c["baseDomain"] or "", _pairs(c["variables"]), _clock(c["updatedAt"]))
                for c in _latest(companies.values())
            ),
        ),
        _table(
            "Engagements",
            ("Contact", "Name", "Description", "Data", "Arrived"),
            (
                (
                    e["contactEmail"],
                    e["name"],
                    e["description"],
                    _data(e["data"]),
                    _clock(e["createdAt"]),
                )
                for e in reversed(engagements[-_SHOWN:])
            ),
        ),
        _table(
            "Recent calls",
            ("Time", "Call", "Rows", "Answer"),
            (
                (
                    time.strftime("%H:%M:%S", time.localtime(call.time)),
                    f"{call.method} {call.path}",
                    str(call.rows),
                    _answer(call),
                )
                for call in reversed(calls[-_SHOWN:])
            ),
        ),
        _table("Faults waiting", ("Fault",), ((str(fault),) for fault in faults)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="{_REFRESH}"><title>Conversion sandbox</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>Conversion sandbox</h1>"
        f"<p>A local stand-in of the Conversion API at <code>{escape(base_url)}</code>. "
        f"The latest {_SHOWN} of each are shown.</p><dl>{tiles}</dl>{''.join(parts)}"
        "</main></body></html>"
    )


def _latest(records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(records, key=lambda record: str(record["updatedAt"]), reverse=True)[:_SHOWN]


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(
        "<tr>" + "".join(f"<td>{_escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    if not body:
        return f"<h2>{title}</h2><p>None yet.</p>"
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<h2>{title}</h2><div class="wide" tabindex="0" role="region" aria-label="{title}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _escaped(cell: str) -> str:
    return cell if isinstance(cell, _Html) else escape(cell)


def _status(status: str) -> str:
    return _Html(f'<span class="{_STATUS_CLASS.get(status, "wait")}">{escape(status)}</span>')


def _answer(call: Call) -> str:
    text = str(call.status) if call.status else "no answer"
    kind = "ok" if 200 <= call.status < 300 else "bad"
    fault = f" ({escape(call.fault)})" if call.fault else ""
    return _Html(f'<span class="{kind}">{text}</span>{fault}')


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_data(value)}" for name, value in values.items())


def _data(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _clock(moment: str) -> str:
    return moment[:19].replace("T", " ") + " UTC"
