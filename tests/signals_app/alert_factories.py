"""Signals, rules and what they lead to, for tests."""

from datetime import date, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from businesses.models import Business
from oppspot.core.ids import uuid7
from oppspot.organizations.models import Organization
from signals_app.alerts.models import Alert, AlertRule, Channel, Delivery, Purpose, State
from signals_app.alerts.services import save_rule
from signals_app.models import TYPICAL_WEIGHTS, BuyingSignal, SignalType, Strength
from tests.factories import make_business

_numbers = count(1)


def make_signal(org: Organization, business: Business | None = None, **fields: Any) -> BuyingSignal:
    """A strong sign of money raised, surely seen."""
    strength = fields.setdefault("signal_strength", Strength.STRONG)
    values = {
        "business": business or make_business(),
        "signal_type": SignalType.FUNDING_ROUND,
        "rule": "share_allotment",
        "rule_version": "1",
        "weight": TYPICAL_WEIGHTS[strength],
        "confidence_score": 80,
        "source": "test",
        "occurred_on": date(2025, 11, 1),
        "half_life_days": 90,
        "detected_by": "test",
        "expires_at": timezone.now() + timedelta(days=365),
        "fingerprint": uuid7(),
    }
    signal: BuyingSignal = BuyingSignal.objects.for_org(org).create(org=org, **(values | fields))
    return signal


def make_channel(org: Organization, **fields: Any) -> Channel:
    """A webhook."""
    values = {"name": f"Channel {next(_numbers)}", "kind": "webhook", "address": "https://crm.example/hook"}
    channel: Channel = Channel.objects.for_org(org).create(org=org, **(values | fields))
    return channel


def make_rule(org: Organization, *channels: Channel, **fields: Any) -> AlertRule:
    """All signals, at once, at any hour."""
    return save_rule(rule=AlertRule(org=org, **({"name": f"Rule {next(_numbers)}"} | fields)), channels=list(channels))


def make_alert(rule: AlertRule, **fields: Any) -> Alert:
    """An alert of `rule` about a company of its own, told."""
    signal = fields.pop("signal", None) or make_signal(rule.org)
    values = {"signal": signal, "business": signal.business, "day": date(2025, 11, 2), "told_at": timezone.now()}
    alert: Alert = Alert.objects.for_org(rule.org).create(org=rule.org, rule=rule, **(values | fields))
    return alert


def make_delivery(channel: Channel, **fields: Any) -> Delivery:
    """A message that arrived."""
    values = {
        "purpose": Purpose.MESSAGE,
        "dedupe_key": f"test {next(_numbers)}",
        "subject": "News",
        "body": "{}",
        "state": State.DELIVERED,
        "delivered_at": timezone.now(),
    }
    delivery: Delivery = Delivery.objects.for_org(channel.org).create(
        org=channel.org, channel=channel, **(values | fields)
    )
    return delivery
