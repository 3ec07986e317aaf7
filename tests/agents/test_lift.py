"""What won and lost opportunities teach: lifts, a suggested profile, and honest figures of the held-out."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.scoring.facts import Facts
from agents.scoring.lift import LEARNT, Lift, learnt_from, lifts_of, measure, suggest, suggested
from agents.scoring.outcomes import HOLD_OUT, age_on, band_label, bands, load_cases, values_of
from agents.scoring.profile import Icp, SizeBand
from agents.scoring.ranking_quality import MIN_EACH, auc, precision_at, quality_of
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from signals_app.evaluation import wilson
from signals_app.models import BuyingSignal, SignalStatus
from tests.agents.factories import make_agent
from tests.agents.outcome_cases import DAY, FOUND_AT, make_case, mark, planted
from tests.factories import make_business
from tests.signals_app.factories import make_signal

labelled = st.lists(st.tuples(st.sampled_from([0.0, 33.3, 50.0, 100.0]), st.booleans()), min_size=2, max_size=60)


def counts_of(cases: list[tuple[float, bool]]) -> tuple[Any, Any]:
    levels = sorted({score for score, _ in cases})
    positive = [sum(score == level and won for score, won in cases) for level in levels]
    negative = [sum(score == level and not won for score, won in cases) for level in levels]
    return np.array([positive]), np.array([negative])


@given(labelled)
def test_the_auc_is_the_share_of_pairs_in_order(cases: list[tuple[float, bool]]) -> None:
    won, lost = [score for score, one in cases if one], [score for score, one in cases if not one]
    if not won or not lost:
        return
    pairs = [(high > low) + (high == low) / 2 for high in won for low in lost]
    assert auc(*counts_of(cases))[0] == pytest.approx(sum(pairs) / len(pairs))


@given(labelled, st.integers(1, 60))
def test_a_precision_counts_ties_by_their_share(cases: list[tuple[float, bool]], k: int) -> None:
    k = min(k, len(cases))
    ordered = sorted(cases, key=lambda one: -one[0])
    last = ordered[k - 1][0]
    sure = [won for score, won in ordered if score > last]
    tied = [won for score, won in ordered if score == last]
    expected = (sum(sure) + (k - len(sure)) * sum(tied) / len(tied)) / k
    assert precision_at(k, *counts_of(cases))[0] == pytest.approx(expected)


@given(labelled)
def test_figures_lie_within_their_intervals_and_are_the_same_each_time(cases: list[tuple[float, bool]]) -> None:
    scores, won = [score for score, _ in cases], [one for _, one in cases]
    quality = quality_of(scores, won)
    assert (quality is None) is (min(sum(won), len(won) - sum(won)) < MIN_EACH)
    assert quality == quality_of(scores, won)
    if quality is not None:
        for figure in (quality.auc, quality.precision):
            assert 0 <= figure.low <= figure.high <= 1
        assert quality.k <= len(cases)


def test_a_perfect_order_and_a_worthless_one() -> None:
    won = [True] * 30 + [False] * 30
    perfect, worthless = quality_of([100.0 * one for one in won], won), quality_of([50.0] * 60, won)
    assert perfect is not None
    assert worthless is not None
    assert (perfect.auc.value, perfect.auc.low, perfect.precision.value) == (1, 1, 1)
    assert (worthless.auc.value, worthless.precision.value, worthless.base) == (0.5, 0.5, 0.5)


def test_lifts_count_what_is_known() -> None:
    cases = [
        make_case(1, is_won=True, sic_codes=("62012", "62020"), signals=["expansion"]),
        make_case(2, is_won=False, sic_codes=("62012", "68100")),
        make_case(3, is_won=True),  # its industry is not known
        make_case(4, is_won=False, sic_codes=("68100",)),
    ]
    by_value = {(one.attribute, one.value): one for one in lifts_of(cases)}
    software, estates = by_value["industry", "62"], by_value["industry", "68"]
    assert (software.won, software.lost, software.rate) == (1, 1, 0.5)
    assert (software.low, software.high) == wilson(1, 2)
    assert software.base == pytest.approx(1 / 3)
    assert software.lift == pytest.approx(1.5)
    assert (estates.won, estates.lost, estates.lift) == (0, 2, 0)
    assert (by_value["signal", "expansion"].won, by_value["signal", "none"].lost) == (1, 2)
    assert not [one for one in by_value.values() if one.attribute in {"size", "age", "company_type"}]


def lift(attribute: str, value: str, won: int, lost: int, base: float = 0.5) -> Lift:
    low, high = wilson(won, won + lost)
    return Lift(attribute, value, won, lost, won / (won + lost), low, high, base, won / (won + lost) / base)


def test_what_is_learnt_is_shown_by_its_interval() -> None:
    learnt = learnt_from([
        lift("industry", "62", 30, 5), lift("industry", "47", 11, 9), lift("industry", "68", 3, 30),
        lift("industry", "01", 4, 0),  # too few
        lift("postcode_area", "EC", 20, 4), lift("size", "small", 20, 4), lift("size", "large", 4, 20),
        lift("company_type", "PLC", 20, 4), lift("signal", "expansion", 30, 1),
        lift("age", "2-4", 15, 1), lift("age", "5-9", 15, 1), lift("age", "20+", 20, 1),
    ])  # fmt: skip
    assert learnt == {
        "sic": ["62"], "not_sic": ["68"], "postcode_areas": ["EC"], "sizes": ["small"], "company_types": ["PLC"],
        "min_age": 2, "max_age": 9,
    }  # fmt: skip
    assert learnt_from([lift("age", "20+", 20, 1)]) == {"min_age": 20, "max_age": None}
    assert learnt_from([]) == {}


def test_what_was_learnt_takes_the_place_of_the_profile_s_own() -> None:
    current = Icp(text="breweries", sic=["11", "6831"], not_sic=["62012", "01"], towns=["Leeds"], min_age=3)
    icp = suggested(current, {"sic": ["62"], "sizes": ["small"]})
    assert (icp.text, icp.sic, icp.not_sic, icp.towns) == ("breweries", ["62"], ["01"], ["Leeds"])
    assert (icp.min_age, icp.sizes) == (3, [SizeBand.SMALL])
    assert suggested(current, {"not_sic": ["68"]}).sic == ["11"]
    assert suggested(current, {}) == current


def test_too_few_outcomes_are_refused() -> None:
    cases = [make_case(number, is_won=number < 19) for number in range(60)]
    with pytest.raises(InvalidInput, match="not enough outcomes: need >= 20 of each; there are 19 companies won"):
        suggest(Icp(), cases)


def test_a_planted_pattern_is_found_and_holds() -> None:
    """Planted, so that it proves the machinery and says nothing of anybody's customers."""
    found = suggest(Icp(sic=["01"]), planted(1_500, strength=0.8))
    assert found.learnt["sic"] == ["62"]
    assert found.learnt["not_sic"] == ["68"]
    assert found.learnt["postcode_areas"] == ["EC"]
    assert found.suggested.quality is not None
    assert found.suggested.quality.auc.low > 0.7
    assert found.suggested.quality.precision.value > found.suggested.quality.base
    assert found.suggested.note == "tells won from lost better than chance"
    assert found.current.quality is not None
    assert found.current.quality.auc.value == 0.5  # nobody is in farming
    assert found.train.won + found.train.lost > found.hold_out.won + found.hold_out.lost
    assert set(found.learnt) <= set(LEARNT)


