"""The writer as an agent: what it is given, what it refuses, and that a rerun doubles nothing."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from agents.base import Subject
from agents.models import AgentExecution, Draft, DraftVersion, Opportunity
from agents.registry import get_kind
from agents.suppression import Wish, add_suppression
from agents.writing.reading import signals_of
from businesses.models import Appointment, Business, Officer, OrgEvent
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent
from tests.factories import make_business
from tests.signals_app.factories import make_event, make_signal

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(org_a: Organization) -> Business:
    business = make_business("Acme Ltd", company_number="00012345", town="LEEDS", status="active")
    make_signal(org_a, business, days_ago=3, signal_type="funding_round", rule="equity_round",
                signal_data={"amount": 2_500_000, "currency": "GBP"})  # fmt: skip
    return business


def out(execution: AgentExecution) -> Any:
    found: Any = execution.output_data
    return found


def drafts(org: Organization) -> list[Draft]:
    return list(Draft.objects.for_org(org).order_by("pk"))


def make_opportunity(org: Organization, business: Business, **fields: Any) -> Opportunity:
    made: Opportunity = Opportunity.objects.for_org(org).create(
        org=org, business=business, **({"score": 70, "confidence": 80} | fields)
    )
    return made


def test_a_draft_is_written_once(org_a: Organization, acme: Business) -> None:
    agent = make_agent(org_a, "writer_agent", configuration={"sender": "Sam Field", "offer": "clean anvils"})
    first = execute(agent, company=str(acme.pk))
    assert (first.status, first.error_message, first.mode) == ("completed", "", "deterministic")
    (draft,) = drafts(org_a)
    assert out(first)["drafts"] == [str(draft.pk)]
    assert (out(first)["written"], first.items_processed) == (1, 1)
    assert "£2.5 million" in draft.body
    assert (draft.status, draft.reason, draft.warnings) == ("draft", "funding_round.equity_round", [])
    again = execute(agent, company=str(acme.pk))
    assert (out(again)["written"], out(again)["results"][0]["result"]) == (0, "unchanged")
    assert DraftVersion.objects.for_org(org_a).count() == 1


def test_filings_are_not_told_as_news(org_a: Organization, org_b: Organization) -> None:
    """By the kinds of events that the signal rests on: a company's own systems may tell of either, too."""
    business = make_business("Acme Ltd", status="active")
    events = {kind: f"event:{make_event(business, kind).pk}" for kind in ("filing", "news", "job_posted", "gossip")}
    for org in (org_a, org_b):
        own = OrgEvent.objects.for_org(org).create(
            org=org, business=business, kind="web_changed", source="crm", fingerprint=uuid4()
        )
        events[org.slug] = f"org_event:{own.pk}"
    signal = make_signal(org_a, business, rule="equity_round")

    def told(*names: str) -> str:
        signal.evidence = [{"fact": events.get(name, name), "quote": ""} for name in names]
        signal.save()
        (found,) = signals_of(org_a, business)
        return found.told

    assert [told(name) for name in events] == ["register", "news", "jobs", "", "website", ""]
    assert [told("filing", "news"), told("filing", "gossip"), told(), told("", "event:0")] == [
        "news", "register", "", "",
    ]  # fmt: skip
    told("filing")
    execute(make_agent(org_a, "writer_agent"), company=str(business.pk))
    (draft,) = drafts(org_a)
    assert "filed an issue of new shares" in draft.body
    assert "news" not in draft.body


def test_an_officer_is_addressed_while_in_office(org_a: Organization, acme: Business) -> None:
    officer = Officer.objects.create(external_id="o1", name="SMITH, Jane", name_normalised="smith jane")
    office = Appointment.objects.create(
        external_id="a1", officer=officer, business=acme, role="director", appointed_on=date(2020, 1, 1), source="test"
    )
    agent = make_agent(org_a, "writer_agent", configuration={"tone": "formal"})
    execute(agent, company=str(acme.pk), officer=officer.pk)
    (draft,) = drafts(org_a)
    assert draft.body.startswith("Dear Jane Smith,")
    assert draft.recipient_key == f"officer:{officer.pk}"
    office.resigned_on = timezone.now().date()
    office.save()
    left = execute(agent, company=str(acme.pk), officer=officer.pk)
    assert out(left)["results"][0]["not_written"] == "The recipient holds no office at the company now."


