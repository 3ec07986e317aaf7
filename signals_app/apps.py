"""App configuration."""

from django.apps import AppConfig


class SignalsConfig(AppConfig):
    name = "signals_app"
    verbose_name = "Buying signals"

    def ready(self) -> None:
        from signals_app.alerts import admin, tasks  # noqa: F401  Django finds those of the app itself only
