"""Deliveries to a real server: signed, tried on a schedule, written down, and one message however often it is sent."""

import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from typing import Any

import pytest
import time_machine
from django.conf import settings as configured
from django.core import mail
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
from signals_app.alerts.delivering import DISABLED_AFTER, RETRIES_S, pause_before, try_delivery, wake_forgotten
from signals_app.alerts.models import Attempt, Channel, Delivery, State
from signals_app.alerts.raising import raise_alerts
from signals_app.alerts.secrets import secret_of
from signals_app.alerts.services import notify, resend, rotate_secret, send_test, update_channel
from tests.conftest import client_of
from tests.factories import make_member
from tests.jobs.clusters import database_url
from tests.signals_app.alert_factories import make_channel, make_rule, make_signal

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def message_to(channel: Channel, key: str = "one") -> Delivery:
    [delivery] = notify(
        org=channel.org, channel_ids=[channel.pk], subject="News", lines=["Ünïcode & <b>"], dedupe_key=key
    )
    return delivery


def attempt(delivery: Delivery) -> str:
    fresh = Delivery.objects.for_org(delivery.org).select_related("channel").get(pk=delivery.pk)
    state = try_delivery(org=delivery.org, delivery=fresh)
    delivery.refresh_from_db()
    assert delivery.state == state
    return state


def attempts_of(delivery: Delivery) -> list[Attempt]:
    return list(Attempt.objects.for_org(delivery.org).filter(delivery=delivery).order_by("number"))


def sent_to(receiver: HTTPServer) -> list[Request]:
    return [request for request, _ in receiver.log]


@pytest.fixture
def webhook(org_a: Organization, receiver: HTTPServer) -> Channel:
    return make_channel(org_a, address=receiver.url_for("/hook?token=canary-token"))


@pytest.fixture
def answering(receiver: HTTPServer) -> Callable[..., None]:
    """`answering(500, 200)`: with one status after the other, from then on with the last."""

    def answer(*statuses: int, **headers: str) -> None:
        waiting = list(statuses)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}

        def behave(request: Request) -> Response:
            status = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return Response(f"said {status}", status, headers=sent)

        receiver.expect_request("/hook", method="POST").respond_with_handler(behave)

    return answer


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


# Channels that fail for good


def test_gone_disables_at_once(
    webhook: Channel, answering: Callable[..., None], mailoutbox: list[mail.EmailMessage]
) -> None:
    answering(410)
    make_member("ada", webhook.org, "admin")
    make_member("olivia", webhook.org, "owner")
    make_member("bob", webhook.org, "member")
    first, second = message_to(webhook), message_to(webhook, "two")
    assert attempt(first) == State.FAILED
    webhook.refresh_from_db()
    assert not webhook.is_enabled
    assert "410" in webhook.disabled_reason
    assert attempt(second) == State.ABANDONED
    assert attempts_of(second) == []
    assert "disabled" in second.reason
    drain(Heart("default"))
    assert sorted(sent.to[0] for sent in mailoutbox) == ["ada@example.com", "olivia@example.com"]
    assert webhook.name in mailoutbox[0].body
    assert "410" in mailoutbox[0].body


def fail_for_good(channel: Channel, clock: Any) -> datetime:
    """Try a message until there are no tries left; when that was."""
    delivery = message_to(channel, f"at {timezone.now()}")
    while attempt(delivery) == State.PENDING:
        assert delivery.next_try_at is not None
        clock.move_to(delivery.next_try_at)
    return timezone.now()


def test_a_message_that_is_lost_disables_no_channel_before_its_days_are_over(
    webhook: Channel, answering: Callable[..., None]
) -> None:
    answering(500)
    with time_machine.travel(NOON, tick=False) as clock:
        assert fail_for_good(webhook, clock) < NOON + DISABLED_AFTER
    webhook.refresh_from_db()
    assert (webhook.is_enabled, webhook.failing_since) == (True, NOON)


def test_a_channel_that_is_seldom_used_is_not_disabled_by_one_failure_after_an_old_one(
    webhook: Channel, answering: Callable[..., None]
) -> None:
    answering(500, 500, 200)
    with time_machine.travel(NOON, tick=False) as clock:
        attempt(message_to(webhook, "lost"))
        clock.shift(timedelta(days=30))
        delivery = message_to(webhook, "a month later")
        assert attempt(delivery) == State.PENDING
        assert delivery.next_try_at is not None
        clock.move_to(delivery.next_try_at)
        assert attempt(delivery) == State.DELIVERED
    webhook.refresh_from_db()
    assert (webhook.is_enabled, webhook.failing_since) == (True, None)


