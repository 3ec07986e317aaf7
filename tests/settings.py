"""The project's settings, with the app whose functions the tests run, and the kind of agent that they run."""

from oppspot.settings import *  # noqa: F403
from oppspot.settings import AGENT_KINDS as PROJECT_KINDS
from oppspot.settings import INSTALLED_APPS as PROJECT_APPS

INSTALLED_APPS = [*PROJECT_APPS, "tests.jobs.sample"]
AGENT_KINDS = [*PROJECT_KINDS, "tests.agents.kinds"]
