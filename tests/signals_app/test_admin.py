"""The admin of signals: the queue of unsure ones, and what staff make of them in an organisation's name."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from oppspot.jobs.models import Event
from oppspot.organizations.models import Organization, User
from signals_app import admin
from signals_app.models import BusinessScore, SourceReliability
from signals_app.scoring import refresh_scores
from tests.conftest import client_of
from tests.factories import make_business, make_user
from tests.signals_app.factories import make_signal

pytestmark = pytest.mark.django_db
SIGNALS = "/admin/signals_app/buyingsignal/"
QUEUE = f"{SIGNALS}?status=review"


def page(client: APIClient, url: str, **query: str) -> Any:
    response: Any = client.get(url, query)
    assert response.status_code == 200
    return response


def listed(client: APIClient, url: str, **query: str) -> set[Any]:
    return set(page(client, url, **query).context["cl"].result_list)


def act(client: APIClient, action: str, *signals: Any, url: str = SIGNALS) -> str:
    """The page after an action on `signals`."""
    data = {"action": action, "_selected_action": [str(signal.pk) for signal in signals]}
    response: Any = client.post(url, data, format="multipart", follow=True)
    assert response.status_code == 200
    text: str = response.content.decode()
    return text


def queue_link(client: APIClient, url: str = QUEUE) -> Any:
    sections = page(client, url).context["sidebar_navigation"]
    links = [item for section in sections for item in section["items"]]
    active = [item["title"] for item in links if item["active"]]
    return next((item["link"], item["badge"], active) for item in links if item["title"] == "Review queue")


def test_the_queue_has_its_own_link_with_the_number_of_those_that_wait(
    olga_client: APIClient, org_a: Organization, org_b: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_signal(org_a)
    assert queue_link(olga_client) == (QUEUE, "", ["Review queue"])
    waiting = {make_signal(org, needs_review=True) for org in (org_a, org_b)}
    make_signal(org_a, needs_review=True, status="false_positive", handled_at=timezone.now())
    assert queue_link(olga_client) == (QUEUE, "2", ["Review queue"])
    assert queue_link(olga_client, f"{SIGNALS}?status=active") == (QUEUE, "2", ["Signals"])
    assert queue_link(olga_client, f"{SIGNALS}?p=1&status=review")[2] == ["Review queue"]
    assert listed(olga_client, QUEUE) == waiting
    monkeypatch.setattr(admin, "SHOWN_WAITING", 1)
    assert queue_link(olga_client)[1] == "1+"


def test_staff_confirm_or_refute_from_the_list(
    olga_client: APIClient, olga: User, org_a: Organization, org_b: Organization
) -> None:
    right, wrong, theirs = (make_signal(org, needs_review=True) for org in (org_a, org_a, org_b))
    text = act(olga_client, "do_confirm", right, theirs, url=QUEUE)
    assert "Alpha: confirmed 1." in text
    assert "Beta: confirmed 1." in text
    assert "Alpha: marked as false 1." in act(olga_client, "do_refute", wrong, url=QUEUE)
    for signal in (right, wrong, theirs):
        signal.refresh_from_db()
    assert (right.needs_review, right.status, theirs.needs_review) == (False, "active", False)
    assert (wrong.status, wrong.handled_by) == ("false_positive", f"{olga.get_username()} (staff)")
    assert SourceReliability.all_orgs.get().org == org_a
    assert Event.all_orgs.filter(name="signals/buying_signal.detected").count() == 2
    assert LogEntry.objects.count() == 3
    assert listed(olga_client, QUEUE) == set()
    assert "left as they are 1. The signal does not wait for a review." in act(olga_client, "do_confirm", right)


def test_judging_many_computes_the_scores_once(
    olga_client: APIClient, org_a: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    monkeypatch.setattr("signals_app.services.refresh_scores", lambda org, ids: computed.append((org, ids)))
    signals = [make_signal(org_a) for _ in range(5)]
    assert "Alpha: marked as acted upon 5." in act(olga_client, "do_act_upon", *signals)
    assert computed == [(org_a, None)]
    monkeypatch.setattr(admin, "MAX_ACTED_ON", 4)
    assert "Choose at most 4" in act(olga_client, "do_refute", *signals)


def test_who_may_only_look_judges_nothing(org_a: Organization) -> None:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_buyingsignal"))
    client, signal = client_of(clerk), make_signal(org_a, needs_review=True)
    text = page(client, QUEUE).content.decode()
    assert "Review queue" not in text
    assert "do_confirm" not in text
    act(client, "do_confirm", signal)
    signal.refresh_from_db()
    assert signal.needs_review


def test_evidence_is_shown_and_linked_to_the_web_only(olga_client: APIClient, org_a: Organization) -> None:
    report = {"fact": "event:1", "source": "news", "on": "2026-11-01", "quote": "<b>raises</b>"}
    signal = make_signal(
        org_a, evidence=[report | {"url": "https://news.example/1"}, report | {"url": "javascript:alert(1)"}]
    )
    text = page(olga_client, f"{SIGNALS}{signal.pk}/change/").content.decode()
    assert 'href="https://news.example/1"' in text
    assert "javascript:alert" not in text
    assert "&lt;b&gt;raises" in text


def test_the_ranking_by_tier(olga_client: APIClient, org_a: Organization) -> None:
    hot, bad = make_business("Hot Ltd"), make_business("Bad Ltd")
    make_signal(org_a, hot, weight=95)
    make_signal(org_a, bad, is_negative=True)
    refresh_scores(org_a)
    url = "/admin/signals_app/businessscore/"
    assert {row.business_id for row in listed(olga_client, url)} == {hot.pk, bad.pk}
    assert {row.business_id for row in listed(olga_client, url, tier="hot")} == {hot.pk}
    assert listed(olga_client, url, tier="watching") == set(), "nothing speaks for it: as in the API"
    assert BusinessScore.all_orgs.count() == 2
