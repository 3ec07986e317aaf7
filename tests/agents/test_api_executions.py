"""Executions over the API, and what they cost."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from agents.handoffs import HandoffSpec, set_handoffs
from agents.models import AgentExecution, LLMBudget
from agents.stats import month_of
from oppspot.organizations.models import Organization
from tests.agents.calls import make_call
from tests.agents.factories import execute, make_agent, queue_execution, work
from tests.answers import problem_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db
URL = "/api/v1/executions/"


@pytest.fixture
def key_client(key_client: APIClient) -> APIClient:
    """Its first request notes when the key was used last."""
    key_client.get("/api/v1/organization/")
    return key_client


def ids(client: APIClient, query: str = "") -> list[str]:
    response = client.get(f"{URL}{query}")
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_the_list_is_flat_and_filtered(
    key_client: APIClient, org_a: Organization, org_b: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    queue_execution(make_agent(org_b))
    first, second = make_agent(org_a), make_agent(org_a)
    set_handoffs(agent=first, handoffs=[HandoffSpec(second.pk)])
    root = execute(first, companies=[str(make_business().pk)])
    child = AgentExecution.objects.for_org(org_a).get(parent=root)
    failed = execute(first, ending="permanent")
    queued = queue_execution(second)
    old = AgentExecution.objects.for_org(org_a).filter(pk=root.pk)
    old.update(created_at=timezone.now() - timedelta(days=2))
    with django_assert_num_queries(3):  # the key, the limit, executions with their agents
        found = ids(key_client)
    assert found == [str(row.pk) for row in (queued, failed, child, root)]
    yesterday = (timezone.now() - timedelta(days=1)).isoformat().replace("+00:00", "Z")
    for query, expected in {
        f"?agent={first.pk}": [failed, root],
        "?kind=probe": [queued, failed, child, root],
        "?kind=other": [],
        "?status=failed&status=queued": [queued, failed],
        "?trigger=handoff": [child],
        f"?root={root.pk}": [child, root],
        f"?parent={root.pk}": [child],
        f"?since={yesterday}": [queued, failed, child],
        f"?until={yesterday}": [root],
    }.items():
        assert ids(key_client, query) == [str(row.pk) for row in expected], query
    for query in ("?status=done", "?agent=1", "?since=then", "?colour=red"):
        problem_of(key_client.get(f"{URL}{query}"), 400)


def test_one_execution(
    key_client: APIClient, org_a: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    execution = execute(make_agent(org_a, name="Ours"), companies=[str(make_business().pk)])
    make_call(org_a, execution, cost="0.00000001", tokens_in=7, tokens_out=1)
    AgentExecution.objects.for_org(org_a).update(cost=Decimal("0.00000001"), cost_cap=Decimal(100))
    with django_assert_num_queries(6):  # the key, the limit, the execution, its job, its steps, its calls
        found = key_client.get(f"{URL}{execution.pk}/").json()
    assert (found["status"], found["mode"], found["items_processed"]) == ("completed", "deterministic", 1)
    assert found["agent"] == {"id": str(execution.agent_id), "name": "Ours", "agent_type": "probe"}
    assert (found["job"], found["root_id"], found["parent"]) == (str(execution.run_id), str(execution.pk), None)
    assert (found["cost"], found["cost_cap"]) == ("0.00000001", "100")
    assert found["progress"] == {"done": 0, "total": None}
    assert [(step["name"], step["inputs"], step["output"], step["attempt"]) for step in found["steps"]] == [
        ("look", {"threshold": 50}, {"companies": 1}, 1),
        ("write", {}, None, 1),
    ]
    assert all(step["duration_ms"] >= 0 for step in found["steps"])
    (calls,) = found["calls"]
    assert (calls["model"], calls["requests"], calls["tokens_in"], calls["cost"]) == (
        "gpt-4.1-mini", 1, 7, "0.00000001",
    )  # fmt: skip


def test_cancelling_and_retrying(writer_client: APIClient, org_a: Organization) -> None:
    execution = queue_execution(make_agent(org_a))
    url = f"{URL}{execution.pk}/"
    problem_of(writer_client.post(f"{url}retry/"), 409, "wrong_state")
    assert writer_client.post(f"{url}cancel/").json()["status"] == "cancelled"
    problem_of(writer_client.post(f"{url}cancel/"), 409, "wrong_state")
    response = writer_client.post(f"{url}retry/")
    assert (response.status_code, response.json()["status"], response.headers["Location"]) == (202, "queued", url)
    work()
    assert writer_client.get(url).json()["status"] == "completed"
    problem_of(writer_client.post(f"{url}cancel/", {"reason": "late"}), 400)


def test_a_tree(
    key_client: APIClient, org_a: Organization, org_b: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first, second = make_agent(org_a), make_agent(org_a)
    set_handoffs(agent=first, handoffs=[HandoffSpec(second.pk)])
    root = execute(first, companies=[str(make_business().pk) for _ in range(3)])
    AgentExecution.objects.for_org(org_a).update(cost=Decimal("0.00000001"))
    children = list(AgentExecution.objects.for_org(org_a).filter(parent=root).order_by("pk"))
    with django_assert_num_queries(5):  # the key, the limit, the execution, its tree, its steps
        tree = key_client.get(f"{URL}{children[1].pk}/tree/").json()
    assert (tree["root_id"], tree["executions"], tree["cost"], tree["has_ended"]) == (
        str(root.pk), 4, "0.00000004", True,
    )  # fmt: skip
    assert tree["nodes"][0]["children"] == [str(child.pk) for child in children]
    assert [(node["parent"], node["steps"]) for node in tree["nodes"][1:]] == [(str(root.pk), 2)] * 3
    problem_of(key_client.get(f"{URL}{execute(make_agent(org_b)).pk}/tree/"), 404)


# Money


def test_the_usage(
    key_client: APIClient, org_a: Organization, org_b: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    agent = make_agent(org_a, name="Ours")
    execution, month = execute(agent), month_of(timezone.now())
    make_call(org_a, execution, cost="0.10000001", month=month, tokens_in=10)
    make_call(org_a, execution, cost="0.2", month=month)
    make_call(org_a, cost="4")
    make_call(org_b, cost="100", month=month)
    with django_assert_num_queries(4):  # the key, the limit, rows, their sum
        answer = key_client.get("/api/v1/usage/").json()
    (row,) = answer["rows"]
    assert (row["month"], row["agent"], row["name"], row["kind"]) == (f"{month:%Y-%m}", str(agent.pk), "Ours", "probe")
    assert (row["requests"], row["cost"], row["tokens_in"]) == (2, "0.30000001", 10)
    assert (answer["total"]["cost"], answer["is_complete"]) == ("0.30000001", True)
    old = key_client.get("/api/v1/usage/", {"since": "2025-10", "until": "2025-12"}).json()
    assert [(row["month"], row["agent"], row["cost"]) for row in old["rows"]] == [("2025-11", None, "4")]
    assert (old["since"], old["until"], old["total"]["requests"]) == ("2025-10", "2025-12", 1)


@pytest.mark.parametrize(
    "query",
    ["?since=2025-12&until=2025-11", "?since=2020-01&until=2025-11", "?since=2025-13", "?since=2025-1", "?org=1",
     "?until=2025-01-01"],
)  # fmt: skip
def test_months_that_make_no_period(key_client: APIClient, query: str) -> None:
    problem_of(key_client.get(f"/api/v1/usage/{query}"), 400)


def test_the_budget(
    ada_client: APIClient, bob_client: APIClient, vera_client: APIClient, org_a: Organization, settings: Settings
) -> None:
    settings.LLM_MONTHLY_CAP, settings.LLM_RUN_CAP = 25.0, 1.0
    url = "/api/v1/usage/budget/"
    budget = vera_client.get(url).json()
    assert (budget["monthly_cap"], budget["run_cap"], budget["is_default"]) == ("25", "1", True)
    assert (budget["spent"], budget["left"], budget["updated_by"]) == ("0", "25", "")
    caps = {"monthly_cap": "10.5", "run_cap": "0.000001"}
    for client in (bob_client, vera_client):
        problem_of(client.put(url, caps), 403)
    assert not LLMBudget.objects.for_org(org_a).exists()
    changed = ada_client.put(url, caps).json()
    assert (changed["monthly_cap"], changed["run_cap"], changed["is_default"]) == ("10.5", "0.000001", False)
    assert changed["updated_by"].startswith("user:")
    wrong: list[dict[str, Any]] = [
        {"monthly_cap": "1"},
        caps | {"monthly_cap": "-1"},
        caps | {"run_cap": "0.0000001"},
        caps | {"run_cap": "NaN"},
        caps | {"run_cap": "1000001"},
        caps | {"currency": "GBP"},
    ]
    for body in wrong:
        problem_of(ada_client.put(url, body), 400)
    assert vera_client.get(url).json() == changed
