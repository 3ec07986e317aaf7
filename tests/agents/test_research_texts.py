"""Reports as text that others wrote cannot bend, and the check that finds what is not in the evidence."""

import copy
from typing import Any

import pytest

from agents.research.checking import check_report
from agents.research.rendering import escaped, report_as_markdown
from businesses.models import Business
from oppspot.organizations.models import Organization
from tests.agents.research_cases import appoint, fill, json_of, latest, make_company, research, section, texts
from tests.signals_app.factories import make_event, make_signal

FACT = {"id": "sn1", "text": "Incorporated on 2012-03-04 in York", "source": "register", "url": "https://x.example/1",
        "on": "2012-03-04", "retrieved_at": "2026-11-20", "reliability": 0.5}  # fmt: skip
LINE = {"key": "age", "part": "Age", "text": "incorporated on 2012-03-04", "cites": ["sn1"], "kind": "fact",
        "quote": ""}  # fmt: skip
REPORT: dict[str, Any] = {
    "business": {"id": "1", "name": "Acme Ltd", "company_number": None},
    "depth": "quick", "status": "complete", "created_at": "2026-11-24T00:00:00",
    "sections": [{
        "name": "snapshot", "title": "Snapshot", "status": "ok", "problem": "", "mode": "deterministic",
        "fallback_reason": "", "is_reused": False, "generated_at": "2026-11-24T00:00:00", "content": [LINE],
        "prose": [], "dropped_sentences": 0, "evidence": [FACT],
    }],
}  # fmt: skip
UNKNOWN = {"kind": "unknown", "cites": [], "text": "unknown: not found in 3 sources"}


def report(line: dict[str, Any] | None = None, **section: Any) -> dict[str, Any]:
    made = copy.deepcopy(REPORT)
    made["sections"][0] |= section
    made["sections"][0]["content"][0] |= line or {}
    return made


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({}, ""),
        (UNKNOWN, ""),
        (UNKNOWN | {"text": "unknown, but surely 7m"}, "no plain statement"),
        (UNKNOWN | {"cites": ["sn1"]}, "no plain statement"),
        ({"cites": []}, "it cites nothing"),
        ({"cites": ["sn1", "sn9"]}, "there is no evidence sn9"),
        ({"text": "incorporated on 2013-03-04"}, "not in what it cites: 2013-03-04"),
        ({"text": "it has 40 people"}, "not in what it cites: 40"),
        ({"text": "run by Ada Lovelace"}, "not in what it cites: Ada Lovelace"),
        ({"kind": "quote", "text": "in York", "quote": "in York"}, ""),
        ({"kind": "quote", "text": "in york", "quote": "in york"}, "the quote is not in"),
        ({"kind": "quote", "text": "York", "quote": "in York"}, "the quote is not in"),
    ],
)
def test_what_is_not_in_the_evidence_is_found(line: dict[str, Any], problem: str) -> None:
    found = check_report(report(line))
    assert (problem in " ".join(found)) if problem else found == []


def test_prose_is_checked_as_lines_are() -> None:
    good = {"text": "It has been in York since 2012-03-04. [sn1]", "cites": ["sn1"]}
    assert check_report(report(prose=[good])) == []
    assert check_report(report(prose=[good | {"cites": []}]))
    assert check_report(report(prose=[{"text": "It has 9 sites. [sn1]", "cites": ["sn1"]}]))
    assert check_report(report(evidence=[FACT, FACT]))


@pytest.mark.parametrize(
    "text",
    [
        "![x](https://evil.example/?q=1)", "[click](javascript:alert(1))", "<img src=x onerror=alert(1)>",
        "<https://evil.example>", "https://evil.example/path", "www.evil.example", "a@evil.example", "`code` *b* _i_",
        "\u202ereversed\u202c \u200bhidden", "# head\n\n- list\n\n| a | b |", "[ref]: https://evil.example",
        "&lt;script&gt;", "~~gone~~",
    ],
)  # fmt: skip
def test_text_of_others_stays_text(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    assert not set("\u200b\u202c\u202e") & set(shown)
    bare = shown.replace("\\\\", "")
    for char in "`*_[]#|~!@":
        assert all(bare[place - 1] == "\\" for place, one in enumerate(bare) if one == char)
    assert "<" not in shown
    assert "://" not in shown.replace("\\://", "")
    assert "www." not in shown


@pytest.mark.parametrize("text", ["1. First", "12) Twelfth", "- One", "+ One", "=== Head", "--- Head"])
def test_prose_begins_no_list_and_no_heading(text: str) -> None:
    shown = report_as_markdown(report(prose=[{"text": f"{text} [sn1]", "cites": ["sn1"]}]))
    (line,) = [line for line in shown.splitlines() if line.endswith("\\[sn1\\]") and "Age" not in line]
    assert line[: line.index("\\")].isdigit() or line.startswith("\\")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/a b>)", "[source](<https://x.example/a%20b%3E)>)"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("https://[bad", "https\\://\\[bad"),
        ("", ""),
    ],
)
def test_only_evidence_on_the_web_is_a_link(url: str, shown: str) -> None:
    text = report_as_markdown(report(evidence=[FACT | {"url": url}]))
    assert (shown in text) if shown else "[source]" not in text
    assert text.count("](") == text.count("[source](<http")


