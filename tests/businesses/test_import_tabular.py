"""The import of any table: which company a row is about, what it writes, and what it leaves."""

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import businesses
from businesses.imports import ImportReport, import_register, import_tabular
from businesses.models import Business, BusinessEvent
from businesses.sources.tabular import parse_mapping
from tests.businesses.register_files import company, real_file, versions, write

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str, *maps: str, name: str = "table.csv", **options: Any) -> ImportReport:
    Path(name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return import_tabular(path=Path(name), mapping=parse_mapping(maps), **options)


def load_json(*items: Any, maps: tuple[str, ...] = (), **options: Any) -> ImportReport:
    return load("\n".join(map(json.dumps, items)), *maps, name="table.jsonl", **options)


def counts(report: ImportReport) -> tuple[int, int, int, int, int]:
    return report.read, report.inserted, report.changed, report.unchanged, report.rejected


def reasons(report: ImportReport) -> list[tuple[int, str]]:
    if report.rejects_path is None:
        return []
    with report.rejects_path.open(encoding="utf-8", newline="") as file:
        return [(int(row["line"]), row["reason"]) for row in csv.DictReader(file)]


def test_every_field() -> None:
    row = {
        "name": "  Acme  Anvils Ltd ",
        "company_number": "64",
        "description": "Makes anvils.\nAnd traps.",
        "website": "https://www.Acme.example/about",
        "categories": ["anvils", "traps", "anvils", ""],
        "sic_codes": ["62012", "7499"],
        "town": "Leeds",
        "county": "Yorkshire",
        "region": "North",
        "country": "UK",
        "postcode": "LS1 1AA",
        "address_line1": "1 High Street",
        "address_line2": "Top floor",
        "founded_year": 1999,
        "employee_count": "1,200",
        "incorporated_on": "03/02/2001",
        "status": "Liquidation",
        "company_type": "Private Limited Company",
    }
    assert counts(load_json(row)) == (1, 1, 0, 0, 0)
    business = Business.objects.get()
    assert {name: getattr(business, name) for name in row} == {
        **row,
        "name": "Acme Anvils Ltd",
        "company_number": "00000064",
        "categories": ["anvils", "traps"],
        "employee_count": 1200,
        "incorporated_on": date(2001, 2, 3),
        "status": "insolvent",
        "company_type": "ltd",
    }
    assert (business.name_normalised, business.domain) == ("acme anvils", "acme.example")
    assert (business.sic_titles, business.status_raw) == ("Business and domestic software development", "Liquidation")
    assert business.source == "table"
    assert counts(load_json(row)) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_separators_are_found(mark: str) -> None:
    text = mark.join(["Name", "Town", "other"]) + "\r\n" + mark.join(['"A, B; C"', "Leeds", "x"]) + "\r\n"
    assert counts(load("\ufeff" + text)) == (1, 1, 0, 0, 0)
    assert Business.objects.get().name == "A, B; C"
    assert Business.objects.get().town == "Leeds"


def test_mapped_columns_and_only_those() -> None:
    text = "Firm,tags,industry,town,a,b\nAcme,x;y,z,Leeds,One.,Two.\n"
    maps = ("name=Firm", "categories=tags,industry", "description=a,b")
    assert counts(load(text, *maps, only_mapped=True)) == (1, 1, 0, 0, 0)
    business = Business.objects.get()
    assert (business.name, business.categories, business.town) == ("Acme", ["x", "y", "z"], "")
    assert business.description == "One.\nTwo."
    assert counts(load(text, *maps)) == (1, 1, 0, 0, 0)  # now with a town, so another company


def test_a_mapped_column_that_no_json_row_has_is_told() -> None:
    report = load_json({"name": "Acme"}, maps=("town=twon",))
    assert report.warnings == ["No row has twon."]


def test_by_number_else_by_domain_else_by_name_and_town() -> None:
    load("name,company_number,website,town\nA,00000001,https://a.example,Leeds\nB,,https://b.example,\nC Ltd,,,York\n")
    report = load(
        "name,company_number,website,town,description\n"
        "A two,00000001,,,by number\n"
        "B two,,http://www.b.example/x,,by domain\n"
        "c limited,,,YORK,by name and town\n"
        "C Ltd,,,Hull,another\n"
    )
    assert counts(report) == (4, 1, 3, 0, 0)
    assert dict(Business.objects.values_list("name", "description")) == {
        "A two": "by number",
        "B two": "by domain",
        "c limited": "by name and town",
        "C Ltd": "another",
    }


def test_a_row_is_not_about_a_company_with_another_number_or_domain() -> None:
    load("name,company_number,website,town\nA,00000001,https://a.example,Leeds\n")
    report = load(
        "name,company_number,website,town\nA,00000002,https://a.example,Leeds\nA,,https://other.example,Leeds\n"
    )
    assert counts(report) == (2, 2, 0, 0, 0)


def test_a_number_is_added_to_the_company_of_the_domain() -> None:
    load("name,website\nA,https://a.example\n")
    assert counts(load("name,website,company_number\nA,https://a.example,00000001\n")) == (1, 0, 1, 0, 0)
    assert Business.objects.get().company_number == "00000001"


def test_only_what_a_row_says_is_written() -> None:
    load("name,town,founded_year,description\nA,Leeds,1999,Old\n", source="first")
    load("name,town,founded_year,description\nA,Leeds,,New\n", source="second")
    business = Business.objects.get()
    assert (business.founded_year, business.description, business.source) == (1999, "New", "first")


def test_rows_that_change_nothing_are_not_written() -> None:
    text = "name,town,description,website\nA,Leeds,Old,https://a.example\nB,York,,\n"
    load(text)
    before = versions()
    assert counts(load(text)) == (2, 0, 0, 2, 0)
    assert counts(load("name,town\nA,Leeds\n", source="other")) == (1, 0, 0, 1, 0)
    assert versions() == before


def test_a_file_does_not_undo_what_was_written_since() -> None:
    load("name,town,description\nA,Leeds,From the file\n")
    Business.objects.update(description="Edited by hand")
    assert counts(load("name,town,description\nA,Leeds,From the file\n")) == (1, 0, 0, 1, 0)
    assert Business.objects.get().description == "Edited by hand"


def test_a_website_that_changes_takes_its_domain_along() -> None:
    load("name,town,website\nA,Leeds,\n")
    load("name,town,website\nA,Leeds,https://a.example\n")
    assert Business.objects.get().domain == "a.example"
    load("company_number,website,name\n,not a website,A\n")  # no town: another company
    assert Business.objects.filter(domain="").count() == 1


def test_the_register_keeps_its_facts_and_tells_no_false_news() -> None:
    path = write(Path("register.csv"), [company(PostTown="LEEDS")])
    import_register(paths=[path], snapshot_on=date(2020, 5, 1))
    text = (
        "name,company_number,town,status,description,website\nAcme,01234567,Leeds,Closed,Anvils,https://acme.example\n"
    )
    assert counts(load(text)) == (1, 0, 1, 0, 0)
    business = Business.objects.get()
    assert (business.name, business.town, business.status) == ("ACME LIMITED", "LEEDS", "active")
    assert (business.description, business.domain) == ("Anvils", "acme.example")
    write(path, [company(PostTown="LEEDS", ConfStmtNextDueDate="01/01/2022")])
    report = import_register(paths=[path], snapshot_on=date(2020, 6, 1))
    assert (report.changed, report.events) == (1, 0)
    assert not BusinessEvent.objects.exists()
    assert Business.objects.get().description == "Anvils"


def test_two_rows_about_one_company() -> None:
    Business.objects.create(name="Known", company_number="00000001", website="https://known.example", town="Hull")
    report = load(
        "name,company_number,website,town\n"
        "Known,00000001,,\n"  # line 2
        "Known again,,https://known.example,\n"
        "New,00000002,,\n"  # line 4
        "New again,2,,\n"
        "Web,,https://web.example,\n"  # line 6
        "Web again,,www.web.example,\n"
        "Name Ltd,,,York\n"  # line 8
        "NAME,,,york\n"
        "Name Ltd,,,\n"
    )
    assert counts(report) == (9, 4, 0, 1, 4)
    assert reasons(report) == [
        (3, "the same company as line 2"),
        (5, "the same company as line 4"),
        (7, "the same company as line 6"),
        (9, "the same company as line 8"),
    ]


def test_ambiguous_rows_are_rejected() -> None:
    for number in ("00000001", "00000002"):
        Business.objects.create(name="Twin", company_number=number, website="https://twin.example", town="York")
    report = load("name,website,town\nTwin,https://twin.example,York\nTwin,,York\n")
    assert reasons(report) == [
        (2, "2 companies have the domain twin.example"),
        (3, "2 companies have the name Twin in York"),
    ]
    assert Business.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "no name, company number or website"),
        ({"name": "", "company_number": "00000001"}, "no name, and no company has this company number"),
        ({"name": "", "website": "https://a.example"}, "no name, and no company has this website"),
        ({"company_number": "12-4"}, "company_number '12-4' is not a company number (8 letters or digits)"),
        ({"founded_year": "99"}, "founded_year 99 is not between 1000 and"),
        ({"founded_year": "soon"}, "founded_year 'soon' is not a whole number"),
        ({"employee_count": "-5"}, "employee_count -5 is not between 0 and 10000000"),
        ({"employee_count": 1.5}, "employee_count '1.5' is not a whole number"),
        ({"employee_count": 10**30}, "employee_count '1000000000000000000000000000000' is not a whole number"),
        ({"incorporated_on": "31/02/2020"}, "incorporated_on '31/02/2020' is not a date"),
        ({"sic_codes": "62"}, "sic_codes '62' is no SIC code"),
        ({"description": "x" * 20_001}, "description is longer than 20,000 characters"),
        ({"town": "x" * 32_769}, "town is longer than 32768 bytes"),
        ({"name": "x" * 2_001}, "name is longer than 2,000 bytes"),
        ({"name": "a\x00b"}, "name has a NUL character"),
        ({"categories": ["a\x00b"]}, "categories has a NUL character"),
        ({"name": "\ud800"}, "name is not UTF-8, or has half of a surrogate pair"),
        ({"categories": ["\udfff"]}, "categories is not UTF-8"),
        ({"name": ["a"]}, "name must be a single value"),
        ({"categories": [["a"]]}, "categories must be a single value"),
        ({"categories": [str(n) for n in range(201)]}, "categories has more than 200 items"),
    ],
)
def test_reasons(fields: dict[str, Any], reason: str) -> None:
    report = load_json({"name": "Good"}, {"name": "Bad", **fields})
    ((line, found),) = reasons(report)
    assert line == 2
    assert found.startswith(reason)
    assert Business.objects.get().name == "Good"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"name": "A"', "not JSON: "),
        ("[1]", "not a JSON object"),
        ('{"name": "A", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "not JSON: "),
        ('{"name": "' + "A" * 1_000_001 + '"}', "not JSON: longer than a megabyte"),
        ('{"employee_count": ' + "9" * 5000 + "}", "not JSON: "),
    ],
)
def test_bad_lines_of_json(line: str, reason: str) -> None:
    report = load('{"name": "First"}\n' + line + '\n\n{"name": "Last"}', name="table.jsonl")
    ((number, found),) = reasons(report)
    assert (number, found[: len(reason)]) == (2, reason)
    assert list(Business.objects.order_by("name").values_list("name", flat=True)) == ["First", "Last"]


