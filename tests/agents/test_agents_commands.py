"""`manage.py run_agent` and `manage.py agents`, as an engineer uses them."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from agents.handoffs import HandoffSpec, set_handoffs
from agents.management.commands.agents import _duration
from agents.management.commands.run_agent import given_by
from agents.models import Agent, AgentExecution
from agents.replays import differences
from agents.services import update_agent
from businesses.models import Business, Watchlist, WatchlistEntry
from oppspot.jobs.heartbeat import Heart
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent, work
from tests.factories import make_business
from tests.jobs.factories import make_worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quiet_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its threads would outlive the test."""
    monkeypatch.setattr(Heart, "start", lambda heart: heart)


def said(*arguments: Any) -> tuple[str, str]:
    """What was written to stdout, and to stderr."""
    out, err = StringIO(), StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_an_agent_is_run(org_a: Organization, org_b: Organization) -> None:
    agent = make_agent(org_a, name="Probe them")
    make_agent(org_b, name="Probe them")
    out, err = said("run_agent", "probe THEM", "--org", "alpha")
    execution = AgentExecution.objects.for_org(org_a).get()
    assert f"execution {execution.pk} of Probe them: queued" in out
    assert "No worker is running: start `manage.py worker`" in err
    assert (execution.agent, execution.trigger, execution.requested_by) == (agent, "command", "manage.py")
    assert not AgentExecution.objects.for_org(org_b).exists()
    make_worker()
    out, err = said("run_agent", agent.pk, "--org", "alpha")
    assert err == ""


def test_waiting_works_on_the_queue_where_nobody_does(org_a: Organization) -> None:
    first, second = make_agent(org_a, name="First"), make_agent(org_a, name="Second")
    set_handoffs(agent=first, handoffs=[HandoffSpec(second.pk)])
    company = make_business().pk
    out, err = said("run_agent", "First", "--wait", "--input", f'companies=["{company}"]', "score=71.5")
    assert "No worker is running: this process works on the queue" in err
    assert "  First: completed in" in out
    assert "    Second: completed in" in out
    assert "together: 2 executions, 0 failed" in out
    assert '"companies": 1' in out
    assert AgentExecution.objects.for_org(org_a).get(parent=None).input_data["score"] == 71.5


def test_waiting_leaves_the_work_to_a_worker(org_a: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    make_agent(org_a, name="One")
    make_worker()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        work()  # the worker's

    monkeypatch.setattr("agents.waiting.time.sleep", pause)
    out, err = said("run_agent", "One", "--wait")
    assert (len(pauses), err) == (1, "")
    assert "One: completed" in out


def test_json_is_all_that_is_printed(org_a: Organization) -> None:
    make_agent(org_a, name="One")
    waiting = json.loads(said("run_agent", "One", "--json")[0])
    assert (waiting["status"], waiting["output_data"], "tree" in waiting) == ("queued", None, False)
    done = json.loads(said("run_agent", "One", "--json", "--wait", "--input", '{"companies": []}')[0])
    assert (done["status"], done["output_data"], done["cost"]) == ("completed", {"companies": 0}, "0")
    assert (done["tree"]["executions"], done["tree"]["failures"]) == (1, 0)


def test_a_failure_is_the_exit_code(org_a: Organization) -> None:
    make_agent(org_a, name="One")
    with pytest.raises(CommandError, match=r"The execution failed: PermanentError: This cannot work; .*\[secret\]"):
        said("run_agent", "One", "--wait", "--input", "ending=permanent")
    said("run_agent", "One", "--input", "ending=permanent")  # nobody waits for it


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Nobody"], "Alpha has no agent 'Nobody'"),
        ([uuid4()], "has no agent"),
        (["One", "--org", "gamma"], "There is no organisation 'gamma'"),
        (["One", "--input", "colour=red"], r"input\.colour: Extra inputs"),
        (["One", "--input", "score=high"], r"input\.score: Input should be a valid number"),
        (["One", "--input", f'companies=["{uuid4()}"]'], "There is no company"),
        (["One", "--input", "{"], "is not JSON"),
        (["One", "--input", "quick"], "neither a JSON object nor KEY=VALUE"),
    ],
)
def test_what_cannot_be_run_is_told(org_a: Organization, arguments: list[Any], message: str) -> None:
    make_agent(org_a, name="One")
    with pytest.raises(CommandError, match=message):
        said("run_agent", *arguments)
    assert not AgentExecution.objects.for_org(org_a).exists()


def test_the_organisation_is_named_where_there_are_several(org_a: Organization, org_b: Organization) -> None:
    for command in (("run_agent", "One"), ("agents", "list")):
        with pytest.raises(CommandError, match="Name an organisation by --org SLUG"):
            said(*command)


@pytest.mark.django_db
def test_without_any_organisation() -> None:
    with pytest.raises(CommandError, match="There is no organisation"):
        said("agents", "list")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ([], {}),
        (['{"a": 1}'], {"a": 1}),
        (["a=1", "b=x=y", "c="], {"a": "1", "b": "x=y", "c": ""}),
        (['a=[1, "b"]', 'b={"c": null}', "d=null"], {"a": [1, "b"], "b": {"c": None}, "d": None}),
        (["company=01234567"], {"company": "01234567"}),
    ],
)
def test_an_input_in_words(words: list[str], given: dict[str, Any]) -> None:
    assert given_by(words) == given


