"""What language models were asked, and what it cost: reserved before each request, settled after it."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from agents.models.agents import AgentExecution
from oppspot.organizations.scoping import OrgOwned


class LLMCallState(models.TextChoices):
    RESERVED = "reserved", "Reserved: under way"
    SETTLED = "settled", "Settled: answered and paid"
    RELEASED = "released", "Released: refused, so not billed"
    UNKNOWN = "unknown", "Unknown: no answer came; charged as reserved"


class LLMCall(OrgOwned):
    """A request to a language model, or an answer taken from the store (`is_cached`, which costs nothing)."""

    execution = models.ForeignKey(AgentExecution, null=True, on_delete=models.SET_NULL, related_name="+")
    month = models.DateField(help_text="The first day of the month (UTC) whose budget it is charged to.")
    step = models.CharField(max_length=100, blank=True, default="")
    model = models.CharField(max_length=100)
    prompt = models.CharField(max_length=60, help_text="The template's name.")
    prompt_version = models.CharField(max_length=30)
    state = models.CharField(max_length=10, choices=LLMCallState, default=LLMCallState.RESERVED)
    is_cached = models.BooleanField(default=False)
    reserved_cost = models.DecimalField(
        max_digits=14, decimal_places=8, default=0, help_text="US dollars, an upper bound."
    )
    cost = models.DecimalField(max_digits=14, decimal_places=8, default=0, help_text="US dollars.")
    tokens_in = models.IntegerField(default=0)
    tokens_out = models.IntegerField(default=0)
    latency_ms = models.IntegerField(null=True)
    http_status = models.SmallIntegerField(null=True)
    provider_request_id = models.CharField(max_length=200, blank=True, default="")
    error = models.TextField(blank=True, default="")
    prompt_sha256 = models.CharField(max_length=64)
    response_sha256 = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "llm_calls"
        verbose_name = "LLM call"
        constraints = [
            models.CheckConstraint(condition=Q(state__in=LLMCallState.values), name="llm_call_state_known"),
            models.CheckConstraint(
                condition=Q(cost__gte=0, reserved_cost__gte=0, tokens_in__gte=0, tokens_out__gte=0),
                name="llm_call_positive",
            ),
            models.CheckConstraint(
                condition=Q(state="reserved", ended_at=None) | (~Q(state="reserved") & Q(ended_at__isnull=False)),
                name="llm_call_ended_when_not_reserved",
            ),
            models.CheckConstraint(condition=~Q(state="released") | Q(cost=0), name="llm_call_released_costs_nothing"),
            models.CheckConstraint(condition=Q(is_cached=False) | Q(cost=0), name="llm_call_cached_costs_nothing"),
        ]
        indexes = [
            models.Index("org", F("id").desc(), name="llm_call_latest"),
            models.Index(fields=["org", "month"], name="llm_call_month"),
            models.Index(fields=["execution"], name="llm_call_execution"),
            models.Index(fields=["created_at"], condition=Q(state="reserved"), name="llm_call_open"),
        ]

    def __str__(self) -> str:
        return f"{self.state} call of {self.model}"


class LLMBudget(OrgOwned):
    """What an organisation may spend on language models. Without a row, the settings' caps hold."""

    monthly_cap = models.DecimalField(max_digits=12, decimal_places=6, help_text="US dollars a calendar month (UTC).")
    run_cap = models.DecimalField(max_digits=12, decimal_places=6, help_text="US dollars an execution.")
    updated_by = models.TextField(blank=True, default="", editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "llm_budgets"
        verbose_name = "LLM budget"
        constraints = [
            models.UniqueConstraint(fields=["org"], name="llm_budget_once"),
            models.CheckConstraint(condition=Q(monthly_cap__gte=0, run_cap__gte=0), name="llm_budget_positive"),
        ]

    def __str__(self) -> str:
        return f"${self.monthly_cap:.2f} a month"


class LLMMonth(OrgOwned):
    """What of a month's budget is reserved and spent: one row, so that concurrent calls cannot pass the cap."""

    month = models.DateField()
    reserved = models.DecimalField(max_digits=14, decimal_places=8, default=0, db_default=0)
    spent = models.DecimalField(max_digits=14, decimal_places=8, default=0, db_default=0)

    class Meta:
        db_table = "llm_months"
        verbose_name = "LLM month"
        constraints = [
            models.UniqueConstraint(fields=["org", "month"], name="llm_month_once"),
            models.CheckConstraint(condition=Q(reserved__gte=0, spent__gte=0), name="llm_month_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class LLMResponse(OrgOwned):
    """An answer at temperature 0, kept so that the same question is not paid for twice. Never shared between
    organisations: prompts hold what is theirs."""

    key = models.CharField(max_length=64, help_text="SHA-256 of model, messages, schema and limits.")
    text = models.TextField()
    model = models.CharField(max_length=100)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "llm_responses"
        verbose_name = "LLM response"
        constraints = [models.UniqueConstraint(fields=["org", "key"], name="llm_response_once")]
        indexes = [models.Index(fields=["expires_at"], name="llm_response_expiry")]

    def __str__(self) -> str:
        return self.key


class LLMBreaker(models.Model):
    """Whether a server's model is left alone for a while, after too many failures. Shared by all workers."""

    key = models.TextField(primary_key=True, help_text="Base URL and model.")
    failures = models.IntegerField(default=0, help_text="In a row.")
    open_until = models.DateTimeField(null=True, help_text="Until then nothing is asked; then one question probes.")
    reason = models.TextField(blank=True, default="")
    needs_operator = models.BooleanField(default=False, help_text="A refused key or an empty account: stays open.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "llm_breakers"
        verbose_name = "LLM breaker"

    def __str__(self) -> str:
        return self.key
