"""What the page of one run shows besides its facts."""

from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone

from oppspot.jobs.admin.texts import pretty, shortened, state_of
from oppspot.jobs.admin.timeline import Span, lay_out
from oppspot.jobs.models import Attempt, Outcome, Run, RunLog, Status, Step

SHOWN_ATTEMPTS, SHOWN_STEPS, SHOWN_LOGS, SHOWN_CHILDREN = 50, 200, 200, 50
MAX_CHILDREN = 10_000  # looked at for the first of them


def run_sections(run: Run, runs: QuerySet[Run]) -> dict[str, Any]:
    """The parts of the page, each of limited length; `runs` is where its children may be found."""
    attempts = list(run.attempts.order_by("-fence")[:SHOWN_ATTEMPTS])[::-1]
    steps = list(run.steps.order_by("-pk").defer("output")[: SHOWN_STEPS + 1])[::-1]
    logs = list(run.logs.order_by("-pk")[: SHOWN_LOGS + 1])[::-1]
    return {
        "run": run,
        "data": pretty(run.event.data),
        "output": "" if run.output is None else pretty(run.output),
        "error": shortened(run.error),
        "can_cancel": not run.is_terminal,
        "can_retry": run.status in (Status.FAILED, Status.CANCELLED),
        "time_line": lay_out(_spans(attempts, steps[-SHOWN_STEPS:]), timezone.now()),
        "earlier_steps": len(steps) > SHOWN_STEPS,
        "attempts": attempts,
        "logs": [(line, _fields(line)) for line in logs[-SHOWN_LOGS:]],
        "earlier_logs": len(logs) > SHOWN_LOGS,
    } | _children(run, runs)


def _spans(attempts: list[Attempt], steps: list[Step]) -> list[Span]:
    """Each start, followed by the steps that it completed."""
    of: dict[int, list[Step]] = {}
    for step in steps:
        of.setdefault(step.fence, []).append(step)
    spans = []
    for attempt in attempts:
        outcome = Outcome(attempt.outcome)
        note = f"Start {attempt.fence} by {attempt.worker}"
        label = f"try {attempt.number}: {str(outcome.label).partition(':')[0].lower()}"
        spans.append(Span(label, str(outcome.value), attempt.started_at, attempt.finished_at, note))
        parts = sorted(of.get(attempt.fence, []), key=lambda step: step.started_at)
        spans += [Span(step.name, "step", step.started_at, step.finished_at, is_part=True) for step in parts]
    return spans


def _fields(line: RunLog) -> str:
    return ", ".join(f"{name}={value}" for name, value in line.fields.items())


def _children(run: Run, runs: QuerySet[Run]) -> dict[str, Any]:
    children = runs.filter(parent=run).order_by()
    counts = children.values_list("status").annotate(count=Count("pk")).order_by("status")
    few = children.values("pk")[:MAX_CHILDREN]  # found by the parent, then ordered
    listed = runs.filter(pk__in=few).order_by("pk")[:SHOWN_CHILDREN]
    return {"child_counts": list(counts), "children": [(child, state_of(child)[1]) for child in listed]}
