"""A dry run tells what an execution would come to and may cost, asks nobody, and leaves the database as it was."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from agents.base import Outcome, Subject
from agents.budgets import set_budget
from agents.context import ExecutionContext
from agents.dry_context import NoDryRun
from agents.dry_runs import DryRun, dry_run
from agents.handoffs import HandoffSpec, set_handoffs
from agents.models import Agent, AgentExecution, LLMCall
from agents.registry import all_kinds
from agents.scoring.reading import ReadProfile
from businesses.models import Business, Watchlist
from oppspot.core.errors import InvalidInput
from oppspot.jobs.queue import CHANNEL
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent
from tests.agents.fault_answers import MODEL, PRICES, QUOTE, answer_well
from tests.agents.fault_cases import configuration_of, input_of, kinds, load_register, new_org
from tests.agents.llm_server import LLMServer
from tests.factories import make_business
from tests.signals_app.alert_factories import make_channel
from tests.signals_app.factories import make_event

Context = ExecutionContext[Any, Any]
Body = Callable[[Context], Any]
SEVENTH = "accounts_due"  # of docs/how-to/add-an-agent.md
NEWS = 5  # more than a scout reads while the language model fails


@pytest.fixture
def server(settings: Settings) -> Iterator[LLMServer]:
    with answer_well(LLMServer()) as server:
        settings.LLM_API_KEY, settings.LLM_BASE_URL, settings.LLM_MODEL = "key", server.url, MODEL
        settings.LLM_PRICES = PRICES
        settings.EMBEDDING_PROVIDER = "deterministic"
        yield server


def load() -> None:
    """The demo's companies, with news for a language model, and accounts that are due."""
    company = load_register()["DEMO0001"]
    Business.objects.update(accounts_next_due_on=timezone.now().date() + timedelta(days=20))
    for number in range(NEWS):
        title = f"{company.name.removesuffix(' Ltd')} again ({number}): {QUOTE}, it is said."
        make_event(
            company, payload={"title": title, "summary": ""}, days_ago=3, source_url=f"https://n.example/{number}"
        )


def set_up(slug: str, org: Organization) -> tuple[Agent, dict[str, Any]]:
    """An agent that asks all that its kind may ask, tells a channel, and hands to another; and its input."""
    configuration = configuration_of(slug, org) | {"notify": [str(make_channel(org, name="Sales").pk)]}
    given = {} if slug in {"scoring_agent", SEVENTH} else input_of(slug)
    if slug in {"scoring_agent", "opportunity_bot"}:
        icp = configuration.get("icp", {}) | {"text": "Software companies of at least 20 people in Leeds."}
        configuration["icp"] = icp
    if slug == SEVENTH:
        configuration["watchlist"] = str(Watchlist.objects.for_org(org).get(name="Watched").pk)
    agent = make_agent(org, slug, configuration=configuration)
    set_handoffs(agent=agent, handoffs=[HandoffSpec(make_agent(org, "probe").pk, max_subjects=2)])
    return agent, given


def database() -> dict[str, tuple[int, str]]:
    """Every row of every table, with the transaction that wrote it and where it lies."""
    found: dict[str, tuple[int, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            row = "md5(t::text || ' ' || t.xmin::text || ' ' || t.ctid::text)"
            name = connection.ops.quote_name(table)
            cursor.execute(f"SELECT count(*), coalesce(md5(string_agg({row}, '' ORDER BY t.ctid)), '') FROM {name} t")
            found[table] = cursor.fetchone()
    return found


@contextmanager
def another_connection() -> Iterator[Any]:
    """Of psycopg, to the same database."""
    other = connection.copy()
    other.ensure_connection()
    try:
        yield other.connection
    finally:
        other.close()


def locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        return int(cursor.fetchone()[0])


@pytest.fixture
def probing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Body], None]:
    """Have the probe do something else in its `run`; what that gives is its output."""

    def change(body: Body) -> None:
        def run(ctx: Context) -> Outcome:
            made = body(ctx)
            return made if isinstance(made, Outcome) else Outcome({"made": made})

        monkeypatch.setattr(all_kinds()["probe"], "run", run, raising=True)

    return change


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slug", [*kinds(), SEVENTH])
def test_nothing_of_a_kind_stays_and_nobody_is_asked(server: LLMServer, slug: str) -> None:
    load()
    agent, given = set_up(slug, new_org())
    with another_connection() as listening:
        listening.execute(f"LISTEN {CHANNEL}")
        before = database()
        done = dry_run(agent=agent, given=given)
        assert database() == before
        assert list(listening.notifies(timeout=0.2)) == []
    assert (agent.state, locks(), server.counts["requests"]) == ({}, 0, 0)
    assert (done.failure, done.left_out, connection.in_atomic_block) == ("", [], False)
    assert done.written, "the work was done"
    assert done.outcome.items_processed > 0


