"""The register's API, asked over HTTP: what is read, what is asked again, and what its bad days leave behind."""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import models
from django.utils import timezone
from pytest_django import Settings

from businesses.models import (
    Appointment,
    Business,
    BusinessEvent,
    Officer,
    RequestBudget,
    SourcePull,
    SourceState,
)
from businesses.payloads import payload_of
from businesses.pulling import Pulled, pull_source
from businesses.sources.companies_house_api import CompaniesHouseApi
from businesses.sources.pull import Selection
from oppspot.core.errors import NotConfigured
from tests.businesses.sources.stub_register import (
    KEY,
    Fault,
    StubRegister,
    body,
    cut_off,
    flood,
    status,
    trickle,
)
from tests.factories import make_business

pytestmark = pytest.mark.django_db
NUMBER = "01234567"
TODAY = timezone.now().date()
# What must never be stored, wherever it stands in an answer.
PERSONAL = ("RURITANIAN", "ZEMBLA", "SECRET LANE", "18712", "MOONRISE COTTAGE")


def day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()


def person(place: int, **fields: Any) -> dict[str, Any]:
    return {
        "name": f"SMITH, Ann {place}",
        "officer_role": "director",
        "appointed_on": "2019-01-25",
        "occupation": "Engineer",
        "nationality": "Ruritanian",
        "country_of_residence": "Zembla",
        "date_of_birth": {"month": 8, "year": 18712},
        "address": {"premises": "Moonrise Cottage", "address_line_1": "Secret Lane"},
        "links": {
            "self": f"/company/{NUMBER}/appointments/app{place}",
            "officer": {"appointments": f"/officers/off{place}/appointments"},
        },
    } | fields


def filing(place: int, ago: int, **fields: Any) -> dict[str, Any]:
    return {
        "transaction_id": f"tx{place}",
        "type": "CS01",
        "category": "confirmation-statement",
        "date": day(ago),
    } | fields


def control(place: int, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "individual-person-with-significant-control",
        "name": f"Mrs Ann Smith {place}",
        "nationality": "Ruritanian",
        "country_of_residence": "Zembla",
        "date_of_birth": {"month": 8, "year": 18712},
        "address": {"premises": "Moonrise Cottage", "address_line_1": "Secret Lane"},
        "natures_of_control": ["ownership-of-shares-50-to-75-percent"],
        "notified_on": "2016-04-06",
        "links": {"self": f"/company/{NUMBER}/persons-with-significant-control/individual/psc{place}"},
    } | fields


CHARGE = {
    "charge_code": "012345670001",
    "charge_number": "1",
    "status": "fully-satisfied",
    "classification": {"type": "charge-description", "description": "A registered charge"},
    "particulars": {"contains_fixed_charge": True},
    "persons_entitled": [{"name": "A Bank PLC"}],
    "created_on": "2015-12-18",
    "satisfied_on": "2022-11-15",
}
INSOLVENCY = {
    "cases": [
        {
            "number": 1,
            "type": "compulsory-liquidation",
            "dates": [{"type": "wound-up-on", "date": "2025-01-18"}, {"type": "petitioned-on", "date": "2024-12-12"}],
            "practitioners": [{"name": "A. Price", "address": {"address_line_1": "Secret Lane"}}],
        }
    ]
}


def whole_company() -> dict[str, Any]:
    return {
        "": {
            "company_name": "ACME LIMITED",
            "company_number": NUMBER,
            "company_status": "active",
            "type": "ltd",
            "links": {"self": f"/company/{NUMBER}", "insolvency": f"/company/{NUMBER}/insolvency"},
        },
        "officers": [person(1), person(2, resigned_on="2021-05-04")],
        "filing-history": [filing(2, 10), filing(1, 20, action_date=day(25))],
        "charges": [CHARGE],
        "persons-with-significant-control": [control(1)],
        "insolvency": INSOLVENCY,
    }


@pytest.fixture
def register(settings: Settings) -> Iterator[StubRegister]:
    with StubRegister().running() as stub:
        settings.COMPANIES_HOUSE_API_URL, settings.COMPANIES_HOUSE_API_KEY = stub.url + "/", KEY
        stub.companies[NUMBER] = whole_company()
        yield stub


@pytest.fixture
def acme(db: None) -> Business:
    return make_business("ACME LIMITED", company_number=NUMBER)


