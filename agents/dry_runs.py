"""What an execution would come to, and what it might cost: its work is done in a transaction that is rolled back.

No language model and nobody else outside is asked, nothing is emitted, handed on or told, and no row is changed. What
the work locks stays locked as long as it takes: it is given up after a time, for others wait meanwhile.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import structlog
from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable, QueryCanceled

from agents.base import Input, Kind, Outcome, Params, Subject
from agents.budgets import monthly_cap, run_cap, this_month
from agents.dry_context import DryContext, NoDryRun, too_long
from agents.events import DryRunRequested
from agents.execution import passing_gates
from agents.models import Agent, AgentExecution, Handoff, LLMMonth, Trigger
from agents.references import check_references
from agents.refusals import reason_of
from agents.registry import get_kind, valid_input, valid_params
from agents.services import MAX_CHILDREN, as_cost
from oppspot.core.errors import InvalidInput, OppspotError, PermanentError
from oppspot.core.http import NobodyAsked, asking_nobody
from oppspot.core.ids import uuid7
from oppspot.jobs.models import Run
from oppspot.jobs.rehearsal import CannotRehearse
from oppspot.jobs.services import emit
from oppspot.organizations.models import Organization
from signals_app.models import Channel

if TYPE_CHECKING:
    from agents.llm.noting import Noted

SECONDS = 60.0  # others may have to wait so long for what is locked
OWN_ROWS = {"agent_executions": 1}  # inserted for the dry run itself


@dataclass(frozen=True)
class Handing:
    """What one hand-off would pass on: `handed` with the input of each execution, `refused` with the reason."""

    to: Agent
    passed: int  # subjects that pass the gate
    handed: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Costs:
    """US dollars. `at_most` is of the questions that are noted; None where the price is not known."""

    at_most: Decimal | None
    run_cap: Decimal
    month_left: Decimal

    @property
    def is_within_caps(self) -> bool:
        return self.at_most is not None and self.at_most <= min(self.run_cap, self.month_left)


@dataclass(frozen=True)
class DryRun:
    """What would come out. With a `failure` the execution would fail, and `outcome` may be empty."""

    agent: Agent
    given: Input
    outcome: Outcome
    failure: str
    costs: Costs
    questions: list["Noted"]
    handings: list[Handing]
    told: list[str]  # channels that would be told the news
    written: dict[str, dict[str, int]]  # rows by table: inserted, updated, deleted
    left_out: list[str]  # what was not asked
    logged: list[str]
    duration_ms: int

    @property
    def is_open(self) -> bool:
        """Whether answers that nobody has yet would change the result."""
        return any(not one.is_stored for one in self.questions)

    @property
    def notes(self) -> list[str]:
        return list(_notes(self))

    def as_json(self) -> dict[str, Any]:
        outcome = self.outcome
        return {
            "agent": str(self.agent.pk), "input": self.given.model_dump(mode="json"), "failure": self.failure,
            "mode": "" if self.is_open else outcome.mode, "items_processed": outcome.items_processed,
            "output": dict(outcome.output), "subjects": [_subject(one) for one in outcome.subjects],
            "news": list(outcome.news), "told": self.told,
            "handoffs": [
                {"agent": str(one.to.pk), "name": one.to.name, "passed": one.passed, "handed": one.handed,
                 "refused": one.refused}
                for one in self.handings
            ],
            "questions": [
                {"step": one.step, "prompt": one.prompt, "model": one.model, "is_stored": one.is_stored,
                 "cost_at_most": as_cost(one.cost_at_most)}
                for one in self.questions
            ],
            "cost": {"at_most": as_cost(self.costs.at_most), "run_cap": as_cost(self.costs.run_cap),
                     "month_left": as_cost(self.costs.month_left), "is_within_caps": self.costs.is_within_caps},
            "written": self.written, "left_out": self.left_out, "log": self.logged, "notes": self.notes,
            "duration_ms": self.duration_ms,
        }  # fmt: skip


def dry_run(*, agent: Agent, given: Mapping[str, Any] | None = None, seconds: float = SECONDS) -> DryRun:
    """Do an execution's work and undo it. Not within a transaction, as what is locked is freed at its end only.

    Raises `InvalidInput` as `start_execution` does, and `NoDryRun` where the work takes longer than `seconds`, waits
    for what somebody else is changing, or goes on only with an answer from outside.
    """
    kind = get_kind(agent.agent_type)
    params, valid = _checked(kind, agent, given)
    with structlog.contextvars.bound_contextvars(dry_run=str(agent.pk)), transaction.atomic(durable=True):
        try:
            return _rehearsed(kind, params, valid, agent, seconds)
        finally:
            transaction.set_rollback(True)


def request_dry_run(*, agent: Agent, given: Mapping[str, Any], requested_by: str) -> Run:
    """Have a worker do it; the job's output is what `DryRun.as_json` gives. Raises `InvalidInput` as `dry_run`."""
    _, valid = _checked(get_kind(agent.agent_type), agent, given)
    data = {"agent_id": agent.pk, "input": valid.model_dump(mode="json")}
    emitted = emit(DryRunRequested, data, org=agent.org, requested_by=requested_by)
    run: Run = Run.objects.for_org(agent.org).get(pk=emitted.run_ids[0])
    return run


