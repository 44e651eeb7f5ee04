"""Bulk jobs: what is done to many rows, a step at a time, by the drains."""

from __future__ import annotations

from conversion_sync.sync.jobs.actions import act, concerns
from conversion_sync.sync.jobs.beginning import cancel, selected, start
from conversion_sync.sync.jobs.held import waiting
from conversion_sync.sync.jobs.steps import deliver

__all__ = ["act", "cancel", "concerns", "deliver", "selected", "start", "waiting"]
