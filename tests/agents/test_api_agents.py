"""Agents over the API."""

from typing import Any
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from agents.handoffs import HandoffSpec, set_handoffs
from agents.models import Agent, AgentExecution, LLMCall
from agents.triggers import TriggerSpec, set_triggers
from businesses.models import Watchlist
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent, queue_execution, work
from tests.answers import pages, problem_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db
URL = "/api/v1/agents/"
SIGNAL = "signals/buying_signal.detected"


@pytest.fixture
def key_client(key_client: APIClient) -> APIClient:
    """Its first request notes when the key was used last."""
    key_client.get("/api/v1/organization/")
    return key_client


def test_an_agent_is_set_up(writer_client: APIClient, org_a: Organization) -> None:
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="Ours")
    target = make_agent(org_a, name="Target")
    body = {
        "name": "Probe them",
        "agent_type": "probe",
        "configuration": {"watchlist": str(watchlist.pk)},
        "schedule_cron": "30 9 * * mon-fri",
        "run_cost_cap": "0.000001",
        "triggers": [{"event_name": SIGNAL, "where": {"signal_type": ["expansion"]}}],
        "handoffs": [{"target": str(target.pk), "min_score": 60}],
    }
    response = writer_client.post(URL, body)
    assert response.status_code == 201, response.content
    made = response.json()
    gate = {"min_score": 60, "min_evidence": 0, "max_subjects": 5}
    expected = body | {
        "configuration": {"notify": [], "watchlist": str(watchlist.pk), "threshold": 50},
        "handoffs": [{"target": str(target.pk), "target_name": "Target"} | gate],
        "is_active": True,
        "schedule": "At 09:30, Monday through Friday, Europe/London",
        "time_zone": "Europe/London",
        "last_run_at": None,
    }
    assert {name: made[name] for name in expected} == expected
    assert made["next_run_at"]
    assert made["created_by"].startswith("ospt_")
    assert writer_client.get(f"{URL}{made['id']}/").json() == made


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"agent_type": "bot"}, "agent_type"),
        ({"configuration": {"threshold": 101}}, "configuration.threshold"),
        ({"configuration": {"colour": "red"}}, "configuration.colour"),
        ({"configuration": {"watchlist": str(uuid4())}}, "configuration.watchlist"),
        ({"configuration": []}, "configuration"),
        ({"schedule_cron": "every day"}, "schedule_cron"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"name": " "}, "name"),
        ({"name": "TAKEN"}, "name"),
        ({"run_cost_cap": "-1"}, "run_cost_cap"),
        ({"triggers": [{"event_name": SIGNAL, "where": {"colour": ["red"]}}]}, "triggers.0.where.colour"),
        ({"state": {}}, "state"),
        ({"org": str(uuid4())}, "org"),
    ],
)
def test_what_is_wrong_is_named(
    writer_client: APIClient, org_a: Organization, wrong: dict[str, Any], field: str
) -> None:
    make_agent(org_a, name="Taken")
    problem = problem_of(writer_client.post(URL, {"name": "New", "agent_type": "probe"} | wrong), 400)
    assert list(problem["errors"]) == [field]
    assert Agent.objects.for_org(org_a).count() == 1


def test_what_is_anothers_is_not_found(writer_client: APIClient, org_a: Organization, org_b: Organization) -> None:
    theirs = make_agent(org_b)
    watchlist = Watchlist.objects.for_org(org_b).create(org=org_b, name="Theirs")
    agent = make_agent(org_a)
    for named, missing in ((theirs.pk, watchlist.pk), (uuid4(), uuid4())):
        for changes in ({"handoffs": [{"target": str(named)}]}, {"configuration": {"watchlist": str(missing)}}):
            problem_of(writer_client.patch(f"{URL}{agent.pk}/", changes), 400)
        for method, path in (("get", ""), ("post", "run/"), ("post", "dry-run/"), ("post", "pause/"), ("delete", "")):
            problem_of(getattr(writer_client, method)(f"{URL}{named}/{path}"), 404)