@pytest.mark.parametrize("change", [{"status": "dissolved"}, {"status": "insolvent"}, {"status": "strike_off_proposed"},
                                    {"dissolved_on": date(2025, 1, 1)}])  # fmt: skip
def test_companies_that_end_are_not_written_to(org_a: Organization, acme: Business, change: dict[str, Any]) -> None:
    Business.objects.filter(pk=acme.pk).update(**change)
    execution = execute(make_agent(org_a, "writer_agent"), company=str(acme.pk))
    assert (execution.status, out(execution)["not_written"], drafts(org_a)) == ("completed", 1, [])
    assert out(execution)["results"][0]["not_written"].startswith("The company ")


def test_those_on_the_list_are_not_written_to(org_a: Organization, acme: Business) -> None:
    add_suppression(org=org_a, wish=Wish("company", "12345"), by="alice")
    execution = execute(make_agent(org_a, "writer_agent"), company=str(acme.pk))
    assert "do-not-contact" in out(execution)["results"][0]["not_written"]
    assert drafts(org_a) == []


def test_signs_that_count_for_nothing_are_not_mentioned(org_a: Organization, org_b: Organization) -> None:
    business = make_business("Quiet Ltd")
    make_signal(org_b, business)
    for fields in ({"needs_review": True}, {"is_negative": True, "rule": "risk_late_filing"}, {"days_ago": 91},
                   {"status": "false_positive", "handled_at": timezone.now()}):  # fmt: skip
        make_signal(org_a, business, **fields)
    execute(make_agent(org_a, "writer_agent"), company=str(business.pk))
    assert [draft.reason for draft in drafts(org_a)] == ["profile"]


def test_without_input_the_best_opportunities_are_written_to(org_a: Organization) -> None:
    found = [make_opportunity(org_a, make_business(f"C{score} Ltd"), score=score) for score in (10, 90, 50)]
    make_opportunity(org_a, make_business(), score=99, status="won", handled_at=timezone.now())
    make_opportunity(org_a, make_business(), score=98, gone_at=timezone.now() - timedelta(1))
    agent = make_agent(org_a, "writer_agent", configuration={"at_once": 2, "channel": "call"})
    assert out(execute(agent))["written"] == 2
    assert [draft.opportunity_id for draft in drafts(org_a)] == [found[1].pk, found[2].pk]
    execute(agent)
    assert [draft.opportunity_id for draft in drafts(org_a)] == [found[1].pk, found[2].pk, found[0].pk]
    assert out(execute(agent))["results"] == []


def test_params_and_input_are_checked(org_a: Organization, org_b: Organization, acme: Business) -> None:
    for values in ({"offer": "guaranteed growth"}, {"offer": "for {name}"}, {"sender": "TODO"}, {"offer": "a\nb  c"},
                   {"channel": "fax"}, {"language": "de"}):  # fmt: skip
        with pytest.raises(InvalidInput) as caught:
            make_agent(org_a, "writer_agent", configuration=values)
        assert list(caught.value.fields) == [f"configuration.{next(iter(values))}"]
    theirs = make_opportunity(org_b, acme)
    agent = make_agent(org_a, "writer_agent")
    for given in ({"opportunity": str(theirs.pk)}, {"company": str(uuid4())}, {"recipient_name": "Jane"}):
        with pytest.raises(InvalidInput):
            execute(agent, **given)
    mine = make_opportunity(org_a, make_business())
    execution = execute(agent, opportunity=str(mine.pk), company=str(acme.pk))
    assert (execution.status, drafts(org_a)) == ("failed", [])


def test_what_others_hand_over() -> None:
    kind, business, opportunity = get_kind("writer_agent"), uuid4(), uuid4()
    assert kind.input_for_subject(Subject(business, opportunity_id=opportunity)) == {
        "company": str(business), "opportunity": str(opportunity),
    }  # fmt: skip
    assert kind.input_for_event("signals/buying_signal.detected", {"company_id": business}) == {
        "company": str(business)
    }
    assert kind.input_for_event("other", {}) is None
