"""The checks of opportunities find what is wrong: each rule that is taken away is seen to be missing."""

from collections.abc import Callable
from typing import Any

import pytest

from agents import opportunities
from agents.evaluation import opportunity_bot
from agents.kinds import opportunity_bot as kind
from agents.scoring import candidates
from agents.scoring.profile import Filters
from businesses.filters import filter_businesses

pytestmark = pytest.mark.django_db
CASES = 40


@pytest.fixture(autouse=True)
def without_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opportunity_bot, "opportunity_measures", lambda: ([], []))


def violated() -> set[str]:
    made = opportunity_bot.evaluate(CASES)
    return {one.name.split(";")[0].split(",")[0] for one in made.properties if one.violations}


def pass_everything(filters: Filters) -> Any:
    return filter_businesses(filters.values())


def keep_all(scores: Any, count: int) -> Any:
    return list(scores)[:count]


def find_too_many(scores: Any, count: int) -> Any:
    return candidates.diverse(scores, count + 1)


def find_too_few(scores: Any, count: int) -> Any:
    return candidates.diverse(scores, count)[1:]


@pytest.mark.parametrize(
    ("name", "instead", "missing"),
    [
        ("eligible", pass_everything, "no hard filter is violated"),
        ("without_known", lambda found, org, **known: found, "nothing that was closed"),
        ("diverse", keep_all, "no company twice"),
        ("diverse", find_too_many, "at most as many as asked for"),
        ("diverse", find_too_few, "what passes is found"),
    ],
)
def test_a_rule_that_is_missing_is_seen(
    monkeypatch: pytest.MonkeyPatch, name: str, instead: Callable[..., Any], missing: str
) -> None:
    monkeypatch.setattr(kind, name, instead)
    assert missing in violated()


def test_a_history_that_is_wrong_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opportunities, "CLOSED", ())
    assert "new" in violated()


def test_all_hold() -> None:
    assert violated() == set()
