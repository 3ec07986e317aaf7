"""Channels that fail: disabled when nobody is there, or after days, and not before."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.models import Run
from signals_app.alerts.delivering import DISABLED_AFTER
from signals_app.alerts.models import Channel, State
from signals_app.alerts.services import update_channel
from tests.factories import make_member
from tests.signals_app.alerts.sending import NOON, attempt, attempts_of, message_to

pytestmark = pytest.mark.django_db


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
