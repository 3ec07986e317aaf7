"""What was spent on language models, by month, agent, kind and model: sums over the ledger."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, F, Q, Sum

from agents.budgets import WARN_AT, ZERO, monthly_cap, this_month
from agents.models import LLMCall, LLMCallState, LLMMonth
from oppspot.organizations.models import Organization


@dataclass(frozen=True)
class UsageRow:
    """Calls of one agent to one model in one month. Amounts are in US dollars."""

    month: date
    agent_id: UUID | None  # None: deleted
    agent: str
    agent_type: str
    model: str
    calls: int  # requests sent
    cached: int  # answers from the store
    unknown: int  # requests without an answer, charged as reserved
    tokens_in: int
    tokens_out: int
    cost: Decimal


@dataclass(frozen=True)
class MonthBudget:
    """How a month's budget stands, in US dollars."""

    month: date
    cap: Decimal
    spent: Decimal
    reserved: Decimal

    @property
    def left(self) -> Decimal:
        return max(ZERO, self.cap - self.spent - self.reserved)

    @property
    def warning(self) -> int:
        """The highest of 50, 80 and 95 per cent of the cap that is spent; 0 below."""
        return max((int(100 * share) for share in WARN_AT if self.cap and self.spent >= share * self.cap), default=0)


def month_budget(org: Organization, month: date | None = None) -> MonthBudget:
    """Of the month that began on the day `month`; this one by default."""
    day = month or this_month()
    row: LLMMonth | None = LLMMonth.objects.for_org(org).filter(month=day).first()
    return MonthBudget(
        month=day, cap=monthly_cap(org), spent=row.spent if row else ZERO, reserved=row.reserved if row else ZERO
    )


def usage(org: Organization, since: datetime, until: datetime) -> list[UsageRow]:
    """Sums of the calls begun from `since` to before `until`, the latest month and what cost most first."""
    sent = Q(is_cached=False) & ~Q(state=LLMCallState.RESERVED)
    rows = (
        LLMCall.objects.for_org(org)
        .filter(created_at__gte=since, created_at__lt=until)
        .values("month", "model", agent_id=F("execution__agent"), agent=F("execution__agent__name"),
                agent_type=F("execution__agent__agent_type"))
        .annotate(
            calls=Count("pk", filter=sent),
            cached=Count("pk", filter=Q(is_cached=True)),
            unknown=Count("pk", filter=Q(state=LLMCallState.UNKNOWN)),
            read=Sum("tokens_in"),
            written=Sum("tokens_out"),
            paid=Sum("cost"),
        )
        .order_by("-month", "-paid", "model", "agent_id")
    )  # fmt: skip
    return [
        UsageRow(
            month=row["month"], agent_id=row["agent_id"], agent=row["agent"] or "", agent_type=row["agent_type"] or "",
            model=row["model"], calls=row["calls"], cached=row["cached"], unknown=row["unknown"],
            tokens_in=row["read"], tokens_out=row["written"], cost=row["paid"],
        )
        for row in rows
    ]  # fmt: skip