# manage.py agents


def test_the_list(org_a: Organization, org_b: Organization) -> None:
    agent = make_agent(org_a, name="Ours [bold]", schedule_cron="30 9 * * *")
    execute(agent, ending="permanent")
    update_agent(agent=make_agent(org_b, name="Theirs"), changes={"is_active": False})
    out, _ = said("agents", "list", "--org", "alpha")
    for part in ("Ours [bold]", "probe", "active", "At 09:30, Europe/London", "failed", str(agent.pk)):
        assert part in out
    assert "Theirs" not in out
    out, _ = said("agents", "list", "--all-orgs")
    assert "Theirs" in out
    assert "paused" in out


def test_a_replay_tells_what_comes_out_otherwise(org_a: Organization, org_b: Organization) -> None:
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="W")
    agent = make_agent(org_a, "accounts_due", name="Due", configuration={"watchlist": str(watchlist.pk)})
    earlier = execute(agent)
    out, err = said("agents", "replay", earlier.pk, "--org", "alpha")
    assert "No worker is running" in err
    assert "no difference in the output" in out
    business = make_business(name="Soon Ltd")
    WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=watchlist, business=business)
    Business.objects.update(accounts_next_due_on=timezone.now().date() + timedelta(days=20))
    out, _ = said("agents", "replay", earlier.pk, "--org", "alpha")
    again = AgentExecution.objects.for_org(org_a).latest("pk")
    assert f"execution {again.pk} of Due: completed (deterministic), 1 items, $0" in out
    assert f"execution {earlier.pk}: completed (deterministic), 0 items, $0" in out
    assert out.splitlines()[2:] == ["due: 0 → 1", f'new.0: nothing → "{business.pk}"']
    assert (again.trigger, again.requested_by, again.input_data) == ("command", "manage.py", earlier.input_data)
    for pk, org in ((earlier.pk, "beta"), (uuid4(), "alpha")):
        with pytest.raises(CommandError, match="has no execution"):
            said("agents", "replay", pk, "--org", org)


def test_a_replay_that_fails_is_the_exit_code(org_a: Organization) -> None:
    earlier = execute(make_agent(org_a), ending="permanent")
    with pytest.raises(CommandError, match="The execution failed: PermanentError: This cannot work"):
        said("agents", "replay", earlier.pk)
    company = make_business()
    gone = execute(make_agent(org_a), companies=[str(company.pk)])
    company.delete()
    with pytest.raises(CommandError, match="There is no company"):
        said("agents", "replay", gone.pk)


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        ({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 2]}, []),
        ({"a": {"b": 1}, "c": 2}, {"a": {"b": None}, "d": 3}, ["a.b: 1 → null", "c: 2 → nothing", "d: nothing → 3"]),
        ({"a": [1, {"b": 2}, 3]}, {"a": [1, {"b": 4}]}, ["a.1.b: 2 → 4", "a.2: 3 → nothing"]),
        ({"a": 1}, {"a": True}, ["a: 1 → true"]),
        ({"a": []}, {"a": {}}, ["a: [] → {}"]),
        (None, {"a": 1}, ['all: null → {"a": 1}']),
    ],
)
def test_differences(before: Any, now: Any, lines: list[str]) -> None:
    assert list(differences(before, now)) == lines


def test_who_is_due(org_a: Organization) -> None:
    late, soon = (make_agent(org_a, name=name, schedule_cron="0 9 * * *") for name in ("Late", "Soon"))
    make_agent(org_a, name="Never")
    now = timezone.now()
    for agent, minutes in ((late, -125), (soon, 5.5)):
        Agent.objects.for_org(org_a).filter(pk=agent.pk).update(next_run_at=now + timedelta(minutes=minutes))
    out, _ = said("agents", "due")
    lines = out.splitlines()
    assert "Late" in lines[1]
    assert "overdue by 2 h 5 min" in lines[1]
    assert "in 5 min" in lines[2]
    assert "Never" not in out
    assert "Soon" not in said("agents", "due", "--limit", "1")[0]


def test_the_stats(org_a: Organization) -> None:
    agent = make_agent(org_a, name="Ours")
    execute(agent)
    old = execute(agent, ending="permanent")
    out, _ = said("agents", "stats")
    assert "50%" in out
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["all", "Ours"]
    AgentExecution.objects.for_org(org_a).filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=40))
    assert "100%" in said("agents", "stats")[0]
    assert "50%" in said("agents", "stats", "--days", "60")[0]
    assert said("agents", "stats", "--days", "0")[0].strip() == "none"


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=61), "1 h 1 min"),
        (timedelta(days=2, hours=3, minutes=4), "2 d 3 h"),
    ],
)
def test_durations(time: timedelta, text: str) -> None:
    assert _duration(time) == text