def test_a_channel_that_fails_for_days_is_disabled(
    webhook: Channel, answering: Callable[..., None], mailoutbox: list[mail.EmailMessage]
) -> None:
    answering(500)
    make_member("ada", webhook.org, "admin")
    with time_machine.travel(NOON, tick=False) as clock:
        attempt(message_to(webhook, "day 0"))
        clock.shift(DISABLED_AFTER - timedelta(minutes=1))
        assert fail_for_good(webhook, clock) < NOON + DISABLED_AFTER + timedelta(days=2)
        webhook.refresh_from_db()
        assert (webhook.is_enabled, webhook.disabled_at) == (False, timezone.now())
        assert "2026-06-01 12:00 UTC" in webhook.disabled_reason
    drain(Heart("default"))
    assert [sent.to for sent in mailoutbox] == [["ada@example.com"]]
    enabled = update_channel(channel=webhook, changes={"is_enabled": True}, by="ada")
    assert (enabled.is_enabled, enabled.failing_since, enabled.disabled_reason) == (True, None, "")


def test_a_success_in_between_starts_the_days_anew(webhook: Channel, answering: Callable[..., None]) -> None:
    answering(500, 200, 500)
    with time_machine.travel(NOON, tick=False) as clock:
        attempt(message_to(webhook, "fails"))
        clock.shift(timedelta(days=3))
        attempt(message_to(webhook, "arrives"))
        clock.shift(timedelta(days=3))
        attempt(message_to(webhook, "fails again"))
    webhook.refresh_from_db()
    assert (webhook.is_enabled, webhook.failing_since) == (True, NOON + timedelta(days=6))


