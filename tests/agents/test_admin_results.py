"""The admin of what agents found: readable, and judged by staff."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from agents.models import IcpSuggestion, Opportunity, Scorecard
from agents.scoring.profile import Icp
from oppspot.organizations.models import Organization, User
from tests.agents.factories import execute, make_agent
from tests.agents.outcome_cases import make_suggestion
from tests.agents.test_admin import act, text_of
from tests.factories import make_business, make_user
from tests.signals_app.factories import make_signal

pytestmark = pytest.mark.django_db
OPPORTUNITIES = reverse("admin:agents_opportunity_changelist")
SUGGESTIONS = reverse("admin:agents_icpsuggestion_changelist")


@pytest.fixture
def client(olga: User) -> Client:
    made = Client()
    made.force_login(olga)
    return made


@pytest.fixture
def found(org_a: Organization) -> Opportunity:
    acme = make_business(name="Acme Ltd", sic_codes=["62012"])
    make_signal(org_a, acme, days_ago=2, source_url="https://news.example/acme")
    for kind in ("opportunity_bot", "scoring_agent"):
        execute(make_agent(org_a, kind, name=f"The {kind}", configuration={"icp": {"sic": ["62"]}}))
    made: Opportunity = Opportunity.objects.for_org(org_a).get()
    return made


def test_an_opportunity_says_why(client: Client, found: Opportunity) -> None:
    page = client.get(reverse("admin:agents_opportunity_change", args=[found.pk]))
    text = text_of(page)
    assert "SIC 62012" in text
    assert "“SH01”" in text
    assert 'href="https://news.example/acme"' in page.content.decode()
    card = Scorecard.objects.for_org(found.org).get()
    assert "employee count unknown" in text_of(client.get(reverse("admin:agents_scorecard_change", args=[card.pk])))


def test_what_sources_say_is_text(client: Client, found: Opportunity) -> None:
    evil = {"source": "<script>", "url": "javascript:alert(1)", "on": "", "quote": "<b>"}
    reason = {"part": "fit", "code": "x", "text": "<i>", "points": 1.0, "met": None, "evidence": [evil]}
    Opportunity.objects.for_org(found.org).update(reasons=[reason])
    page = client.get(reverse("admin:agents_opportunity_change", args=[found.pk])).content.decode()
    assert "&lt;script&gt;" in page
    assert "javascript:alert" not in page
    assert "<i>" not in page


@pytest.mark.parametrize(
    ("action", "status"), [("contacted", "contacted"), ("won", "won"), ("lost", "lost"), ("dismiss", "dismissed")]
)
def test_opportunities_are_marked(client: Client, found: Opportunity, action: str, status: str) -> None:
    assert f"Marked as {status}: 1." in text_of(act(client, OPPORTUNITIES, action, found))
    found.refresh_from_db()
    assert (found.status, found.handled_by) == (status, "olga@example.com (staff)")
    assert LogEntry.objects.filter(object_id=str(found.pk)).exists()


def test_lists_are_filtered(client: Client, found: Opportunity) -> None:
    def names(**asked: Any) -> bool:
        return "Acme Ltd" in text_of(client.get(OPPORTUNITIES, asked))

    assert names()
    assert names(status__exact="open")
    assert not names(status__exact="won")
    assert names(found="yes")
    assert not names(found="no")
    assert not names(score="75") or found.score >= 75
    assert names(agent=str(found.agent_id))
    assert "Acme Ltd" in text_of(client.get(reverse("admin:agents_scorecard_changelist"), {"score": "25"}))


def test_a_suggested_profile_is_read_and_accepted(client: Client, org_a: Organization) -> None:
    quality = {"won": 9, "lost": 8, "k": 8, "base": 0.53, "auc": {"value": 0.81, "low": 0.62, "high": 0.95},
               "precision": {"value": 0.75, "low": 0.5, "high": 1.0}}  # fmt: skip
    row = {"attribute": "industry", "value": "62", "won": 20, "lost": 5, "rate": 0.8, "low": 0.61, "high": 0.91,
           "base": 0.5, "lift": 1.6}  # fmt: skip
    agent = make_agent(org_a, "scoring_agent")
    figures = {"train": {"won": 1, "lost": 1}, "hold_out": {"won": 1, "lost": 1},
               "suggested": {"quality": quality, "unknown": 0, "note": "tells won from lost better than chance"},
               "current": {"quality": None, "unknown": 0, "note": "not measured: too few"}}  # fmt: skip
    made = make_suggestion(agent, learnt={"sic": ["62"]}, lifts=[row], figures=figures)
    text = text_of(client.get(reverse("admin:agents_icpsuggestion_change", args=[made.pk])))
    for part in ("0.81 (0.62 to 0.95)", "80 % (61 to 91)", "1.60", "Industries - 62", "not measured: too few"):
        assert part in text
    assert "Accepted: 1." in text_of(act(client, SUGGESTIONS, "accept", made))
    agent.refresh_from_db()
    assert agent.configuration["icp"]["sic"] == ["62"]
    assert "Not done: 1. It is accepted already." in text_of(act(client, SUGGESTIONS, "reject", made))


def test_a_suggestion_is_rejected_and_one_that_learnt_nothing_says_so(client: Client, org_a: Organization) -> None:
    made = make_suggestion(make_agent(org_a, "scoring_agent"), icp=Icp().model_dump(mode="json"))
    assert "no attribute was shown" in text_of(client.get(reverse("admin:agents_icpsuggestion_change", args=[made.pk])))
    assert "Rejected: 1." in text_of(act(client, SUGGESTIONS, "reject", made))
    assert IcpSuggestion.objects.for_org(org_a).get().status == "rejected"


def test_who_may_only_look_does_not_judge(found: Opportunity) -> None:
    from django.contrib.auth.models import Permission

    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_opportunity"))
    client = Client()
    client.force_login(clerk)
    assert "Acme Ltd" in text_of(client.get(OPPORTUNITIES))
    act(client, OPPORTUNITIES, "won", found)
    found.refresh_from_db()
    assert found.status == "open"


@pytest.mark.parametrize("rows", [1, 10])
def test_a_list_takes_the_same_statements(
    client: Client, org_a: Organization, rows: int, django_assert_max_num_queries: Any
) -> None:
    agent = make_agent(org_a, "opportunity_bot")
    for _ in range(rows):
        Opportunity.objects.for_org(org_a).create(
            org=org_a, agent=agent, business=make_business(), score=1, confidence=1
        )
    client.get(OPPORTUNITIES)
    with django_assert_max_num_queries(9):
        assert text_of(client.get(OPPORTUNITIES))
