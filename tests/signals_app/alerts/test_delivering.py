"""Deliveries to a real server: signed, tried on a schedule, written down, and one message however often it is sent."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as configured
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings
from pytest_httpserver import HTTPServer
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from werkzeug import Request, Response

from oppspot.core.http import AddressPolicy, Client
from oppspot.core.http.shared import guarded_by
from oppspot.jobs.execution import drain, reap
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.models import Run
from oppspot.organizations.models import Organization
from signals_app.alerts import delivering, transports
from signals_app.alerts.delivering import RETRIES_S, pause_before, try_delivery, wake_forgotten
from signals_app.alerts.models import Channel, Delivery, State
from signals_app.alerts.secrets import secret_of
from signals_app.alerts.services import rotate_secret
from tests.conftest import client_of
from tests.factories import make_member
from tests.jobs.clusters import database_url
from tests.signals_app.alert_factories import make_channel
from tests.signals_app.alerts.sending import NOON, attempt, attempts_of, message_to, sent_to

pytestmark = pytest.mark.django_db


# Signed webhooks


def test_a_message_arrives_signed(webhook: Channel, receiver: HTTPServer, answering: Callable[..., None]) -> None:
    answering(204)
    delivery = message_to(webhook)
    assert drain(Heart("default")) == 1, "a worker does it"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries, delivery.next_try_at) == (State.DELIVERED, 1, None)
    [request] = sent_to(receiver)
    body = request.get_data()
    verified = Webhook(secret_of(webhook.pk, 1)).verify(body, dict(request.headers))
    assert verified["data"]["lines"] == ["Ünïcode & <b>"]
    assert body.decode() == delivery.body
    assert request.headers["webhook-id"] == delivery.message_id
    assert request.headers["Content-Type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(webhook.pk, 1)).verify(body + b" ", dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(make_channel(webhook.org).pk, 1)).verify(body, dict(request.headers))
    [logged] = attempts_of(delivery)
    assert (logged.number, logged.result, logged.status_code) == (1, "delivered", 204)
    assert attempt(delivery) == State.DELIVERED, "an event too many does nothing"
    assert len(sent_to(receiver)) == 1


def test_during_a_rotation_both_secrets_are_good(
    webhook: Channel, receiver: HTTPServer, answering: Callable[..., None], settings: Settings
) -> None:
    answering(200)
    settings.SECRET_KEY_FALLBACKS = ["the key before"]
    with time_machine.travel(NOON) as clock:
        _, second = rotate_secret(channel=webhook)
        _, third = rotate_secret(channel=webhook)
        attempt(message_to(webhook, "at once"))
        clock.shift(timedelta(hours=23))
        attempt(message_to(webhook, "within a day"))
        request = sent_to(receiver)[1]
        for secret in (second, third, secret_of(webhook.pk, 3, key="the key before")):
            Webhook(secret).verify(request.get_data(), dict(request.headers))
        with pytest.raises(WebhookVerificationError):
            Webhook(secret_of(webhook.pk, 1)).verify(request.get_data(), dict(request.headers))
        clock.shift(timedelta(hours=2))
        attempt(message_to(webhook, "later"))
        last = sent_to(receiver)[2]
        Webhook(third).verify(last.get_data(), dict(last.headers))
        with pytest.raises(WebhookVerificationError):
            Webhook(second).verify(last.get_data(), dict(last.headers))


def test_secrets_are_derived_and_each_is_another(webhook: Channel, settings: Settings) -> None:
    first = secret_of(webhook.pk, 1)
    others = [secret_of(webhook.pk, 2), secret_of(make_channel(webhook.org).pk, 1), secret_of(webhook.pk, 1, key="x")]
    assert len({first, *others}) == 4
    assert secret_of(webhook.pk, 1) == first
    assert len(Webhook(first)._whsecret) == 32
    settings.SECRET_KEY = "another key"
    assert secret_of(webhook.pk, 1) != first


# Failures


def test_failures_are_tried_again_on_schedule_with_the_same_message(
    webhook: Channel, receiver: HTTPServer, answering: Callable[..., None]
) -> None:
    answering(500, 503, 400, 302, 200)
    with time_machine.travel(NOON, tick=False) as clock:
        delivery = message_to(webhook)
        for pause, status in zip(RETRIES_S[:4], (500, 503, 400, 302), strict=True):
            assert attempt(delivery) == State.PENDING
            assert delivery.next_try_at is not None
            assert pause <= (delivery.next_try_at - timezone.now()).total_seconds() <= pause * 1.1
            assert attempts_of(delivery)[-1].status_code == status
            if pause > 60:
                clock.shift(pause / 2)
                assert attempt(delivery) == State.PENDING, "too early: nothing is sent"
            clock.move_to(delivery.next_try_at)
        assert attempt(delivery) == State.DELIVERED
    requests = sent_to(receiver)
    assert len(requests) == 5
    assert {request.headers["webhook-id"] for request in requests} == {delivery.message_id}
    assert len({request.get_data() for request in requests}) == 1
    assert len({request.headers["webhook-timestamp"] for request in requests}) == 5, "each try is signed anew"
    assert [one.result for one in attempts_of(delivery)] == ["refused"] * 4 + ["delivered"]
    assert "canary-token" not in str([one.answer for one in attempts_of(delivery)])
    webhook.refresh_from_db()
    assert webhook.failing_since is None


def test_after_the_last_try_it_has_failed(webhook: Channel, answering: Callable[..., None]) -> None:
    answering(500)
    with time_machine.travel(NOON, tick=False) as clock:
        delivery = message_to(webhook)
        while attempt(delivery) == State.PENDING:
            assert delivery.next_try_at is not None
            clock.move_to(delivery.next_try_at)
        assert timezone.now() - NOON > timedelta(hours=27)
    assert len(attempts_of(delivery)) == 1 + len(RETRIES_S) == delivery.tries
    assert (delivery.state, delivery.next_try_at) == (State.FAILED, None)
    assert "status 500" in delivery.reason
    webhook.refresh_from_db()
    assert (webhook.is_enabled, webhook.failing_since) == (True, NOON)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("600", 600), ("Mon, 01 Jun 2026 12:20:00 GMT", 1200), ("1", 5), ("999999999", 86_400), ("-5", 5), ("soon", 5)],
)
def test_retry_after_is_honoured(webhook: Channel, answering: Callable[..., None], asked: str, seconds: int) -> None:
    answering(429, Retry_After=asked)
    with time_machine.travel(NOON, tick=False):
        delivery = message_to(webhook)
        attempt(delivery)
        assert delivery.next_try_at is not None
        assert seconds <= (delivery.next_try_at - NOON).total_seconds() <= max(seconds, 5.5)


def test_pauses_are_spread() -> None:
    deliveries = [Delivery(tries=3) for _ in range(100)]
    pauses = {pause_before(delivery, None) for delivery in deliveries}
    assert len(pauses) > 50
    assert min(pauses) >= timedelta(seconds=RETRIES_S[2])
    assert max(pauses) < timedelta(seconds=RETRIES_S[2] * 1.1)


def test_a_server_that_does_not_answer(webhook: Channel, receiver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "SECONDS", 0.2)
    release = threading.Event()

    def hang(request: Request) -> Response:
        release.wait(5)
        return Response("late")

    receiver.expect_request("/hook").respond_with_handler(hang)
    delivery = message_to(webhook)
    started = time.monotonic()
    assert attempt(delivery) == State.PENDING
    release.set()
    assert time.monotonic() - started < 3
    [logged] = attempts_of(delivery)
    assert (logged.result, logged.status_code) == ("unreached", None)
    assert "did not answer within" in logged.answer


def test_redirects_are_not_followed(webhook: Channel, receiver: HTTPServer, answering: Callable[..., None]) -> None:
    answering(307, Location=receiver.url_for("/elsewhere"))
    delivery = message_to(webhook)
    assert attempt(delivery) == State.PENDING
    assert [request.path for request in sent_to(receiver)] == ["/hook"]


def test_a_large_answer_is_a_success_all_the_same(webhook: Channel, receiver: HTTPServer) -> None:
    receiver.expect_request("/hook").respond_with_data("x" * 50_000)
    delivery = message_to(webhook)
    assert attempt(delivery) == State.DELIVERED
    assert "too large" in attempts_of(delivery)[0].answer


def test_what_is_kept_of_an_answer_is_short_and_one_line(webhook: Channel, receiver: HTTPServer) -> None:
    receiver.expect_request("/hook").respond_with_data("a\n\x00b\x1b" + "x" * 5_000)
    delivery = message_to(webhook)
    assert attempt(delivery) == State.DELIVERED
    answer = attempts_of(delivery)[0].answer
    assert len(answer) == 500
    assert answer.isprintable()


def test_the_log_tells_why_a_message_was_refused_and_none_of_the_secrets_it_quotes(
    webhook: Channel, receiver: HTTPServer
) -> None:
    secret = secret_of(webhook.pk, 1)
    body = f"no such\x07 topic\r\n{webhook.address} canary-token {secret} Bearer abcdefgh1234 \u202e" + "x" * 600
    receiver.expect_request("/hook").respond_with_data(body, 422)
    delivery = message_to(webhook)
    assert attempt(delivery) == State.PENDING
    [logged] = attempts_of(delivery)
    assert (logged.result, logged.status_code) == ("refused", 422)
    assert logged.answer.startswith(
        "127.0.0.1 answered with status 422. no such topic [secret] [secret] [secret] Bearer [secret] xxx"
    )
    assert len(logged.answer) < 560
    for hidden in ("canary-token", secret, "abcdefgh1234", "\u202e"):
        assert hidden not in logged.answer + delivery.reason


def test_private_addresses_are_not_called(org_a: Organization, receiver: HTTPServer) -> None:
    """A name that was public when the channel was made, and no longer is."""
    channel = make_channel(org_a, address=f"https://rebound.example:{receiver.port}/hook")
    everywhere = AddressPolicy(ports=None, addresses_of=lambda host: ["127.0.0.1"])
    delivery = message_to(channel)
    with guarded_by(Client(everywhere)):
        assert attempt(delivery) == State.PENDING
    assert "public internet" in attempts_of(delivery)[0].answer
    assert sent_to(receiver) == []


# Killed, forgotten

ONE_RUN = """
import django
django.setup()
from oppspot.core.http import ANYWHERE, Client
from oppspot.core.http.shared import guarded_by
from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart
with guarded_by(Client(ANYWHERE)):
    drain(Heart("default"), limit=1)
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_between_sending_and_writing_down(
    receiver: HTTPServer, org_a: Organization, django_db_blocker: DjangoDbBlocker
) -> None:
    channel = make_channel(org_a, address=receiver.url_for("/hook"))
    workers: list[subprocess.Popen[bytes]] = []

    def kill_the_sender(request: Request) -> Response:
        if len(receiver.log) == 0:
            workers[0].kill()
            workers[0].wait()
        return Response("ok")

    receiver.expect_request("/hook").respond_with_handler(kill_the_sender)
    delivery = message_to(channel)
    environment = {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_POOL_SIZE": "0",
    }
    workers.append(
        subprocess.Popen([sys.executable, "-c", ONE_RUN], cwd=configured.BASE_DIR, env=os.environ | environment)
    )
    assert workers[0].wait(30) == -9
    assert [one.result for one in attempts_of(delivery)] == ["unknown"], "that it began, and no more"
    past = timezone.now() - timedelta(seconds=1)
    Run.all_orgs.filter(status="running").update(lease_until=past)
    assert reap() == 1
    Run.all_orgs.filter(status="queued").update(run_after=past, waiting_for="")
    assert drain(Heart("default")) == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == (State.DELIVERED, 2)
    assert [one.result for one in attempts_of(delivery)] == ["unknown", "delivered"]
    first, second = sent_to(receiver)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery.message_id
    assert first.get_data() == second.get_data()


