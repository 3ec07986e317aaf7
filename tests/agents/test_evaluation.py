"""The evaluation runs, prints what it found, and fails where a property does not hold."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents.evaluation import planted, ranking, scoring_agent
from agents.evaluation.base import Property, compared, mean
from agents.evaluation.profiles import labelled_profiles
from agents.management.commands.evaluate_agents import KINDS
from businesses.models import Business
from embeddings.providers.deterministic import DeterministicProvider
from oppspot.organizations.models import Organization

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def few_profiles_by_hashed_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the words, one with filters, one with wishes and one of examples, in both halves; the model takes long."""
    named = {"press", "clothes-retail", "young-renewables", "like-wagamama-in-london"}
    few = tuple(one for one in labelled_profiles() if one.name in named)
    provider = DeterministicProvider.from_settings("")
    monkeypatch.setattr(ranking, "local_provider", lambda: provider)
    monkeypatch.setattr(ranking, "labelled_profiles", lambda: few)


def test_every_kind_holds_its_properties_and_leaves_nothing_behind() -> None:
    out = StringIO()
    call_command("evaluate_agents", "--cases", "20", stdout=out)
    text = out.getvalue()
    assert all(kind in text for kind in KINDS)
    assert "VIOLATED" not in text
    assert "Not measured:" in text
    assert "nDCG@10, held-out half" in text
    assert "planted outcomes of invented companies" in text
    assert not Business.objects.exists()
    assert not Organization.objects.exists()


def test_a_violation_is_an_error_that_names_the_case(monkeypatch: Any) -> None:
    monkeypatch.setattr(scoring_agent, "_bytes", lambda score: object())
    monkeypatch.setattr(scoring_agent, "score_measures", lambda: ([], []))
    monkeypatch.setattr(planted, "measures", lambda cases: [])
    out = StringIO()
    with pytest.raises(CommandError, match="5 violations"):
        call_command("evaluate_agents", "scoring_agent", "--cases", "5", stdout=out)
    assert "same input, same bytes: VIOLATED 5 times: case 0" in out.getvalue()


def test_unknown_kinds_and_numbers_are_refused() -> None:
    for args in (["nonsense"], ["--cases", "0"]):
        with pytest.raises(CommandError):
            call_command("evaluate_agents", *args)


def test_a_mean_has_its_interval() -> None:
    made = mean("x", [0.0, 1.0] * 50, labels="nobody's", baselines={})
    assert made.value == 0.5
    assert 0.35 < made.interval[0] < 0.5 < made.interval[1] < 0.65
    assert mean("x", [], labels="nobody's", baselines={}).value is None
    assert Property("x").violations == 0


def test_a_difference_is_that_of_the_same_cases() -> None:
    """Each case is a tenth better, however far the cases are from one another."""
    theirs = [0.0, 0.9] * 50
    made = compared("x", [one + 0.1 for one in theirs], labels="nobody's", others={"baseline": theirs})
    assert made.value == pytest.approx(0.55)
    assert made.baselines == {"baseline": pytest.approx(0.45)}
    assert made.ahead["baseline"] == pytest.approx((0.1, 0.1))
