"""Conditions that no index answers."""

from __future__ import annotations

from django.db.models import BooleanField, Case, Q, When

__all__ = ["unindexed"]


def unindexed(condition: Q) -> Case:
    """The condition as one that no index answers.

    Rows that are found by their keys are few, and a planner whose statistics are old would take
    those that are due, or not, for fewer still, and read all of them.
    """
    return Case(When(condition, then=True), default=False, output_field=BooleanField())
