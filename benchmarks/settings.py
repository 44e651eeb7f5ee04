"""The site that is measured: that of the tests, on a database of its own, sending to a stand-in.

``BENCHMARK_SENDS`` (JSON) holds its ``CONVERSION_SYNC``, so that all processes of a measurement
have the same. ``BENCHMARK_CLUSTER`` is the q cluster's, where it is not that of the project.
"""

import json
import os

from tests.settings import *  # noqa: F403  # all of it

CONVERSION_SYNC = json.loads(os.environ.get("BENCHMARK_SENDS", "{}"))
if "BENCHMARK_CLUSTER" in os.environ:
    Q_CLUSTER = json.loads(os.environ["BENCHMARK_CLUSTER"])
