"""The site as an app: it brings its check."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Registers the check of the environment."""

    name = "project"

    def ready(self) -> None:
        from project import checks  # noqa: F401  # to register
