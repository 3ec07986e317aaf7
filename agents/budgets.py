"""Money: what may be spent on language models, reserved before each call."""

from decimal import Decimal

from django.conf import settings

from agents.models import Agent, LLMBudget
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization


def run_cap(agent: Agent) -> Decimal:
    """US dollars that one execution of the agent may spend: its cap, the organisation's, or the settings'."""
    if agent.run_cost_cap is not None:
        return agent.run_cost_cap
    budget: LLMBudget | None = LLMBudget.objects.for_org(agent.org).first()
    return budget.run_cap if budget else Decimal(str(settings.LLM_RUN_CAP))


def set_budget(*, org: Organization, monthly_cap: Decimal, run_cap: Decimal, by: str) -> LLMBudget:
    """Set what `org` may spend, in US dollars. Raises `InvalidInput`, naming the field."""
    caps = {"monthly_cap": monthly_cap, "run_cap": run_cap}
    if negative := {name: ["May not be below zero."] for name, cap in caps.items() if cap < 0}:
        raise InvalidInput("A cap is an amount of money.", fields=negative)
    budgets = LLMBudget.objects.for_org(org)
    budget: LLMBudget
    budget, _ = budgets.update_or_create(org=org, defaults=caps | {"updated_by": by})
    return budget
