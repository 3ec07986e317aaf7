"""The tests' settings for workers that only a test gives work, and that may be told to die."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as TESTS_APPS

INSTALLED_APPS = [*TESTS_APPS, "tests.agents.crashing"]
JOBS_SCHEDULES = "tests.jobs.worker_settings.NO_SCHEDULES"
