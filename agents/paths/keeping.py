"""Keeping the paths that an agent found: new, seen before, gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.models import AgentExecution, IntroPath, Mode
from agents.paths.evidence import Told
from agents.paths.search import FoundPath
from oppspot.organizations.models import Organization

_RENEWED = ["execution", "summary", "strength", "links", "mode", "last_seen_at", "gone_at"]


@dataclass(frozen=True, slots=True)
class Kept:
    """Ids of the paths to a target, the strongest first; which are new, or there again; and how many have gone."""

    ids: list[UUID]
    new: set[UUID]
    gone: int


def record_paths(
    *, org: Organization, execution: AgentExecution, target: UUID, paths: Sequence[tuple[FoundPath, Told]]
) -> Kept:
    """Store what the execution's agent now finds as the best paths to `target`; others of its own are marked as gone.

    Three statements however many paths. Done again with the same paths it changes nothing but when they were seen.
    """
    now = timezone.now()
    rows = IntroPath.objects.for_org(org).filter(agent=execution.agent_id, target=target)
    with transaction.atomic():
        before = set(rows.filter(gone_at=None).values_list("path_key", flat=True))
        made = [_row(org, execution, target, path=path, told=told, now=now) for path, told in paths]
        IntroPath.objects.for_org(org).bulk_create(
            made, update_conflicts=True, unique_fields=["org", "agent", "target", "path_key"], update_fields=_RENEWED
        )
        keys = [one.path_key for one in made]
        ids: dict[str, UUID] = dict(rows.filter(path_key__in=keys).values_list("path_key", "pk"))
        gone = rows.filter(gone_at=None).exclude(path_key__in=keys).update(gone_at=now)
    return Kept([ids[key] for key in keys], {ids[key] for key in keys if key not in before}, gone)


def _row(
    org: Organization, execution: AgentExecution, target: UUID, *, path: FoundPath, told: Told, now: datetime
) -> IntroPath:
    return IntroPath(
        org=org, agent_id=execution.agent_id, execution=execution, target_id=target,
        start_id=None if path.person else path.companies[0], path_key=path.key, summary=told.summary, hops=path.hops,
        strength=min(1.0, path.strength), links=told.links, mode=Mode.DETERMINISTIC, first_seen_at=now,
        last_seen_at=now, gone_at=None,
    )  # fmt: skip