@pytest.mark.django_db
@pytest.mark.parametrize("slug", [*kinds(), SEVENTH])
def test_it_tells_what_an_execution_comes_to(server: LLMServer, slug: str) -> None:
    load()
    agent, given = set_up(slug, new_org())
    done = dry_run(agent=agent, given=given)
    again = dry_run(agent=agent, given=given)
    assert [one.prompt_sha256 for one in again.questions] == [one.prompt_sha256 for one in done.questions]
    execution = execute(agent, **given)
    assert (execution.status, execution.error_message) == ("completed", "")
    assert done.outcome.items_processed == execution.items_processed
    assert done.outcome.output.keys() == (execution.output_data or {}).keys()
    children = AgentExecution.objects.for_org(agent.org).filter(parent=execution)
    assert [len(one.handed) for one in done.handings] == [children.count()]
    handed = sorted(json.dumps(one["input"], sort_keys=True) for one in done.handings[0].handed)
    assert handed == sorted(json.dumps(one.input_data, sort_keys=True) for one in children)
    calls = LLMCall.objects.for_org(agent.org).filter(execution=execution)
    asked = Counter(calls.values_list("step", "prompt", "prompt_sha256"))
    assert asked == Counter((one.step, one.prompt, one.prompt_sha256) for one in done.questions)
    most = {one.prompt_sha256: one.cost_at_most or Decimal(0) for one in done.questions}
    assert all(0 < call.cost < call.reserved_cost <= most[call.prompt_sha256] for call in calls)
    assert done.costs.at_most is not None
    assert execution.cost <= done.costs.at_most <= done.costs.run_cap
    assert done.is_open == bool(asked)
    assert done.as_json()["mode"] == ("" if asked else execution.mode)
    assert not any("Further questions" in note for note in done.notes)


def dry_run_of(slug: str) -> DryRun:
    agent, given = set_up(slug, new_org())
    return dry_run(agent=agent, given=given)


@pytest.mark.django_db
def test_some_kinds_ask(server: LLMServer) -> None:
    load()
    asking = {slug: len(dry_run_of(slug).questions) for slug in kinds()}
    assert asking["scout_agent"] > NEWS, "it goes on however many are not answered"
    assert asking["research_gpt"] > 1
    assert (asking["scoring_agent"], asking["opportunity_bot"]) == (1, 1)


@pytest.mark.django_db
def test_stored_answers_are_used_and_cost_nothing(server: LLMServer) -> None:
    load()
    agent, _ = set_up("scoring_agent", new_org())
    execute(agent)
    asked, calls = server.counts["requests"], LLMCall.objects.for_org(agent.org).count()
    done = dry_run(agent=agent)
    assert [(one.is_stored, one.cost_at_most) for one in done.questions] == [(True, Decimal(0))]
    assert (done.is_open, done.outcome.mode, done.notes[:-1]) == (False, "llm", [])
    assert (server.counts["requests"], LLMCall.objects.for_org(agent.org).count()) == (asked, calls)


@pytest.mark.django_db
def test_sources_are_left_out_and_said_to_be(server: LLMServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: Any) -> None:
        raise AssertionError("the source was asked")

    monkeypatch.setattr("agents.kinds.research_gpt.refresh_source", ask)
    load()
    agent, given = set_up("research_gpt", new_org())
    done = dry_run(agent=agent, given=given | {"depth": "detailed"})
    assert done.left_out == ["ask companies_house_api", "ask company_website"]
    assert "Not asked: ask companies_house_api, ask company_website. What they" in "\n".join(done.notes)
    assert done.outcome.output["made"] == 6


