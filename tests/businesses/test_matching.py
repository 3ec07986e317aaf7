"""Which company a row means: by number, domain or name, never by a guess, and always with a reason."""

import re
import string
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from businesses.lookup import agree
from businesses.matching import MAX_CANDIDATES, Outcome, Placed, Reason, Report, Row, match, shown
from businesses.models import Business, Watchlist, WatchlistEntry
from businesses.watchlists import entries_of
from oppspot.organizations.models import Organization
from tests.factories import make_business

pytestmark = pytest.mark.django_db


@pytest.fixture
def watchlist(org_a: Organization) -> Watchlist:
    made: Watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="ours")
    return made


def report_of(watchlist: Watchlist, *rows: dict[str, str]) -> Report:
    given_rows = [Row(line, **row) for line, row in enumerate(rows, start=1)]
    return match(given_rows, entries=entries_of(org=watchlist.org, watchlist_id=watchlist.pk))


def only(watchlist: Watchlist, **row: str) -> Placed:
    (placed,) = report_of(watchlist, row).placed
    return placed


def name_of(placed: Placed) -> str:
    return placed.company.name if placed.company else ""


@pytest.fixture
def acme(db: None) -> Business:
    return make_business(
        "ACME BREWING LIMITED", company_number="00445790", website="https://www.acme.example", town="LEEDS",
        status="active", previous_names=[{"name": "OLD HOPS LTD", "changed_on": "2020-01-01"}],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "by", "note"),
    [
        ({"number": "00445790"}, "number", ""),
        ({"number": " 445790 "}, "number", ""),
        ({"number": "445790", "name": "Acme Brewing Ltd."}, "number", ""),
        ({"number": "445790", "name": "Acme"}, "number", "The register calls it ACME BREWING LIMITED."),
        ({"number": "445790", "name": "Old Hops"}, "number", "The register calls it ACME BREWING LIMITED."),
        ({"number": "445790", "domain": "elsewhere.example"}, "number", ""),
        ({"domain": "acme.example"}, "domain", ""),
        ({"domain": "https://www.ACME.example/about?x=1"}, "domain", ""),
        ({"domain": "acme.example", "name": "Nothing Like It"}, "domain", "The register calls it"),
        ({"domain": "unknown.example", "name": "acme brewing"}, "name", ""),
        ({"domain": "not a domain", "name": "acme brewing"}, "name", ""),
        ({"name": "Acme Brewing"}, "name", ""),
        ({"name": "  açmé   bréwing, LTD "}, "name", ""),
        ({"name": "acme brewing", "town": "leeds"}, "name", ""),
        ({"name": "acme brewing", "town": "Hull"}, "name", "The register has it in LEEDS."),
    ],
)
def test_a_row_means_a_company(watchlist: Watchlist, acme: Business, row: dict[str, str], by: str, note: str) -> None:
    placed = only(watchlist, **row)
    assert (placed.outcome, placed.by, name_of(placed)) == (Outcome.MATCHED, by, acme.name)
    assert placed.note.startswith(note)
    assert bool(placed.note) == bool(note)


@pytest.mark.parametrize(
    ("row", "reason", "note"),
    [
        ({}, "empty", "No number, domain or name."),
        ({"town": "Leeds"}, "empty", "No number, domain or name."),
        ({"name": "…!?"}, "empty", "No number, domain or name."),
        ({"problem": "Name has a NUL character."}, "unreadable", "Name has a NUL character."),
        ({"number": "00000099"}, "unknown_number", "No company has the number 00000099."),
        ({"number": "00000099", "domain": "acme.example"}, "unknown_number", "No company has the number"),
        ({"number": "12-34"}, "invalid_number", "“12-34” is not a company number (8 letters or digits)."),
        ({"number": "١٢٣"}, "invalid_number", "“١٢٣” is not a company number"),
        ({"domain": "unknown.example"}, "unknown_domain", "No company has the domain “unknown.example”."),
        ({"domain": "not a domain"}, "invalid_domain", "“not a domain” is not a domain."),
        ({"name": "Zenith"}, "unknown_name", "No company is named “Zenith”."),
        ({"name": "Zenith", "domain": "z.example"}, "unknown_name", "No company is named “Zenith”, and none has"),
        ({"number": "445790", "name": "Zenith"}, "disagreement", "00445790 is ACME BREWING LIMITED, not “Zenith”"),
    ],
)
def test_a_row_means_none_and_why(
    watchlist: Watchlist, acme: Business, row: dict[str, str], reason: str, note: str
) -> None:
    placed = only(watchlist, **row)
    assert (placed.outcome, placed.reason, placed.company) == (Outcome.UNMATCHED, Reason(reason), None)
    assert placed.note.startswith(note)