def test_chance_is_not_taken_for_a_pattern() -> None:
    """Of profiles learnt from noise, about one in forty may pass as better than chance; not one of this many does."""
    notes = [suggest(Icp(sic=["62"]), planted(400, strength=0, seed=seed)).suggested for seed in range(2, 12)]
    measured = [one.quality.auc for one in notes if one.quality is not None]
    assert len(measured) == 10
    assert sum(one.low > 0.5 for one in measured) <= 1
    assert abs(np.mean([one.value for one in measured]) - 0.5) < 0.05


def test_nothing_known_is_not_measured() -> None:
    cases = [make_case(number, is_won=number % 2 == 0) for number in range(60)]
    assert measure(Icp(sic=["62"]), cases).quality is None
    assert measure(Icp(sic=["62"]), cases).unknown == 60
    few = [make_case(number, is_won=number == 0, sic_codes=("62012",)) for number in range(9)]
    assert measure(Icp(sic=["62"]), few).note == "not measured: too few were held out, 1 won and 8 lost"


def test_a_company_stays_on_its_side() -> None:
    cases = planted(3_000, strength=0.5)
    share = sum(case.is_held_out for case in cases) / len(cases)
    assert share == pytest.approx(HOLD_OUT, abs=0.03)
    assert [one.is_held_out for one in cases[:50]] == [one.is_held_out for one in planted(50, strength=0.1)]


