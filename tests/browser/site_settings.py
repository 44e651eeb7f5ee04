"""The settings of the site that these tests look at: as in production, but over plain HTTP."""

from project.settings import *  # noqa: F403  # all of it
from project.settings import INSTALLED_APPS

DEBUG = False
# A site whose own models are mirrored.
INSTALLED_APPS = [*INSTALLED_APPS, "tests.mirrors.shop", "tests.browser.mirrored"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR"}},
}
ROOT_URLCONF = "tests.browser.site_urls"
