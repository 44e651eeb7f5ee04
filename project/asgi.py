"""The site as an ASGI application."""

import os

from django.core.asgi import get_asgi_application

from project.checks import require_secret_key

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

require_secret_key()

application = get_asgi_application()
