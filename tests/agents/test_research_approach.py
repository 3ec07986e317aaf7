"""The recommended approach: what to do about a company, and that one at its end is not sold to."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import signals_app
from agents.research.approach import OPENINGS_OF_RULES
from oppspot.organizations.models import Organization
from tests.agents.research_cases import fill, json_of, latest, make_company, research, section, texts
from tests.signals_app.factories import make_event, make_signal

pytestmark = pytest.mark.django_db
NAME = "recommended_approach"
RULES = Path(signals_app.__file__).parent / "rules"
SELLING = {"Why now", "Whom", "Opening", "Wait"}


def parts(org: Organization) -> set[str]:
    return {line["part"] for line in section(json_of(latest(org)), NAME)["content"]}


@pytest.mark.parametrize(
    ("profile", "reason", "instead"),
    [
        ({"status": "dissolved", "status_raw": "Dissolved"}, "(Status: Dissolved)", "another company carries on"),
        ({"dissolved_on": date(2026, 1, 2)}, "(dissolved on 2026-01-02)", "another company carries on"),
        ({"status": "insolvent", "status_raw": "Liquidation"}, "(Status: Liquidation)", "insolvency practitioner"),
        ({"status": "strike_off_proposed", "status_raw": ""}, "strike-off proposed)", "object to the strike-off"),
    ],
)
def test_a_company_at_its_end_is_not_sold_to(
    org_a: Organization, profile: dict[str, Any], reason: str, instead: str
) -> None:
    company = make_company(**profile)
    fill(org_a, company)
    research(org_a, company)
    report = json_of(latest(org_a))
    (stop,) = texts(report, NAME, "Do not approach")
    assert stop.startswith("offer nothing")
    assert reason in stop
    assert any(instead in text for text in texts(report, NAME, "Instead"))
    assert not parts(org_a) & SELLING
    assert "You know" in parts(org_a)
    assert "Verify" not in parts(org_a)


@pytest.mark.parametrize(
    ("rule", "instead"),
    [
        ("insolvency", "insolvency practitioner"),
        ("solvent_winding_up", "insolvency practitioner"),
        ("strike_off", "object to the strike-off"),
        ("dissolved", "another company carries on"),
    ],
)
def test_a_sign_of_the_end_is_enough(org_a: Organization, rule: str, instead: str) -> None:
    company = make_company()
    fill(org_a, company)
    make_signal(org_a, company, signal_type="companies_house_filing", rule=rule, is_negative=True)
    research(org_a, company)
    assert any(instead in text for text in texts(json_of(latest(org_a)), NAME, "Instead"))
    assert not parts(org_a) & SELLING


def test_a_case_of_insolvency_that_is_newer_than_the_profile_is_enough(org_a: Organization) -> None:
    company = make_company()
    make_event(company, "insolvency", days_ago=900, payload={"case_type": "voluntary-arrangement"})
    research(org_a, company)
    assert "Do not approach" not in parts(org_a)  # the profile was read since, and says that it is active
    make_event(company, "insolvency", days_ago=1, payload={"case_type": "in-administration"})
    research(org_a, company)
    (stop,) = texts(json_of(latest(org_a)), NAME, "Do not approach")
    assert "insolvency case on" in stop
    assert not parts(org_a) & SELLING


def test_what_is_worst_decides_what_to_do(org_a: Organization) -> None:
    company = make_company(status="dissolved")
    make_signal(org_a, company, signal_type="companies_house_filing", rule="strike_off", is_negative=True)
    research(org_a, company)
    report = json_of(latest(org_a))
    assert [text.split(" (")[0] for text in texts(report, NAME, "Do not approach")] == [
        "offer nothing: a closed company buys nothing",
        "offer nothing while it may be struck off: it may be closed before it pays",
    ]
    assert not any("object" in text for text in texts(report, NAME, "Instead"))


def test_late_accounts_alone_only_ask_for_care(org_a: Organization) -> None:
    company = make_company(status="other", status_raw="Voluntary something")
    fill(org_a, company)
    make_signal(org_a, company, signal_type="companies_house_filing", rule="risk_late_filing", is_negative=True)
    research(org_a, company)
    assert {"Wait", "Why now", "Whom", "Opening", "Verify"} <= parts(org_a)
    assert "whether it still trades: Other" in texts(json_of(latest(org_a)), NAME, "Verify")


@pytest.mark.parametrize(
    ("signal_type", "rule", "opening"),
    [
        ("expansion", "new_city", "the new place"),
        ("expansion", "growth", "what grows"),
        ("executive_change", "new_executive", "congratulate"),
        ("executive_change", "executive_departure", "who does the work by now"),
        ("funding_round", "equity_round", "the new money"),
        ("funding_round", "share_allotment", "the filing"),
    ],
)
def test_the_opening_fits_what_happened(org_a: Organization, signal_type: str, rule: str, opening: str) -> None:
    company = make_company()
    make_signal(org_a, company, signal_type=signal_type, rule=rule)
    research(org_a, company)
    (text,) = texts(json_of(latest(org_a)), NAME, "Opening")
    assert opening in text


def test_rules_with_an_opening_of_their_own_are_rules_of_the_detectors() -> None:
    known = {name for path in RULES.glob("*.toml") for name in tomllib.loads(path.read_text()).get("rules", {})}
    assert set(OPENINGS_OF_RULES) <= known
