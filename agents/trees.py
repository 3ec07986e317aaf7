"""What an execution led to: everything that it, and what it caused, did and cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Count
from django.utils import timezone

from agents.models import AgentExecution, ExecutionStatus, ExecutionStep


@dataclass(frozen=True)
class Node:
    """An execution in its tree."""

    execution: AgentExecution  # with its agent
    steps: int  # finished ones
    children: tuple[UUID, ...]  # in the order they were caused


@dataclass(frozen=True)
class Tree:
    """All executions of a root. `nodes`: each before what it caused."""

    root_id: UUID
    nodes: tuple[Node, ...]

    @property
    def executions(self) -> list[AgentExecution]:
        return [node.execution for node in self.nodes]

    @property
    def has_ended(self) -> bool:
        return all(execution.has_ended for execution in self.executions)

    @property
    def failures(self) -> int:
        return sum(execution.status == ExecutionStatus.FAILED for execution in self.executions)

    @property
    def cost(self) -> Decimal:
        """US dollars."""
        return sum((execution.cost for execution in self.executions), Decimal(0))

    @property
    def tokens_used(self) -> int:
        return sum(execution.tokens_used for execution in self.executions)

    @property
    def api_calls(self) -> int:
        return sum(execution.api_calls for execution in self.executions)

    @property
    def items_processed(self) -> int:
        return sum(execution.items_processed for execution in self.executions)

    @property
    def wall_ms(self) -> int:
        """From the first execution's being asked for to the last one's end, or to now."""
        if not self.nodes:
            return 0
        begins = min(execution.created_at for execution in self.executions)
        ends: list[datetime] = [execution.completed_at or timezone.now() for execution in self.executions]
        return max(0, round((max(ends) - begins).total_seconds() * 1000))


def tree_of(execution: AgentExecution) -> Tree:
    """The whole tree that the execution is part of, however it is reached; two queries."""
    rows = AgentExecution.objects.for_org(execution.org).filter(root_id=execution.root_id)
    found = list(rows.select_related("agent").defer("input_data", "output_data").order_by("pk"))
    steps = ExecutionStep.objects.for_org(execution.org).filter(execution__in=[row.pk for row in found])
    counts = dict(steps.values("execution").annotate(count=Count("pk")).values_list("execution", "count"))
    known = {row.pk for row in found}
    caused: dict[UUID | None, list[AgentExecution]] = {}
    for row in found:  # what caused it may have been deleted with its agent
        caused.setdefault(row.parent_id if row.parent_id in known else None, []).append(row)

    def walk(parent: UUID | None) -> Iterator[Node]:
        for row in caused.get(parent, []):
            children = tuple(child.pk for child in caused.get(row.pk, []))
            yield Node(row, counts.get(row.pk, 0), children)
            yield from walk(row.pk)

    return Tree(execution.root_id, tuple(walk(None)))