def pull(*businesses: Business, seconds: float = 5.0) -> Pulled:
    source = CompaniesHouseApi()
    source.seconds = seconds
    keys = [business.pk for business in businesses]
    chosen = Business.objects.filter(pk__in=keys) if keys else Business.objects.all()
    return pull_source(source, Selection(businesses=chosen))


def kinds() -> dict[str, int]:
    rows = BusinessEvent.objects.values_list("kind").annotate(models.Count("pk"))
    return dict(rows.order_by("kind"))


def state() -> dict[str, Any]:
    return dict(SourceState.objects.get().checkpoint)


ALL = {
    "charge_registered": 1,
    "charge_satisfied": 1,
    "control_notified": 1,
    "filing": 2,
    "insolvency": 1,
    "officer_appointed": 2,
    "officer_resigned": 1,
}


def test_a_company_is_read_completely_and_once(register: StubRegister, acme: Business) -> None:
    pulled = pull().pull
    assert (pulled.status, pulled.failures) == ("completed", [])
    assert kinds() == ALL
    assert sorted(Appointment.objects.values_list("external_id", "officer__external_id")) == [
        ("app1", "off1"), ("app2", "off2"),
    ]  # fmt: skip
    assert state()["newest"] == {"on": day(10), "ids": ["tx2"]}
    assert {f"{name}_on" for name in ("profile", "officers", "filings", "charges", "controls", "insolvency")} <= set(
        state()
    )
    assert "pass" not in state()
    again = pull().pull
    assert (again.new, again.failed, kinds()) == (0, 0, ALL)


def test_the_key_is_the_user_and_the_addresses_are_those_of_the_api(register: StubRegister, acme: Business) -> None:
    pull()
    assert register.asked == [
        f"/company/{NUMBER}",
        f"/company/{NUMBER}/officers?items_per_page=100&start_index=0",
        f"/company/{NUMBER}/filing-history?items_per_page=100&start_index=0",
        f"/company/{NUMBER}/charges?items_per_page=100&start_index=0",
        f"/company/{NUMBER}/persons-with-significant-control?items_per_page=100&start_index=0",
        f"/company/{NUMBER}/insolvency",
    ]
    assert RequestBudget.objects.get().remaining == 594


def test_events_are_dated_linked_and_agree_with_their_payloads(register: StubRegister, acme: Business) -> None:
    pull()
    page = f"https://find-and-update.company-information.service.gov.uk/company/{NUMBER}/"
    filed = BusinessEvent.objects.get(kind="filing", payload__transaction_id="tx1")
    assert (str(filed.occurred_on), filed.payload["date"], filed.payload["action_date"]) == (day(25), day(20), day(25))
    assert filed.source_url == page + "filing-history"
    satisfied = BusinessEvent.objects.get(kind="charge_satisfied")
    assert (str(satisfied.occurred_on), satisfied.payload["persons_entitled"]) == ("2022-11-15", ["A Bank PLC"])
    assert satisfied.source_url == page + "charges"
    left = BusinessEvent.objects.get(kind="officer_resigned")
    assert (str(left.occurred_on), left.source_url) == ("2021-05-04", page + "officers")
    case = BusinessEvent.objects.get(kind="insolvency")
    assert (str(case.occurred_on), case.payload["case_number"]) == ("2024-12-12", "1")
    for event in BusinessEvent.objects.all():
        payload_of(event.kind, event.payload)


def test_nothing_personal_is_stored_anywhere(register: StubRegister, acme: Business) -> None:
    register.companies[NUMBER]["filing-history"] = [
        filing(
            1, 3, category="officers", type="CH01",
            description_values={"officer_name": "Ann Smith", "new_address": "Secret Lane", "date_of_birth": "18712-08"},
        ),
        filing(2, 3, description_values={"officer_address": "Secret Lane", "deep": [{"nationality": "Ruritanian"}]}),
    ]  # fmt: skip
    register.companies[NUMBER]["officers"].append({"name": "half", **person(9, links={})})
    assert pull().pull.failed == 1
    written = [
        json.dumps(list(model.objects.values()), default=str).upper()
        for model in (BusinessEvent, Officer, Appointment, SourceState, SourcePull, Business.objects.defer().model)
    ]
    assert "SMITH, ANN 1" in "".join(written)
    for words in PERSONAL:
        assert not any(re.search(rf"\b{words}\b", text) for text in written), words


