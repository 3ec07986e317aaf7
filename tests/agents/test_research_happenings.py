"""What happened to a company, as a report tells it: in order, and what an organisation's own systems know of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from oppspot.organizations.models import Organization
from tests.agents.research_cases import appoint, json_of, latest, make_company, research, texts
from tests.signals_app.factories import make_event

pytestmark = pytest.mark.django_db


def test_what_has_no_date_comes_last_and_says_so(org_a: Organization) -> None:
    company = make_company()
    make_event(company, "status_changed", occurred_on=None, payload={"before": "insolvent", "after": "active"})
    make_event(company, "news", occurred_on=None)
    for days in (9, 2, 5):
        make_event(company, "filing", days_ago=days, payload={"type": "AA"})
    research(org_a, company)
    told = texts(json_of(latest(org_a)), "buying_signals")
    days = [f"on {timezone.now().date() - timedelta(days=days)}: AA" for days in (2, 5, 9)]
    rest = ["news, date unknown", "Something happened", "date unknown: from insolvent to active"]
    assert [text for text in told if not text.startswith("unknown")] == days + rest


def test_the_newest_change_is_compared_though_its_source_tells_no_day(org_a: Organization) -> None:
    company = make_company()
    make_event(company, "status_changed", days_ago=400, payload={"before": "active", "after": "strike_off_proposed"})
    make_event(company, "status_changed", occurred_on=None, payload={"before": "strike_off_proposed",
                                                                    "after": "active"})  # fmt: skip
    research(org_a, company)
    assert texts(json_of(latest(org_a)), "snapshot", "Sources disagree") == []


def test_of_many_officers_those_of_a_known_day_are_shown(org_a: Organization) -> None:
    company = make_company()
    for number in range(50):
        appoint(company, f"UNKNOWN {number}", appointed_on=None)
    appoint(company, "LOVELACE, Ada")
    research(org_a, company)
    makers = texts(json_of(latest(org_a)), "decision_makers")
    assert makers[0].startswith("LOVELACE")
    assert makers[-1] == "1 more are not shown"
