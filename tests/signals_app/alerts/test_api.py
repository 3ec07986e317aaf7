"""The API of alerts: who manages what, what is shown of secrets, and what belongs to others."""

from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient
from standardwebhooks.webhooks import Webhook

from businesses.models import Watchlist
from oppspot.jobs.models import Run
from oppspot.organizations.models import Organization
from signals_app.alerts.models import AlertRule, Attempt, Channel, Delivery, RuleChannel
from tests.answers import pages, problem_of
from tests.factories import make_business
from tests.signals_app.alert_factories import make_alert, make_channel, make_delivery, make_rule, make_signal

pytestmark = pytest.mark.django_db
CHANNELS, RULES, ALERTS, DELIVERIES = (
    f"/api/v1/{name}/" for name in ("alert-channels", "alert-rules", "alerts", "alert-deliveries")
)
WEBHOOK = {"name": "CRM", "kind": "webhook", "address": "https://crm.example/hook?token=canary"}


def created(response: Any) -> dict[str, Any]:
    assert response.status_code == 201, response.content
    body: dict[str, Any] = response.json()
    return body


# Channels


def test_the_secret_is_shown_once(ada_client: APIClient) -> None:
    response = ada_client.post(CHANNELS, WEBHOOK, headers={"Idempotency-Key": "a"})
    body = created(response)
    assert len(Webhook(body["secret"])._whsecret) == 32
    assert response.headers["Cache-Control"] == "no-store"
    assert "Idempotency-Replayed" not in response.headers
    for url in (CHANNELS, f"{CHANNELS}{body['id']}/"):
        seen = ada_client.get(url).content.decode()
        assert body["secret"] not in seen
        assert 'secret"' not in seen
    rotated = ada_client.post(f"{CHANNELS}{body['id']}/rotate-secret/").json()
    assert rotated["secret"] not in {body["secret"], ""}
    assert rotated["secret_rotated_at"]


@pytest.mark.parametrize(
    ("kind", "address", "shown"),
    [
        ("webhook", "https://crm.example/hook?token=canary", "https://crm.example/…"),
        ("slack", "https://hooks.slack.example/services/T0/B0/canary", "https://hooks.slack.example/…"),
        ("email", "team@alpha.example", "team@alpha.example"),
    ],
)
def test_a_url_is_not_shown(ada_client: APIClient, kind: str, address: str, shown: str) -> None:
    response = ada_client.post(CHANNELS, {"name": "X", "kind": kind, "address": address})
    body = created(response)
    assert body["target"] == shown
    changed = ada_client.patch(f"{CHANNELS}{body['id']}/", {"name": "Y"})
    listed = ada_client.get(CHANNELS)
    for answer in (response, changed, listed):
        assert "canary" not in answer.content.decode()
        assert '"address"' not in answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"address": "http://crm.example/hook"}, "address"),
        ({"address": "https://127.0.0.1/"}, "address"),
        ({"kind": "carrier pigeon"}, "kind"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"org": "x"}, "org"),
        ({"secret": "x"}, "secret"),
        ({"is_enabled": False}, "is_enabled"),
    ],
)
def test_channels_that_are_refused(ada_client: APIClient, changes: dict[str, Any], field: str) -> None:
    assert list(problem_of(ada_client.post(CHANNELS, WEBHOOK | changes), 400)["errors"]) == [field]


