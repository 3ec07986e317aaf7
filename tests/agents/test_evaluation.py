"""The evaluation runs, prints what it found, and fails where a property does not hold."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents.evaluation import scoring_agent
from agents.evaluation.base import Property, mean
from agents.management.commands.evaluate_agents import KINDS
from businesses.models import Business

pytestmark = pytest.mark.django_db


def test_every_kind_holds_its_properties_and_leaves_nothing_behind() -> None:
    out = StringIO()
    call_command("evaluate_agents", "--cases", "40", stdout=out)
    text = out.getvalue()
    assert all(kind in text for kind in KINDS)
    assert "VIOLATED" not in text
    assert "Not measured:" in text
    assert not Business.objects.exists()


def test_a_violation_is_an_error_that_names_the_case(monkeypatch: Any) -> None:
    monkeypatch.setattr(scoring_agent, "_bytes", lambda score: object())
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
