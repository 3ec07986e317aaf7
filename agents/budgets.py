"""Money: what may be spent on language models, reserved before each call."""

from decimal import Decimal

from django.conf import settings

from agents.models import Agent, LLMBudget


def run_cap(agent: Agent) -> Decimal:
    """US dollars that one execution of the agent may spend: its cap, the organisation's, or the settings'."""
    if agent.run_cost_cap is not None:
        return agent.run_cost_cap
    budget: LLMBudget | None = LLMBudget.objects.for_org(agent.org).first()
    return budget.run_cap if budget else Decimal(str(settings.LLM_RUN_CAP))
