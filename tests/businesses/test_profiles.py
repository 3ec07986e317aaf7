"""One company told of by the stream, the API and the monthly file: a change is told once, another spelling never."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import time_machine
from pytest_django import Settings

from businesses.imports import import_register
from businesses.models import Business, BusinessEvent
from businesses.profiles import apply_profiles
from businesses.pulling import pull_source
from businesses.sources.companies_house_api import CompaniesHouseApi
from businesses.sources.companies_house_api_values import profile_of
from businesses.sources.companies_house_overdue import overdue_of
from businesses.sources.companies_house_stream import CompaniesHouseStream
from businesses.sources.pull import CompanyKey, Profile, Selection
from tests.businesses.register_files import company, write
from tests.businesses.sources.stub_register import KEY, StubRegister
from tests.businesses.sources.stub_stream import Connection, envelope, sending, serving
from tests.factories import make_business

pytestmark = pytest.mark.django_db
NUMBER, OCTOBER, TODAY, DECEMBER = "01234567", date(2026, 10, 1), date(2026, 11, 20), date(2026, 12, 1)

FILE = {
    "CompanyNumber": NUMBER, "CompanyName": "ACME LIMITED", "AddressLine1": "ROSE HOUSE", "AddressLine2": "5 MILL LANE",
    "PostTown": "LEEDS", "County": "WEST YORKSHIRE", "Country": "ENGLAND", "PostCode": "LS1 1AA",
    "SicText_1": "62012 - Business and domestic software development",
    "SicText_2": "62020 - Information technology consultancy activities", "AccountCategory": "MICRO ENTITY",
}  # fmt: skip
DATA: dict[str, Any] = {
    "company_name": "Acme Limited", "company_number": NUMBER, "company_status": "active", "type": "ltd",
    "date_of_creation": "2003-02-01", "sic_codes": ["62020", "62012"],
    "accounts": {"last_accounts": {"type": "micro-entity", "made_up_to": "2026-03-31"}},
    "registered_office_address": {
        "premises": "Rose House,", "address_line_1": "5 Mill Lane", "locality": "Leeds", "region": "West Yorkshire",
        "postal_code": "LS1 1AA",
    },
}  # fmt: skip


@pytest.fixture
def register(settings: Settings) -> Iterator[StubRegister]:
    with StubRegister().running() as stub:
        settings.COMPANIES_HOUSE_API_URL, settings.COMPANIES_HOUSE_API_KEY = stub.url, KEY
        yield stub


@pytest.fixture
def told(register: StubRegister, settings: Settings, tmp_path: Path) -> Callable[..., None]:
    """`told("stream", …)`: the company as this source has it, with what a test says otherwise."""

    def by_stream(**fields: Any) -> None:
        line = envelope(7, "company-profile", f"/company/{NUMBER}", DATA | fields, published_at=f"{TODAY}T08:00:00Z")
        with serving(sending(line, then=Connection.end)) as server:
            settings.COMPANIES_HOUSE_STREAM_URL, settings.COMPANIES_HOUSE_STREAM_KEY = server.url, "a key"
            pulled = pull_source(CompaniesHouseStream(), Selection(names=("companies",)))
        assert pulled.pull.items >= 1
        assert pulled.pull.failed == 0

    def by_api(**fields: Any) -> None:
        register.companies[NUMBER] = {"": DATA | {"links": {}} | fields}
        pulled = pull_source(CompaniesHouseApi(), Selection(businesses=Business.objects.all()))
        assert pulled.pull.items >= 1
        assert pulled.pull.failed == 0

    def by_file(on: date, **fields: str) -> None:
        report = import_register(paths=[write(tmp_path / "register.csv", [company(**FILE | fields)])], snapshot_on=on)
        assert (report.read, report.rejected) == (1, 0)

    def tell(source: str, *args: Any, **fields: Any) -> None:
        by: dict[str, Callable[..., None]] = {"stream": by_stream, "api": by_api, "file": by_file}
        with time_machine.travel(TODAY, tick=True):
            by[source](*args, **fields)

    return tell


def kinds() -> list[str]:
    return sorted(BusinessEvent.objects.values_list("kind", flat=True))


@pytest.mark.parametrize("order", [("stream", "api"), ("api", "stream")])
def test_who_says_the_same_in_other_words_tells_nothing(told: Callable[..., None], order: tuple[str, str]) -> None:
    told("file", OCTOBER)
    for source in order:
        told(source)
    told("file", DECEMBER, ConfStmtNextDueDate="01/02/2027")  # another row than before, so that it is compared
    assert kinds() == []


@pytest.mark.parametrize("order", [("stream", "api"), ("api", "stream")])
def test_a_change_is_told_by_the_first_and_by_nobody_after(told: Callable[..., None], order: tuple[str, str]) -> None:
    told("file", OCTOBER)
    moved = {"premises": "7", "address_line_1": "High Street", "locality": "York", "postal_code": "YO1 1AA"}
    for source in order:
        told(source, company_name="Acme Group Limited", sic_codes=["70100", "62012"], registered_office_address=moved)
        assert kinds() == ["address_changed", "name_changed", "sic_changed"]
    told(
        "file", DECEMBER, CompanyName="ACME GROUP LIMITED", AddressLine1="7", AddressLine2="HIGH STREET",
        PostTown="YORK", County="", PostCode="YO1 1AA",
        SicText_1="62012 - Business and domestic software development", SicText_2="70100 - Activities of head offices",
    )  # fmt: skip
    assert kinds() == ["address_changed", "name_changed", "sic_changed"]
    assert Business.objects.get().address_line2 == "HIGH STREET", "the file's own words are kept"


def test_the_file_still_tells_what_differs_by_a_word(told: Callable[..., None]) -> None:
    told("file", OCTOBER)
    told("file", DECEMBER, AddressLine1="LILY HOUSE", SicText_2="70100 - Activities of head offices")
    assert kinds() == ["address_changed", "sic_changed"]


def test_the_same_street_in_another_country_is_another_place(told: Callable[..., None]) -> None:
    told("file", OCTOBER)
    told("api", registered_office_address=DATA["registered_office_address"] | {"country": "England"})
    assert kinds() == []
    told("file", DECEMBER, Country="WALES")
    assert kinds() == ["address_changed"]


def test_a_country_that_was_not_known_is_filled_in_and_is_no_move(told: Callable[..., None]) -> None:
    told("file", OCTOBER, Country="")
    told("api", registered_office_address=DATA["registered_office_address"] | {"country": "England"})
    assert Business.objects.get().country == "ENGLAND"
    assert kinds() == []


@pytest.mark.parametrize("order", [("stream", "api", "file"), ("file", "api", "stream"), ("api", "file", "stream")])
def test_accounts_are_overdue_once_whoever_tells_of_it(told: Callable[..., None], order: tuple[str, ...]) -> None:
    told("file", OCTOBER, NextDueDate="31/10/2026")
    accounts = DATA["accounts"] | {"next_due": "2026-10-31", "overdue": True}
    for source in order:
        if source == "file":
            told("file", TODAY, NextDueDate="31/10/2026")
        else:
            told(source, accounts=accounts)
        assert kinds() == ["accounts_overdue"]
    event = BusinessEvent.objects.get()
    assert (event.occurred_on, event.payload["due_on"]) == (date(2026, 11, 1), "2026-10-31")


@pytest.mark.parametrize(
    "fields",
    [
        {"accounts": {"next_due": "2026-10-31", "overdue": False}},
        {"accounts": {"next_due": "2026-10-31", "overdue": "true"}},
        {"accounts": {"next_due": f"{TODAY}", "overdue": True}},
        {"accounts": {"overdue": True}},
        {"accounts": {"next_due": "2026-10-31", "overdue": True}, "company_status": "liquidation"},
    ],
)
def test_accounts_that_are_not_overdue(fields: dict[str, Any]) -> None:
    data = DATA | fields
    assert overdue_of(data, profile_of(data, on=TODAY)) == []


def test_one_procedure_after_another_is_told_and_a_finer_word_for_one_is_not() -> None:
    business = make_business(
        company_number=NUMBER, status="insolvent", status_raw="In Administration/Administrative Receiver"
    )
    key = CompanyKey("number", NUMBER)

    def said(raw: str) -> list[Any]:
        profile = Profile(key, {"status": "insolvent", "status_raw": raw}, TODAY)
        return [(event.payload["before_raw"], event.payload["after_raw"]) for event in
                apply_profiles([profile], {key: business.pk}, source="test")]  # fmt: skip

    assert said("In Administration") == []
    assert said("Liquidation") == [("In Administration/Administrative Receiver", "Liquidation")]
    assert said("LIQUIDATION") == []


def test_profiles_of_one_company_in_one_batch_follow_each_other() -> None:
    business = make_business("Old Ltd", company_number=NUMBER)
    key = CompanyKey("number", NUMBER)
    names = ["OLD LTD", "NEW LTD", "New Ltd", "NEWER LTD"]
    events = apply_profiles([Profile(key, {"name": name}, TODAY) for name in names], {key: business.pk}, source="test")
    assert [(event.payload["before"], event.payload["after"]) for event in events] == [
        ("Old Ltd", "NEW LTD"), ("NEW LTD", "NEWER LTD"),
    ]  # fmt: skip
