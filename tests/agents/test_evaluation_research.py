"""The evaluation of reports: its dossiers are what they say, and each of its checks can fail."""

import copy
from collections import Counter
from random import Random
from typing import Any

import pytest

from agents.evaluation import fabrications, research_gpt
from agents.evaluation.answers import BASELINES, LABELS, QUESTIONS, Told, of_agent, report_of
from agents.evaluation.fabrications import KINDS, random_fact, tried
from agents.evaluation.gold import PLAIN, gold_dossiers, store
from agents.evaluation.random_dossiers import random_dossier
from agents.evaluation.research_checks import (
    is_misquoted,
    no_such_fact,
    pool_of,
    stored_texts,
    strange_words,
    wrongly_known,
)
from agents.research.dossier import Dossier
from businesses.models import Business
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal


def rich_dossier() -> Dossier:
    """A random one that has something of everything, and no hostile text."""
    chance = Random(1)
    found = (random_dossier(chance) for _ in range(2_000))
    return next(
        one for one in found
        if one.business.name == "Acme Widgets PLC" and one.business.description and one.offices and one.events
        and one.scored.contributions and one.business.employee_count and one.business.accounts_category == "SMALL"
    )  # fmt: skip


def section_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in report["sections"] if one["name"] == name)
    return found


def line_of(section: dict[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = next(line for line in section["content"] if line["key"] == key)
    return found


def test_the_dossiers_are_as_many_as_are_claimed_and_invented() -> None:
    golds = list(gold_dossiers())
    assert len(golds) == 54
    assert LABELS.startswith("54 invented")
    assert sum(len(one.unknown) for one in golds) >= 100
    assert Counter(one.trap for one in golds) == {
        PLAIN: 18, "conflicting": 9, "stale": 9, "namesake": 9, "injection": 9,
    }  # fmt: skip
    assert {question for one in golds for question in (*one.unknown, *one.in_text)} <= set(QUESTIONS)
    assert all(one.must or one.never or one.must_not for one in golds if one.trap != PLAIN)
    numbers = [one.profile["company_number"] for one in golds]
    numbers += [other["profile"]["company_number"] for one in golds for other in one.others]
    assert len(set(numbers)) == len(numbers)
    assert all(number.startswith("ZZ") for number in numbers)  # a prefix that the register has not
    assert all(one.profile.get("website", ".example").endswith(".example") for one in golds)


@pytest.mark.django_db
def test_a_dossier_is_loaded_as_the_agent_loads_it(org_a: Organization, org_b: Organization) -> None:
    gold = next(one for one in gold_dossiers() if one.elsewhere)
    stored = store(gold, org_a, org_b)
    assert BuyingSignal.objects.for_org(org_b).filter(business=stored.dossier.business).exists()
    told = of_agent(stored)
    assert told.stands(gold)
    assert {"signals", "funding", "turnover"} <= told.unknown
    assert [make(stored).holds("ZZ000413") for make in BASELINES.values()] == [False, True, True]
    assert Business.objects.count() == 1 + len(gold.others)


def test_what_is_told_is_judged() -> None:
    gold = next(one for one in gold_dossiers() if one.name == "Ropewalk Rigging Ltd")
    assert Told([("turnover is £900m", True)], frozenset()).stands(gold)
    assert not Told([("turnover is £900M", False)], frozenset()).stands(gold)
    stale = next(one for one in gold_dossiers() if one.name == "Applegarth Data Ltd")
    assert not Told([("Jobs: 1 advertised since 2026", True)], frozenset()).stands(stale)


def test_each_check_of_reports_can_fail() -> None:
    dossier = rich_dossier()
    report, stored, pool = report_of(dossier), stored_texts(dossier), pool_of(dossier)
    assert not wrongly_known({one["name"]: one for one in report["sections"]}, dossier)
    for one in report["sections"]:
        assert (no_such_fact(one), is_misquoted(one, stored), strange_words(one, pool)) == (False, False, [])

    def changed(key: str, **values: Any) -> dict[str, Any]:
        made = copy.deepcopy(report)
        line_of(section_of(made, "snapshot"), key).update(values)
        return made

    quoted = line_of(section_of(report, "snapshot"), "description")["text"]
    assert is_misquoted(section_of(changed("description", text=quoted + " too"), "snapshot"), stored)
    assert no_such_fact(section_of(changed("employees", cites=["sn99"]), "snapshot"))
    assert no_such_fact(section_of(changed("employees", text=" "), "snapshot"))
    assert no_such_fact(
        section_of(changed("employees", kind="unknown", cites=[], text="unknown, but many"), "snapshot")
    )
    unknown = changed("employees", kind="unknown", cites=[], text="unknown: not found in 1 source")
    assert wrongly_known({one["name"]: one for one in unknown["sections"]}, dossier) == ["snapshot.employees"]
    made = copy.deepcopy(report)
    section_of(made, "snapshot")["evidence"][0]["text"] = "Acme Widgets PLC of Chelmsford, 77123"
    assert strange_words(section_of(made, "snapshot"), pool) == ["chelmsford", "77123"]


@pytest.mark.parametrize("name", KINDS)
def test_each_fabrication_differs_from_its_twin_which_is_kept(name: str) -> None:
    chance = Random(7)
    for _ in range(3):
        first, *others = (random_fact(chance, f"bs{place}") for place in (1, 2, 3))
        trial = tried(KINDS[name], first, others, chance)
        assert trial.is_twin_kept
        assert trial.is_caught == KINDS[name].is_seen, trial.text


def test_a_check_that_keeps_everything_is_found_out(monkeypatch: Any) -> None:
    monkeypatch.setattr(fabrications, "grounded_sentences", lambda text, evidence: ([text], []))
    caught, _ = research_gpt._prose(len(KINDS))
    assert caught.violations == caught.cases == sum(kind.is_seen for kind in KINDS.values())


@pytest.mark.parametrize(
    "text", ["[x](https://evil.example)", "![x](y)", "<b>", "a@b", "\u202ex", "[source](<javascript:1>)"]
)
def test_markdown_that_is_not_plain_is_seen(text: str) -> None:
    assert not research_gpt._is_plain(text)
    assert research_gpt._is_plain("[source](<https://x.example/a%20b>) \\[x\\](y) &lt;b&gt; a\\@b")
