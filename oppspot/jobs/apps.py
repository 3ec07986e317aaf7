"""The app of jobs: finds every app's events, then the functions that listen to them."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class JobsConfig(AppConfig):
    name = "oppspot.jobs"
    label = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from oppspot.jobs import checks  # noqa: F401  registers them

        autodiscover_modules("events")  # of every app, before the functions that listen to them
        autodiscover_modules("tasks")
