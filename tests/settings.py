"""The project's settings, with the app whose functions the tests run."""

from oppspot.settings import *  # noqa: F403
from oppspot.settings import INSTALLED_APPS as PROJECT_APPS

INSTALLED_APPS = [*PROJECT_APPS, "tests.jobs.sample"]
