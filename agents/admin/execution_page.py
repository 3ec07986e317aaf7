"""What the page of one execution shows besides its facts: its steps, its calls, and the whole tree it is part of."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from agents.models import AgentExecution, ExecutionStep, LLMCall
from agents.trees import Tree, tree_of
from oppspot.jobs.admin.durations import in_words
from oppspot.jobs.admin.texts import pretty
from oppspot.jobs.admin.timeline import Span, lay_out

SHOWN_STEPS, SHOWN_CALLS = 200, 100


def execution_sections(execution: AgentExecution) -> dict[str, Any]:
    """The parts of the page, each of limited length."""
    steps = list(ExecutionStep.objects.for_org(execution.org).filter(execution=execution).order_by("pk")[:SHOWN_STEPS])
    calls = LLMCall.objects.for_org(execution.org).filter(execution=execution).order_by("-pk")[:SHOWN_CALLS]
    now = execution.completed_at
    spans = [Span(step.name, "step", step.started_at, step.finished_at) for step in steps]
    return {
        "execution": execution,
        "given": pretty(execution.input_data),
        "output": "" if execution.output_data is None else pretty(execution.output_data),
        "error": execution.error_message,
        "can_cancel": not execution.has_ended,
        "can_retry": execution.status in ("failed", "cancelled"),
        "time_line": lay_out(spans, now or max((step.finished_at for step in steps), default=execution.created_at)),
        "steps": [(step, pretty(step.inputs), pretty(step.output), _took(step)) for step in steps],
        "calls": list(calls),
    } | _tree(tree_of(execution))


def _took(step: ExecutionStep) -> str:
    return in_words((step.finished_at - step.started_at).total_seconds())


def _tree(tree: Tree) -> dict[str, Any]:
    """The tree, its rows (each execution with its indent in rem, and how long it took so far), and when each was at
    work."""
    least, now = min((node.execution.depth for node in tree.nodes), default=0), timezone.now()
    rows = [
        (node, 1.5 * (node.execution.depth - least) + 0.5, _at_work(node.execution, now)) for node in tree.nodes
    ]  # fmt: skip
    spans = [
        Span(one.agent.name, "step", one.started_at, one.completed_at) for one in tree.executions if one.started_at
    ]
    return {"tree": tree, "tree_rows": rows, "tree_took": in_words(tree.wall_ms / 1000),
            "tree_line": lay_out(spans, now)}  # fmt: skip


def _at_work(execution: AgentExecution, now: datetime) -> str:
    """From its start to its end, or to now; of one that never began, nothing."""
    if execution.started_at is None:
        return "-"
    return in_words(((execution.completed_at or now) - execution.started_at).total_seconds())
