"""Agents and their executions."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from oppspot.organizations.scoping import OrgOwned


class Agent(OrgOwned):
    """Work of one kind, set up for an organisation: run by hand, by the clock, or when something happens."""

    name = models.CharField(max_length=200)
    agent_type = models.CharField(max_length=40, help_text="The kind: a module of agents/kinds.")
    description = models.TextField(blank=True, default="")
    configuration = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder, help_text="The kind's.")
    is_active = models.BooleanField(default=True, help_text="A paused agent is started by nobody but a person.")
    schedule_cron = models.CharField(max_length=100, blank=True, default="")
    time_zone = models.CharField(max_length=60, default="Europe/London")
    next_run_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_run_at = models.DateTimeField(null=True, blank=True, editable=False)
    run_cost_cap = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True,
        help_text="US dollars that one execution may spend on language models; empty: the organisation's.",
    )  # fmt: skip
    state = models.JSONField(default=dict, blank=True, editable=False, encoder=DjangoJSONEncoder,
                             help_text="What the kind remembers between executions.")  # fmt: skip
    created_by = models.TextField(blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "ai_agents"
        constraints = [
            models.UniqueConstraint("org", Lower("name"), name="agent_name_once"),
            models.UniqueConstraint(fields=["org", "id"], name="agent_of_org"),
            models.CheckConstraint(condition=~Q(name=""), name="agent_has_name"),
            models.CheckConstraint(condition=Q(run_cost_cap=None) | Q(run_cost_cap__gte=0), name="agent_cap_positive"),
            models.CheckConstraint(
                condition=Q(next_run_at=None) | (Q(is_active=True) & ~Q(schedule_cron="")),
                name="agent_due_if_scheduled",
            ),
        ]
        indexes = [models.Index(fields=["next_run_at"], condition=Q(next_run_at__isnull=False), name="agent_due")]

    def __str__(self) -> str:
        return self.name


class ExecutionStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ENDED = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)


class Trigger(models.TextChoices):
    """What started an execution."""

    MANUAL = "manual", "A person, in the admin"
    API = "api", "The API"
    COMMAND = "command", "A command"
    SCHEDULE = "schedule", "Its schedule"
    EVENT = "event", "An event"
    HANDOFF = "handoff", "Another agent's execution"


class Mode(models.TextChoices):
    """How a result was made. A fallback says so: nobody shall take it for the other."""

    DETERMINISTIC = "deterministic", "Without a language model"
    LLM = "llm", "With a language model"
    LLM_FALLBACK = "llm_fallback", "Without a language model, as it failed"


class AgentExecution(OrgOwned):
    """One piece of work of an agent.

    Its status follows that of the job that does it: a trigger of the database writes both in one transaction, and
    refuses what is no way from one state to the other (`agents/migrations`).
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    status = models.CharField(max_length=10, choices=ExecutionStatus, default=ExecutionStatus.QUEUED)
    trigger = models.CharField(max_length=10, choices=Trigger)
    input_data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    output_data = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    error_message = models.TextField(blank=True, default="", db_default="")
    mode = models.CharField(max_length=15, choices=Mode, blank=True, default="", db_default="")

    run_id = models.UUIDField(null=True, help_text="The job that does it; a plain column: jobs are trimmed.")
    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    root_id = models.UUIDField(help_text="The execution that the tree began with; its own id, if nothing caused it.")
    depth = models.SmallIntegerField(default=0)
    event_id = models.UUIDField(null=True, help_text="The event that triggered it.")
    dedupe_key = models.TextField(blank=True, default="", help_text="A slot, an event or a hand-off: started once.")
    requested_by = models.TextField(blank=True, default="")

    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    duration_ms = models.BigIntegerField(null=True, help_text="From its first start to its end.")

    # Sums over the ledger, written in the transaction of each call's settlement.
    items_processed = models.IntegerField(default=0, db_default=0)
    api_calls = models.IntegerField(default=0, db_default=0)
    tokens_used = models.BigIntegerField(default=0, db_default=0)
    cost = models.DecimalField(max_digits=14, decimal_places=8, default=0, db_default=0, help_text="US dollars.")
    cost_reserved = models.DecimalField(max_digits=14, decimal_places=8, default=0, db_default=0)
    cost_cap = models.DecimalField(max_digits=12, decimal_places=6, null=True)

    class Meta:
        db_table = "agent_executions"
        constraints = [
            models.UniqueConstraint(fields=["org", "id"], name="execution_of_org"),
            models.UniqueConstraint(
                fields=["org", "agent", "dedupe_key"], condition=~Q(dedupe_key=""), name="execution_once"
            ),
            models.CheckConstraint(condition=Q(status__in=ExecutionStatus.values), name="execution_status_known"),
            models.CheckConstraint(condition=Q(trigger__in=Trigger.values), name="execution_trigger_known"),
            models.CheckConstraint(condition=Q(mode="") | Q(mode__in=Mode.values), name="execution_mode_known"),
            models.CheckConstraint(
                condition=Q(status__in=ENDED, completed_at__isnull=False)
                | (~Q(status__in=ENDED) & Q(completed_at=None)),
                name="execution_completed_when_ended",
            ),
            models.CheckConstraint(condition=~Q(status="failed") | ~Q(error_message=""), name="execution_failure_told"),
            models.CheckConstraint(
                condition=Q(items_processed__gte=0, api_calls__gte=0, tokens_used__gte=0, cost__gte=0,
                            cost_reserved__gte=0, depth__gte=0),
                name="execution_metrics_positive",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index("org", F("id").desc(), name="execution_latest"),
            models.Index("org", "agent", F("id").desc(), name="execution_agent"),
            models.Index(fields=["org", "root_id"], name="execution_tree"),
            models.Index(fields=["run_id"], condition=Q(run_id__isnull=False), name="execution_run"),
            models.Index(fields=["parent"], condition=Q(parent__isnull=False), name="execution_parent"),
        ]

    def __str__(self) -> str:
        return f"{self.status} execution {self.pk}"

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


class ExecutionStep(OrgOwned):
    """A finished step of an execution: what went in and came out. Written in one transaction with its effects."""

    execution = models.ForeignKey(AgentExecution, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    inputs = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    output = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    attempt = models.IntegerField(help_text="Which try of the execution finished it.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "agent_execution_steps"
        constraints = [models.UniqueConstraint(fields=["org", "execution", "name"], name="execution_step_once")]
        indexes = [models.Index(fields=["execution", "id"], name="execution_step_order")]

    def __str__(self) -> str:
        return f"{self.name} of {self.execution_id}"


class AgentTrigger(OrgOwned):
    """An event that starts an agent."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    event_name = models.CharField(max_length=100)
    where = models.JSONField(
        default=dict, blank=True, help_text="Fields of the event with the values that start it: {field: [value, …]}."
    )

    class Meta:
        db_table = "agent_triggers"
        constraints = [models.UniqueConstraint(fields=["org", "agent", "event_name"], name="agent_trigger_once")]
        indexes = [models.Index(fields=["org", "event_name"], name="agent_trigger_event")]

    def __str__(self) -> str:
        return f"{self.event_name} starts {self.agent_id}"


class Handoff(OrgOwned):
    """What an execution of one agent found is handed to another, if it passes the gate."""

    source = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    target = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    min_score = models.SmallIntegerField(default=0, help_text="0 to 100; what has no score passes only at 0.")
    min_evidence = models.SmallIntegerField(default=0, help_text="Pieces of evidence that a subject must have.")
    max_subjects = models.SmallIntegerField(default=5, help_text="Of one execution, the best first.")

    class Meta:
        db_table = "agent_handoffs"
        constraints = [
            models.UniqueConstraint(fields=["org", "source", "target"], name="handoff_once"),
            models.CheckConstraint(condition=~Q(source=F("target")), name="handoff_to_another"),
            models.CheckConstraint(condition=Q(min_score__gte=0, min_score__lte=100), name="handoff_score_percent"),
            models.CheckConstraint(condition=Q(min_evidence__gte=0), name="handoff_evidence_positive"),
            models.CheckConstraint(condition=Q(max_subjects__gte=1, max_subjects__lte=20), name="handoff_fan_out"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} hands to {self.target_id}"
