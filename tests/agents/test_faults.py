"""Agents of every kind while workers die, the language model's server fails and the database goes away: each
execution ends, nothing is found or done twice, and the ledger equals the server's bill."""

import json
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django import Settings

from agents.models import AgentExecution, LLMCall, LLMCallState
from agents.trees import tree_of
from tests.agents.crashing.plan import ASKED, VARIABLE, Plan
from tests.agents.factories import work
from tests.agents.fault_answers import MODEL, PRICES, answer_well
from tests.agents.fault_cases import (
    PRICE_IN,
    PRICE_OUT,
    all_ended,
    asks,
    assert_steps_once,
    differences,
    ended,
    failures,
    findings,
    kinds,
    load_register,
    places_of,
    questions_of,
    settled,
    start,
    start_tree,
    statuses,
)
from tests.agents.fault_database import asked, own_server
from tests.agents.llm_server import Exchange, LLMServer, failing, well
from tests.jobs.clusters import Clusters, database_url, is_alive, kill, wait_until
from tests.jobs.soundness import outcomes_of

pytestmark = [pytest.mark.slow, pytest.mark.alone]
WITHIN_S = 150.0
EXECUTIONS, KILLS, ROUNDS = 60, 15, 4
COMPLETED = 0.95  # of the executions, at least, while the server fails


@pytest.fixture
def server(settings: Settings) -> Iterator[LLMServer]:
    """Asked by this process, and by the workers that are given `environment_of` it."""
    with answer_well(LLMServer()) as server:
        settings.LLM_API_KEY, settings.LLM_BASE_URL, settings.LLM_MODEL = "key", server.url, MODEL
        settings.LLM_PRICES = PRICES
        yield server


@pytest.fixture
def clusters(transactional_db: None, tmp_path: Path) -> Iterator[Clusters]:
    """Starts workers on the test database; ends them before it is emptied, and prints what they said."""
    made = Clusters(tmp_path, database_url())
    yield made
    made.end()
    print(made.logs())  # noqa: T201  shown when the test failed


def environment_of(server: LLMServer) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.agents.worker_settings", "LLM_API_KEY": "key", "LLM_BASE_URL": server.url,
        "LLM_MODEL": MODEL, "LLM_PRICES": json.dumps(PRICES), "LLM_TIMEOUT_S": "10",
    }  # fmt: skip


def wait_for_all() -> None:
    wait_until(all_ended, "every execution has ended", WITHIN_S)


def control_of(slug: str) -> AgentExecution:
    """An execution of the kind that nothing happens to."""
    control = start(slug)
    work()
    control.refresh_from_db()
    assert (control.status, control.error_message) == ("completed", "")
    return control


