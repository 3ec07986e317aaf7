"""App configuration."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "oppspot.core"
    label = "core"

    def ready(self) -> None:
        from oppspot.core import checks  # noqa: F401  registers the system checks