def test_a_message_that_kills_its_workers_is_given_up(webhook: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(delivery: Delivery) -> None:
        raise SystemExit

    monkeypatch.setattr(delivering, "send", die)
    delivery = message_to(webhook)
    for number in range(1, len(RETRIES_S) + 2):
        with pytest.raises(SystemExit):
            attempt(delivery)
        assert len(attempts_of(delivery)) == number
    assert attempt(delivery) == State.FAILED
    assert "worker vanished" in delivery.reason


def test_a_try_that_somebody_else_began_is_left_to_them(webhook: Channel, receiver: HTTPServer) -> None:
    delivery = message_to(webhook)
    seen = Delivery.objects.for_org(webhook.org).select_related("channel").get(pk=delivery.pk)
    Delivery.objects.for_org(webhook.org).update(tries=1)
    assert try_delivery(org=webhook.org, delivery=seen) == State.PENDING
    assert sent_to(receiver) == []


def test_a_delivery_whose_run_was_cancelled_is_found(webhook: Channel, answering: Callable[..., None]) -> None:
    answering(200)
    delivery = message_to(webhook)
    Run.all_orgs.all().delete()
    now = timezone.now()
    assert wake_forgotten(now) == 0, "not yet overdue"
    later = now + timedelta(minutes=16)
    assert wake_forgotten(later) == 1
    wake_forgotten(later)
    assert Run.all_orgs.count() == 1, "once an hour"
    assert attempt(delivery) == State.DELIVERED
    assert wake_forgotten(later) == 0


def test_the_log_is_seen_by_its_organisation_alone(
    webhook: Channel, answering: Callable[..., None], org_b: Organization
) -> None:
    answering(200)
    delivery = message_to(webhook)
    attempt(delivery)
    seen: Any = client_of(make_member("vera", webhook.org, "viewer")).get(f"/api/v1/alert-deliveries/{delivery.pk}/")
    assert [one["status_code"] for one in seen.json()["attempts"]] == [200]
    assert "canary-token" not in seen.content.decode()
    other = client_of(make_member("charlie", org_b, "owner"))
    assert other.get(f"/api/v1/alert-deliveries/{delivery.pk}/").status_code == 404
    assert other.get("/api/v1/alert-deliveries/").json()["results"] == []
