"""To which agents an agent hands on what it found, and the gate before each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import transaction

from agents.models import Agent, Handoff
from oppspot.core.errors import InvalidInput

MAX_HANDOFFS = 10
GATES = {"min_score": (0, 100), "min_evidence": (0, 1_000), "max_subjects": (1, 20)}

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class HandoffSpec:
    """What of an agent's findings another one gets: those of the score, with the evidence, the best first."""

    target: UUID
    min_score: int = 0
    min_evidence: int = 0
    max_subjects: int = 5


def set_handoffs(*, agent: Agent, handoffs: Sequence[HandoffSpec]) -> list[Handoff]:
    """Have the agent hand on to exactly these. Raises `InvalidInput`, with the fields named `handoffs.0.…`."""
    if len(handoffs) > MAX_HANDOFFS:
        raise InvalidInput("Too many hand-offs.", fields={"handoffs": [f"At most {MAX_HANDOFFS}."]})
    agents = Agent.objects.for_org(agent.org)
    known = set(agents.filter(pk__in=[spec.target for spec in handoffs]).values_list("pk", flat=True))
    problems: dict[str, list[str]] = {}
    for place, spec in enumerate(handoffs):
        path = f"handoffs.{place}"
        if spec.target == agent.pk:
            problems[f"{path}.target"] = ["An agent does not hand on to itself."]
        elif spec.target not in known:
            problems[f"{path}.target"] = [f"There is no agent {spec.target}."]
        elif spec.target in {earlier.target for earlier in handoffs[:place]}:
            problems[f"{path}.target"] = ["Named twice."]
        for name, (lowest, highest) in GATES.items():
            if not lowest <= getattr(spec, name) <= highest:
                problems[f"{path}.{name}"] = [f"From {lowest} to {highest}."]
    if problems:
        raise InvalidInput("The hand-offs do not fit.", fields=problems)
    rows = Handoff.objects.for_org(agent.org)
    with transaction.atomic():
        agents.select_for_update().get(pk=agent.pk)
        rows.filter(source=agent).exclude(target__in=[spec.target for spec in handoffs]).delete()
        for spec in handoffs:
            gate = {name: getattr(spec, name) for name in GATES}
            rows.update_or_create(org=agent.org, source=agent, target_id=spec.target, defaults=gate)
    logger.info("agent_handoffs_set", agent=str(agent.pk), targets=[str(spec.target) for spec in handoffs])
    return handoffs_of([agent]).get(agent.pk, [])


def handoffs_of(agents: Iterable[Agent]) -> dict[UUID, list[Handoff]]:
    """By source, all of one organisation, each with its target; by one query."""
    found: dict[UUID, list[Handoff]] = {}
    if known := list(agents):
        rows = Handoff.objects.for_org(known[0].org).filter(source__in=[agent.pk for agent in known])
        for row in rows.select_related("target").order_by("pk"):
            found.setdefault(row.source_id, []).append(row)
    return found