@pytest.mark.django_db
def test_a_provider_of_embeddings_is_not_asked(server: LLMServer, settings: Settings) -> None:
    load()
    settings.EMBEDDING_PROVIDER, settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "openai", "key", server.url
    settings.EMBEDDING_MODEL = "text-embedding-3-small"
    agent, given = set_up("scoring_agent", new_org())
    done = dry_run(agent=agent, given=given)
    assert done.left_out == ["the provider of embeddings openai"]
    assert "The description is not compared" in done.outcome.output["notes"][0]
    scout = make_agent(agent.org, "scout_agent", configuration={"query": "software in Leeds"})
    with pytest.raises(NoDryRun, match=r"depends on somebody outside.*provider of embeddings openai"):
        dry_run(agent=scout)
    assert server.counts["requests"] == 0


# Costs and hand-offs


def ask(ctx: Context, *, transactional: bool = False) -> Any:
    return ctx.step("ask", lambda: str(ctx.llm.ask("read_profile", ReadProfile)), transactional=transactional)


@pytest.mark.django_db
def test_costs_are_held_against_the_caps(server: LLMServer, settings: Settings) -> None:
    load()
    agent, given = set_up("research_gpt", new_org())
    most = dry_run(agent=agent, given=given).costs.at_most
    assert most is not None
    assert most > 0
    for run, month, is_within in ((most, most, True), (most - Decimal("1e-6"), most, False), (most, most / 2, False)):
        set_budget(org=agent.org, run_cap=run, monthly_cap=month, by="test")
        done = dry_run(agent=agent, given=given)
        assert done.costs.is_within_caps is is_within, (run, month)
        assert any("pass a cap" in note for note in done.notes) is not is_within
    settings.LLM_MODEL = "nobody-knows-its-price"
    done = dry_run(agent=agent, given=given)
    assert (done.costs.at_most, {one.cost_at_most for one in done.questions}) == (None, {None})
    assert "The price of the language model is not known" in " ".join(done.notes)


@pytest.mark.django_db
def test_further_questions_are_not_known(
    server: LLMServer, probing: Callable[[Body], None], org_a: Organization
) -> None:
    probing(ask)
    done = dry_run(agent=make_agent(org_a))
    assert done.failure == "A dry run asks no language model."
    assert "Further questions may depend on the answers" in " ".join(done.notes)


@pytest.mark.django_db
def test_a_question_within_a_transaction_is_refused_as_ever(
    server: LLMServer, probing: Callable[[Body], None], org_a: Organization
) -> None:
    probing(lambda ctx: ask(ctx, transactional=True))
    done = dry_run(agent=make_agent(org_a))
    assert "only in steps with transactional=False" in done.failure
    assert done.questions == []


@pytest.mark.django_db
def test_gates_are_held_and_refusals_told(probing: Callable[[Body], None], org_a: Organization) -> None:
    companies = [make_business().pk for _ in range(30)]
    subjects = [Subject(pk, score=place, evidence=1) for place, pk in enumerate(companies)]
    source = make_agent(org_a)
    targets = [make_agent(org_a) for _ in range(3)]
    nothing = make_agent(org_a, "accounts_due", configuration={"watchlist": str(
        Watchlist.objects.for_org(org_a).create(org=org_a, name="W").pk)})  # fmt: skip
    gates = [HandoffSpec(targets[0].pk, min_score=28), HandoffSpec(targets[1].pk, max_subjects=20),
             HandoffSpec(nothing.pk, max_subjects=1), HandoffSpec(targets[2].pk, min_evidence=2)]  # fmt: skip
    set_handoffs(agent=source, handoffs=gates)
    probing(lambda ctx: Outcome({}, subjects=subjects))
    first, second, third, fourth = dry_run(agent=source).handings
    assert (first.passed, [one["company"] for one in first.handed]) == (2, [str(pk) for pk in companies[28:]])
    assert (second.passed, len(second.handed), len(second.refused)) == (30, 18, 2)
    assert second.refused[0]["reason"] == "An execution causes 20 others at most."
    assert [one["reason"] for one in third.refused] == ["Its kind takes nothing from others."]
    assert (fourth.passed, fourth.handed) == (0, [])


# What cannot be rehearsed