def test_email_that_is_not_configured(ada_client: APIClient, settings: LazySettings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    answer = ada_client.post(CHANNELS, {"name": "Team", "kind": "email", "address": "team@alpha.example"})
    assert "EMAIL_URL" in str(problem_of(answer, 503, "not_configured"))


def test_disabling_and_enabling(ada_client: APIClient, org_a: Organization) -> None:
    channel = make_channel(org_a)
    url = f"{CHANNELS}{channel.pk}/"
    body = ada_client.patch(url, {"is_enabled": False}).json()
    assert (body["is_enabled"], body["disabled_reason"][:16]) == (False, "Disabled by user")
    assert body["disabled_at"]
    body = ada_client.patch(url, {"is_enabled": True}).json()
    assert (body["is_enabled"], body["disabled_reason"], body["disabled_at"]) == (True, "", None)
    assert ada_client.delete(url).status_code == 204
    assert ada_client.get(url).status_code == 404


def test_members_see_channels_and_do_not_manage_them(bob_client: APIClient, org_a: Organization) -> None:
    channel = make_channel(org_a)
    assert bob_client.get(CHANNELS).json()["results"][0]["id"] == str(channel.pk)
    problem_of(bob_client.post(CHANNELS, WEBHOOK), 403)
    for action in ("test/", "rotate-secret/"):
        problem_of(bob_client.post(f"{CHANNELS}{channel.pk}/{action}"), 403)


def test_a_test_message(ada_client: APIClient, org_a: Organization) -> None:
    channel = make_channel(org_a)
    answer = ada_client.post(f"{CHANNELS}{channel.pk}/test/")
    assert answer.status_code == 202
    body = answer.json()
    assert (body["purpose"], body["state"]) == ("test", "pending")
    detail = ada_client.get(f"{DELIVERIES}{body['id']}/").json()
    assert '"type":"alert.test"' in detail["body"]
    problem_of(ada_client.post(f"{CHANNELS}{channel.pk}/test/", {"to": "x"}), 400)


# Rules


def test_a_rule_is_made_read_changed_and_deleted(bob_client: APIClient, org_a: Organization) -> None:
    channel = make_channel(org_a)
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="Brewers")
    sent = {
        "name": "Growth",
        "signal_types": ["funding_round", "expansion", "funding_round"],
        "min_strength": "strong",
        "min_confidence": 60,
        "min_score": 12.5,
        "watchlist": str(watchlist.pk),
        "channels": [str(channel.pk)],
        "time_zone": "America/New_York",
        "quiet_from": "22:00",
        "quiet_until": "07:00",
        "frequency": "daily",
        "digest_at": "08:30",
    }
    body = created(bob_client.post(RULES, sent))
    assert {name: body[name] for name in sent} == sent | {"signal_types": ["funding_round", "expansion"]}
    assert body["next_digest_at"]
    assert (body["is_active"], body["include_negative"]) == (True, False)
    url = f"{RULES}{body['id']}/"
    assert bob_client.get(url).json() == body
    changed = bob_client.patch(url, {"frequency": "immediate", "digest_at": None, "channels": []}).json()
    assert (changed["next_digest_at"], changed["channels"], changed["quiet_from"]) == (None, [], "22:00")
    assert not RuleChannel.objects.for_org(org_a).exists()
    assert bob_client.delete(url).status_code == 204


def test_a_rule_is_made_once_a_key(bob_client: APIClient, org_a: Organization) -> None:
    answers = [bob_client.post(RULES, {"name": "Growth"}, headers={"Idempotency-Key": "a"}).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert AlertRule.objects.for_org(org_a).count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"signal_types": ["rumour"]}, "signal_types"),
        ({"min_strength": "mighty"}, "min_strength"),
        ({"min_confidence": 101}, "min_confidence"),
        ({"min_score": -1}, "min_score"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"quiet_from": "22:00"}, "quiet_until"),
        ({"quiet_from": "22:00", "quiet_until": "22:00"}, "quiet_until"),
        ({"quiet_from": "25:00", "quiet_until": "07:00"}, "quiet_from"),
        ({"frequency": "daily"}, "digest_at"),
        ({"frequency": "hourly", "digest_at": "08:00"}, "digest_at"),
        ({"channels": [str(uuid4())]}, "channels"),
        ({"watchlist": str(uuid4())}, "watchlist"),
        ({"name": ""}, "name"),
        ({"next_digest_at": None}, "next_digest_at"),
    ],
)
def test_rules_that_are_refused(bob_client: APIClient, changes: dict[str, Any], field: str) -> None:
    assert list(problem_of(bob_client.post(RULES, {"name": "Growth"} | changes), 400)["errors"]) == [field]


def test_at_most_ten_channels(bob_client: APIClient, org_a: Organization) -> None:
    channels = [str(make_channel(org_a).pk) for _ in range(11)]
    assert "At most 10" in str(problem_of(bob_client.post(RULES, {"name": "A", "channels": channels}), 400))
    created(bob_client.post(RULES, {"name": "A", "channels": [*channels[:10], channels[0]][:10]}))


def test_a_change_is_judged_with_what_stays(bob_client: APIClient, org_a: Organization) -> None:
    rule = make_rule(org_a)
    problem_of(bob_client.patch(f"{RULES}{rule.pk}/", {"frequency": "daily"}), 400)
    problem_of(bob_client.patch(f"{RULES}{rule.pk}/", {"quiet_from": "22:00"}), 400)
    taken = make_rule(org_a)
    answer = bob_client.patch(f"{RULES}{rule.pk}/", {"name": taken.name.upper()})
    assert list(problem_of(answer, 400)["errors"]) == ["name"]


def test_what_belongs_to_others_reads_as_missing(
    bob_client: APIClient, org_a: Organization, org_b: Organization
) -> None:
    watchlist = Watchlist.objects.for_org(org_b).create(org=org_b, name="Theirs")
    channel, missing = make_channel(org_b), str(uuid4())
    url = f"{RULES}{make_rule(org_a).pk}/"

    def said(answer: Any, identifier: str) -> str:
        return str(problem_of(answer, 400)).replace(identifier, "x")

    for foreign, body in (
        (str(channel.pk), lambda identifier: {"channels": [identifier]}),
        (str(watchlist.pk), lambda identifier: {"watchlist": identifier}),
    ):
        made = [said(bob_client.post(RULES, {"name": "A"} | body(one)), one) for one in (foreign, missing)]
        changed = [said(bob_client.patch(url, body(one)), one) for one in (foreign, missing)]
        assert made[0] == made[1] == changed[0] == changed[1]
    assert not RuleChannel.objects.for_org(org_a).exists()