@given(st.integers(0, 600))
def test_bands_leave_no_age_out(age: int) -> None:
    low, high = next(band for band in bands() if band[0] <= age and (band[1] is None or age <= band[1]))
    assert band_label(age) == (f"{low}+" if high is None else f"{low}-{high}")
    assert all(one[1] is not None and one[1] + 1 == other[0] for one, other in pairwise(bands()))


@pytest.mark.parametrize(
    ("known", "age"),
    [
        ({"incorporated_on": date(2020, 6, 1)}, 6),
        ({"incorporated_on": date(2020, 6, 2)}, 5),
        ({"incorporated_on": date(2027, 1, 1)}, None),
        ({"founded_year": 2020}, 6),
        ({"founded_year": 2030}, None),
        ({}, None),
    ],
)
def test_ages(known: dict[str, Any], age: int | None) -> None:
    assert age_on(Facts(id=UUID(int=1), **known), DAY) == age


def test_older_codes_tell_no_industry() -> None:
    facts = Facts(id=UUID(int=1), sic_codes=("7222", "62012", "00000"))
    assert values_of(facts, DAY, [])["industry"] == ("62",)


# From the database


@pytest.mark.django_db
def test_cases_hold_what_was_known_when_a_company_was_found(org_a: Organization, org_b: Organization) -> None:
    agent, other = make_agent(org_a, "opportunity_bot"), make_agent(org_a, "opportunity_bot")
    acme = make_business(name="Acme", sic_codes=["62012"], postcode="EC1A 1AA", incorporated_on=date(2020, 6, 2))
    mark(agent, acme, "won")
    mark(other, acme, "lost", handled_at=FOUND_AT - timedelta(days=1))  # the last counts
    mark(agent, make_business(), "dismissed")
    mark(make_agent(org_b, "opportunity_bot"), make_business(), "won")

    def signal(kind: str, *, found: int, occurred: int, **fields: Any) -> None:
        made = make_signal(org_a, acme, signal_type=kind, occurred_on=DAY + timedelta(days=occurred), **fields)
        detected_at = FOUND_AT + timedelta(days=found)
        BuyingSignal.objects.for_org(org_a).filter(pk=made.pk).update(detected_at=detected_at)

    signal("expansion", found=-3, occurred=-5)
    signal("funding_round", found=2, occurred=-5)  # it was not known yet
    signal("job_posting", found=-3, occurred=-400)  # too old
    signal("executive_change", found=-3, occurred=-5, is_negative=True)
    signal("website_activity", found=-3, occurred=-5, status=SignalStatus.FALSE_POSITIVE, handled_at=FOUND_AT)
    (case,) = load_cases(org_a)
    assert (case.facts.id, case.is_won, case.found_on) == (acme.pk, True, DAY)
    assert case.values == {
        "industry": ("62",), "postcode_area": ("EC",), "age": ("5-9",), "size": (), "company_type": (),
        "signal": ("expansion",),
    }  # fmt: skip


@pytest.mark.django_db
def test_the_statements_do_not_grow(org_a: Organization, django_assert_num_queries: Any) -> None:
    agent = make_agent(org_a, "opportunity_bot")
    mark(agent, make_business(), "won")
    for count in (1, 11):
        with django_assert_num_queries(3):  # outcomes, signals, companies
            assert len(load_cases(org_a)) == count
        for _ in range(10):
            mark(agent, make_business(), "lost")