def _checked(kind: Kind[Any, Any], agent: Agent, given: Mapping[str, Any] | None) -> tuple[Params, Input]:
    params, valid = valid_params(kind, agent.configuration), valid_input(kind, dict(given or {}))
    check_references(params, agent.org, prefix="configuration")
    check_references(valid, agent.org, prefix="input")
    return params, valid


def _rehearsed(kind: Kind[Any, Any], params: Params, given: Input, agent: Agent, seconds: float) -> DryRun:
    began, before = time.monotonic(), _rows_written()
    execution = _execution(agent, given)
    ctx: DryContext[Any, Any] = DryContext(execution, params, given, seconds=seconds)
    with _telling(seconds), asking_nobody() as refused:
        outcome, failure = _outcome(kind, ctx)
        return DryRun(
            agent=agent, given=given, outcome=outcome, failure=failure, costs=_costs(ctx), questions=ctx.questions,
            handings=[] if failure else _handings(ctx, outcome), told=[] if failure else _told(ctx, outcome),
            written=_added(before, _rows_written()), left_out=[*ctx.left_out, *refused], logged=ctx.rehearsal.logged,
            duration_ms=int(1000 * (time.monotonic() - began)),
        )  # fmt: skip


def _execution(agent: Agent, given: Input) -> AgentExecution:
    """A row for what the work refers to, of an agent of its own: what it remembers must not stay in the caller's."""
    own: Agent = Agent.objects.for_org(agent.org).select_related("org").get(pk=agent.pk)
    pk = uuid7()
    execution = AgentExecution(
        pk=pk, org=own.org, agent=own, trigger=Trigger.COMMAND, input_data=given.model_dump(mode="json"), root_id=pk,
        cost_cap=run_cap(own),
    )  # fmt: skip
    execution.save(force_insert=True)
    execution.refresh_from_db(fields=["created_at"])
    return execution


def _outcome(kind: Kind[Any, Any], ctx: DryContext[Any, Any]) -> tuple[Outcome, str]:
    """What the kind gives, and why the execution would fail; a failure undoes what was written up to it."""
    try:
        with transaction.atomic():
            outcome = kind.run(ctx)
            return outcome, outcome.failure
    except (NoDryRun, CannotRehearse):
        raise
    except NobodyAsked as error:
        raise NoDryRun(f"What would come out depends on somebody outside. {error.message}") from error
    except OppspotError as error:
        return Outcome({}), reason_of(error)


@contextmanager
def _telling(seconds: float) -> Iterator[None]:
    """The database's errors about time as what they mean here."""
    try:
        yield
    except CannotRehearse as error:
        raise NoDryRun(error.message) from error
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise NoDryRun(
                "Somebody else is changing what the agent works on.", hint="Try again when that has ended."
            ) from error
        if isinstance(error.__cause__, QueryCanceled):
            raise too_long(seconds) from error
        raise


