"""Events, the runs they cause, and what is known about each: these rows are the queue and the truth."""

from typing import Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from oppspot.core.ids import uuid7
from oppspot.organizations.models import Organization
from oppspot.organizations.scoping import OrgManager


class Priority(models.IntegerChoices):
    """How urgent a run is. Waiting ages a run, so that none starves: see `RANK_S`."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


# Seconds by which a priority moves a run ahead in the queue, or back: a low one goes before a high one that came
# twenty minutes later.
RANK_S = {Priority.HIGH: -600, Priority.NORMAL: 0, Priority.LOW: 600}


class Status(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class WaitingFor(models.TextChoices):
    """What a queued run waits for, other than a worker."""

    NOTHING = "", "a worker"
    TIME = "time", "its time"
    SLOT = "slot", "a slot of its concurrency key"
    CHILDREN = "children", "its children"


class Outcome(models.TextChoices):
    """How an attempt ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CRASHED = "crashed", "Crashed: its worker vanished"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SUSPENDED = "suspended", "Suspended: it sleeps or waits"
    RELEASED = "released", "Released: its worker was stopped"


class OfOrgOrSystem(models.Model):
    """A row of an organisation, or of the system itself where `org` is null. Read with `objects.for_org(org)`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    org = models.ForeignKey(
        Organization, null=True, blank=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )

    class Meta:
        abstract = True


class Event(OfOrgOrSystem):
    """Something that happened, for functions to act on. Never changed."""

    name = models.TextField()
    data = models.JSONField(encoder=DjangoJSONEncoder)
    dedupe_key = models.TextField(blank=True, default="")
    # A plain column: the run may be trimmed before its event.
    caused_by_run = models.UUIDField(null=True, blank=True)
    listeners = models.SmallIntegerField(default=0, help_text="Functions that listened when it was emitted.")
    created_at = models.DateTimeField(db_default=Now())

    all_orgs: ClassVar[models.Manager[Self]] = models.Manager()
    objects: ClassVar[OrgManager[Any]] = OrgManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["org", "name", "dedupe_key"],
                condition=~Q(dedupe_key=""),
                nulls_distinct=False,
                name="event_dedupe_once",
            ),
        ]
        indexes = [
            models.Index(fields=["org", "-id"], name="event_org"),
            models.Index(fields=["name", "-id"], name="event_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"


class Run(OfOrgOrSystem):
    """One function's work on one event (or a batch of them).

    `fence` counts starts: whoever writes as a worker names the fence it started with, and a worker that was given up
    writes nothing. `attempt` counts the starts that used up a try: resuming after a sleep is none.
    """

    queue = models.TextField(default="default")
    function = models.TextField()
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="runs")
    event_ids = ArrayField(models.UUIDField(), default=list, db_default=[], blank=True, help_text="Of a batch.")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children", db_index=False
    )

    status = models.TextField(choices=Status, default=Status.QUEUED, db_default=Status.QUEUED)
    waiting_for = models.TextField(choices=WaitingFor, default=WaitingFor.NOTHING, db_default="", blank=True)
    priority = models.SmallIntegerField(choices=Priority, default=Priority.NORMAL)
    rank = models.DateTimeField(help_text="Its place in the queue: when it may run, moved by its priority.")
    run_after = models.DateTimeField()

    fence = models.IntegerField(default=0, db_default=0)
    attempt = models.IntegerField(default=0, db_default=0)
    max_attempts = models.IntegerField(default=1)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.TextField(blank=True, default="", db_default="")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    concurrency_key = models.TextField(blank=True, default="", db_default="")
    concurrency_limit = models.IntegerField(null=True, blank=True)
    rate_key = models.TextField(blank=True, default="", db_default="", help_text="Empty once its turn is reserved.")
    gather_key = models.TextField(
        blank=True, default="", db_default="", help_text="Of a run that still takes in events: debounced or batched."
    )
    idempotency_key = models.TextField(blank=True, default="", db_default="")

    progress_done = models.BigIntegerField(default=0, db_default=0)
    progress_total = models.BigIntegerField(null=True, blank=True)
    output = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    error = models.TextField(blank=True, default="", db_default="")
    requested_by = models.TextField(blank=True, default="", db_default="", help_text="Who asked, if a person did.")

    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True, help_text="First start.")
    finished_at = models.DateTimeField(null=True, blank=True)

    all_orgs: ClassVar[models.Manager[Self]] = models.Manager()
    objects: ClassVar[OrgManager[Any]] = OrgManager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="run_status_known"),
            models.CheckConstraint(
                condition=Q(waiting_for="") | Q(status=Status.QUEUED, waiting_for__in=WaitingFor.values),
                name="run_waits_in_queue",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.RUNNING, lease_until__isnull=False)
                | (~Q(status=Status.RUNNING) & Q(lease_until=None)),
                name="run_lease_while_running",
            ),
            models.CheckConstraint(
                condition=Q(attempt__gte=0, attempt__lte=F("max_attempts"), fence__gte=F("attempt")),
                name="run_attempts_within",
            ),
            models.CheckConstraint(
                condition=Q(status__in=TERMINAL, finished_at__isnull=False)
                | (~Q(status__in=TERMINAL) & Q(finished_at=None)),
                name="run_finished_when_terminal",
            ),
            models.UniqueConstraint(
                fields=["org", "function", "gather_key"],
                condition=Q(status=Status.QUEUED) & ~Q(gather_key=""),
                nulls_distinct=False,
                name="run_gathers_once",
            ),
            models.UniqueConstraint(
                fields=["org", "function", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                nulls_distinct=False,
                name="run_idempotent_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "rank", "id"],
                condition=Q(status=Status.QUEUED, waiting_for=""),
                name="run_ready",
            ),
            models.Index(fields=["run_after"], condition=Q(status=Status.QUEUED, waiting_for="time"), name="run_timed"),
            models.Index(
                fields=["concurrency_key", "rank", "id"],
                condition=Q(status=Status.QUEUED, waiting_for="slot"),
                name="run_parked",
            ),
            models.Index(
                fields=["id"], condition=Q(status=Status.QUEUED, waiting_for="children"), name="run_waiting_parents"
            ),
            models.Index(
                fields=["concurrency_key"],
                condition=Q(status=Status.RUNNING) & ~Q(concurrency_key=""),
                name="run_slots",
            ),
            models.Index(fields=["lease_until"], condition=Q(status=Status.RUNNING), name="run_leases"),
            models.Index(fields=["parent"], condition=Q(parent__isnull=False), name="run_parent"),
            # Ids ascend with time: they order by age without an index on the date.
            models.Index(fields=["org", "-id"], name="run_org"),
            models.Index(fields=["function", "-id"], name="run_function"),
            models.Index(fields=["-finished_at"], condition=Q(finished_at__isnull=False), name="run_finished"),
            models.Index(fields=["-id"], condition=Q(status=Status.FAILED), name="run_dead"),
        ]

    def __str__(self) -> str:
        return f"{self.function} {self.id}"

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_dead_letter(self) -> bool:
        return self.status == Status.FAILED


class Attempt(models.Model):
    """One start of a run, and how it ended."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attempts")
    fence = models.IntegerField()
    number = models.IntegerField(help_text="Which try of the run's it was; resuming after a sleep repeats it.")
    worker = models.TextField()
    outcome = models.TextField(choices=Outcome, default=Outcome.RUNNING, db_default=Outcome.RUNNING)
    error = models.TextField(blank=True, default="", db_default="")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "fence"], name="attempt_once")]

    def __str__(self) -> str:
        return f"start {self.fence} of {self.run_id}"


