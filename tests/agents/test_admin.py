"""The admin of agents: set up by forms of their kind, run, paused, and looked at."""

from datetime import timedelta
from decimal import Decimal
from html import unescape
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from agents.models import Agent, AgentExecution, AgentTrigger, Handoff, LLMBreaker, LLMBudget
from businesses.models import Watchlist
from oppspot.organizations.models import Organization, User
from tests.agents.factories import execute, make_agent, queue_execution, work
from tests.agents.test_lifecycle import hand_over
from tests.factories import make_business

pytestmark = pytest.mark.django_db
LIST = reverse("admin:agents_agent_changelist")
ADD = reverse("admin:agents_agent_add")


@pytest.fixture
def client(olga: User) -> Client:
    made = Client()
    made.force_login(olga)
    return made


def text_of(response: Any) -> str:
    assert response.status_code == 200, response.status_code
    apart = response.content.decode().replace("<", " <")  # cells of a table
    return " ".join(unescape(strip_tags(apart)).split())


def add_url(org: Organization, slug: str = "probe") -> str:
    return f"{ADD}?org={org.pk}&agent_type={slug}"


def form_of(**values: Any) -> dict[str, Any]:
    return {"name": "Probe", "time_zone": "Europe/London", "configuration__threshold": 70} | values


def test_an_agent_is_added_by_the_form_of_its_kind(client: Client, org_a: Organization) -> None:
    assert "Does what a test tells it to." in text_of(client.get(ADD))
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="Customers")
    page = client.get(add_url(org_a)).content.decode()
    assert "Whose companies to look at." in page
    assert "Customers" in page
    assert "configuration__threshold" in page
    values = form_of(configuration__watchlist=str(watchlist.pk), schedule_cron="0 9 * * mon-fri")
    assert client.post(add_url(org_a), values).status_code == 302
    agent = Agent.objects.for_org(org_a).get()
    assert agent.configuration == {"notify": [], "watchlist": str(watchlist.pk), "threshold": 70}
    assert agent.next_run_at
    assert agent.created_by.startswith("user:")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"configuration__threshold": 170}, "less than or equal to 100"),
        ({"schedule_cron": "daily"}, "is not a cron expression"),
        ({"time_zone": "Mars"}, "is not a time zone"),
        ({"name": "Taken"}, "has an agent of this name"),
    ],
)
def test_what_is_wrong_is_said(client: Client, org_a: Organization, values: dict[str, Any], message: str) -> None:
    make_agent(org_a, name="taken")
    assert message in text_of(client.post(add_url(org_a), form_of(**values)))
    assert Agent.objects.for_org(org_a).count() == 1


def test_no_watchlist_of_another_organisation_is_offered_or_taken(
    client: Client, org_a: Organization, org_b: Organization
) -> None:
    theirs = Watchlist.objects.for_org(org_b).create(org=org_b, name="Theirs")
    assert "Theirs" not in client.get(add_url(org_a)).content.decode()
    page = client.post(add_url(org_a), form_of(configuration__watchlist=str(theirs.pk)))
    assert "not one of the available choices" in text_of(page)


def change_url(agent: Agent) -> str:
    return reverse("admin:agents_agent_change", args=[agent.pk])