# Alerts and deliveries


def test_alerts_and_their_filters(key_client: APIClient, org_a: Organization, org_b: Organization) -> None:
    company = make_business("Acme Ltd")
    rule, other = make_rule(org_a), make_rule(org_a)
    alert = make_alert(rule, signal=make_signal(org_a, company))
    make_alert(other)
    foreign = make_alert(make_rule(org_b), signal=make_signal(org_b, company))

    def found(query: str) -> list[str]:
        response = key_client.get(f"{ALERTS}?{query}")
        assert response.status_code == 200, response.content
        return [row["id"] for row in response.json()["results"]]

    assert len(found("")) == 2
    assert found(f"rule={rule.pk}") == [str(alert.pk)]
    assert found(f"business={company.pk}") == [str(alert.pk)]
    assert found(f"rule={foreign.rule_id}") == found(f"rule={uuid4()}") == []
    assert len(found("day_from=2025-11-02&day_to=2025-11-02")) == 2
    assert found("day_from=2025-11-03") == []
    body = key_client.get(f"{ALERTS}{alert.pk}/").json()
    assert body["business"] == {
        "id": str(company.pk),
        "company_number": company.company_number,
        "name": "Acme Ltd",
    }
    assert body["signal"]["signal_type"] == "funding_round"


def test_deliveries_and_their_filters(key_client: APIClient, org_a: Organization, org_b: Organization) -> None:
    one, two = make_channel(org_a), make_channel(org_a)
    done = make_delivery(one)
    failed = make_delivery(two, state="failed", delivered_at=None, purpose="digest")
    foreign = make_delivery(make_channel(org_b))

    def found(query: str) -> set[str]:
        response = key_client.get(f"{DELIVERIES}?{query}")
        assert response.status_code == 200, response.content
        return {row["id"] for row in response.json()["results"]}

    assert found("") == {str(done.pk), str(failed.pk)}
    assert found(f"channel={one.pk}") == {str(done.pk)}
    assert found("state=failed&state=abandoned") == {str(failed.pk)}
    assert found("purpose=digest") == {str(failed.pk)}
    assert found(f"channel={foreign.channel_id}") == set()


def test_a_delivery_with_its_tries(key_client: APIClient, org_a: Organization) -> None:
    delivery = make_delivery(make_channel(org_a), body='{"a":1}')
    terms = {"delivery": delivery, "duration_ms": 5, "started_at": timezone.now()}
    attempts = Attempt.objects.for_org(org_a)
    attempts.create(org=org_a, number=1, result="refused", status_code=500, answer="crm said 500", **terms)
    attempts.create(org=org_a, number=2, result="delivered", status_code=200, **terms)
    body = key_client.get(f"{DELIVERIES}{delivery.pk}/").json()
    assert (body["body"], body["message_id"]) == ('{"a":1}', f"msg_{delivery.pk.hex}")
    assert [(one["number"], one["status_code"], one["answer"]) for one in body["attempts"]] == [
        (1, 500, "crm said 500"),
        (2, 200, ""),
    ]


def test_sending_again(bob_client: APIClient, org_a: Organization) -> None:
    delivery = make_delivery(make_channel(org_a))
    url = f"{DELIVERIES}{delivery.pk}/resend/"
    headers = {"Idempotency-Key": "again"}
    first, second = (bob_client.post(url, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == 202
    assert first.json()["state"] == "pending"
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Run.objects.for_org(org_a).filter(function="signals_app.alerts.deliver").count() == 1
    problem_of(bob_client.post(url), 409, "wrong_state")
    Channel.objects.for_org(org_a).update(is_enabled=False, disabled_at=timezone.now())
    Delivery.objects.for_org(org_a).update(state="failed", next_try_at=None)
    problem_of(bob_client.post(url), 409, "wrong_state")


@pytest.mark.parametrize(("url", "queries"), [(CHANNELS, 3), (RULES, 4), (ALERTS, 3), (DELIVERIES, 3)])
def test_lists_cost_the_same_whatever_is_in_them(
    key_client: APIClient,
    org_a: Organization,
    url: str,
    queries: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    def fill(count: int) -> None:
        for _ in range(count):
            channels = [make_channel(org_a), make_channel(org_a)]
            make_alert(make_rule(org_a, *channels))
            make_delivery(channels[0])

    fill(1)
    key_client.get(url)
    for count in (1, 4):
        fill(count)
        with django_assert_num_queries(queries):  # key with organisation, throttle, rows (and channels of rules)
            assert key_client.get(url).status_code == 200
    rows = [row["id"] for page in pages(key_client, f"{url}?page_size=2") for row in page]
    assert len(rows) == len(set(rows)) >= 6
