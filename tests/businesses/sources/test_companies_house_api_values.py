"""The register's JSON in our terms: days, identities, the words of the monthly file, and nothing personal."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from businesses.imports import import_register
from businesses.models import Business, BusinessEvent
from businesses.payloads import payload_of
from businesses.pulling import pull_source
from businesses.sources.companies_house_api import CompaniesHouseApi
from businesses.sources.companies_house_api_values import (
    charge_counts_of,
    charge_of,
    control_of,
    filing_of,
    insolvency_of,
    officer_of,
    profile_of,
)
from businesses.sources.pull import Office, Seen, Selection, fingerprint_of
from tests.businesses.register_files import company, real_file, versions, write
from tests.businesses.sources.stub_register import KEY, StubRegister

NUMBER = "01234567"
ON = date(2026, 11, 1)
TODAY = timezone.now().date()
LAST_MONTH, NEXT_MONTH = TODAY - timedelta(days=30), TODAY + timedelta(days=30)
PROFILE: dict[str, Any] = {
    "company_name": "ACME LIMITED",
    "company_number": NUMBER,
    "company_status": "active",
    "company_status_detail": "active-proposal-to-strike-off",
    "type": "ltd",
    "jurisdiction": "england-wales",
    "date_of_creation": "2003-02-01",
    "etag": "0123",
    "registered_office_address": {
        "premises": "5",
        "address_line_1": "Bridge Street",
        "address_line_2": "Old Town",
        "locality": "Guildford",
        "region": "Surrey",
        "country": "England",
        "postal_code": "GU1 4RY",
    },
    "sic_codes": ["62020", "62012"],
    "accounts": {
        "accounting_reference_date": {"day": "31", "month": "10"},
        "last_accounts": {"made_up_to": "2025-10-31", "period_end_on": "2025-10-31", "type": "micro-entity"},
        "next_due": "2027-07-31",
    },
    "confirmation_statement": {"last_made_up_to": "2026-02-01", "next_due": "2027-02-15"},
    "previous_company_names": [{"name": "APEX LIMITED", "effective_from": "2003-02-01", "ceased_on": "2010-05-04"}],
}
# The same company in the monthly file.
ROW = {
    "CompanyName": "ACME LIMITED",
    "CompanyNumber": NUMBER,
    "CompanyStatus": "Active - Proposal to Strike off",
    "IncorporationDate": "01/02/2003",
    "AddressLine1": "5 BRIDGE STREET",
    "AddressLine2": "OLD TOWN",
    "PostTown": "GUILDFORD",
    "County": "SURREY",
    "Country": "ENGLAND",
    "PostCode": "GU1 4RY",
    "SicText_1": "62012 - Business and domestic software development",
    "SicText_2": "62020 - Information technology consultancy activities",
    "AccountCategory": "MICRO ENTITY",
    "Accounts.LastMadeUpDate": "31/10/2025",
    "Accounts.NextDueDate": "31/07/2027",
    "ConfStmtLastMadeUpDate": "01/02/2026",
    "ConfStmtNextDueDate": "15/02/2027",
    "PreviousName_1__CONDATE": "04/05/2010",
    "PreviousName_1__CompanyName": "APEX LIMITED",
    "NumMortCharges": "2",
    "NumMortOutstanding": "1",
    "NumMortSatisfied": "1",
}


def values(**changes: Any) -> dict[str, Any]:
    return dict(profile_of(PROFILE | changes, on=ON).values)


def charge(number: int, **fields: Any) -> dict[str, Any]:
    return {"charge_number": number, "created_on": "2015-01-01"} | fields


def sample(name: str) -> Any:
    return json.loads(real_file("companies_house_api_json").joinpath(name).read_text())


@pytest.mark.django_db
class TestBesideTheMonthlyFile:
    @pytest.fixture
    def register(self, settings: Any) -> Any:
        with StubRegister().running() as stub:
            settings.COMPANIES_HOUSE_API_URL, settings.COMPANIES_HOUSE_API_KEY = stub.url, KEY
            stub.companies[NUMBER] = {"": PROFILE, "charges": [charge(1), charge(2, satisfied_on="2020-01-01")]}
            yield stub

    def load(self, directory: Path, on: date, **fields: str) -> None:
        import_register(paths=[write(directory / "register.csv", [company(**(ROW | fields))])], snapshot_on=on)

    def test_a_profile_that_means_the_same_is_no_news_and_writes_nothing(
        self, register: StubRegister, tmp_path: Path
    ) -> None:
        self.load(tmp_path, LAST_MONTH)
        before = versions()
        pulled = pull_source(CompaniesHouseApi(), Selection(businesses=Business.objects.all())).pull
        assert (pulled.status, pulled.failed) == ("completed", 0)
        charges = sorted(BusinessEvent.objects.values_list("kind", flat=True))
        assert charges == ["charge_registered", "charge_registered", "charge_satisfied"]
        assert versions() == before
        self.load(tmp_path, NEXT_MONTH)
        assert sorted(BusinessEvent.objects.values_list("kind", flat=True)) == charges

    def test_a_charge_that_the_api_told_is_not_told_again_by_the_file(
        self, register: StubRegister, tmp_path: Path
    ) -> None:
        self.load(tmp_path, LAST_MONTH)
        register.companies[NUMBER]["charges"].append(charge(3))
        pull_source(CompaniesHouseApi(), Selection(businesses=Business.objects.all()))
        assert Business.objects.get().charges_total == 3
        known = BusinessEvent.objects.count()
        self.load(tmp_path, NEXT_MONTH, NumMortCharges="3", NumMortOutstanding="2")
        assert BusinessEvent.objects.count() == known

    @pytest.mark.parametrize(
        "address",
        [
            {"address_line_1": "5 Bridge Street", "address_line_2": "Old Town"},
            {"premises": "5 Bridge Street", "address_line_1": "Old Town"},
            {"address_line_1": "5 Bridge Street, Old Town"},
        ],
    )
    def test_nor_is_an_address_that_is_cut_into_other_lines(
        self, register: StubRegister, tmp_path: Path, address: dict[str, str]
    ) -> None:
        self.load(tmp_path, LAST_MONTH)
        rest = {"locality": "Guildford", "region": "Surrey", "postal_code": "GU1 4RY"}
        register.companies[NUMBER] = {"": PROFILE | {"registered_office_address": address | rest}}
        pull_source(CompaniesHouseApi(), Selection(businesses=Business.objects.all()))
        assert not BusinessEvent.objects.exists()
        assert Business.objects.get().address_line1 == "5 BRIDGE STREET"

    def test_what_differs_is_told_and_the_file_that_says_the_same_later_tells_nothing(
        self, register: StubRegister, tmp_path: Path
    ) -> None:
        self.load(tmp_path, LAST_MONTH)
        address = PROFILE["registered_office_address"] | {"premises": "Rose House", "address_line_1": "7 High Street"}
        accounts = PROFILE["accounts"] | {"last_accounts": {"type": "total-exemption-full"}}
        register.companies[NUMBER] = {
            "": PROFILE | {
                "company_status_detail": None, "company_status": "liquidation", "company_name": "ACME GROUP LIMITED",
                "registered_office_address": address, "accounts": accounts, "sic_codes": ["62020"],
            }
        }  # fmt: skip
        pull_source(CompaniesHouseApi(), Selection(businesses=Business.objects.all()))
        told = dict(BusinessEvent.objects.values_list("kind", "payload"))
        assert {kind: (payload["before"], payload["after"]) for kind, payload in told.items()} == {
            "name_changed": ("ACME LIMITED", "ACME GROUP LIMITED"),
            "status_changed": ("strike_off_proposed", "insolvent"),
            "sic_changed": (["62012", "62020"], ["62020"]),
            "accounts_category_changed": ("MICRO ENTITY", "TOTAL EXEMPTION FULL"),
            "address_changed": (
                {"address_line1": "5 BRIDGE STREET"},
                {"address_line1": "ROSE HOUSE, 7 HIGH STREET"},
            ),
        }
        assert told["status_changed"]["after_raw"] == "Liquidation"
        self.load(
            tmp_path, NEXT_MONTH, CompanyName="ACME GROUP LIMITED", CompanyStatus="Liquidation",
            AddressLine1="ROSE HOUSE, 7 HIGH STREET", SicText_1=ROW["SicText_2"], SicText_2="",
            AccountCategory="TOTAL EXEMPTION FULL",
        )  # fmt: skip
        assert BusinessEvent.objects.count() == len(told)


class TestProfile:
    def test_its_columns(self) -> None:
        assert values() == {
            "name": "ACME LIMITED",
            "status": "strike_off_proposed",
            "status_raw": "Active - Proposal to Strike off",
            "company_type": "ltd",
            "address_line1": "5 BRIDGE STREET",
            "address_line2": "OLD TOWN",
            "town": "GUILDFORD",
            "county": "SURREY",
            "country": "ENGLAND",
            "postcode": "GU1 4RY",
            "incorporated_on": date(2003, 2, 1),
            "accounts_last_made_up_on": date(2025, 10, 31),
            "accounts_next_due_on": date(2027, 7, 31),
            "accounts_category": "MICRO ENTITY",
            "confirmation_last_made_up_on": date(2026, 2, 1),
            "confirmation_next_due_on": date(2027, 2, 15),
            "sic_codes": ["62020", "62012"],
            "previous_names": [{"name": "APEX LIMITED", "changed_on": "2010-05-04"}],
        }

    def test_what_is_not_said_is_left_out(self) -> None:
        bare: dict[str, Any] = {"company_name": "ACME", "company_number": "12", "accounts": None, "sic_codes": []}
        profile = profile_of(bare | {"registered_office_address": {"region": None}, "date_of_creation": "?"}, on=ON)
        assert (profile.company.value, profile.values) == ("00000012", {"name": "ACME"})

    @pytest.mark.parametrize(
        ("kind", "category"),
        [
            ("total-exemption-small", "TOTAL EXEMPTION SMALL"),
            ("no-accounts-type-available", "ACCOUNTS TYPE NOT AVAILABLE"),
            ("audit-exemption-subsidiary", "AUDIT EXEMPTION SUBSIDIARY"),
            ("null", "NO ACCOUNTS FILED"),
            ("a-new-type", "A NEW TYPE"),
        ],
    )
    def test_accounts_are_in_the_words_of_the_file(self, kind: str, category: str) -> None:
        assert values(accounts={"last_accounts": {"type": kind}})["accounts_category"] == category

    def test_accounts_of_a_type_that_the_register_does_not_know_are_unknown(self) -> None:
        last = {"type": "null", "made_up_to": "2025-01-31"}
        assert "accounts_category" not in values(accounts={"last_accounts": last})

    @pytest.mark.parametrize(
        ("status", "detail", "expected"),
        [
            ("active", "", ("active", "Active")),
            ("administration", "", ("insolvent", "In Administration")),
            ("receivership", "", ("insolvent", "Receivership")),
            ("insolvency-proceedings", "", ("insolvent", "Insolvency proceedings")),
            ("converted-closed", "converted-to-plc", ("dissolved", "Converted closed")),
            ("removed", "", ("dissolved", "Removed")),
            ("registered", "", ("active", "Registered")),
            ("dozing", "", ("other", "Dozing")),
        ],
    )
    def test_statuses(self, status: str, detail: str, expected: tuple[str, str]) -> None:
        found = values(company_status=status, company_status_detail=detail)
        assert (found["status"], found["status_raw"]) == expected

    def test_a_community_interest_company_is_one(self) -> None:
        found = values(type="private-limited-guarant-nsc", subtype="community-interest-company")
        assert found["company_type"] == "community-interest-company"

    def test_care_of_and_post_box_stand_before_the_first_line(self) -> None:
        address = {"care_of": "A Smith", "po_box": "12", "address_line_1": "1 High Street", "locality": "York"}
        assert values(registered_office_address=address)["address_line1"] == "C/O A SMITH, PO BOX 12, 1 HIGH STREET"

    @pytest.mark.parametrize("field", ["company_name", "company_number"])
    def test_without_name_or_number_it_is_none(self, field: str) -> None:
        with pytest.raises(ValueError, match=f"{field}: is missing"):
            profile_of(PROFILE | {field: ["x"]}, on=ON)

    def test_a_name_that_cannot_be_indexed_is_refused(self) -> None:
        with pytest.raises(ValueError, match="company_name: is longer than 2,000 bytes"):
            profile_of(PROFILE | {"company_name": "É" * 1_500}, on=ON)


def test_counts_of_charges_are_told_when_they_add_up() -> None:
    counts = charge_counts_of(NUMBER, {"total_count": "9", "satisfied_count": 1, "part_satisfied_count": 2}, on=ON)
    assert counts is not None
    assert list(counts.values.values()) == [9, 6, 2, 1]
    assert charge_counts_of(NUMBER, {"total_count": 1, "satisfied_count": 2, "part_satisfied_count": 0}, on=ON) is None
    assert charge_counts_of(NUMBER, {"total_count": 1}, on=ON) is None


def test_identities_are_those_of_the_register_alone() -> None:
    """Another source that reads the same item comes to the same fingerprint."""
    filing = filing_of(NUMBER, {"transaction_id": "tx", "date": "2026-01-02"})[0]
    assert filing.fingerprint == fingerprint_of("filing", NUMBER, "tx")
    link = {"links": {"self": f"/company/{NUMBER}/appointments/app"}}
    office = officer_of(NUMBER, link | {"name": "A", "officer_role": "director", "resigned_on": "2026-01-02"})
    assert [item.identity for item in office if isinstance(item, Seen)] == [("app",)]
    charge = {"charge_code": "c", "charge_number": 4, "created_on": "2026-01-02", "satisfied_on": "2026-01-03"}
    assert [seen.identity for seen in charge_of(NUMBER, charge)] == [(NUMBER, "c")] * 2
    assert charge_of(NUMBER, charge | {"charge_code": None})[0].identity == (NUMBER, "4")
    link = {"links": {"self": f"/company/{NUMBER}/persons-with-significant-control/individual/psc"}}
    control = control_of(NUMBER, link | {"notified_on": "2026-01-02", "ceased_on": "2026-01-03"})
    assert [(seen.kind, seen.identity) for seen in control] == [
        ("control_notified", (NUMBER, "psc")),
        ("control_ceased", (NUMBER, "psc")),
    ]


def test_an_appointment_without_a_day_is_an_office_and_no_event() -> None:
    links = {"self": "/company/1/appointments/a", "officer": {"appointments": "/officers/o/appointments"}}
    found = officer_of(NUMBER, {"name": "A", "officer_role": "corporate-secretary", "links": links})
    assert [type(item) for item in found] == [Office]
    assert isinstance(found[0], Office)
    assert found[0].is_corporate


def test_a_filing_keeps_what_came_with_it() -> None:
    data = {
        "transaction_id": "tx",
        "date": "2015-10-27",
        "action_date": "2015-10-20T00:00:00.000Z",
        "subcategory": "voluntary",
        "associated_filings": [{"type": "SH01", "action_date": 1445904000000}],
        "resolutions": [{"description": "resolution-removal-pre-emption"}],
        "description_values": {"capital": [{"currency": "GBP", "figure": "100,000"}]},
    }
    seen = filing_of(NUMBER, data)[0]
    assert seen.occurred_on == date(2015, 10, 20)
    assert {
        name: seen.payload[name] for name in ("subcategory", "associated", "resolutions", "description_values")
    } == {
        "subcategory": ["voluntary"],
        "associated": ["SH01"],
        "resolutions": ["resolution-removal-pre-emption"],
        "description_values": {"capital": [{"currency": "GBP", "figure": "100,000"}]},
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("2024-02-30"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
FIELDS = (
    "transaction_id", "date", "action_date", "category", "subcategory", "description_values", "associated_filings",
    "resolutions", "links", "name", "officer_role", "appointed_on", "resigned_on", "charge_code", "charge_number",
    "created_on", "satisfied_on", "particulars", "classification", "persons_entitled", "kind", "natures_of_control",
    "notified_on", "ceased_on", "cases", "company_name", "company_number", "company_status", "accounts", "sic_codes",
    "registered_office_address", "previous_company_names", "confirmation_statement",
)  # fmt: skip
GOOD: dict[str, Any] = PROFILE | {
    "transaction_id": "tx", "date": "2026-01-02", "name": "A", "officer_role": "director", "charge_number": 3,
    "created_on": "2026-01-02", "notified_on": "2026-01-02", "kind": "x", "cases": [{"number": 1}],
    "links": {"self": "/company/1/appointments/persons-with-significant-control/x"},
}  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(odd=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6))
@pytest.mark.parametrize("read", [filing_of, charge_of, officer_of, control_of, insolvency_of])
def test_whatever_the_register_sends_is_read_or_refused_with_a_reason(
    read: Callable[[str, Any], list[Any]], odd: dict[str, Any]
) -> None:
    try:
        found = read(NUMBER, GOOD | odd)
    except ValueError as error:
        assert ":" in str(error)  # noqa: PT017  either ending is right
    else:
        for item in found:
            if isinstance(item, Seen):
                json.dumps(item.payload, allow_nan=False).encode()
                payload_of(item.kind, item.payload)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(odd=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6))
def test_so_are_profiles(odd: dict[str, Any]) -> None:
    try:
        found = profile_of(GOOD | odd, on=ON)
    except ValueError as error:
        assert str(error)  # noqa: PT017  either ending is right
    else:
        assert found.values["name"]


class TestRealAnswers:
    def test_every_filing_charge_and_control_is_read(self) -> None:
        filings = sample("herrbert74__filing_pfb_hire.json")["items"]
        assert len([filing_of("07310390", item) for item in filings]) == len(filings)
        charges = [
            seen for item in sample("herrbert74__charges_pfb_hire.json")["items"] for seen in charge_of("0", item)
        ]
        assert [seen.kind for seen in charges].count("charge_satisfied") == 1
        persons = sample("herrbert74__persons_yorkshire_air_ambulance.json")["items"]
        controls = [seen for item in persons for seen in control_of("04053514", item)]
        assert [seen.kind for seen in controls].count("control_ceased") == 4
        for seen in controls + charges:
            payload_of(seen.kind, seen.payload)
            text = json.dumps(seen.payload).lower()
            assert "british" not in text
            assert "birth" not in text
            assert "cayley" not in text

    def test_officers_of_answers_that_name_no_appointment_are_refused(self) -> None:
        for item in sample("herrbert74__officers_you_limited.json")["items"]:
            with pytest.raises(ValueError, match=r"links\.self"):
                officer_of("04475590", item)

    def test_profiles(self) -> None:
        profile = profile_of(sample("herrbert74__company_candour.json"), on=ON)
        assert profile.values["address_line1"] == "71 NEW DOVER ROAD"
        in_liquidation = sample("official__company-profile-api__00006400.json")["data"]
        assert profile_of(in_liquidation, on=ON).values["status"] == "insolvent"

    def test_streams_send_the_same(self) -> None:
        readers: dict[str, Callable[[str, Any], Any]] = {
            "company-charges": charge_of,
            "filing-history": filing_of,
            "company-officers": officer_of,
        }
        lines = real_file("companies_house_stream_samples.jsonl").read_text().splitlines()
        read: list[Any] = []
        for line in map(json.loads, lines):
            if line["resource_kind"] in readers:
                read += readers[line["resource_kind"]]("01234567", line["data"])
            elif line["resource_kind"] == "company-profile":
                assert profile_of(line["data"], on=ON).company.value == line["resource_id"]
        assert {item.kind for item in read} == {
            "charge_registered", "charge_satisfied", "filing", "officer_appointed", "officer_resigned",
        }  # fmt: skip