class Step(models.Model):
    """A completed step of a run: its output is given back when the run is started again. Written in one transaction
    with the step's effects."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    name = models.TextField()
    fence = models.IntegerField(help_text="The start of the run that completed it.")
    output = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="step_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.run_id}"


class RunLog(models.Model):
    """What a function said while it ran, for whoever looks at the run."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="logs")
    fence = models.IntegerField()
    message = models.TextField()
    fields = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    logged_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["run", "id"], name="run_log")]

    def __str__(self) -> str:
        return self.message


class Schedule(models.Model):
    """The state of a schedule that `oppspot/schedules.py` declares; the code is the truth of all but the dates."""

    name = models.TextField(primary_key=True)
    cron = models.TextField()
    time_zone = models.TextField()
    event_name = models.TextField()
    next_slot_at = models.DateTimeField()
    last_slot_at = models.DateTimeField(null=True, blank=True)
    last_event = models.ForeignKey(Event, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    skipped = models.IntegerField(default=0, help_text="Slots left out because the one before was still at work.")
    missed = models.IntegerField(default=0, help_text="Slots nobody was there for; several are made up for by one run.")

    class Meta:
        indexes = [models.Index(fields=["next_slot_at"], name="schedule_due")]

    def __str__(self) -> str:
        return self.name


class Worker(models.Model):
    """A process that runs functions, as it was last seen."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    host = models.TextField()
    pid = models.IntegerField()
    queue = models.TextField()
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    runs = models.BigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["seen_at"], name="worker_seen")]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class RateBucket(models.Model):
    """A rate limit's state: when the next call may start, if all before are let through at the even pace (GCRA)."""

    key = models.TextField(primary_key=True)
    next_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
