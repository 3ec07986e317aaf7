"""Signals and events for tests, made with as little as they need."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from businesses.models import Business, BusinessEvent
from businesses.sources.pull import fingerprint_of
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal, SignalType, strength_of
from tests.factories import make_business

_numbers = count(1)


def make_event(business: Business, kind: str = "news", *, days_ago: int = 1, **fields: Any) -> BusinessEvent:
    """An event of the company, some days ago."""
    fields = {
        "occurred_on": timezone.now().date() - timedelta(days=days_ago),
        "source": "news_feeds",
        "source_url": "https://news.example/1",
        "payload": {"title": "Something happened"},
        "fingerprint": fingerprint_of(kind, str(next(_numbers))),
    } | fields
    return BusinessEvent.objects.create(business=business, kind=kind, **fields)


def make_signal(
    org: Organization, business: Business | None = None, *, days_ago: int = 0, **fields: Any
) -> BuyingSignal:
    """An active signal of the organisation; its scores are not refreshed."""
    on: date = fields.pop("occurred_on", timezone.now().date() - timedelta(days=days_ago))
    weight = fields.setdefault("weight", 80)
    fields = {
        "signal_type": SignalType.FUNDING_ROUND,
        "rule": "share_allotment",
        "rule_version": "1",
        "signal_strength": strength_of(weight),
        "confidence_score": 75,
        "source": "companies_house_api",
        "occurred_on": on,
        "half_life_days": 60,
        "detected_by": "test",
        "expires_at": datetime.combine(on + timedelta(days=180), time(), tzinfo=UTC),
        "fingerprint": fingerprint_of("signal", str(next(_numbers))),
        "evidence": [{"fact": "", "source": "x", "url": "", "on": on.isoformat(), "quote": "SH01"}],
    } | fields
    made: BuyingSignal = BuyingSignal.objects.for_org(org).create(
        org=org, business=business or make_business(), **fields
    )
    return made
