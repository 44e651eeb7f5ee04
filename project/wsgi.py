"""The site as a WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

from project.checks import require_secret_key

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

require_secret_key()

application = get_wsgi_application()
