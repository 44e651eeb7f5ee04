"""The settings of a site whose admin wears the theme of an app."""

import os

from tests.browser.site_settings import *  # noqa: F403  # all of it
from tests.browser.site_settings import INSTALLED_APPS as APPS
from tests.browser.site_settings import MIDDLEWARE as GIVEN

INSTALLED_APPS = [os.environ["THEME"], *APPS]
# Themes have inline scripts.
MIDDLEWARE = [name for name in GIVEN if not name.endswith("content_security_policy")]
ROOT_URLCONF = "tests.browser.theme_urls"