def _handings(ctx: DryContext[Any, Any], outcome: Outcome) -> list[Handing]:
    """What would be handed on, as `agents.execution` does it."""
    handings: list[Handing] = []
    started = 0
    for handoff, passing in passing_gates(ctx.agent, outcome.subjects):
        handing = Handing(handoff.target, len(passing))
        for subject in passing[: handoff.max_subjects]:
            given, reason = _given(ctx.org, handoff, subject, started)
            if reason:
                handing.refused.append({"company": str(subject.business_id), "reason": reason})
            else:
                handing.handed.append({"company": str(subject.business_id), "input": given})
                started += 1
        handings.append(handing)
    return handings


def _given(org: Organization, handoff: Handoff, subject: Subject, started: int) -> tuple[dict[str, Any], str]:
    """The input that the other agent would get, or why there would be none."""
    try:
        kind = get_kind(handoff.target.agent_type)
        given = kind.input_for_subject(subject)
        if given is None:
            return {}, "Its kind takes nothing from others."
        if started >= MAX_CHILDREN:
            return {}, f"An execution causes {MAX_CHILDREN} others at most."
        valid = valid_input(kind, given)
        check_references(valid, org, prefix="input")
    except (InvalidInput, PermanentError) as error:
        return {}, reason_of(error)
    return valid.model_dump(mode="json"), ""


def _told(ctx: DryContext[Any, Any], outcome: Outcome) -> list[str]:
    if not outcome.news:
        return []
    channels = Channel.objects.for_org(ctx.org).filter(pk__in=ctx.params.notify)
    return list(channels.order_by("name", "pk").values_list("name", flat=True))


def _costs(ctx: DryContext[Any, Any]) -> Costs:
    month = LLMMonth.objects.for_org(ctx.org).filter(month=this_month()).first()
    left = monthly_cap(ctx.org) - (month.spent + month.reserved if month else Decimal(0))
    known = [one.cost_at_most for one in ctx.questions if one.cost_at_most is not None]
    at_most = sum(known, Decimal(0)) if len(known) == len(ctx.questions) else None
    return Costs(at_most, run_cap(ctx.agent), max(Decimal(0), left))


def _rows_written() -> dict[str, tuple[int, int, int]]:
    """Inserted, updated and deleted by this connection, by table: its counts may hold earlier transactions' too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables")
        return {name: (inserted, updated, deleted) for name, inserted, updated, deleted in cursor.fetchall()}


def _added(
    before: Mapping[str, tuple[int, int, int]], after: Mapping[str, tuple[int, int, int]]
) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for table, counts in sorted(after.items()):
        then = before.get(table, (0, 0, 0))
        inserted, updated, deleted = (now - was for now, was in zip(counts, then, strict=True))
        inserted -= OWN_ROWS.get(table, 0)
        named = {"inserted": inserted, "updated": updated, "deleted": deleted}
        if changed := {name: count for name, count in named.items() if count > 0}:
            found[table] = changed
    return found


def _subject(subject: Subject) -> dict[str, Any]:
    return {
        "company": str(subject.business_id),
        "score": subject.score,
        "evidence": subject.evidence,
        "reason": subject.reason,
        "opportunity": str(subject.opportunity_id) if subject.opportunity_id else None,
    }


def _notes(done: DryRun) -> Iterator[str]:
    """What must be known to read the figures right."""
    if done.is_open:
        yield "The output is as it would be without the answers that the language model has not given yet."
        yield "A request that gets no answer, or one that has to be put right, is charged besides."
        if not get_kind(done.agent.agent_type).asks_no_more:
            yield "Further questions may depend on the answers: what they cost is not known."
    if done.costs.at_most is None:
        yield "The price of the language model is not known: the execution would fail where it asks it."
    elif done.costs.at_most and not done.costs.is_within_caps:
        yield "It might pass a cap; the execution would fail at the question that does."
    if done.left_out:
        yield f"Not asked: {', '.join(done.left_out)}. What they bring may change the result and the questions."
    if any(one.handed for one in done.handings):
        yield "What the agents that it hands on to would do and cost is not counted."