def test_nobody_is_told_without_email(
    webhook: Channel, answering: Callable[..., None], settings: Settings, mailoutbox: list[mail.EmailMessage]
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    answering(410)
    make_member("ada", webhook.org, "admin")
    attempt(message_to(webhook))
    drain(Heart("default"))
    assert Run.all_orgs.get(function="signals_app.alerts.tell_admins").output == {"told": 0}


# Tests and re-sends


def test_a_test_is_tried_once_and_harms_nothing(webhook: Channel, answering: Callable[..., None]) -> None:
    answering(500)
    delivery = send_test(channel=webhook, by="ada")
    assert attempt(delivery) == State.FAILED
    webhook.refresh_from_db()
    assert webhook.failing_since is None


def test_a_disabled_channel_can_be_tested(webhook: Channel, answering: Callable[..., None]) -> None:
    answering(200)
    update_channel(channel=webhook, changes={"is_enabled": False}, by="ada")
    assert attempt(send_test(channel=webhook, by="ada")) == State.DELIVERED


def quiet_alert(channel: Channel) -> Delivery:
    """Of a rule that is quiet from 13:00 until 15:00 in London, where it is an hour later than UTC."""
    rule = make_rule(channel.org, channel, quiet_from=clock_time(14), quiet_until=clock_time(16))
    signal = make_signal(channel.org)
    [alert] = raise_alerts(org=channel.org, business_id=signal.business_id, signal_type=signal.signal_type)
    assert alert.rule == rule
    delivery: Delivery = Delivery.objects.for_org(channel.org).latest("id")
    return delivery


def test_a_retry_waits_for_the_end_of_quiet_hours(
    webhook: Channel, receiver: HTTPServer, answering: Callable[..., None]
) -> None:
    answering(500, 200)
    with time_machine.travel(NOON + timedelta(minutes=59, seconds=57), tick=False) as clock:
        delivery = quiet_alert(webhook)
        assert attempt(delivery) == State.PENDING
        assert delivery.next_try_at is not None
        clock.move_to(delivery.next_try_at)  # seconds after 13:00
        assert attempt(delivery) == State.PENDING
        assert (delivery.next_try_at, delivery.tries) == (NOON + timedelta(hours=3), 1)
        assert len(sent_to(receiver)) == 1
        runs = Run.objects.for_org(webhook.org).filter(function="signals_app.alerts.deliver")
        assert runs.filter(run_after=delivery.next_try_at).count() == 1
        clock.move_to(NOON + timedelta(hours=3))
        assert attempt(delivery) == State.DELIVERED


def test_what_is_due_before_quiet_hours_and_found_within_waits(
    webhook: Channel, receiver: HTTPServer, answering: Callable[..., None]
) -> None:
    answering(200)
    with time_machine.travel(NOON, tick=False) as clock:
        delivery, other = quiet_alert(webhook), message_to(webhook)
        clock.shift(timedelta(hours=2))  # no worker was there
        assert attempt(delivery) == State.PENDING
        assert attempt(other) == State.DELIVERED, "nobody's quiet hours"
        assert delivery.next_try_at == NOON + timedelta(hours=3)
        clock.shift(timedelta(hours=1) - timedelta(seconds=3))  # the worker's clock is not the one that woke it
        assert attempt(delivery) == State.DELIVERED


def test_what_a_person_sends_again_does_not_wait(webhook: Channel, answering: Callable[..., None]) -> None:
    answering(200)
    with time_machine.travel(NOON, tick=False) as clock:
        delivery = quiet_alert(webhook)
        assert attempt(delivery) == State.DELIVERED
        clock.shift(timedelta(hours=2))
        resend(delivery=delivery)
        assert attempt(delivery) == State.DELIVERED
    assert len(attempts_of(delivery)) == 2


@pytest.mark.parametrize("first", [200, 410])
def test_sending_again_keeps_the_message_id(
    webhook: Channel, receiver: HTTPServer, answering: Callable[..., None], first: int
) -> None:
    answering(first, 200)
    delivery = message_to(webhook)
    attempt(delivery)
    update_channel(channel=webhook, changes={"is_enabled": True}, by="ada")
    webhook.refresh_from_db()
    delivery.channel = webhook
    resend(delivery=delivery)
    assert attempt(delivery) == State.DELIVERED
    assert [one.number for one in attempts_of(delivery)] == [1, 2]
    assert delivery.tries == 1
    assert {request.headers["webhook-id"] for request in sent_to(receiver)} == {delivery.message_id}


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


# Slack and e-mail


def test_a_slack_style_webhook(org_a: Organization, receiver: HTTPServer) -> None:
    receiver.expect_request("/services/T/B/canary").respond_with_data("ok")
    channel = make_channel(org_a, kind="slack", address=receiver.url_for("/services/T/B/canary"))
    delivery = message_to(channel)
    assert attempt(delivery) == State.DELIVERED
    [request] = sent_to(receiver)
    assert json.loads(request.get_data()) == {"text": "News\n\nÜnïcode &amp; &lt;b&gt;"}
    assert "webhook-signature" not in request.headers
    assert attempts_of(delivery)[0].answer == "ok"


def test_an_email(org_a: Organization, mailoutbox: list[mail.EmailMessage]) -> None:
    channel = make_channel(org_a, kind="email", address="team@alpha.example")
    delivery = message_to(channel)
    assert attempt(delivery) == State.DELIVERED
    [sent] = mailoutbox
    assert (sent.to, sent.subject, sent.body) == (["team@alpha.example"], "News", "Ünïcode & <b>\n")
    headers = sent.message()
    assert headers["Message-ID"] == f"<{delivery.message_id}@localhost>"
    assert headers["Bcc"] is None


def test_without_email_settings_a_delivery_says_so(org_a: Organization, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    delivery = message_to(make_channel(org_a, kind="email", address="team@alpha.example"))
    assert attempt(delivery) == State.PENDING
    assert "Set EMAIL_URL" in attempts_of(delivery)[0].answer


def test_a_mail_server_that_cannot_be_reached(org_a: Organization, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    delivery = message_to(make_channel(org_a, kind="email", address="team@alpha.example"))
    assert attempt(delivery) == State.PENDING
    assert attempts_of(delivery)[0].result == "unreached"


@contextmanager
def mail_server(recipient_answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server of SMTP (RFC 5321) that answers RCPT so; its port, and what it was sent."""
    said: list[bytes] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 stub\r\n")
            answers = {b"RCPT": recipient_answer, b"DATA": b"354 go on", b"QUIT": b"221 bye"}
            in_message = False
            for line in self.rfile:
                said.append(line)
                in_message = in_message and line != b".\r\n"
                if not in_message:
                    self.wfile.write(answers.get(line[:4].upper(), b"250 fine") + b"\r\n")
                in_message = in_message or line.upper() == b"DATA\r\n"

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1], said
        server.shutdown()


@pytest.mark.parametrize(
    ("answer", "state", "result"),
    [
        (b"250 fine", State.DELIVERED, "delivered"),
        (b"450 busy", State.PENDING, "refused"),
        (b"550 no such user", State.FAILED, "refused"),
    ],
)
def test_a_mail_server_and_what_it_thinks_of_the_recipient(
    org_a: Organization, settings: Settings, answer: bytes, state: str, result: str
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    channel = make_channel(org_a, kind="email", address="team@alpha.example")
    with mail_server(answer) as (port, said):
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        delivery = message_to(channel)
        assert attempt(delivery) == state
    [logged] = attempts_of(delivery)
    assert logged.result == result
    assert b"rcpt TO:<team@alpha.example>\r\n" in said
    if state == State.DELIVERED:
        assert f"Message-ID: <{delivery.message_id}@localhost>\r\n".encode() in said
    else:
        assert answer.decode() in logged.answer


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