def test_lists_are_read_to_their_ends_whatever_the_service_thinks_a_page_is(
    register: StubRegister, acme: Business
) -> None:
    register.page_size = 35
    register.companies[NUMBER]["officers"] = [person(place) for place in range(101)]
    pull()
    assert Appointment.objects.count() == 101
    assert register.paths.count(f"/company/{NUMBER}/officers") == 3


def test_the_first_time_three_years_or_three_hundred_filings_are_read(register: StubRegister, acme: Business) -> None:
    register.companies[NUMBER]["filing-history"] = [filing(place, place * 20) for place in range(150)]
    pull()
    assert kinds()["filing"] == 55  # 1,096 days, 20 apart
    assert register.paths.count(f"/company/{NUMBER}/filing-history") == 2
    busy = make_business("BUSY LIMITED", company_number="07654321")
    profile = whole_company()[""] | {"company_number": "07654321"}
    register.companies["07654321"] = {"": profile, "filing-history": [filing(1_000 + n, 1) for n in range(900)]}
    pull(busy)
    assert BusinessEvent.objects.filter(business=busy, kind="filing").count() == 300


def test_afterwards_only_what_is_newer_is_asked_for(register: StubRegister, acme: Business) -> None:
    filings = [filing(place, 30 + place) for place in range(250)]
    register.companies[NUMBER]["filing-history"] = filings
    pull()
    register.asked.clear()
    register.companies[NUMBER]["filing-history"] = [filing(1_000, 1), *filings]
    assert pull().pull.new == 1
    assert register.paths.count(f"/company/{NUMBER}/filing-history") == 2  # the first page has something new
    register.asked.clear()
    assert pull().pull.new == 0
    assert register.paths.count(f"/company/{NUMBER}/filing-history") == 1


def test_many_filings_of_the_newest_day_are_all_seen(register: StubRegister, acme: Business) -> None:
    before = [filing(place, 1) for place in range(50)]
    register.companies[NUMBER]["filing-history"] = before
    pull()
    register.companies[NUMBER]["filing-history"] = [*(filing(1_000 + place, 1) for place in range(120)), *before]
    assert pull().pull.new == 120
    assert len(state()["newest"]["ids"]) == 170


def test_a_filing_that_appears_late_among_older_ones_is_seen(register: StubRegister, acme: Business) -> None:
    register.companies[NUMBER]["filing-history"] = [filing(2, 10), filing(1, 20)]
    pull()
    register.companies[NUMBER]["filing-history"] = [filing(2, 10), filing(3, 15), filing(1, 20)]
    assert pull().pull.new == 1


def test_a_profile_that_has_not_changed_is_not_sent_again(register: StubRegister, acme: Business) -> None:
    register.etag = '"abc"'
    pull()
    assert state()["profile_etag"] == '"abc"'
    register.companies[NUMBER][""]["company_name"] = "NOT ASKED FOR LIMITED"
    assert pull().pull.failed == 0
    acme.refresh_from_db()
    assert acme.name == "ACME LIMITED"


def test_what_a_company_does_not_have_is_no_failure(register: StubRegister, acme: Business) -> None:
    register.companies[NUMBER] = {"": whole_company()[""]}
    pulled = pull().pull
    assert (pulled.status, pulled.failed) == ("completed", 0)
    register.companies[NUMBER][""]["links"] = {"self": "x"}
    register.asked.clear()
    pull()
    assert f"/company/{NUMBER}/insolvency" not in register.paths


def test_a_company_that_the_register_does_not_know_is_told(register: StubRegister, acme: Business) -> None:
    del register.companies[NUMBER]
    pulled = pull().pull
    assert pulled.failures == [
        {"where": NUMBER, "reason": "the register's API knows no company of this number"},
    ]
    assert state() == {}


def test_a_refused_key_ends_the_pull_and_says_what_to_set(register: StubRegister, settings: Settings) -> None:
    make_business(company_number=NUMBER)
    make_business(company_number="00000002")
    settings.COMPANIES_HOUSE_API_KEY = "another"
    with pytest.raises(NotConfigured, match=r"refuses the key \(status 401\)\. Set COMPANIES_HOUSE_API_KEY"):
        pull()
    assert (SourcePull.objects.get().status, len(register.asked)) == ("not_configured", 1)
    assert "another" not in SourcePull.objects.get().note


