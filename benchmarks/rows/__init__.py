"""Rows to measure with: all of a site after some years, or contacts and engagements that wait.

What a row looks like follows from its number alone, so that every run has the same rows. They are
written past our managers, as fast as the database takes them.
"""

from __future__ import annotations

from benchmarks.rows.states import NOW
from benchmarks.rows.tables import empty
from benchmarks.rows.waiting import arrived_contacts, due_contacts, due_engagements, values
from benchmarks.rows.years import fill

__all__ = ["NOW", "arrived_contacts", "due_contacts", "due_engagements", "empty", "fill", "values"]
