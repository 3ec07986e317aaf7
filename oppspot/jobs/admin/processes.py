"""Lists of what makes jobs go: schedules and workers."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.utils import timezone
from unfold.admin import ModelAdmin

from oppspot.core.admin import ReadOnlyMixin, column
from oppspot.jobs.admin.durations import age_of
from oppspot.jobs.cron import describe
from oppspot.jobs.models import Schedule, Worker
from oppspot.jobs.stats import OVERDUE_AFTER_S, SEEN_WITHIN_S


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyMixin, ModelAdmin):
    """Schedules are declared in the code; here is how they do."""

    list_display = ["name", "state", "times", "time_zone", "next_slot", "last_slot", "skipped", "missed"]
    ordering = ["name"]
    fields = [
        *("name", "event_name", "state", "times", "cron", "time_zone"),
        *("next_slot_at", "last_slot_at", "last_event", "skipped", "missed"),
    ]
    readonly_fields = fields

    @column("State", colours={"on time": "success", "overdue": "danger"})
    def state(self, schedule: Schedule) -> str:
        overdue = schedule.next_slot_at < timezone.now() - timedelta(seconds=OVERDUE_AFTER_S)
        return "overdue" if overdue else "on time"

    @column("When")
    def times(self, schedule: Schedule) -> str:
        return describe(schedule.cron, schedule.time_zone).removesuffix(f", {schedule.time_zone}")

    @column("Next")
    def next_slot(self, schedule: Schedule) -> str:
        return age_of(schedule.next_slot_at)

    @column("Last")
    def last_slot(self, schedule: Schedule) -> str:
        return age_of(schedule.last_slot_at)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyMixin, ModelAdmin):
    list_display = ["shown_host", "pid", "state", "queue", "runs", "started", "seen"]
    ordering = ["-seen_at"]
    fields = ["host", "pid", "queue", "state", "runs", "started_at", "seen_at"]
    readonly_fields = fields

    @column("Host")
    def shown_host(self, worker: Worker) -> str:
        return worker.host

    @column("State", colours={"alive": "success", "not seen": "danger"})
    def state(self, worker: Worker) -> Any:
        return "alive" if worker.seen_at > timezone.now() - timedelta(seconds=SEEN_WITHIN_S) else "not seen"

    @column("Started")
    def started(self, worker: Worker) -> str:
        return age_of(worker.started_at)

    @column("Seen")
    def seen(self, worker: Worker) -> str:
        return age_of(worker.seen_at)