def test_without_a_key_it_is_not_configured(settings: Settings) -> None:
    settings.COMPANIES_HOUSE_API_KEY = ""
    with pytest.raises(NotConfigured, match="Set COMPANIES_HOUSE_API_KEY"):
        pull()


def test_items_that_cannot_be_read_do_not_take_the_others_along(register: StubRegister, acme: Business) -> None:
    company = register.companies[NUMBER]
    company["officers"] = [None, person(1, name=None), person(2, links={}), person(3), person(4, appointed_on="?")]
    company["filing-history"] = [filing(1, 3, date="31/12/2024"), filing(2, 3, transaction_id=""), filing(3, 4)]
    company["charges"] = [CHARGE | {"charge_code": None, "charge_number": None}, CHARGE]
    company["persons-with-significant-control"] = [control(1, notified_on="soon"), "text", control(2)]
    company["insolvency"] = {"cases": [{"type": "x"}, "no case", *INSOLVENCY["cases"]]}
    pulled = pull().pull
    assert kinds() | {"officer_appointed": 1, "filing": 1, "insolvency": 1} == kinds()
    assert Appointment.objects.count() == 2  # one of them with a day that cannot be read
    reasons = {failure["reason"] for failure in pulled.failures}
    assert reasons >= {
        "is not an object",
        "name: is missing or not a text",
        "links.self: does not lead to one of appointments",
        "date or action_date: is missing or not a date (YYYY-MM-DD)",
        "charge_code and charge_number: one of them is needed",
        "notified_on: is missing or not a date (YYYY-MM-DD)",
        "cases.number: is missing or not a text",
    }
    assert f"{NUMBER}, filing-history, tx1" in {failure["where"] for failure in pulled.failures}


def test_hostile_texts_are_kept_as_texts(register: StubRegister, acme: Business) -> None:
    name = "'; DROP TABLE officers; --<script>\x00\x1b[31m\ud800\u202e"
    register.companies[NUMBER]["officers"] = [person(1, name=name, occupation=["a", "list"])]
    register.companies[NUMBER]["filing-history"] = [
        filing(1, 3, description_values={"a\x00": {"b": [["\ud800"] * 500] * 500}, "n": 10**400, "x" * 500: 1}),
    ]
    assert pull().pull.failed == 0
    stored = Officer.objects.get().name
    assert stored.startswith("'; DROP TABLE officers; --<script> [31m")
    assert kinds()["filing"] == 1


def test_names_and_ids_too_long_for_an_index_are_refused_alone(register: StubRegister, acme: Business) -> None:
    long = "".join(hashlib.sha256(bytes([place])).hexdigest() for place in range(120))  # cannot be compressed
    links = person(1)["links"]
    register.companies[NUMBER]["officers"] = [
        person(1, name=long),
        person(2, name="\ufdfa" * 300),  # a sign that stands for eighteen
        person(3, links=links | {"self": f"/company/{NUMBER}/appointments/{long}"}),
        person(4, links=links | {"officer": {"appointments": f"/officers/{long}/appointments"}}, occupation=long),
        person(5),
    ]
    register.companies[NUMBER]["filing-history"] = [filing(1, 3, transaction_id=long, type=long)]
    register.companies[NUMBER][""]["registered_office_address"] = {"locality": long, "address_line_1": long}
    pulled = pull().pull
    assert (pulled.status, pulled.failed) == ("partial", 3)
    assert Appointment.objects.get().external_id == "app5"