def test_an_agent_is_changed_with_what_starts_it_and_whom_it_hands_to(client: Client, org_a: Organization) -> None:
    agent, other = make_agent(org_a, name="Probe"), make_agent(org_a, name="Next")
    prefixes = triggers, handoffs = "triggers", "handoffs"
    fixed = {f"{prefix}-{name}": 0 for prefix in prefixes for name in ("INITIAL_FORMS", "MIN_NUM_FORMS")}
    values = form_of() | fixed | {
        f"{triggers}-TOTAL_FORMS": 1, f"{triggers}-0-event_name": "signals/buying_signal.detected",
        f"{triggers}-0-where": '{"signal_type": ["expansion"]}', f"{triggers}-0-agent": str(agent.pk),
        f"{handoffs}-TOTAL_FORMS": 1, f"{handoffs}-0-target": str(other.pk), f"{handoffs}-0-min_score": 60,
        f"{handoffs}-0-min_evidence": 2, f"{handoffs}-0-max_subjects": 3, f"{handoffs}-0-source": str(agent.pk),
    }  # fmt: skip
    response = client.post(change_url(agent), values)
    assert response.status_code == 302, text_of(response)
    trigger = AgentTrigger.objects.for_org(org_a).get()
    assert (trigger.event_name, trigger.where) == ("signals/buying_signal.detected", {"signal_type": ["expansion"]})
    handoff = Handoff.objects.for_org(org_a).get()
    assert (handoff.source_id, handoff.target_id, handoff.min_score) == (agent.pk, other.pk, 60)
    values[f"{triggers}-0-where"] = '{"signal_type": ["nonsense"]}'
    assert "Choose from" in text_of(client.post(change_url(agent), values))


def test_an_agent_is_run_by_a_form_of_its_input(client: Client, org_a: Organization) -> None:
    agent, business = make_agent(org_a), make_business()
    url = reverse("admin:agents_agent_run", args=[agent.pk])
    assert "Companies" in text_of(client.get(url))
    values = {"input__ending": "well", "input__ends_well_at": 1, "input__score": 5}
    assert "There is no company" in text_of(client.post(url, values | {"input__companies": str(agent.pk)}))
    response = client.post(url, values | {"input__companies": f"{business.pk}\n"})
    execution = AgentExecution.objects.for_org(org_a).get()
    assert response.headers["Location"] == reverse("admin:agents_agentexecution_change", args=[execution.pk])
    assert (execution.trigger, execution.input_data["companies"]) == ("manual", [str(business.pk)])


def test_a_dry_run_leads_to_the_page_of_its_job(client: Client, org_a: Organization) -> None:
    agent = make_agent(org_a)
    url = reverse("admin:agents_agent_run", args=[agent.pk])
    assert "Dry run" in text_of(client.get(url))
    values = {"input__ending": "failure", "input__ends_well_at": 99, "input__score": 5, "dry_run": "1"}
    assert "There is no company" in text_of(client.post(url, values | {"input__companies": str(agent.pk)}))
    page = client.post(url, values).headers["Location"]
    assert work() == 1
    text = text_of(client.get(page))
    assert "agents.dry_run" in text
    assert "Nothing came of it." in text
    assert not AgentExecution.objects.for_org(org_a).exists()


def act(client: Client, url: str, action: str, *rows: Any) -> Any:
    return client.post(url, {"action": action, "_selected_action": [str(row.pk) for row in rows]}, follow=True)


def test_agents_are_run_paused_and_resumed_from_the_list(client: Client, org_a: Organization) -> None:
    agent = make_agent(org_a, schedule_cron="0 9 * * *")
    assert "At 09:00, Europe/London" in text_of(client.get(LIST))
    assert "Started 1." in text_of(act(client, LIST, "run", agent))
    assert AgentExecution.objects.for_org(org_a).get().trigger == "manual"
    assert "Paused 1 agent(s)." in text_of(act(client, LIST, "pause", agent))
    agent.refresh_from_db()
    assert (agent.is_active, agent.next_run_at) == (False, None)
    assert "Resumed 1 agent(s)." in text_of(act(client, LIST, "resume", agent))


def test_an_agent_at_work_is_not_deleted(client: Client, org_a: Organization) -> None:
    agent = make_agent(org_a)
    queue_execution(agent)
    url = reverse("admin:agents_agent_delete", args=[agent.pk])
    assert "cancel its executions first" in text_of(client.post(url, {"post": "yes"}, follow=True))
    work()
    client.post(url, {"post": "yes"})
    assert not Agent.objects.for_org(org_a).exists()


