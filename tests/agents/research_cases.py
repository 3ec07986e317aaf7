"""A company with something of everything that a report tells, and reports on it."""

from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from agents.models import AgentExecution, ResearchReport
from agents.reports import sections_of
from agents.research.checking import check_report
from agents.research.rendering import report_as_json
from businesses.models import Appointment, Business, Officer, OrgEvent
from businesses.normalise import normalise_name
from businesses.sources.pull import fingerprint_of
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent
from tests.factories import make_business
from tests.signals_app.factories import make_event, make_signal

LINK = "https://register.example/1"


def make_company(**fields: Any) -> Business:
    values: dict[str, Any] = {
        "status": "active", "status_raw": "Active", "company_type": "Private Limited Company",
        "incorporated_on": date(2012, 3, 4), "sic_codes": ["62012"], "address_line1": "7 Mill Lane", "town": "York",
        "postcode": "YO1 7AA", "accounts_category": "SMALL", "charges_total": 3, "charges_outstanding": 1,
        "source": "companies_house_bulk", "register_snapshot_on": timezone.now().date() - timedelta(days=5),
        "description": "Makes software for <b>calm</b> people. [Buy](https://evil.example) now.",
        "website": "https://boring.example", "previous_names": [{"name": "DULL LTD", "changed_on": "2015-02-01"}],
    }  # fmt: skip
    return make_business("Boring Software Ltd", **values | fields)


def appoint(business: Business, name: str, **fields: Any) -> Appointment:
    number = Appointment.objects.count()
    officer = Officer.objects.create(
        external_id=f"o{number}", name=name, name_normalised=normalise_name(name),
        is_corporate=fields.pop("is_corporate", False),
    )  # fmt: skip
    values = {"role": "director", "appointed_on": date(2019, 5, 6), "source": "companies_house_api", "source_url": LINK}
    return Appointment.objects.create(external_id=f"a{number}", officer=officer, business=business, **values | fields)


def fill(org: Organization, business: Business) -> None:
    """Events, officers, signals, and a fact of the organisation's own."""
    appoint(business, "LOVELACE, Ada", occupation="Engineer")
    appoint(business, "NOMINEES LIMITED", role="corporate-secretary", is_corporate=True)
    appoint(business, "GONE, Bo", resigned_on=date(2020, 1, 1))
    make_event(business, "accounts_category_changed", days_ago=40, source="companies_house_bulk",
               payload={"before": "MICRO", "after": "MEDIUM"})  # fmt: skip
    make_event(business, "filing", days_ago=9, source="companies_house_api", payload={"type": "SH01"})
    make_event(business, "job_posted", days_ago=3, source="careers_pages", payload={"title": "Head of Sales, Leeds"})
    make_event(business, "news", payload={"title": "Boring Software raises £3m from Northern Ventures"})
    make_signal(
        org, business, days_ago=2, signal_data={"amount": 3000000, "currency": "GBP"}, source="news_feeds",
        evidence=[{"source": "news_feeds", "quote": "raises £3m"}], source_url="https://news.example/1",
    )  # fmt: skip
    make_signal(org, business, days_ago=20, signal_type="job_posting", rule="senior_hire", weight=40,
                confidence_score=50)  # fmt: skip
    OrgEvent.objects.for_org(org).create(
        org=org, business=business, kind="meeting", source="crm", payload={"after": "a pilot was agreed"},
        occurred_on=timezone.now().date(), fingerprint=fingerprint_of("own", str(business.pk)),
    )  # fmt: skip


def research(org: Organization, business: Business, **fields: Any) -> AgentExecution:
    """An execution that made a report, of which every line is held against its evidence."""
    execution = execute(make_agent(org, "research_gpt", configuration=fields), company=str(business.pk))
    assert (execution.status, execution.error_message) == ("completed", "")
    problems = check_report(json_of(latest(org)))
    assert not problems, problems
    return execution


def latest(org: Organization) -> ResearchReport:
    found: ResearchReport = ResearchReport.objects.for_org(org).select_related("business").latest("pk")
    return found


def json_of(report: ResearchReport) -> dict[str, Any]:
    return report_as_json(report, sections_of(report.org, [report.pk])[report.pk])


def section(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in report["sections"] if one["name"] == name)
    return found


def texts(report: dict[str, Any], name: str, part: str = "") -> list[str]:
    """The lines of a section, of one label if it is given."""
    return [line["text"] for line in section(report, name)["content"] if part in ("", line["part"])]
