"""The admin of alerts: what staff see, and what they can do about it."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from oppspot.organizations.models import Organization
from signals_app.alerts.models import AlertRule, Attempt, Channel, Delivery, State
from tests.signals_app.alert_factories import make_alert, make_channel, make_delivery, make_rule

pytestmark = pytest.mark.django_db
ROOT = "/admin/signals_app"


def act(client: APIClient, model: str, action: str, *rows: Any) -> str:
    """The page after an action on `rows`."""
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    response: Any = client.post(f"{ROOT}/{model}/", data, format="multipart", follow=True)
    assert response.status_code == 200
    page: str = response.content.decode()
    return page


def test_a_channels_url_is_masked(olga_client: APIClient, org_a: Organization) -> None:
    channel = make_channel(org_a, kind="slack", address="https://hooks.slack.example/services/T/B/canary")
    make_delivery(channel)
    for page in (f"channel/{channel.pk}/change/", "channel/", "delivery/"):
        text = olga_client.get(f"{ROOT}/{page}").content.decode()
        assert "canary" not in text
    assert "https://hooks.slack.example/…" in olga_client.get(f"{ROOT}/channel/").content.decode()


def test_disabling_and_enabling_channels(olga_client: APIClient, org_a: Organization) -> None:
    channel = make_channel(org_a)
    assert "Disabled 1 channel(s)." in act(olga_client, "channel", "disable", channel)
    channel.refresh_from_db()
    assert (channel.is_enabled, channel.disabled_reason) == (False, "Disabled by operations.")
    assert "Enabled 1 channel(s)." in act(olga_client, "channel", "enable", channel)
    assert Channel.objects.for_org(org_a).get().is_enabled


def test_testing_a_channel(olga_client: APIClient, org_a: Organization) -> None:
    assert "1 test message(s)" in act(olga_client, "channel", "test", make_channel(org_a))
    assert Delivery.objects.for_org(org_a).get().purpose == "test"


def test_pausing_and_resuming_rules(olga_client: APIClient, org_a: Organization) -> None:
    rule = make_rule(org_a, frequency="hourly")
    assert "Paused 1 rule(s)." in act(olga_client, "alertrule", "pause", rule)
    rule.refresh_from_db()
    assert (rule.is_active, rule.next_digest_at) == (False, None)
    act(olga_client, "alertrule", "resume", rule)
    assert AlertRule.objects.for_org(org_a).get().next_digest_at is not None


def test_the_delivery_log_and_sending_again(olga_client: APIClient, org_a: Organization) -> None:
    channel = make_channel(org_a)
    failed = make_delivery(channel, state=State.FAILED, delivered_at=None, body="<script>alert(1)</script>")
    Attempt.objects.for_org(org_a).create(
        org=org_a, delivery=failed, number=1, result="refused", status_code=500, answer="crm.example said 500",
        duration_ms=5, started_at=timezone.now(),
    )  # fmt: skip
    page = olga_client.get(f"{ROOT}/delivery/{failed.pk}/change/").content.decode()
    assert "crm.example said 500" in page
    assert failed.message_id in page
    assert "<script>alert(1)" not in page
    assert "1 delivery(s) will be sent again." in act(olga_client, "delivery", "resend", failed)
    assert Delivery.objects.for_org(org_a).get().state == State.PENDING
    assert "has not ended" in act(olga_client, "delivery", "resend", failed)


@pytest.mark.parametrize("model", ["channel", "alertrule", "alert", "delivery"])
def test_lists_cost_the_same_whatever_is_in_them(olga_client: APIClient, org_a: Organization, model: str) -> None:
    def fill(count: int) -> None:
        for _ in range(count):
            channel = make_channel(org_a)
            make_alert(make_rule(org_a, channel))
            make_delivery(channel)

    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert olga_client.get(f"{ROOT}/{model}/").status_code == 200
        return len(queries)

    fill(1)
    cost()
    before = cost()
    fill(4)
    assert cost() == before


@pytest.mark.parametrize("model", ["channel", "alertrule", "alert", "delivery"])
def test_nothing_is_edited_by_hand(olga_client: APIClient, org_a: Organization, model: str) -> None:
    channel = make_channel(org_a)
    rule = make_rule(org_a, channel)
    rows: dict[str, Any] = {
        "channel": channel,
        "alertrule": rule,
        "alert": make_alert(rule),
        "delivery": make_delivery(channel),
    }
    assert olga_client.get(f"{ROOT}/{model}/add/").status_code == 403
    assert olga_client.post(f"{ROOT}/{model}/{rows[model].pk}/change/", {}, format="multipart").status_code == 403
    assert olga_client.get(f"{ROOT}/{model}/{rows[model].pk}/delete/").status_code == 403
