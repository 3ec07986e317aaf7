"""The scout: what is new at the companies it watches, once, from where it stopped."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.kinds import scout_agent
from agents.models import Agent, AgentExecution, Handoff
from agents.registry import get_kind
from agents.scouting import scout_portion
from businesses.models import Business, BusinessEvent, OrgEvent, Watchlist, WatchlistEntry
from businesses.sources.pull import fingerprint_of
from oppspot.core.errors import InvalidInput, RetryableError
from oppspot.organizations.models import Organization
from signals_app.alerts.models import Delivery
from signals_app.models import BuyingSignal
from tests.agents.factories import execute, make_agent, queue_execution, work
from tests.factories import make_business
from tests.signals_app.alert_factories import make_channel
from tests.signals_app.factories import make_event

pytestmark = pytest.mark.django_db


def raised(business: Business, *, days_ago: int = 5, **fields: Any) -> BusinessEvent:
    """News that the detectors read as a funding round."""
    title = f"{business.name} raises £5m in Series A round led by Northern Ventures"
    return make_event(business, payload={"title": title}, days_ago=days_ago, **fields)


def watch(org: Organization, *businesses: Business) -> Watchlist:
    name = f"List {Watchlist.objects.for_org(org).count()}"
    watchlist: Watchlist = Watchlist.objects.for_org(org).create(org=org, name=name)
    WatchlistEntry.objects.for_org(org).bulk_create(
        WatchlistEntry(org=org, watchlist=watchlist, business=business) for business in businesses
    )
    return watchlist


def signals_of(org: Organization) -> list[BuyingSignal]:
    return list(BuyingSignal.objects.for_org(org).order_by("pk"))


def output_of(execution: AgentExecution) -> dict[str, Any]:
    assert (execution.status, execution.error_message) == ("completed", "")
    assert execution.output_data is not None
    found: dict[str, Any] = execution.output_data
    return found


def test_events_become_signals_and_a_second_pass_adds_none(org_a: Organization) -> None:
    acme, beta = make_business("Acme Robotics Ltd"), make_business("Beta Foods Ltd")
    raised(acme)
    raised(make_business("Unwatched Ltd"))
    channel = make_channel(org_a)
    configuration = {"watchlist": str(watch(org_a, acme, beta).pk), "notify": [str(channel.pk)]}
    agent = make_agent(org_a, "scout_agent", configuration=configuration)
    first = execute(agent)
    found = output_of(first)
    assert (found["with_news"], found["new"], found["since"], first.mode) == (1, 1, None, "deterministic")
    (signal,) = signals_of(org_a)
    assert (signal.business_id, signal.signal_type) == (acme.pk, "funding_round")
    assert signal.detected_by == f"scout_agent:{agent.pk}"
    delivery = Delivery.objects.for_org(org_a).get()
    assert "Acme Robotics Ltd: Funding round (" in delivery.subject
    assert f"http://127.0.0.1:8000/admin/agents/agentexecution/{first.pk}/change/" in delivery.body
    agent.refresh_from_db()
    assert agent.state["watermark"] == found["until"]
    again = output_of(execute(agent))
    assert (again["new"], again["since"] is not None) == (0, True)
    assert signals_of(org_a) == [signal]
    assert Delivery.objects.for_org(org_a).count() == 1


def test_a_company_newly_watched_is_looked_back_at(org_a: Organization) -> None:
    old, late = make_business("Acme Robotics Ltd"), make_business("Beta Foods Ltd")
    long_ago = timezone.now() - timedelta(days=20)
    raised(old, days_ago=20, observed_at=long_ago)
    raised(late, days_ago=20, observed_at=long_ago)
    watchlist = watch(org_a, old)
    agent = make_agent(org_a, "scout_agent", configuration={"watchlist": str(watchlist.pk)})
    assert output_of(execute(agent))["new"] == 1
    WatchlistEntry.objects.for_org(org_a).update(added_at=timezone.now() - timedelta(days=2))
    assert output_of(execute(agent))["with_news"] == 0
    WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=watchlist, business=late)
    found = output_of(execute(agent))
    assert (found["with_news"], found["new"]) == (1, 1)


def test_what_is_older_than_the_look_back_is_left(org_a: Organization) -> None:
    acme = make_business("Acme Robotics Ltd")
    raised(acme, days_ago=60)
    agent = make_agent(
        org_a, "scout_agent", configuration={"watchlist": str(watch(org_a, acme).pk), "lookback_days": 30}
    )
    assert output_of(execute(agent))["with_news"] == 0
    raised(acme, days_ago=2)
    assert output_of(execute(agent))["new"] == 1


def test_other_settings_begin_anew(org_a: Organization) -> None:
    acme = make_business("Acme Robotics Ltd", town="Leeds")
    raised(acme, observed_at=timezone.now() - timedelta(days=3))
    agent = make_agent(
        org_a, "scout_agent", configuration={"filters": {"town": "Leeds"}, "signal_types": ["expansion"]}
    )
    assert output_of(execute(agent))["new"] == 0
    Agent.objects.for_org(org_a).filter(pk=agent.pk).update(
        configuration=agent.configuration | {"signal_types": ["funding_round"]}
    )
    agent.refresh_from_db()
    found = output_of(execute(agent))
    assert (found["since"], found["new"]) == (None, 1)


def test_only_the_companies_of_its_input_are_scouted(org_a: Organization) -> None:
    acme, beta = make_business("Acme Robotics Ltd"), make_business("Beta Foods Ltd")
    raised(acme)
    raised(beta)
    agent = make_agent(org_a, "scout_agent")
    assert output_of(execute(agent, companies=[str(beta.pk)]))["new"] == 1
    assert [signal.business_id for signal in signals_of(org_a)] == [beta.pk]
    agent.refresh_from_db()
    assert agent.state == {}


def test_companies_may_be_found_by_a_query(org_a: Organization, monkeypatch: Any) -> None:
    acme, beta = make_business("Acme Robotics Ltd"), make_business("Beta Foods Ltd")
    for business in (acme, beta):
        raised(business, observed_at=timezone.now() - timedelta(days=3))
    hits = [acme]

    class Result:
        @property
        def hits(self) -> list[Any]:
            return hits

    monkeypatch.setattr(scout_agent, "search", lambda query, **asked: Result())
    agent = make_agent(org_a, "scout_agent", configuration={"query": "robots"})
    assert output_of(execute(agent))["new"] == 1
    agent.refresh_from_db()
    assert agent.state["found"] == [str(acme.pk)]
    hits.append(beta)
    found = output_of(execute(agent))
    assert (found["since"] is not None, found["with_news"], found["new"]) == (True, 1, 1)


def test_what_cannot_be_read_is_counted_and_shown(org_a: Organization) -> None:
    acme, beta = make_business("Acme Robotics Ltd"), make_business("Beta Foods Ltd")
    event = make_event(acme, payload={"title": ["not a text"]})
    raised(beta)
    found = output_of(
        execute(make_agent(org_a, "scout_agent", configuration={"watchlist": str(watch(org_a, acme, beta).pk)}))
    )
    assert (found["new"], found["unreadable"], found["unreadable_companies"]) == (1, 1, 1)
    assert found["unreadable_shown"][0]["company"] == "Acme Robotics Ltd"
    assert found["unreadable_shown"][0]["fact"] == f"event:{event.pk}"


def test_it_hands_on_companies_with_their_score_and_evidence(org_a: Organization) -> None:
    acme = make_business("Acme Robotics Ltd")
    raised(acme)
    raised(acme, source="other_feed", source_url="https://other.example/2")
    scout, probe = make_agent(org_a, "scout_agent"), make_agent(org_a)
    Handoff.objects.for_org(org_a).create(org=org_a, source=scout, target=probe, min_score=10, min_evidence=2)
    watch(org_a, acme)
    execution = execute(scout)
    child = AgentExecution.objects.for_org(org_a).get(parent=execution)
    assert child.input_data["companies"] == [str(acme.pk)]
    assert child.input_data["score"] > 10


@pytest.mark.parametrize("portion", [1, 2, 3])
def test_a_crash_in_mid_pass_doubles_nothing_and_loses_nothing(
    org_a: Organization, monkeypatch: Any, portion: int
) -> None:
    businesses = [make_business(f"Acme{number} Robotics Ltd") for number in range(5)]
    for business in businesses:
        raised(business)
    watch(org_a, *businesses)
    monkeypatch.setattr(scout_agent, "PORTION", 2)
    whole = scout_portion
    calls: list[int] = []

    def crashing(*args: Any, **options: Any) -> Any:
        calls.append(1)
        done = whole(*args, **options)
        if len(calls) == portion:
            raise RetryableError("Pulled the plug.", retry_after=0)
        return done

    monkeypatch.setattr(scout_agent, "scout_portion", crashing)
    agent = make_agent(org_a, "scout_agent")
    execution = queue_execution(agent)
    work()
    execution.refresh_from_db()
    found = output_of(execution)
    assert (found["new"], found["with_news"], len(calls)) == (5, 5, 4)
    assert len(signals_of(org_a)) == 5
    agent.refresh_from_db()
    assert agent.state["watermark"] == found["until"]


def statements(org: Organization, size: int, monkeypatch: Any) -> list[int]:
    """How many statements each portion of a pass takes, over so many companies that each have an event."""
    rows = [Business(name=f"Co {size} {number} Ltd", name_normalised=f"co {size} {number}") for number in range(size)]
    Business.objects.bulk_create(rows)
    events = [make_news(row) for row in rows]
    BusinessEvent.objects.bulk_create(events)
    counted: list[int] = []

    def counting(*args: Any, **options: Any) -> Any:
        with CaptureQueriesContext(connection) as queries:
            done = portion(*args, **options)
        counted.append(len(queries))
        return done

    portion = scout_agent._portion
    with monkeypatch.context() as patch:
        patch.setattr(scout_agent, "_portion", counting)
        configuration = {"watchlist": str(watch(org, *rows).pk)}
        execution = queue_execution(make_agent(org, "scout_agent", configuration=configuration))
        work()
    execution.refresh_from_db()
    assert output_of(execution)["new"] == size
    return counted


def make_news(business: Business) -> BusinessEvent:
    title = f"{business.name} raises £5m in Series A round"
    return BusinessEvent(
        business=business, kind="news", occurred_on=timezone.now().date(), source="test", payload={"title": title},
        fingerprint=fingerprint_of(str(business.pk)),
    )  # fmt: skip


def test_a_portion_takes_as_many_statements_however_many_companies_it_has(
    org_a: Organization, monkeypatch: Any
) -> None:
    few, more, many = (statements(org_a, size, monkeypatch) for size in (10, 100, 400))
    assert few == more == many
    monkeypatch.setattr(scout_agent, "PORTION", 50)
    in_parts = statements(org_a, 175, monkeypatch)
    assert in_parts[:-1] == [few[0] - 2] * 3  # the last one writes the watermark, which takes two
    assert in_parts[-1] == few[0] <= 30


def test_parameters_are_checked(org_a: Organization, org_b: Organization) -> None:
    for configuration, field in [
        ({"filters": {"colour": "red"}}, "configuration.filters"),
        ({"filters": {"postcode_area": "123"}}, "configuration.filters"),
        ({"signal_types": ["rain"]}, "configuration.signal_types.0"),
        ({"watchlist": str(watch(org_b).pk)}, "configuration.watchlist"),
        ({"lookback_days": 0}, "configuration.lookback_days"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            make_agent(org_a, "scout_agent", configuration=configuration)
        assert list(caught.value.fields) == [field]


def test_a_signal_is_no_event_for_it() -> None:
    kind = get_kind("scout_agent")
    assert kind.input_for_event("signals/buying_signal.detected", {"company_id": "x"}) is None
    assert kind.input_for_event("agent/research_gpt.run", {"company_id": "x"}) == {"companies": ["x"]}
    assert kind.input_for_event("other", {}) == {}


def test_another_organisations_events_are_not_seen(org_a: Organization, org_b: Organization) -> None:
    acme = make_business("Acme Robotics Ltd")
    OrgEvent.objects.for_org(org_b).create(
        org=org_b, business=acme, kind="news", occurred_on=timezone.now().date(), source="crm",
        fingerprint=fingerprint_of("theirs"), payload={"title": "Acme Robotics Ltd raises £5m in Series A round"},
    )  # fmt: skip
    for org, expected in ((org_a, 0), (org_b, 1)):
        watch(org, acme)
        assert output_of(execute(make_agent(org, "scout_agent")))["new"] == expected
