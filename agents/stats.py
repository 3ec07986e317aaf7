"""How agents do and what they cost, summed from their executions and from the ledger: one query each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Aggregate, Count, DecimalField, F, FloatField, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from agents.budgets import WARN_AT
from agents.models import AgentExecution, ExecutionStatus, LLMBudget, LLMCall, LLMCallState, LLMMonth
from agents.querysets import within
from oppspot.organizations.models import Organization

MAX_ROWS = 1_000  # of a list of usage; the costliest


@dataclass(frozen=True)
class Stats:
    """Executions that were asked for within a period."""

    executions: int
    completed: int
    failed: int
    cancelled: int
    open: int  # queued and running
    p50_ms: float | None  # of how long those that completed took; None: none did
    p95_ms: float | None
    items_processed: int
    api_calls: int
    tokens_used: int
    cost: Decimal  # US dollars

    @property
    def success_rate(self) -> float | None:
        """Completed of those that completed or failed, 0 to 1; cancelling is no failure. None: neither happened."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else None


@dataclass(frozen=True)
class AgentStats(Stats):
    agent_id: UUID
    name: str
    kind: str


@dataclass(frozen=True)
class KindStats(Stats):
    kind: str


class _Percentile(Aggregate):
    """Of `duration_ms`, interpolated."""

    function = "percentile_cont"
    template = "%(function)s(%(part)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


_MONEY: DecimalField[Any, Any] = DecimalField(max_digits=20, decimal_places=8)


def _figures() -> dict[str, Any]:
    completed = Q(status=ExecutionStatus.COMPLETED)
    return {
        "executions": Count("pk"),
        "completed": Count("pk", filter=completed),
        "failed": Count("pk", filter=Q(status=ExecutionStatus.FAILED)),
        "cancelled": Count("pk", filter=Q(status=ExecutionStatus.CANCELLED)),
        "open": Count("pk", filter=Q(status__in=(ExecutionStatus.QUEUED, ExecutionStatus.RUNNING))),
        "p50_ms": _Percentile("duration_ms", filter=completed, part=0.5),
        "p95_ms": _Percentile("duration_ms", filter=completed, part=0.95),
        "items_processed": Coalesce(Sum("items_processed"), 0),
        "api_calls": Coalesce(Sum("api_calls"), 0),
        "tokens_used": Coalesce(Sum("tokens_used"), 0),
        "cost": Coalesce(Sum("cost"), Decimal(0), output_field=_MONEY),
    }


def _executions(org: Organization, since: datetime | None, until: datetime | None) -> QuerySet[AgentExecution]:
    return within(AgentExecution.objects.for_org(org), since, until).order_by()


def stats_by_agent(
    *, org: Organization, since: datetime | None = None, until: datetime | None = None
) -> list[AgentStats]:
    """Each agent that was asked for something from `since` on and before `until`, by name."""
    named = {"agent_id": F("agent__pk"), "name": F("agent__name"), "kind": F("agent__agent_type")}
    rows = _executions(org, since, until).values("agent").annotate(**_renamed(named), **_renamed(_figures()))
    found = [AgentStats(**_plain(row)) for row in rows]
    return sorted(found, key=lambda stats: (stats.name.lower(), stats.agent_id))


def stats_by_kind(
    *, org: Organization, since: datetime | None = None, until: datetime | None = None
) -> list[KindStats]:
    """Each kind of agent that was asked for something, by its slug."""
    rows = _executions(org, since, until).values("agent__agent_type")
    found = rows.annotate(of_kind=F("agent__agent_type"), **_renamed(_figures()))
    return sorted((KindStats(**_plain(row)) for row in found), key=lambda stats: stats.kind)


def _renamed(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Annotations may not be named as the model's fields are."""
    return {f"of_{name}": value for name, value in figures.items()}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("of_"): value for name, value in row.items() if name.startswith("of_")}


# Money, from the ledger


@dataclass(frozen=True)
class Usage:
    """What was asked of language models and what it cost, in US dollars."""

    requests: int  # that were sent
    cached: int  # answers that were taken from the store instead
    failed: int  # of the requests: refused, or without an answer
    tokens_in: int
    tokens_out: int
    cost: Decimal  # settled, and charged for requests that no answer came to
    reserved: Decimal  # for requests under way