@pytest.mark.parametrize("path", ["officers", "filing-history", "charges", "persons-with-significant-control"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(503), "answered with status 503"),
        (status(500, **{"Retry-After": "7"}), "answered with status 500"),
        (status(400), "answered with status 400"),
        (cut_off, "failed|only a part|closed|protocol"),
        (body(b"<html>Service unavailable</html>"), "not JSON"),
        (body(b'{"items": [{"name": "SMI'), "not JSON"),
        (body(b"[" * 100_000), "not JSON"),
        (body(b"[]"), "not an object"),
        (body(b'{"items": {"a": 1}}'), "without a list of items"),
        (status(302, Location="ftp://example.com/"), "http"),
    ],
    ids=["503", "500", "400", "cut", "html", "half", "deep", "array", "no list", "redirect"],
)
def test_a_fault_costs_its_own_group_and_nothing_else(
    register: StubRegister, acme: Business, path: str, fault: Fault, reason: str
) -> None:
    register.once(f"/{path}", fault)
    pulled = pull()
    assert pulled.pull.status == "partial"
    failed = SourceState.objects.get()
    assert failed.failures == 1
    assert re.search(reason, failed.error), failed.error
    group = {"filing-history": "filings", "persons-with-significant-control": "controls"}.get(path, path)
    assert f"{group}_on" not in state()
    assert ("newest" in state()) == (group != "filings")
    assert pull().pull.status == "completed"
    assert kinds() == ALL


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(trickle, "did not answer within"), (flood, "larger than"), (status(502), "502"), (body(b"{"), "not JSON")],
    ids=["slow loris", "50 MB", "502", "half"],
)
def test_a_company_whose_profile_fails_is_left_as_it_was(
    register: StubRegister, acme: Business, fault: Fault, reason: str
) -> None:
    other = make_business("OTHER LIMITED", company_number="07654321")
    register.companies["07654321"] = {"": whole_company()[""] | {"company_number": "07654321"}}
    register.once(f"/{NUMBER}", fault)
    pulled = pull(acme, other, seconds=0.5).pull
    failed = SourceState.objects.get(business=acme)
    assert (failed.checkpoint, failed.failures) == ({}, 1)
    assert reason in failed.error
    assert (pulled.targets, pulled.failed) == (2, 1)
    assert SourceState.objects.get(business=other).succeeded_at is not None


def test_a_pull_that_is_refused_goes_on_where_it_was(register: StubRegister, acme: Business) -> None:
    register.capacity = 4
    pulled = pull()
    assert pulled.retry_after is not None
    assert (len(register.asked), register.refused) == (4, 0)
    assert kinds() == {name: ALL[name] for name in ALL if name not in {"control_notified", "insolvency"}}
    assert state()["pass"]["done"] == ["profile", "officers", "filings", "charges"]
    assert SourceState.objects.get().pulled_at is None
    RequestBudget.objects.update(resets_at=timezone.now())
    register.window_ends = 0
    register.asked.clear()
    assert pull().retry_after is None
    assert register.paths == [f"/company/{NUMBER}/persons-with-significant-control", f"/company/{NUMBER}/insolvency"]
    assert kinds() == ALL
    assert "pass" not in state()


def test_a_pull_that_was_cut_off_long_ago_begins_anew(register: StubRegister, acme: Business) -> None:
    began = (timezone.now() - timedelta(hours=3)).isoformat()
    for old in ({"pass": {"began": began, "done": ["profile", "charges"]}}, {"pass": "garbage"}):
        SourceState.objects.update_or_create(
            source="companies_house_api", target=str(acme.pk), defaults={"business": acme, "checkpoint": old}
        )
        register.asked.clear()
        pull()
        assert len(register.asked) == 6
    assert kinds() == ALL


@pytest.mark.parametrize(
    ("headers", "seconds"), [({}, 300), ({"Retry-After": "17"}, 17)], ids=["without Retry-After", "with it"]
)
def test_a_429_stops_the_pull_until_the_window_ends(
    register: StubRegister, acme: Business, headers: dict[str, str], seconds: float
) -> None:
    register.tells_limit = False
    register.once("/officers", status(429, **headers))
    pulled = pull()
    assert pulled.retry_after == pytest.approx(seconds, abs=2)
    assert pulled.pull.status == "partial"
    assert RequestBudget.objects.get().remaining == 0
    assert state()["pass"]["done"] == ["profile"]
    assert pull().retry_after is not None
    assert len(register.asked) == 2  # the budget is asked before the register


def test_a_redirect_into_the_network_is_not_followed(register: StubRegister, acme: Business) -> None:
    with StubRegister().running() as elsewhere:
        register.once("/officers", status(302, Location=f"{elsewhere.url}/company/x"))
        assert pull().pull.failed == 1
        assert elsewhere.asked == []
    assert "is not a public address" in SourceState.objects.get().error


def test_a_redirect_within_the_service_is_followed_with_the_key(register: StubRegister, acme: Business) -> None:
    register.once("/officers", status(302, Location=f"/company/{NUMBER}/officers?items_per_page=100&start_index=0"))
    assert pull().pull.status == "completed"
    assert kinds() == ALL