def test_the_page_of_an_execution_shows_steps_and_tree(client: Client, org_a: Organization) -> None:
    first, second = make_agent(org_a, name="First"), make_agent(org_a, name="Second")
    hand_over(org_a, first, second)
    execution = execute(first, companies=[str(make_business().pk)])
    page = text_of(client.get(reverse("admin:agents_agentexecution_change", args=[execution.pk])))
    for shown in ("What it is part of", "2 executions, 0 failed", "Second", "look", '"threshold": 50', "Completed"):
        assert shown in page
    listing = text_of(client.get(reverse("admin:agents_agentexecution_changelist"), {"agent": str(second.pk)}))
    assert "Another agent" in listing
    assert "First" not in listing


def test_the_page_sums_up_what_a_tree_of_three_levels_cost_and_took(client: Client, org_a: Organization) -> None:
    agents = [make_agent(org_a, name=name) for name in ("First", "Second", "Third")]
    for source, target in pairwise(agents):
        hand_over(org_a, source, target)
    root = execute(agents[0], companies=[str(make_business().pk) for _ in range(2)])
    other = execute(agents[0])  # a tree of its own
    now = timezone.now()
    executions = AgentExecution.objects.for_org(org_a)
    executions.filter(pk=other.pk).update(cost=Decimal(9), tokens_used=9_000, api_calls=9)
    tree = executions.filter(root_id=root.pk).order_by("depth", "pk")
    assert [one.depth for one in tree] == [0, 1, 1, 2, 2]
    for one in tree:
        began = now - timedelta(hours=5 - one.depth)
        executions.filter(pk=one.pk).update(
            cost=Decimal(f"0.0{one.depth + 1}"), tokens_used=10 ** (one.depth + 1), api_calls=one.depth,
            created_at=began, started_at=began, completed_at=began + timedelta(seconds=7),
        )  # fmt: skip
    leaf = queue_execution(agents[2])  # one more, which is still at work
    parent = tree.filter(depth=1).last()
    began = now - timedelta(hours=2)
    executions.filter(pk=leaf.pk).update(parent=parent, root_id=root.pk, depth=2, status="running", started_at=began)
    for shown in (root, leaf):  # the whole tree, whichever of it is opened
        page = text_of(client.get(reverse("admin:agents_agentexecution_change", args=[shown.pk])))
        assert "6 executions, 0 failed; $0.1100, 2210 tokens in 6 calls, 5 h in all." in page
        assert "Third 2 h" in page  # the one at work, in the time line
        assert "Third Running 0 0 0 - 2 h" in page  # and in its row


def test_executions_are_cancelled_and_retried(client: Client, org_a: Organization) -> None:
    execution = queue_execution(make_agent(org_a))
    for action, status in (("cancel", "cancelled"), ("retry", "queued")):
        url = reverse(f"admin:agents_agentexecution_{action}", args=[execution.pk])
        assert client.get(url).status_code == 405
        client.post(url)
        execution.refresh_from_db()
        assert execution.status == status
    work()
    url = reverse("admin:agents_agentexecution_changelist")
    assert "Not done: 1." in text_of(act(client, url, "cancel", execution))


def test_budgets_are_set_and_models_asked_again(client: Client, org_a: Organization) -> None:
    values = {"org": str(org_a.pk), "monthly_cap": "12.50", "run_cap": "0.25"}
    assert client.post(reverse("admin:agents_llmbudget_add"), values).status_code == 302
    budget = LLMBudget.objects.for_org(org_a).get()
    assert (budget.monthly_cap, budget.updated_by[:5]) == (Decimal("12.50"), "user:")
    breaker = LLMBreaker.objects.create(key="x", failures=5, needs_operator=True)
    url = reverse("admin:agents_llmbreaker_changelist")
    assert "1 model(s) will be asked again." in text_of(act(client, url, "close", breaker))
    breaker.refresh_from_db()
    assert (breaker.failures, breaker.needs_operator) == (0, False)


@pytest.mark.parametrize("model", ["agent", "agentexecution", "llmcall", "llmbudget", "llmmonth", "llmbreaker"])
def test_lists_open(client: Client, org_a: Organization, model: str) -> None:
    execute(make_agent(org_a))
    assert text_of(client.get(reverse(f"admin:agents_{model}_changelist")))
