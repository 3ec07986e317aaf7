"""Agents with what starts them and whom they hand on to: set up and changed as one."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from agents.handoffs import HandoffSpec, set_handoffs
from agents.models import Agent
from agents.services import create_agent, update_agent
from agents.triggers import TriggerSpec, set_triggers
from oppspot.organizations.models import Organization


def create_wired_agent(
    *,
    org: Organization,
    values: Mapping[str, Any],
    triggers: Sequence[TriggerSpec] = (),
    handoffs: Sequence[HandoffSpec] = (),
    created_by: str = "",
) -> Agent:
    """Set up an agent of `values`, all or nothing. Raises what `create_agent`, `set_triggers` and `set_handoffs` do."""
    with transaction.atomic():
        agent = create_agent(org=org, created_by=created_by, **values)
        _wire(agent, triggers, handoffs)
    return agent


def update_wired_agent(
    *,
    agent: Agent,
    changes: Mapping[str, Any],
    triggers: Sequence[TriggerSpec] | None = None,
    handoffs: Sequence[HandoffSpec] | None = None,
) -> Agent:
    """Change an agent, all or nothing; None leaves triggers or hand-offs as they are, a sequence replaces them."""
    with transaction.atomic():
        changed = update_agent(agent=agent, changes=changes) if changes else agent
        _wire(changed, triggers, handoffs)
    return changed


def _wire(agent: Agent, triggers: Sequence[TriggerSpec] | None, handoffs: Sequence[HandoffSpec] | None) -> None:
    if triggers is not None:
        set_triggers(agent=agent, triggers=triggers)
    if handoffs is not None:
        set_handoffs(agent=agent, handoffs=handoffs)