def test_a_refused_number_tells_what_the_name_would_have_been(watchlist: Watchlist, acme: Business) -> None:
    other = make_business("ZENITH LTD", company_number="00000077")
    placed = only(watchlist, number="445790", name="Zenith")
    assert [one.number for one in placed.candidates] == [acme.company_number, other.company_number]
    assert [one.number for one in only(watchlist, number="99", name="Zenith").candidates] == ["00000077"]


def test_of_several_of_one_name_the_town_decides_then_the_only_active_one(watchlist: Watchlist) -> None:
    for place, (town, status) in enumerate([("LEEDS", "active"), ("HULL", "dissolved"), ("HULL", "other")], start=1):
        make_business("Twin Ltd", company_number=f"0000000{place}", town=town, status=status)
    assert only(watchlist, name="twin").company.number == "00000001"  # type: ignore[union-attr]
    assert only(watchlist, name="twin", town="Leeds").company.number == "00000001"  # type: ignore[union-attr]
    in_hull = only(watchlist, name="twin", town="hull")
    assert (in_hull.reason, [one.number for one in in_hull.candidates]) == ("ambiguous", ["00000002", "00000003"])
    elsewhere = only(watchlist, name="twin", town="York")
    assert (elsewhere.reason, len(elsewhere.candidates)) == ("ambiguous", 3)


def test_several_candidates_are_told_up_to_five(watchlist: Watchlist) -> None:
    for place in range(MAX_CANDIDATES + 3):
        make_business("Twin Ltd", company_number=f"0000001{place}", status="active")
    placed = only(watchlist, name="Twin")
    assert placed.reason == Reason.AMBIGUOUS
    assert placed.note == "8 companies have this name."
    assert [one.number for one in placed.candidates] == [f"0000001{place}" for place in range(MAX_CANDIDATES)]


def test_of_several_of_one_domain_the_name_decides(watchlist: Watchlist) -> None:
    for name in ("Group Holdings Ltd", "Group Trading Ltd"):
        make_business(name, website="https://group.example", status="active")
    assert only(watchlist, domain="group.example").reason == Reason.AMBIGUOUS
    assert name_of(only(watchlist, domain="group.example", name="Trading")) == "Group Trading Ltd"


def test_a_dissolved_company_is_matched_and_told(watchlist: Watchlist) -> None:
    make_business("Gone Ltd", status="dissolved")
    assert only(watchlist, name="Gone").note == "It is dissolved."


def test_what_is_on_the_list_or_twice_in_the_rows(watchlist: Watchlist, acme: Business) -> None:
    other = make_business("Zenith Ltd", company_number="00000077")
    WatchlistEntry.objects.for_org(watchlist.org).create(org=watchlist.org, watchlist=watchlist, business=acme)
    report = report_of(watchlist, {"name": "acme brewing"}, {"number": "77"}, {"name": "zenith"})
    assert [one.outcome for one in report.placed] == [Outcome.ALREADY, Outcome.MATCHED, Outcome.ALREADY]
    assert [one.note for one in report.placed] == ["It is on the list already.", "", "The same company as line 2."]
    assert report.counts == {"rows": 3, "matched": 1, "already": 2, "unmatched": 0}
    assert [name_of(one) for one in report.having(Outcome.MATCHED)] == [other.name]


