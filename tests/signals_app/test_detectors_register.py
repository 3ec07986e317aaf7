"""What the register's filings and changes mean: allotments, officers, owners, charges, moves, closures."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from signals_app.detectors.base import Detection, Fact
from signals_app.models import SignalType
from tests.signals_app.histories import ACME, detected, fact, filing, news, rules

YOUNG = replace(ACME, incorporated_on=date(2026, 4, 25))


def allotment(on: str = "2026-05-01", figure: str = "120.50", associated: tuple[str, ...] = ()) -> Fact:
    values = {"capital": [{"currency": "GBP", "figure": figure}], "date": on}
    return filing("SH01", on, description="capital-allotment-shares", category="capital", description_values=values,
                  associated=list(associated))  # fmt: skip


def officer(form: str, name: str, on: str = "2026-05-01") -> Fact:
    described = {"AP01": "appoint-person-director-company-with-name-date",
                 "TM01": "termination-director-company-with-name-termination-date"}  # fmt: skip
    return filing(form, on, description=described[form], description_values={"officer_name": name})


def only(found: list[Detection]) -> Detection:
    assert len(found) == 1, [one.rule for one in found]
    return found[0]


def test_an_allotment_alone_is_a_filing_to_be_looked_at() -> None:
    found = only(detected(allotment()))
    assert (found.signal_type, found.rule, found.confidence) == ("companies_house_filing", "share_allotment", 45)
    assert found.needs_review
    assert found.data["capital_after"] == {"GBP": 120.5}


@pytest.mark.parametrize(
    "backing",
    [
        filing(
            "RESOLUTIONS", "2026-05-20", description="resolution", description_values={"description": "Resolutions"}
        ),
        filing("MA", "2026-04-10"),
        fact("control_notified", "2026-05-02", name="Beta Ventures LP", is_corporate=True),
        filing("SH08", "2026-05-02"),
    ],
)
def test_an_allotment_with_new_articles_or_an_investor_is_a_round(backing: Fact) -> None:
    found = [one for one in detected(allotment(), backing) if one.signal_type == SignalType.FUNDING_ROUND]
    assert only(found).confidence == 75
    assert not found[0].needs_review


def test_resolutions_of_another_kind_or_too_late_back_nothing() -> None:
    rename = filing("RESOLUTIONS", "2026-05-02", description="resolution-change-of-name")
    late = filing("MA", "2026-07-01")
    converted = filing("RESOLUTIONS", "2026-05-03", description="resolution", associated=["RES02"])
    wound_up = filing("RESOLUTIONS", "2026-05-03", description="resolution", associated=["LRESEX"])
    assert rules(converted, wound_up, rename) == []
    assert {one.signal_type for one in detected(allotment(), rename, converted, wound_up, late)} == {
        "companies_house_filing"
    }


def test_an_allotment_at_incorporation_or_without_increase_is_doubted() -> None:
    assert only(detected(allotment(), company=YOUNG)).confidence == 15
    assert only(detected(allotment(associated=("NEWINC",)))).confidence == 15
    found = detected(allotment("2025-05-01", "1,000"), allotment("2026-05-01", "1,001"))
    assert [one.confidence for one in found] == [45, 15]


def test_news_of_a_round_and_its_allotment_are_one() -> None:
    told = [
        news("Acme Robotics raises £5m Series A", url="https://a.example/1"),
        news("York's Acme Robotics secures £5 million investment", on="2026-05-04", url="https://b.example/2"),
    ]
    found = only(detected(*told, allotment("2026-06-01")))
    assert (found.rule, found.on, len(found.evidence)) == ("equity_round", date(2026, 5, 1), 3)
    assert (found.data["amount"], found.data["currency"], found.data["stage"]) == (5_000_000, "GBP", "series_a")
    assert only(detected(told[0])).confidence < found.confidence <= 98


def test_another_amount_or_a_later_day_is_another_round() -> None:
    assert len(detected(news("Acme raises £5m"), news("Acme raises £9m", on="2026-05-03"))) == 2
    assert len(detected(news("Acme raises £5m"), news("Acme raises £5m", on="2026-05-20"))) == 2


def test_a_filing_and_the_officers_row_are_one_appointment() -> None:
    row = fact("officer_appointed", "2026-04-28", name="SMITH, Jane Anne", role="director", source="companies_house")
    told = news("Acme appoints Jane Smith as CTO", on="2026-05-06")
    found = only(detected(officer("AP01", "Mrs Jane Smith"), row, told))
    assert (found.rule, len(found.evidence)) == ("new_executive", 3)
    assert found.data["title"] == "CTO"


def test_who_counts_as_an_executive() -> None:
    assert rules(officer("AP01", "Jane Smith"), company=YOUNG) == []
    assert rules(fact("officer_appointed", name="BETA LTD", role="corporate-director", is_corporate=True)) == []
    assert rules(fact("officer_appointed", name="SMITH, Jane", role="secretary")) == []
    row = fact("officer_appointed", name="SMITH, Jane", role="director", officer_id="x")
    assert rules(row, directorships={"x": 51}) == []
    assert only(detected(row, directorships={"x": 2})).confidence == 95
    assert only(detected(row)).confidence == 80


def test_one_who_leaves_and_one_who_follows_are_a_transition() -> None:
    assert rules(officer("TM01", "Bob Jones"), officer("AP01", "Jane Smith", "2026-05-20")) == ["leadership_transition"]
    apart = rules(officer("TM01", "Bob Jones"), officer("AP01", "Jane Smith", "2026-07-20"))
    assert sorted(apart) == ["executive_departure", "new_executive"]


def test_several_departures_need_care() -> None:
    left = [officer("TM01", f"Bob {name}", f"2026-05-0{day}") for day, name in enumerate(("Ash", "Elm", "Oak"), 1)]
    found = only(detected(*left))
    assert (found.rule, found.needs_review, len(found.evidence)) == ("several_departures", True, 3)
    assert rules(*left[:2]) == ["executive_departure"] * 2


def test_a_buyer_and_a_seller_are_an_acquisition() -> None:
    bought = filing("PSC02", description_values={"psc_name": "Beta Holdings Ltd"})
    sold = filing("PSC07", "2026-05-03", description_values={"psc_name": "Mr Bob Jones"})
    assert rules(bought, sold) == ["acquisition"]
    assert rules(sold) == ["owner_left"]
    assert rules(bought, company=YOUNG) == []
    assert rules(filing("PSC01", description_values={"psc_name": "Mrs Jane Smith"}),
                 fact("control_notified", "2026-05-09", name="Mrs Jane Smith")) == ["new_owner"]  # fmt: skip


def charge(on: str = "2026-05-01", code: str = "012345670001", **payload: Any) -> Fact:
    return fact("charge_registered", on, charge_code=code, **payload)


def test_charges_by_lender_and_by_what_is_charged() -> None:
    assert rules(charge(persons_entitled=["Lloyds Bank PLC"])) == ["debt_financing"]
    assert rules(charge(persons_entitled=["Jane Smith"])) == ["director_loan"]
    land = charge(persons_entitled=["Lloyds Bank PLC"], particulars="Freehold property known as 4 Mill Lane, Brough.")
    assert [(one.signal_type, one.rule) for one in detected(land)] == [("expansion", "property_purchase")]
    general = charge(persons_entitled=["Lloyds Bank PLC"], particulars="All freehold and leasehold property.")
    assert rules(general) == ["debt_financing"]
    assert rules(charge(), company=replace(ACME, sic_codes=("68100",))) == ["property_purchase"]


def test_the_filing_the_row_and_the_count_are_one_charge() -> None:
    filed = filing("MR01", description="mortgage-create-with-deed-with-charge-number-charge-creation-date",
                   description_values={"charge_number": "012345670001"})  # fmt: skip
    counted = fact("charge_registered", "2026-05-30", before={"total": 1}, after={"total": 2})
    found = only(detected(filed, charge("2026-05-02", persons_entitled=["Lloyds Bank PLC"]), counted))
    assert len(found.evidence) == 3
    assert rules(filed, charge("2026-05-02", code="012345670002")) == ["debt_financing"] * 2


def test_a_repaid_charge_and_a_new_one_are_refinancing() -> None:
    repaid = filing("MR04", "2026-04-20", description="mortgage-satisfy-charge-full",
                    description_values={"charge_number": "012345670000"})  # fmt: skip
    assert rules(repaid, charge()) == ["refinancing"]
    assert rules(repaid) == ["debt_repaid"]
    assert rules(repaid, charge("2026-09-01")) == ["debt_repaid", "debt_financing"]


def test_insolvency_is_one_negative_sign_for_all_papers() -> None:
    found = only(
        detected(
            filing("LIQ02", category="insolvency"),
            filing("600", "2026-05-03", category="insolvency"),
            fact("insolvency", "2026-05-04", case_type="creditors-voluntary-liquidation", case_number="1"),
            fact("status_changed", "2026-06-01", before="active", after="insolvent", after_raw="Liquidation"),
        )
    )
    assert (found.rule, found.weight, found.is_negative, len(found.evidence)) == ("insolvency", 100, True, 4)


def test_a_solvent_winding_up_is_no_insolvency() -> None:
    solvent = filing("LIQ01", category="insolvency", description="liquidation-voluntary-declaration-of-solvency")
    liquidator = filing("600", category="insolvency", description="liquidation-voluntary-appointment-of-liquidator")
    assert rules(solvent, liquidator) == ["solvent_winding_up"]


@pytest.mark.parametrize("form", ["COCOMP", "WU01", "AM01", "CVA1", "RM01", "4.20"])
def test_forms_of_insolvency(form: str) -> None:
    assert only(detected(filing(form, category="insolvency"))).is_negative
    assert rules(filing(form)) == ["insolvency"]


def test_a_strike_off_that_is_withdrawn_is_cleared() -> None:
    applied = filing("DS01", description="dissolution-application-strike-off-company")
    gazetted = filing("GAZ1(A)", "2026-05-12", description="gazette-notice-voluntary")
    withdrawn = filing("DS02", "2026-06-01")
    closing, cleared = detected(applied, gazetted, withdrawn)
    assert (closing.rule, closing.is_negative, len(closing.evidence)) == ("strike_off", True, 2)
    assert (cleared.rule, cleared.is_negative, cleared.clears) == ("strike_off_withdrawn", False, ("strike_off",))
    assert rules(filing("GAZ2", description="gazette-dissolved-voluntary")) == ["dissolved"]
    assert rules(fact("status_changed", before="strike_off_proposed", after="active")) == ["strike_off_withdrawn"]


def test_a_new_name_is_told_once_and_not_of_the_young() -> None:
    certificate = filing("CERTNM", description="certificate-change-of-name-company")
    shown = fact("name_changed", "2026-06-01", before="OLD NAME LTD", after="ACME ROBOTICS LIMITED")
    assert rules(certificate, shown) == ["rebrand"]
    assert rules(certificate, company=YOUNG) == []
    assert rules(fact("name_changed", before="ACME ROBOTICS LTD", after="ACME ROBOTICS LIMITED")) == []


def test_routine_filings_and_corrections_are_no_signs() -> None:
    routine = [filing(form) for form in ("CS01", "CH01", "AA", "AAMD", "RP04SH01", "PSC04", "TM02")]
    second = filing("AP01", description="second-filing-of-director-appointment")
    assert rules(*routine, second) == []


@pytest.mark.parametrize(
    ("form", "rule"),
    [("RR01", "ipo_preparation"), ("AUD", "risk_auditor"), ("SH03", "capital_return"), ("MA", "constitution_change"),
     ("AP04", "officer_change"), ("NEWINC", "new_company"), ("AA01", "accounting_change")],
)  # fmt: skip
def test_forms_of_the_table(form: str, rule: str) -> None:
    assert rules(filing(form)) == [rule]


def test_a_pivot_is_another_division() -> None:
    assert rules(fact("sic_changed", before=["62012"], after=["10710"])) == ["pivot"]
    assert rules(fact("sic_changed", before=["62012"], after=["62020", "70229"])) == []
    assert rules(fact("sic_changed", before=["99999"], after=["62020"])) == []


def test_a_move_counts_to_another_town_and_an_address_of_its_own() -> None:
    moved = fact("address_changed", before={"town": "LEEDS", "postcode": "LS1 1AA"},
                 after={"town": "YORK", "postcode": "YO1 1AA"})  # fmt: skip
    values = {"old_address": "1 High Street Leeds LS1 1AA", "new_address": "1 Low Street, York, England, YO1 1AA"}
    filed = filing("AD01", "2026-04-20", description_values=values)
    found = only(detected(moved, filed))
    assert (found.rule, len(found.evidence)) == ("relocation", 2)
    assert rules(moved, address_companies=201) == []
    assert rules(moved, filing("LIQ02", "2026-05-03", category="insolvency")) == ["insolvency"]
    assert rules(fact("address_changed", before={"address_line1": "1"}, after={"address_line1": "2"})) == []
    agent = values | {"new_address": "71-75 Shelton Street, London, WC2H 9JQ"}
    assert rules(filing("AD01", description_values=agent)) == []
    same = {"old_address": "1 A Street London EC1A 1BB", "new_address": "2 B Street, London, SE1 2AA"}
    assert rules(filing("AD01", description_values=same)) == []


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("MICRO ENTITY", "TOTAL EXEMPTION FULL", ["growth"]),
        ("small", "full", ["growth"]),
        ("TOTAL EXEMPTION FULL", "MICRO ENTITY", []),
        ("TOTAL EXEMPTION SMALL", "TOTAL EXEMPTION FULL", []),
        ("MICRO ENTITY", "AUDIT EXEMPTION SUBSIDIARY", []),
        ("DORMANT", "SMALL", []),
        ("", "FULL", []),
    ],
)
def test_accounts_of_a_larger_kind(before: str, after: str, found: list[str]) -> None:
    assert rules(fact("accounts_category_changed", before=before, after=after)) == found


def test_an_establishment_of_a_company_from_abroad() -> None:
    assert rules(filing("OSIN01", description="registration-of-uk-establishment")) == ["market_entry"]