def test_a_worker_killed_in_each_step_of_each_kind(
    clusters: Clusters, server: LLMServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_register()
    plan = Plan(tmp_path / "plan")
    controls = {slug: control_of(slug) for slug in kinds()}
    cases = {
        (execution := start(slug)).run_id: (execution, control, place)
        for slug, control in controls.items()
        for place in places_of(control)
    }
    plan.write({run: place for run, (_, _, place) in cases.items() if run})
    began = time.monotonic()
    for _ in range(2):
        clusters.launch(3, **environment_of(server), **{VARIABLE: str(plan.folder)}, JOBS_LEASE_S="4")
    wait_for_all()
    duration = time.monotonic() - began
    assert failures() == []
    assert plan.deaths().keys() == cases.keys(), "a place was not come to"
    same = {slug: findings(control.org) for slug, control in controls.items()}
    for run, (execution, control, place) in cases.items():
        slug = control.agent.agent_type
        assert run is not None
        # Once by the plan; on a machine that is very busy, a worker may be given up although it lives.
        *crashes, end = outcomes_of(run)
        assert (set(crashes), end) == ({"crashed"}, "completed"), (slug, place)
        assert differences(findings(execution.org), same[slug]) == [], (slug, place)
        assert_steps_once(execution.org)
        usual, sent = questions_of(control), questions_of(execution)
        assert len(sent) == len(usual), (slug, place)
        most = usual.total() + (place.when == ASKED) + len(crashes) - 1
        assert usual.total() + (place.when == ASKED) <= sent.total() <= most, (slug, place)
    assert settled() == server.billed - plan.lost_cost(PRICE_IN, PRICE_OUT)
    asked = sum(place.when == ASKED for _, _, place in cases.values())
    assert LLMCall.all_orgs.filter(state=LLMCallState.UNKNOWN).count() == asked
    with capsys.disabled():
        print(  # noqa: T201  the figures that documents quote
            f"\n{len(controls)} kinds, {len(cases)} places, {len(cases)} kills, {asked} with an answer in hand: "
            f"all completed, 0 doubled, {duration:.0f} s"
        )


def test_a_language_model_that_fails_three_calls_in_ten(
    clusters: Clusters, server: LLMServer, capsys: pytest.CaptureFixture[str]
) -> None:
    load_register()
    asking = [slug for slug in kinds() if asks(control_of(slug))]
    assert asking
    server.always = failing(0.3, seed=23)
    started = [start(asking[place % len(asking)]) for place in range(EXECUTIONS)]
    began = time.monotonic()
    for _ in range(2):
        clusters.launch(2, **environment_of(server))
    wait_for_all()
    duration = time.monotonic() - began
    for execution in started:
        execution.refresh_from_db()
        assert_steps_once(execution.org)
    done = [execution for execution in started if execution.status == "completed"]
    assert len(done) >= COMPLETED * EXECUTIONS, failures()
    modes = {execution.mode for execution in done}
    assert modes <= {"llm", "llm_fallback"}
    assert all(execution.error_message for execution in started if execution.status == "failed")
    assert settled() == server.billed
    states = LLMCall.all_orgs.exclude(is_cached=True).values_list("state", flat=True)
    assert len(states) == server.counts["requests"]
    with capsys.disabled():
        print(  # noqa: T201  the figures that documents quote
            f"\n{EXECUTIONS} executions of {', '.join(asking)}: {len(done)} completed, "
            f"{sum(one.mode == 'llm' for one in done)} with the model; {server.counts['requests']} requests, "
            f"{sum(state == 'settled' for state in states)} settled for ${server.billed}, {duration:.0f} s"
        )


@pytest.mark.parametrize("seed", [1])
def test_random_kills_among_trees(
    clusters: Clusters, server: LLMServer, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    load_register()
    control, bot = start_tree(), start("opportunity_bot")
    work()
    trees = [(tree_of(control), findings(control.org)), (tree_of(bot), findings(bot.org))]
    size = sum(len(tree.nodes) for tree, _ in trees)
    assert len(trees[0][0].nodes) > len([slug for slug in kinds() if slug != "opportunity_bot"])
    pairs = [(start_tree(), start("opportunity_bot")) for _ in range(-(-EXECUTIONS // size))]
    chance = random.Random(seed)
    before, began = ended(), time.monotonic()
    killed_at, kills = began, 0
    total = size * len(pairs)
    pair = [clusters.launch(2, **environment_of(server)) for _ in range(2)]
    while not all_ended() or kills < KILLS:
        assert time.monotonic() - began < WITHIN_S, f"{ended()} ended, {kills} kills, {statuses()}"
        for place, cluster in enumerate(pair):
            if cluster.command.poll() is not None:  # as a service manager would
                pair[place] = clusters.launch(2, **environment_of(server))
        is_due = ended() - before >= total * kills // KILLS or time.monotonic() - killed_at > 1
        processes = [process for cluster in pair for process in cluster.processes()]
        if kills < KILLS and is_due and len(processes) > 2:
            victim = chance.choice(processes)
            kill(victim)
            wait_until(lambda victim=victim: not is_alive(victim), "its death")  # type: ignore[misc]
            kills, killed_at = kills + 1, time.monotonic()
        time.sleep(0.05)
    duration = time.monotonic() - began
    assert failures() == []
    for roots in pairs:
        for root, (tree, found) in zip(roots, trees, strict=True):
            assert len(tree_of(root).nodes) == len(tree.nodes)
            assert differences(findings(root.org), found) == []
            assert_steps_once(root.org)
    paid = settled()
    unknown = LLMCall.all_orgs.filter(state=LLMCallState.UNKNOWN)
    # Of an answer that died with its worker only the server knows the price: no more than was put aside.
    assert paid <= server.billed <= paid + sum((call.cost for call in unknown), Decimal(0))
    with capsys.disabled():
        print(  # noqa: T201  the figures that documents quote
            f"\n{total} executions in {2 * len(pairs)} trees, {kills} kills, {unknown.count()} calls lost: "
            f"all completed, 0 doubled, {duration:.0f} s"
        )


def slow(exchange: Exchange) -> None:
    """So that an outage finds questions under way."""
    time.sleep(0.5)
    well(exchange)


def test_a_restart_of_the_database(server: LLMServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.always = slow
    with own_server() as database, asked(database) as ask:
        clusters = Clusters(tmp_path, database.url)
        try:
            ask("len(load_register())")
            names = ask("start_round()")
            pair = [clusters.launch(2, **environment_of(server)) for _ in range(2)]
            wait_until(lambda: ask("all_ended()"), "the end of the first round", WITHIN_S)
            steps = ask("steps_done()")
            for _ in range(ROUNDS):
                ask("start_round()")
            began = time.monotonic()
            outages = 0
            for share in (0.2, 0.5, 0.8):
                due = steps * (1 + share * ROUNDS)
                wait_until(lambda due=due: ask("steps_done()") >= due, "some steps", WITHIN_S)  # type: ignore[misc]
                assert not ask("all_ended()")
                database.stop()
                database.start()
                outages += 1
            wait_until(lambda: ask("all_ended()"), "every execution has ended", WITHIN_S)
            duration = time.monotonic() - began
            assert ask("failures()") == []
            assert ask("differing()") == []
            assert ask("steps_done()") == steps * (1 + ROUNDS)
            assert Decimal(ask("settled()")) == server.billed, "an answer is written down when the database is back"
            count = sum(ask("statuses()").values())
            assert all(cluster.command.poll() is None for cluster in pair)
        finally:
            clusters.end()
            print(clusters.logs())  # noqa: T201  shown when the test failed
    with capsys.disabled():
        print(  # noqa: T201  the figures that documents quote
            f"\n{count} executions ({', '.join(names)}), {outages} restarts of the database: "
            f"all completed, 0 doubled, {duration:.0f} s"
        )