def test_another_organisations_list_says_nothing(watchlist: Watchlist, acme: Business, org_b: Organization) -> None:
    theirs = Watchlist.objects.for_org(org_b).create(org=org_b, name="theirs")
    WatchlistEntry.objects.for_org(org_b).create(org=org_b, watchlist=theirs, business=acme)
    assert only(watchlist, number="445790").outcome == Outcome.MATCHED


def test_ten_thousand_rows_take_a_handful_of_queries(watchlist: Watchlist, acme: Business) -> None:
    rows: list[dict[str, str]] = [
        {"number": f"{place:08}"} if place % 3 == 0 else
        {"domain": f"d{place}.example"} if place % 3 == 1 else {"name": f"Company {place}"}
        for place in range(10_000)
    ]  # fmt: skip
    with CaptureQueriesContext(connection) as queries:
        report = report_of(watchlist, *rows, {"number": "445790"})
    assert len(queries) == 4, "numbers, domains, names, and what is on the list"
    assert report.counts["matched"] == 1
    domains = next(query["sql"] for query in queries.captured_queries if "d1.example" in query["sql"])
    assert """NOT ("businesses"."domain" = '')""" in domains, "the partial index's condition"


def test_each_look_up_of_many_values_can_use_its_index(watchlist: Watchlist) -> None:
    """Postgres derives the condition of a partial index from a list of up to 100 values, not from a longer one."""
    rows: list[dict[str, str]] = [{"domain": f"d{place}.example", "name": f"Company {place}"} for place in range(300)]
    rows += [{"number": f"{place:08}"} for place in range(300)]
    with CaptureQueriesContext(connection) as queries:
        report_of(watchlist, *rows)
    selects = [query["sql"] for query in queries.captured_queries if query["sql"].startswith("SELECT")]
    plans = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for select in selects:
            cursor.execute(f"EXPLAIN {select}")
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
    assert len(plans) == 3
    for index in ("business_company_number_once", "business_domain", "business_name_normalised"):
        assert any(re.search(rf"Scan (using|on) {index}\b", plan) for plan in plans), (index, plans)


TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=40)


@given(st.fixed_dictionaries({}, optional={"number": TEXT, "domain": TEXT, "name": TEXT, "town": TEXT}))
def test_any_text_is_matched_or_refused_with_a_reason(django_db_blocker: Any, row: dict[str, str]) -> None:
    with django_db_blocker.unblock():
        (placed,) = match([Row(1, **row)], entries=WatchlistEntry.all_orgs.none()).placed
    assert placed.outcome == Outcome.UNMATCHED
    assert placed.reason
    assert 0 < len(placed.note) < 250


@pytest.mark.parametrize(
    ("given_name", "known", "is_alike"),
    [
        ("Monzo", "MONZO BANK LIMITED", True),
        ("Hop House", "HOPHOUSE LTD", True),
        ("The Group", "THE SERVICES GROUP LTD", True),
        ("The Boring Company", "THE DULL COMPANY LTD", False),
        ("", "ANYTHING LTD", True),
        ("Ace", "ACETATE LTD", False),
    ],
)
def test_whether_two_names_could_be_one_companys(given_name: str, known: str, is_alike: bool) -> None:
    make_business(known, company_number="00000001")
    placed = match([Row(1, number="1", name=given_name)], entries=WatchlistEntry.all_orgs.none()).placed[0]
    company = placed.company or placed.candidates[0]
    assert agree(given_name, company) is is_alike
    assert (placed.outcome == Outcome.MATCHED) is is_alike


def test_a_long_text_is_shown_short() -> None:
    assert shown(string.ascii_letters * 9) == f"“{(string.ascii_letters * 2)[:60]}…”"
    assert shown("a\n b") == "“a b”"