def test_an_agent_is_changed(writer_client: APIClient, org_a: Organization) -> None:
    agent, target = make_agent(org_a, schedule_cron="0 9 * * *"), make_agent(org_a)
    set_triggers(agent=agent, triggers=[TriggerSpec(SIGNAL)])
    url = f"{URL}{agent.pk}/"
    changed = writer_client.patch(url, {"description": "New", "handoffs": [{"target": str(target.pk)}]}).json()
    assert (changed["description"], len(changed["handoffs"]), len(changed["triggers"])) == ("New", 1, 1)
    changed = writer_client.patch(url, {"triggers": [], "schedule_cron": "", "configuration": {"threshold": 9}}).json()
    assert (changed["triggers"], len(changed["handoffs"])) == ([], 1)
    assert (changed["schedule"], changed["next_run_at"], changed["configuration"]["threshold"]) == ("", None, 9)
    problem_of(writer_client.patch(url, {"agent_type": "probe"}), 400)
    # All or nothing.
    wrong = {"description": "Newer", "handoffs": [{"target": str(agent.pk)}]}
    assert list(problem_of(writer_client.patch(url, wrong), 400)["errors"]) == ["handoffs.0.target"]
    assert writer_client.get(url).json()["description"] == "New"


def test_pausing_and_resuming(writer_client: APIClient, org_a: Organization) -> None:
    agent = make_agent(org_a, schedule_cron="0 9 * * *")
    paused = writer_client.post(f"{URL}{agent.pk}/pause/").json()
    assert (paused["is_active"], paused["next_run_at"]) == (False, None)
    assert [row["id"] for row in writer_client.get(URL, {"is_active": "false"}).json()["results"]] == [str(agent.pk)]
    resumed = writer_client.post(f"{URL}{agent.pk}/resume/").json()
    assert resumed["is_active"]
    assert resumed["next_run_at"]


def test_an_agent_is_run(writer_client: APIClient, org_a: Organization) -> None:
    agent, company = make_agent(org_a), make_business()
    body = {"input": {"companies": [str(company.pk)]}}
    headers = {"Idempotency-Key": "once"}
    first, second = (writer_client.post(f"{URL}{agent.pk}/run/", body, headers=headers) for _ in range(2))
    assert (first.status_code, second.headers["Idempotency-Replayed"]) == (202, "true")
    assert first.json() == second.json()
    assert first.json()["status"] == "queued"
    assert first.headers["Location"] == f"/api/v1/executions/{first.json()['id']}/"
    assert AgentExecution.objects.for_org(org_a).count() == 1
    work()
    done = writer_client.get(first.headers["Location"]).json()
    assert (done["status"], done["trigger"], done["output_data"]) == ("completed", "api", {"companies": 1})
    assert done["requested_by"].startswith("ospt_")
    other: dict[str, Any] = {"input": {"companies": []}}
    problem_of(writer_client.post(f"{URL}{agent.pk}/run/", other, headers=headers), 422, "idempotency_key_reused")


def test_a_dry_run_is_a_job(writer_client: APIClient, org_a: Organization) -> None:
    agent, company = make_agent(org_a), make_business()
    body = {"input": {"companies": [str(company.pk)]}}
    headers = {"Idempotency-Key": "once"}
    first, second = (writer_client.post(f"{URL}{agent.pk}/dry-run/", body, headers=headers) for _ in range(2))
    assert (first.status_code, second.headers["Idempotency-Replayed"]) == (202, "true")
    assert first.json() == second.json()
    assert first.headers["Location"] == f"/api/v1/jobs/{first.json()['id']}/"
    assert work() == 1
    done = writer_client.get(first.headers["Location"]).json()
    assert (done["status"], done["function"]) == ("completed", "agents.dry_run")
    assert (done["output"]["output"], done["output"]["failure"]) == ({"companies": 1}, "")
    assert done["output"]["cost"]["at_most"] == "0"
    assert not AgentExecution.objects.for_org(org_a).exists()
    agent.refresh_from_db()
    assert agent.state == {}
    problem_of(writer_client.post(f"{URL}{agent.pk}/dry-run/", {"input": {"colour": "red"}}), 400)


def test_a_dry_run_of_an_agent_that_is_gone(writer_client: APIClient, org_a: Organization) -> None:
    agent = make_agent(org_a)
    job = writer_client.post(f"{URL}{agent.pk}/dry-run/").headers["Location"]
    agent.delete()
    work()
    assert writer_client.get(job).json()["output"] == {"result": "gone"}


