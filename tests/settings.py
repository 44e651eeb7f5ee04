"""The site's settings for tests: nothing of a developer's ``.env`` leaks in.

``DATABASE_URL`` and ``REDIS_URL`` of the environment hold, so that the same tests run on every
database.
"""

import os
import tempfile
from pathlib import Path

for name in [name for name in os.environ if name.startswith("CONVERSION_")]:
    del os.environ[name]
os.environ |= {
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "DEBUG": "0",
    "IGNORE_DOT_ENV": "1",
    "SECRET_KEY": "only for tests, where it opens nothing, and long enough",
    "SECURE_SSL_REDIRECT": "0",
}

from project.settings import *  # noqa: E402, F403  # after the environment is set, and all of it
from project.settings import DATABASES, INSTALLED_APPS, SQLITE  # noqa: E402

# Fast, and as good as another for a password that is known.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False

if SQLITE:
    # A real file, for one in memory knows neither WAL nor the waiting of writers.
    name = f"conversion-sync-tests-{os.getpid()}.sqlite3"
    DATABASES["default"]["TEST"] = {"NAME": Path(tempfile.gettempdir()) / name}

# A site that keeps its times without zones: another zone than UTC, and one with summer time.
if os.environ.get("USE_TZ") == "0":
    USE_TZ, TIME_ZONE = False, "America/New_York"

# A site whose own models are mirrored.
INSTALLED_APPS = [*INSTALLED_APPS, "tests.mirrors.shop"]

# What may run the drains, where a test has QUEUE be "django_tasks".
TASKS = {
    name: {
        "BACKEND": f"tests.queues.task_backends.{name.capitalize()}",
        "QUEUES": ["default", "own"],
    }
    for name in ("default", "careless", "down", "hanging")
}
