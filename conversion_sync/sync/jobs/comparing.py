"""The step of a job that compares rows with Conversion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F

from conversion_sync.sync.compare import Comparison, State, comparisons
from conversion_sync.sync.deliveries import Delivery
from conversion_sync.sync.jobs.held import HeldJob
from conversion_sync.sync.retry import retried
from conversion_sync.sync.run import Run
from conversion_sync.sync.transactions import short_transaction

__all__ = ["compare"]

#: Rows in one step.
ROWS_AT_ONCE = 8

#: So many findings are kept, opt-outs before others; more are only counted.
FINDINGS = 1000

#: So much is kept of why a row could not be compared.
MESSAGE = 200


def compare(run: Run, held: HeldJob, at_once: int) -> Delivery[int]:
    """Compare the next rows of the job. Returns their number.

    Args:
        at_once: no more calls at once than that.
    """
    rows = held.rows(held.next(min(at_once, ROWS_AT_ONCE)))
    compared = yield from comparisons([] if run.is_over() else list(rows.order_by("pk")))
    if not compared:
        held.let_go()
        return 0
    return _note(held, compared)


@retried
def _note(held: HeldJob, compared: Sequence[Comparison]) -> int:
    job = held.job
    found = [_finding(each) for each in compared if each.differs or each.error]
    kept = sorted([*job.findings, *found], key=lambda finding: not finding["opt_out"])[:FINDINGS]
    more = {"findings": kept} if kept != job.findings else {}
    with short_transaction(held.using), held.on_behalf():
        if job.arguments.get("push"):
            ours = [finding["pk"] for finding in found if not finding["error"]]
            held.rows(ours).sync_now()
        affected = F("affected") + len(found)
        held.advance(compared[-1].row.pk, len(compared), affected=affected, **more)
    return len(compared)


def _finding(comparison: Comparison) -> dict[str, Any]:
    return {
        "pk": comparison.row.pk,
        "key": comparison.row.wanted_key,
        "label": str(comparison.row),
        "error": comparison.error.code if comparison.error else "",
        "message": comparison.error.message[:MESSAGE] if comparison.error else "",
        "missing": comparison.is_missing,
        "opt_out": comparison.remote_opt_out,
        "fields": [field.name for field in comparison.fields if field.state is not State.SAME],
    }
