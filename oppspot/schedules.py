"""What happens by the clock. `manage.py sync_schedules`, and every worker that starts, make the rows agree."""

from oppspot.jobs.scheduling import Scheduled

SCHEDULES: list[Scheduled] = []
