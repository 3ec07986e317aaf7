"""The tests' settings for workers that only a test gives work: no schedule of the project falls due meanwhile."""

from tests.settings import *  # noqa: F403

NO_SCHEDULES: list[object] = []
JOBS_SCHEDULES = f"{__name__}.NO_SCHEDULES"
