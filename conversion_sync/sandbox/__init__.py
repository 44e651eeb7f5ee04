"""A local stand-in of the Conversion API over real HTTP: for the demo, development and tests.

Imports nothing of Django.
"""

from conversion_sync.sandbox.box import Sandbox
from conversion_sync.sandbox.faults import KINDS, Fault, Request
from conversion_sync.sandbox.listener import PortInUse
from conversion_sync.sandbox.program import run
from conversion_sync.sandbox.specs import parse_spec
from conversion_sync.sandbox.traffic import Call

__all__ = ["KINDS", "Call", "Fault", "PortInUse", "Request", "Sandbox", "parse_spec", "run"]
