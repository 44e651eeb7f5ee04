"""The settings of the site that these tests look at: as in production, but over plain HTTP."""

from project.settings import *  # noqa: F403  # all of it

DEBUG = False
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR"}},
}
ROOT_URLCONF = "tests.browser.site_urls"
