"""The site's settings: everything that differs between two machines is read from the environment.

``.env.example`` lists the variables. They may also stand in a file ``.env`` beside ``manage.py``;
a variable that is really set wins over it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if not env.bool("IGNORE_DOT_ENV", default=False):
    env.read_env(BASE_DIR / ".env")

# --- The site ---------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
# Without it only those commands work that need none (see project/checks.py).
SECRET_KEY = env.str("SECRET_KEY", default="")
if DEBUG and not SECRET_KEY:
    SECRET_KEY = "known to everyone, for development on one's own machine only"  # noqa: S105
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_q",
    "import_export",
    "conversion_sync",
    "project",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "project.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "conversion_sync.middleware.browser_time_zone",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Database ---------------------------------------------------------------------------------

DATABASE: dict[str, Any] = env.db_url(
    "DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}"
)
SQLITE = DATABASE["ENGINE"].endswith("sqlite3")
options = DATABASE.setdefault("OPTIONS", {})
if SQLITE:
    # Writers wait for each other, instead of failing when a transaction that read begins to write.
    options.setdefault("timeout", 20)
    options.setdefault("transaction_mode", "IMMEDIATE")
    options.setdefault("init_command", "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
else:
    DATABASE["CONN_MAX_AGE"] = 600
    DATABASE["CONN_HEALTH_CHECKS"] = True
if DATABASE["ENGINE"].endswith("mysql"):
    options.setdefault("charset", "utf8mb4")
DATABASES = {"default": DATABASE}

# --- Queue ------------------------------------------------------------------------------------

# ``retry`` outlasts a task's wait and run, and no task is tried twice: rows own their retries.
Q_CLUSTER: dict[str, Any] = {
    "name": "conversion_sync",
    "bulk": 1,
    "timeout": 60,
    "retry": 240,
    "poll": 0.2,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
}
if SQLITE:
    Q_CLUSTER |= {"workers": 1, "queue_limit": 1}
else:
    Q_CLUSTER |= {"workers": 2, "queue_limit": 2, "recycle": 500}
if REDIS_URL := env.str("REDIS_URL", default=""):
    Q_CLUSTER |= {"broker_class": "project.broker.BoundedRedis", "redis": REDIS_URL}
else:
    Q_CLUSTER |= {"orm": "default"}

# --- Conversion -------------------------------------------------------------------------------

# A setting that is not given keeps the app's own default.
CONVERSION_SYNC: dict[str, Any] = {
    name: read(f"CONVERSION_{name}")
    for name, read in {
        "API_KEY": env.str,
        "BASE_URL": env.str,
        "RATE_LIMIT": env.float,
        "BATCH_SIZE": env.int,
        "ENABLED": env.bool,
    }.items()
    if os.environ.get(f"CONVERSION_{name}")
}

# --- Security ---------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0 if DEBUG else 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
# W005, W021: only the owner of a domain can promise HTTPS for all its other hosts.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
X_FRAME_OPTIONS = "DENY"
