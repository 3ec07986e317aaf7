"""oppSpot: its settings, with the benchmark's function."""

from oppspot.settings import *  # noqa: F403
from oppspot.settings import INSTALLED_APPS as PROJECT_APPS

INSTALLED_APPS = [*PROJECT_APPS, "benchmarks.job_peers"]
