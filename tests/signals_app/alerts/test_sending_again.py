"""Tests of channels, tries that meet quiet hours, and what people send again."""

from collections.abc import Callable
from datetime import time as clock_time
from datetime import timedelta

import pytest
import time_machine
from pytest_httpserver import HTTPServer

from oppspot.jobs.models import Run
from signals_app.alerts.models import Channel, Delivery, State
from signals_app.alerts.raising import raise_alerts
from signals_app.alerts.services import resend, send_test, update_channel
from tests.signals_app.alert_factories import make_rule, make_signal
from tests.signals_app.alerts.sending import NOON, attempt, attempts_of, message_to, sent_to

pytestmark = pytest.mark.django_db


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