def test_what_was_dropped_and_what_failed_is_shown() -> None:
    text = report_as_markdown(
        report(status="partial", problem="company_website: closed", dropped_sentences=2, mode="llm_fallback",
               fallback_reason="No answer.", is_reused=True)
    )  # fmt: skip
    assert "**Partial:** company\\_website: closed" in text
    assert "2 sentences were dropped" in text
    assert "Without prose: No answer." in text
    assert ", used again. Mode: llm\\_fallback." in text


HOSTILE = "24/7 “£5m” M&S\u202eevil\u200b [sn1] ![x](https://evil.example) O'BRIEN-ÅSE 50% 2nd of May"


@pytest.mark.django_db
def test_what_nobody_can_see_is_unknown(org_a: Organization) -> None:
    hidden = " \u200b\u2060 "
    company = make_company(description=hidden, company_type=hidden, accounts_category=" ", address_line1="\n", town=" ",
                           postcode="", sic_codes=[""], previous_names=[{}])  # fmt: skip
    make_event(company, "filing", payload=["SH01"])  # not what any source writes
    make_event(company, "name_changed", payload=7)
    research(org_a, company)
    told = section(json_of(latest(org_a)), "snapshot")["content"]
    unknown = {line["key"] for line in told if line["kind"] == "unknown"}
    assert {"description", "type", "accounts", "address", "industry"} <= unknown
    assert all(line["text"].strip() for line in told)
    assert "Former name" not in {line["part"] for line in told}


@pytest.mark.django_db
def test_each_text_of_others_is_quoted_as_it_is_stored(org_a: Organization) -> None:
    company = make_company()
    make_event(company, "job_posted", payload={"title": "Head of Sales", "locations": ["Leeds", "York"]})
    research(org_a, company)
    told = section(json_of(latest(org_a)), "buying_signals")["content"]
    assert [line["quote"] for line in told if line["part"] == "Job posted" and line["quote"]] == [
        "Head of Sales", "Leeds", "York",
    ]  # fmt: skip


@pytest.mark.django_db
def test_whatever_the_register_and_the_news_hold_the_report_keeps_its_promises(org_a: Organization) -> None:
    company = make_company(
        description=HOSTILE * 9, accounts_category=HOSTILE, company_type=HOSTILE, town=HOSTILE,
        previous_names=[{"name": HOSTILE}, {}], sic_codes=["62012", "None Supplied"],
    )  # fmt: skip
    Business.objects.filter(pk=company.pk).update(name=HOSTILE)
    fill(org_a, company)
    appoint(company, HOSTILE, role=HOSTILE, occupation=HOSTILE, appointed_on=None)
    values: list[Any] = [HOSTILE, 7.5, None, [HOSTILE, 3], {"a": HOSTILE}]
    for kind in ("news", "name_changed", "filing", "job_posted", "officer_resigned", "of_a_new_kind", "web_changed"):
        for value in values:
            names = ("title", "before", "after", "type", "name", "role", "locations", "technologies_added")
            make_event(company, kind, payload=dict.fromkeys(names, value), source=HOSTILE)
    make_signal(org_a, company, rule=HOSTILE[:30], signal_data={"amount": HOSTILE, "currency": HOSTILE},
                evidence=[{"quote": HOSTILE}])  # fmt: skip
    research(org_a, company)  # checks every line
    assert len(texts(json_of(latest(org_a)), "snapshot", "Former name")) == 1  # the other has no name
    text = report_as_markdown(json_of(latest(org_a)))
    assert "\n" + "![" not in text
    assert "](https://evil" not in text