@dataclass(frozen=True)
class UsageRow(Usage):
    month: date
    agent_id: UUID | None  # None: deleted
    agent: str
    kind: str
    model: str


def _usage_figures() -> dict[str, Any]:
    lost = Q(state__in=(LLMCallState.RELEASED, LLMCallState.UNKNOWN))
    underway = Q(state=LLMCallState.RESERVED)
    return {
        "requests": Count("pk", filter=Q(is_cached=False)),
        "cached": Count("pk", filter=Q(is_cached=True)),
        "failed": Count("pk", filter=lost),
        "tokens_in": Coalesce(Sum("tokens_in", filter=Q(is_cached=False)), 0),
        "tokens_out": Coalesce(Sum("tokens_out", filter=Q(is_cached=False)), 0),
        "cost": Coalesce(Sum("cost"), Decimal(0), output_field=_MONEY),
        "reserved": Coalesce(Sum("reserved_cost", filter=underway), Decimal(0), output_field=_MONEY),
    }


def _calls(org: Organization, since: date, until: date) -> QuerySet[LLMCall]:
    return LLMCall.objects.for_org(org).filter(month__gte=since, month__lte=until).order_by()


def usage_by_agent(*, org: Organization, since: date, until: date) -> list[UsageRow]:
    """By month (`since` to `until`, the first days of both), agent and model: the costliest of the latest month
    first, `MAX_ROWS` at most."""
    columns = ("month", "execution__agent", "execution__agent__name", "execution__agent__agent_type", "model")
    rows = _calls(org, since, until).values(*columns).annotate(**_renamed(_usage_figures()))
    return [
        UsageRow(
            month=row["month"],
            agent_id=row["execution__agent"],
            agent=row["execution__agent__name"] or "",
            kind=row["execution__agent__agent_type"] or "",
            model=row["model"],
            **_plain(row),
        )
        for row in rows.order_by("-month", "-of_cost", "model", "execution__agent")[:MAX_ROWS]
    ]


def usage_total(*, org: Organization, since: date, until: date) -> Usage:
    """Of all calls of the months, those of `usage_by_agent` and those beyond its rows."""
    return Usage(**_plain(_calls(org, since, until).aggregate(**_renamed(_usage_figures()))))


def usage_of(execution: AgentExecution) -> list[tuple[str, Usage]]:
    """Of one execution, by model."""
    calls = LLMCall.objects.for_org(execution.org).filter(execution=execution).order_by("model")
    return [
        (row["model"], Usage(**_plain(row))) for row in calls.values("model").annotate(**_renamed(_usage_figures()))
    ]


@dataclass(frozen=True)
class Budget:
    """What an organisation may spend, and what it has spent of it in the month under way (UTC). US dollars."""

    monthly_cap: Decimal
    run_cap: Decimal
    is_default: bool  # nobody of the organisation has set one
    month: date
    spent: Decimal
    reserved: Decimal
    updated_by: str
    updated_at: datetime | None

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.monthly_cap - self.spent - self.reserved)

    @property
    def warning(self) -> int:
        """The highest of 50, 80 and 95 per cent of the cap that is spent; 0 below."""
        cap = self.monthly_cap
        return max((int(100 * share) for share in WARN_AT if cap and self.spent >= share * cap), default=0)


def month_of(moment: datetime) -> date:
    """The first day of its month, by UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def budget_of(org: Organization) -> Budget:
    row: LLMBudget | None = LLMBudget.objects.for_org(org).first()
    month = month_of(timezone.now())
    used: LLMMonth | None = LLMMonth.objects.for_org(org).filter(month=month).first()
    return Budget(
        monthly_cap=row.monthly_cap if row else Decimal(str(settings.LLM_MONTHLY_CAP)),
        run_cap=row.run_cap if row else Decimal(str(settings.LLM_RUN_CAP)),
        is_default=row is None,
        month=month,
        spent=used.spent if used else Decimal(0),
        reserved=used.reserved if used else Decimal(0),
        updated_by=row.updated_by if row else "",
        updated_at=row.updated_at if row else None,
    )
