"""Money: what may be spent on language models, reserved before each call and settled after it.

Every change of a call goes with that of its month and of its execution, in one transaction, and in this order: the
call, the execution, the month. A month is one row, which the condition and the addition are one statement on: however
many workers reserve at once, what is spent and reserved together never passes the cap.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Now
from django.utils import timezone

from agents.llm.contract import BudgetExceeded
from agents.models import Agent, AgentExecution, LLMBudget, LLMCall, LLMCallState, LLMMonth
from agents.models.agents import ENDED
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization

WARN_AT = (Decimal("0.50"), Decimal("0.80"), Decimal("0.95"))  # of a month's cap
LOST_AFTER = timedelta(minutes=15)  # longer than any call takes
ZERO = Decimal(0)

logger = structlog.get_logger(__name__)


def run_cap(agent: Agent) -> Decimal:
    """US dollars that one execution of the agent may spend: its cap, the organisation's, or the settings'."""
    if agent.run_cost_cap is not None:
        return agent.run_cost_cap
    budget: LLMBudget | None = LLMBudget.objects.for_org(agent.org).first()
    return budget.run_cap if budget else Decimal(str(settings.LLM_RUN_CAP))


def monthly_cap(org: Organization) -> Decimal:
    """US dollars that an organisation may spend in a calendar month of UTC."""
    budget: LLMBudget | None = LLMBudget.objects.for_org(org).first()
    return budget.monthly_cap if budget else Decimal(str(settings.LLM_MONTHLY_CAP))


def set_budget(*, org: Organization, monthly_cap: Decimal, run_cap: Decimal, by: str) -> LLMBudget:
    """Say what an organisation may spend from now on, calls under way included. Raises `InvalidInput`."""
    caps = {"monthly_cap": monthly_cap, "run_cap": run_cap}
    field = LLMBudget._meta.get_field("monthly_cap")
    largest = Decimal(10) ** (field.max_digits - field.decimal_places)
    wrong = [name for name, cap in caps.items() if not cap.is_finite() or not 0 <= cap < largest]
    if wrong:
        raise InvalidInput(
            "A cap is an amount in US dollars, 0 or more.", fields={name: ["Is no such amount."] for name in wrong}
        )
    budget: LLMBudget
    budget, _ = LLMBudget.objects.for_org(org).update_or_create(
        org=org, defaults={**caps, "updated_by": by}, create_defaults={**caps, "updated_by": by, "org": org}
    )
    logger.info("llm_budget_set", org=str(org.pk), by=by, **{name: str(cap) for name, cap in caps.items()})
    return budget


def this_month() -> date:
    """The first day of the month, in UTC: `timezone.now` is in UTC."""
    return timezone.now().date().replace(day=1)


def reserve(*, org: Organization, execution: AgentExecution, amount: Decimal, **values: Any) -> LLMCall:
    """Put `amount` aside for a call, of which `values` are columns, and commit that.

    Raises `BudgetExceeded` if a cap might be passed, and `RuntimeError` within a transaction: what is put aside must
    stay so whatever becomes of the caller's work.
    """
    month = this_month()
    cap = monthly_cap(org)
    with transaction.atomic(durable=True):
        executions = AgentExecution.objects.for_org(org).filter(pk=execution.pk)
        fits = Q(cost_cap=None) | Q(cost_cap__gte=F("cost") + F("cost_reserved") + amount)
        if not executions.filter(fits).update(cost_reserved=F("cost_reserved") + amount):
            raise _run_exceeded(executions.first(), amount)
        call: LLMCall = LLMCall.objects.for_org(org).create(
            org=org, execution_id=execution.pk, month=month, reserved_cost=amount, **values
        )
        if not _reserve_of_month(org, month, cap, amount):
            raise _month_exceeded(org, month, cap, amount)
    return call


def _reserve_of_month(org: Organization, month: date, cap: Decimal, amount: Decimal) -> bool:
    months = LLMMonth.objects.for_org(org).filter(month=month)
    fitting = months.filter(spent__lte=cap - amount - F("reserved"))
    if fitting.update(reserved=F("reserved") + amount):
        return True
    LLMMonth.objects.for_org(org).bulk_create([LLMMonth(org=org, month=month)], ignore_conflicts=True)
    return bool(fitting.update(reserved=F("reserved") + amount))


def dollars(amount: Decimal | None) -> str:
    """Exact, without noughts at the end: `$0.025`."""
    return "any amount" if amount is None else f"${amount.normalize() + 0:f}"


def _run_exceeded(execution: AgentExecution | None, amount: Decimal) -> BudgetExceeded:
    if execution is None:
        return BudgetExceeded("The execution was deleted, so that nothing can be charged to it.")
    return BudgetExceeded(
        f"The execution may spend {dollars(execution.cost_cap)} on language models; {dollars(execution.cost)} is spent "
        f"and {dollars(execution.cost_reserved)} reserved, and the next call may cost {dollars(amount)}.",
        hint="Raise the cap of the agent's executions, or the organisation's; then retry the execution.",
    )


def _month_exceeded(org: Organization, month: date, cap: Decimal, amount: Decimal) -> BudgetExceeded:
    row: LLMMonth = LLMMonth.objects.for_org(org).get(month=month)
    return BudgetExceeded(
        f"The organisation may spend {dollars(cap)} on language models in {month:%B %Y}; {dollars(row.spent)} is spent "
        f"and {dollars(row.reserved)} reserved, and the next call may cost {dollars(amount)}.",
        hint="Raise the organisation's monthly cap, or wait for the next month; then retry the execution.",
    )


def settle(*, call: LLMCall, cost: Decimal, **values: Any) -> bool:
    """The call was answered and costs `cost`. Whether this changed anything: a call is settled once.

    What the provider charges is written down even if that is more than was reserved: the books equal the bill.
    """
    if cost > call.reserved_cost:
        logger.error("llm_call_over_reservation", call=str(call.pk), cost=str(cost), reserved=str(call.reserved_cost))
    return _close(call, LLMCallState.SETTLED, cost, values)


def release(*, call: LLMCall, **values: Any) -> bool:
    """The call was refused, or never sent: it costs nothing."""
    return _close(call, LLMCallState.RELEASED, ZERO, values)


def charge_unknown(*, call: LLMCall, **values: Any) -> bool:
    """Nobody knows what the call costs: it is charged as reserved, which is the most that it can be."""
    return _close(call, LLMCallState.UNKNOWN, call.reserved_cost, values)


def _close(call: LLMCall, state: LLMCallState, cost: Decimal, values: dict[str, Any]) -> bool:
    """From `reserved`, or from `unknown` when what became of the call is learnt late."""
    org = call.org
    with transaction.atomic():
        row: LLMCall = LLMCall.objects.for_org(org).select_for_update().get(pk=call.pk)
        if row.state not in {LLMCallState.RESERVED, LLMCallState.UNKNOWN} or row.state == state:
            return False
        was_reserved = row.reserved_cost if row.state == LLMCallState.RESERVED else ZERO
        LLMCall.objects.for_org(org).filter(pk=row.pk).update(state=state, cost=cost, ended_at=Now(), **values)
        if row.execution_id is not None:
            sum_up(org, row.execution_id)
        months = LLMMonth.objects.for_org(org).filter(month=row.month)
        months.update(reserved=F("reserved") - was_reserved, spent=F("spent") + cost - row.cost)
        _warn(org, months.get(), cost - row.cost)
    return True


def sum_up(org: Organization, execution_id: UUID) -> None:
    """Write the sums over the ledger into the execution. Its row is locked first: a sum that was read before the lock
    came would miss calls of others."""
    executions = AgentExecution.objects.for_org(org)
    if executions.select_for_update(no_key=True).filter(pk=execution_id).first() is None:
        return
    sums = LLMCall.objects.for_org(org).filter(execution=execution_id).aggregate(
        api_calls=Count("pk", filter=Q(is_cached=False) & ~Q(state=LLMCallState.RESERVED)),
        tokens_used=Sum(F("tokens_in") + F("tokens_out"), default=0),
        cost=Sum("cost", default=ZERO),
        cost_reserved=Sum("reserved_cost", filter=Q(state=LLMCallState.RESERVED), default=ZERO),
    )  # fmt: skip
    executions.filter(pk=execution_id).update(**sums)


def _warn(org: Organization, month: LLMMonth, added: Decimal) -> None:
    cap = monthly_cap(org)
    passed = [share for share in WARN_AT if month.spent - added < share * cap <= month.spent]
    if passed:
        logger.warning("llm_budget_used", org=str(org.pk), month=str(month), percent=int(100 * passed[-1]),
                       cap=str(cap), spent=str(month.spent))  # fmt: skip


def close_orphans(*, now: datetime | None = None) -> int:
    """Charge the calls of which no answer will come, as their worker died; how many there were.

    Those of an execution that has ended are given up sooner: the time-out of a request, twice.
    """
    moment = now or timezone.now()
    soon = moment - timedelta(seconds=2 * settings.LLM_TIMEOUT_S)
    lost = Q(created_at__lt=moment - LOST_AFTER) | Q(execution=None, created_at__lt=soon)
    lost |= Q(execution__status__in=ENDED, created_at__lt=soon)
    calls: QuerySet[LLMCall] = LLMCall.all_orgs.filter(lost, state=LLMCallState.RESERVED).select_related("org")
    closed = sum(
        charge_unknown(call=call, error="The worker stopped before an answer came.")
        for call in calls.order_by("pk").iterator(chunk_size=500)
    )
    if closed:
        logger.warning("llm_calls_lost", calls=closed)
    return closed
