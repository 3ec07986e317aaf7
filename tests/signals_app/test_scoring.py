"""The score: its promises for any signals, and that SQL and Python agree."""

from datetime import date, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from django.db.models.expressions import RawSQL
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oppspot.organizations.models import Organization
from signals_app.models import BusinessScore, BuyingSignal, SourceReliability
from signals_app.ranking import SHOWN, ranked
from signals_app.scoring import HOT, Tier, Weighed, explain, refresh_scores, reliability, score_of, tier_of, today
from tests.factories import make_business
from tests.signals_app.factories import make_signal

DAY = date(2026, 11, 20)


def signals(**fixed: Any) -> st.SearchStrategy[Weighed]:
    fields = {
        "weight": st.integers(0, 100),
        "confidence": st.integers(0, 100),
        "half_life_days": st.integers(1, 400),
        "occurred_on": st.integers(-10, 2_000).map(lambda days: DAY - timedelta(days=days)),
        "is_negative": st.booleans(),
        "trust": st.floats(0, 1),
    }
    return st.builds(Weighed, **(fields | {name: st.just(value) for name, value in fixed.items()}))


@given(st.lists(signals(), max_size=12))
def test_it_lies_between_0_and_100(some: list[Weighed]) -> None:
    assert 0 <= score_of(some, DAY) <= 100


@given(st.lists(signals(), max_size=8), signals(is_negative=False))
def test_more_positive_evidence_never_lowers_it(some: list[Weighed], more: Weighed) -> None:
    assert score_of([*some, more], DAY) >= score_of(some, DAY) - 1e-9


@given(st.lists(signals(), max_size=8), signals(is_negative=True))
def test_negative_evidence_never_raises_it(some: list[Weighed], bad: Weighed) -> None:
    assert score_of([*some, bad], DAY) <= score_of(some, DAY) + 1e-9


@given(st.lists(signals(), max_size=8), st.integers(0, 1_000))
def test_age_never_raises_it(some: list[Weighed], days: int) -> None:
    assert score_of(some, DAY + timedelta(days=days)) <= score_of(some, DAY) + 1e-9


@given(st.lists(signals(), min_size=2, max_size=4))
def test_the_order_does_not_matter(some: list[Weighed]) -> None:
    scores = [score_of(order, DAY) for order in permutations(some)]
    assert max(scores) - min(scores) < 1e-9


@given(st.integers(0, 1_000), st.integers(0, 1_000))
def test_a_false_signal_lowers_the_trust_and_a_right_one_does_not(confirmed: int, refuted: int) -> None:
    trust = reliability(confirmed, refuted)
    assert 0 < trust <= 1
    assert reliability(confirmed, refuted + 1) < trust
    assert reliability(confirmed + 1, refuted) >= trust


def test_a_signal_alone_is_its_product_and_fades_by_half_lives() -> None:
    one = Weighed(80, 75, 60, DAY)
    assert score_of([one], DAY) == pytest.approx(60)
    assert score_of([one], DAY + timedelta(days=60)) == pytest.approx(30)
    assert score_of([one, one], DAY) == pytest.approx(84)  # 1 - .4 * .4
    assert score_of([one, Weighed(100, 98, 1, DAY - timedelta(days=400), is_negative=True)], DAY) == pytest.approx(1.2)
    assert score_of([], DAY) == 0


def test_tiers() -> None:
    assert [tier_of(score) for score in (0, 29.9, 30, HOT, 100)] == [
        Tier.WATCHING, Tier.WATCHING, Tier.WARM, Tier.HOT, Tier.HOT,
    ]  # fmt: skip


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(1, 300), st.integers(0, 400), st.booleans()),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_sql_and_python_agree(org_a: Organization, some: list[Any], confirmed: int, refuted: int) -> None:
    BuyingSignal.objects.for_org(org_a).delete()
    SourceReliability.objects.for_org(org_a).delete()
    SourceReliability.objects.for_org(org_a).create(
        org=org_a, source="companies_house_api", confirmed=confirmed, refuted=refuted
    )
    business = make_business()
    for weight, confidence, half_life, age, is_negative in some:
        make_signal(
            org_a, business, weight=weight, confidence_score=confidence, half_life_days=half_life, days_ago=age,
            is_negative=is_negative, expires_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
    refresh_scores(org_a)
    scored = explain(org_a, business.pk)
    assert len(scored.contributions) == len(some)
    row: Any = ranked(org_a).get()
    assert row.score == pytest.approx(scored.score, abs=1e-6)
    shares = {part.signal.pk: part.share for part in scored.contributions}
    listed = {UUID(shown["id"]): shown["share"] for shown in row.top_signals}
    assert listed == {pk: pytest.approx(shares[pk], abs=1e-9) for pk in listed}
    assert sorted(listed.values()) == pytest.approx(sorted(shares.values())[-SHOWN:])  # the heaviest


@pytest.mark.django_db
def test_only_what_counts_is_counted_and_only_for_its_organisation(org_a: Organization, org_b: Organization) -> None:
    business = make_business()
    make_signal(org_a, business)
    make_signal(org_a, business, status="expired")
    make_signal(org_a, business, needs_review=True)
    make_signal(org_a, business, status="false_positive", handled_at=timezone.now())
    make_signal(org_a, business, expires_at=timezone.now() - timedelta(seconds=1))
    make_signal(org_b, business)
    make_signal(org_b, business)
    refresh_scores(org_a)
    (row,) = BusinessScore.objects.for_org(org_a)
    assert (round(row.score), row.signals, row.as_of) == (60, 1, today())
    assert not BusinessScore.objects.for_org(org_b).exists()


def versions(org: Organization) -> dict[Any, str]:
    """The rows' versions by company: a row that is written gets another."""
    rows = BusinessScore.objects.for_org(org).annotate(version=RawSQL("xmin::text", []))
    return dict(rows.values_list("business_id", "version"))


@pytest.mark.django_db
def test_scores_without_signals_go_and_unchanged_ones_are_not_written(org_a: Organization) -> None:
    one, two = make_signal(org_a), make_signal(org_a)
    refresh_scores(org_a)
    before = dict(
        BusinessScore.objects.for_org(org_a).extra(select={"v": "xmin::text"}).values_list("business_id", "v")
    )
    BuyingSignal.objects.for_org(org_a).filter(pk=one.pk).update(status="expired")
    refresh_scores(org_a, [one.business_id])
    refresh_scores(org_a)
    assert versions(org_a) == {two.business_id: before[two.business_id]}


@pytest.mark.django_db
def test_the_parts_tell_what_the_score_would_be_without_them(org_a: Organization) -> None:
    business = make_business()
    strong, weak = make_signal(org_a, business), make_signal(org_a, business, weight=20)
    bad = make_signal(org_a, business, weight=100, confidence_score=50, is_negative=True)
    scored = explain(org_a, business.pk)
    points = {part.signal.pk: part.points for part in scored.contributions}
    assert scored.score == pytest.approx(100 * (1 - 0.4 * 0.85) * 0.5)
    assert points[strong.pk] == pytest.approx(scored.score - 100 * 0.15 * 0.5)
    assert points[weak.pk] == pytest.approx(scored.score - 100 * 0.6 * 0.5)
    assert points[bad.pk] == pytest.approx(-scored.score)
    assert scored.contributions[0].signal.pk in {strong.pk, bad.pk}