@pytest.mark.parametrize(
    ("given", "field"),
    [({"colour": "red"}, "input.colour"), ({"companies": [str(uuid4())]}, "input.companies"), ([], "input")],
)
def test_an_input_that_does_not_fit(writer_client: APIClient, org_a: Organization, given: Any, field: str) -> None:
    problem = problem_of(writer_client.post(f"{URL}{make_agent(org_a).pk}/run/", {"input": given}), 400)
    assert list(problem["errors"]) == [field]
    assert not AgentExecution.objects.for_org(org_a).exists()


def test_viewers_look_and_spend_nothing(vera_client: APIClient, org_a: Organization) -> None:
    agent = make_agent(org_a)
    execution = queue_execution(agent)
    assert vera_client.get(f"{URL}{agent.pk}/").status_code == 200
    paths = [f"{URL}{agent.pk}/{action}/" for action in ("run", "dry-run", "pause")]
    for path in (*paths, f"/api/v1/executions/{execution.pk}/cancel/"):
        problem_of(vera_client.post(path), 403)
    assert AgentExecution.objects.for_org(org_a).count() == 1


def test_an_agent_is_deleted(writer_client: APIClient, org_a: Organization) -> None:
    agent = make_agent(org_a)
    execution = queue_execution(agent)
    problem_of(writer_client.delete(f"{URL}{agent.pk}/"), 409, "wrong_state")
    writer_client.post(f"/api/v1/executions/{execution.pk}/cancel/")
    assert writer_client.delete(f"{URL}{agent.pk}/").status_code == 204
    assert not Agent.objects.for_org(org_a).exists()


def test_the_list_is_flat_and_ordered(
    key_client: APIClient, org_a: Organization, org_b: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_agent(org_b)
    agents = [make_agent(org_a, name=name) for name in ("b", "a", "c")]
    for source in agents[:2]:
        set_handoffs(agent=source, handoffs=[HandoffSpec(agents[2].pk)])
        set_triggers(agent=source, triggers=[TriggerSpec(SIGNAL)])
    with django_assert_num_queries(5):  # the key, the limit, agents, triggers, hand-offs
        (rows,) = pages(key_client, URL)
    assert [row["name"] for row in rows] == ["c", "a", "b"]
    assert [len(row["handoffs"]) for row in rows] == [0, 1, 1]
    assert [row["name"] for page in pages(key_client, f"{URL}?ordering=name&page_size=2") for row in page] == [
        "a", "b", "c",
    ]  # fmt: skip
    assert key_client.get(URL, {"agent_type": "other"}).json()["results"] == []


def test_the_kinds(key_client: APIClient) -> None:
    answer = key_client.get(f"{URL}kinds/").json()
    probe = next(kind for kind in answer["kinds"] if kind["slug"] == "probe")
    assert (probe["title"], probe["parallel"]) == ("Probe", 1)
    threshold = probe["configuration_schema"]["properties"]["threshold"]
    assert (threshold["title"], threshold["description"], threshold["maximum"]) == ("Threshold", "0 to 100.", 100)
    assert "companies" in probe["input_schema"]["properties"]
    assert [event["name"] for event in answer["events"]] == [SIGNAL, "agent/research_gpt.run"]
    assert "signal_type" in answer["events"][0]["schema"]["properties"]


def test_the_stats(
    key_client: APIClient, org_a: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    agent = make_agent(org_a, name="Ours")
    execute(agent)
    execute(agent, ending="permanent")
    with django_assert_num_queries(4):  # the key, the limit, and one each
        answer = key_client.get(f"{URL}stats/").json()
    assert answer["agents"][0]["agent"] == str(agent.pk)
    (kind,) = answer["kinds"]
    assert (kind["kind"], kind["executions"], kind["success_rate"], kind["cost"]) == ("probe", 2, 0.5, "0")
    assert key_client.get(f"{URL}stats/", {"until": "2020-01-01T00:00Z"}).json() == {"agents": [], "kinds": []}
    for query in ({"since": "yesterday"}, {"sinec": "2020-01-01T00:00Z"}, {"until": "9999-12-31T23:59-14:00"}):
        problem_of(key_client.get(f"{URL}stats/", query), 400)


def test_there_are_no_calls_without_a_model(org_a: Organization) -> None:
    execute(make_agent(org_a))
    assert not LLMCall.objects.for_org(org_a).exists()