def test_bad_lines_of_csv() -> None:
    text = "name,town\nFirst,Leeds\nshort\nlong,a,b\n\n" + "x" * 1_000_001 + "\nCaf\udce9,York\nLast,Hull\n"
    report = load(text)
    assert reasons(report) == [
        (3, "1 columns instead of 2"),
        (4, "3 columns instead of 2"),
        (6, "not csv: longer than a megabyte"),
        (7, "name is not UTF-8, or has half of a surrogate pair"),
    ]
    assert list(Business.objects.order_by("name").values_list("name", flat=True)) == ["First", "Last"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ('[{"name": "A"}]', "is a JSON array"),
        ("a,b\n1,2\n", "has no column for company_number or name or website"),
    ],
)
def test_what_is_no_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        load(text)


def test_dry_run() -> None:
    assert counts(load("name\nA\n", dry_run=True)) == (1, 1, 0, 0, 0)
    assert not Business.objects.exists()


texts = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]) | st.sampled_from('\t\n\r"\\,;\x1f{}'),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, st.lists(texts, max_size=4))
def test_any_text_arrives(description: str, categories: list[str]) -> None:
    Business.objects.all().delete()
    report = load_json({"name": "A", "description": description, "categories": categories})
    assert counts(report) == (1, 1, 0, 0, 0)
    business = Business.objects.get()
    assert business.description == description.strip()
    tidy = (" ".join(category.split()) for category in categories)
    assert business.categories == list(dict.fromkeys(filter(None, tidy)))


def test_the_sample() -> None:
    path = Path(businesses.__file__).parent / "sample_data" / "uk_companies.csv"
    report = import_tabular(path=path, source="sample")
    assert report.inserted == report.read > 100
    before = versions()
    assert import_tabular(path=path, source="sample").unchanged == report.read
    assert versions() == before


def test_real_start_ups() -> None:
    path = real_file("yc_companies.jsonl")
    maps = ("description=one_liner,long_description", "town=location", "employee_count=team_size")
    mapping = parse_mapping([*maps, "categories=tags,industry"])
    report = import_tabular(path=path, mapping=mapping)
    assert counts(report) == (2973, 2973, 0, 0, 0)
    before = versions()
    assert import_tabular(path=path, mapping=mapping).unchanged == 2973
    assert versions() == before
    business = Business.objects.get(domain="humanlayer.dev")
    assert business.description.startswith("Human")
    assert business.categories == ["Developer Tools", "Generative AI", "B2B"]