@pytest.mark.django_db
def test_a_failure_is_told(org_a: Organization) -> None:
    agent = make_agent(org_a)
    assert dry_run(agent=agent, given={"ending": "permanent"}).failure.startswith("This cannot work")
    done = dry_run(agent=agent, given={"ending": "failure"})
    assert (done.failure, done.outcome.output) == ("Nothing came of it.", {"companies": 0})
    with pytest.raises(ValueError, match="An error in the code"):
        dry_run(agent=agent, given={"ending": "error"})
    with pytest.raises(InvalidInput):
        dry_run(agent=agent, given={"colour": "red"})


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        lambda ctx: ctx.job.run,
        lambda ctx: ctx.job.emit("agents/due.start", {}),
        lambda ctx: ctx.job.emit_many("agents/due.start", []),
        lambda ctx: ctx.job.wait_for_children(),
    ],
)
def test_what_needs_a_run_has_no_dry_run(probing: Callable[[Body], None], org_a: Organization, body: Body) -> None:
    probing(body)
    with pytest.raises(NoDryRun, match="in a rehearsal"):
        dry_run(agent=make_agent(org_a))


@pytest.mark.django_db
def test_steps_keep_their_rules(probing: Callable[[Body], None], org_a: Organization) -> None:
    def twice(ctx: Context) -> Any:
        ctx.job.sleep(3_600)
        ctx.progress(1, 2)
        ctx.log("Half of it is done.")
        return [ctx.step("one", lambda: (1, 2)), ctx.step("one", lambda: 3)]

    probing(twice)
    done = dry_run(agent=make_agent(org_a))
    assert "two steps named 'one'" in done.failure
    assert done.logged == ["Half of it is done."]
    probing(lambda ctx: ctx.step("one", lambda: (1, 2)))
    assert dry_run(agent=make_agent(org_a)).outcome.output == {"made": [1, 2]}


@pytest.mark.django_db(transaction=True)
def test_it_waits_neither_long_nor_for_others(
    probing: Callable[[Body], None], org_a: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(ctx: Context) -> Any:
        def body() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(20)")

        return ctx.step("sleep", body)

    agent = make_agent(org_a)
    probing(sleep)
    with pytest.raises(NoDryRun, match=r"longer than 0\.2 s"):
        dry_run(agent=agent, seconds=0.2)
    probing(lambda ctx: ctx.step("look", lambda: 1))
    with pytest.raises(NoDryRun, match="longer than 0 s"):
        dry_run(agent=agent, seconds=0)
    monkeypatch.setattr("agents.dry_context.LOCK_SECONDS", 0.1)
    probing(lambda ctx: ctx.step("remember", lambda: ctx.remember(seen=1)))
    with another_connection() as other, other.transaction():
        other.execute("SELECT FROM ai_agents FOR UPDATE")
        with pytest.raises(NoDryRun, match="Somebody else is changing"):
            dry_run(agent=agent)
    assert dry_run(agent=agent).failure == ""


# The command


def said(*arguments: Any) -> str:
    out = StringIO()
    call_command("run_agent", *map(str, arguments), "--dry-run", stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.mark.django_db
def test_the_command(server: LLMServer) -> None:
    load()
    org = new_org()
    agent, _ = set_up("scout_agent", org)
    named = [agent.name, "--org", org.slug]
    text = said(*named)
    parts = (
        "nothing of it stays", "would write buying_signals: ", "would tell Sales: ", "would hand 2 to Agent ", "note: ",
        "would ask: scout_news in read event:", "language model: 7 questions, at most $0.0",
    )  # fmt: skip
    assert [part for part in parts if part not in text] == []
    told = json.loads(said(*named, "--json"))
    assert (told["cost"]["is_within_caps"], len(told["questions"]), told["failure"]) == (True, 7, "")
    with pytest.raises(CommandError, match=r"The work takes longer than 0 s\. Give it less"):
        said(*named, "--seconds", "0")
    with pytest.raises(CommandError, match="not allowed with argument"):
        said(*named, "--wait")
    with pytest.raises(CommandError, match="would fail: This cannot work"):
        said(make_agent(org).pk, "--org", org.slug, "--input", "ending=permanent")
    with pytest.raises(CommandError, match=r"input\.colour"):
        said(*named, "--input", "colour=red")
    assert not AgentExecution.objects.for_org(org).exists()
