"""Scores: exact sums of what they say, monotone, and the same in SQL as in Python."""

import math
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models import Scorecard
from agents.scoring.candidates import eligible, score_businesses, shortlist
from agents.scoring.criteria import criteria_of, with_fit, years_before
from agents.scoring.facts import Event, Facts, Told, load_facts
from agents.scoring.meaning import Meaning, meaning_of
from agents.scoring.profile import Filters, Icp, SizeBand, Weights
from agents.scoring.scores import PARTS, Score, score_company
from businesses.models import Business
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from signals_app.scoring import Weighed, refresh_scores, score_of
from tests.agents.factories import execute, make_agent
from tests.factories import make_business
from tests.signals_app.factories import make_event, make_signal

DAY = date(2026, 11, 1)
NO_MEANING = Meaning("", ())
ICP = Icp(
    sic=["62"], not_sic=["68"], postcode_areas=["EC"], towns=["Leeds"], min_age=2, max_age=20,
    sizes=[SizeBand.SMALL, SizeBand.MEDIUM], min_employees=5, company_types=["Private Limited Company"],
)  # fmt: skip
days = st.dates(date(2026, 1, 1), DAY)
weighed = st.builds(
    Weighed,
    weight=st.integers(0, 100),
    confidence=st.integers(0, 100),
    half_life_days=st.integers(1, 365),
    occurred_on=days,
    is_negative=st.booleans(),
    trust=st.floats(0, 1),
)
told = st.builds(
    Told,
    pk=st.uuids(),
    signal_type=st.sampled_from(["funding_round", "expansion"]),
    rule=st.just("rule"),
    source=st.just("news_feeds"),
    source_url=st.just("https://news.example/1"),
    quote=st.just("said"),
    weighed=weighed,
)
values: dict[str, st.SearchStrategy[Any]] = {
    "sic_codes": st.sampled_from([[], ["62012"], ["68100"], ["62012", "68100"], ["01110"]]),
    "postcode_area": st.sampled_from(["", "EC", "M"]),
    "town": st.sampled_from(["", "LEEDS", "Leeds", "York"]),
    "incorporated_on": st.none() | st.dates(date(1990, 1, 1), DAY),
    "founded_year": st.none() | st.integers(1990, 2026),
    "accounts_category": st.sampled_from(["", "SMALL", "MICRO ENTITY", "FULL", "DORMANT"]),
    "employee_count": st.none() | st.integers(0, 400),
    "company_type": st.sampled_from(["", "Private Limited Company", "PLC"]),
}
weights = st.builds(
    Weights, fit=st.floats(0, 100), intent=st.floats(1, 100), timing=st.floats(0, 100), data_quality=st.floats(0, 100)
)


@st.composite
def companies(draw: st.DrawFn) -> Facts:
    known = {name: draw(strategy) for name, strategy in values.items()}
    events = st.builds(Event, pk=st.just(1), kind=st.just("news"), on=days, source=st.just("x"), source_url=st.just(""))
    return Facts(
        id=UUID(int=1), **known | {"sic_codes": tuple(known["sic_codes"]), "town_upper": known["town"].upper()},
        signals=tuple(draw(st.lists(told, max_size=4))), event=draw(st.none() | events),
    )  # fmt: skip


def scored(facts: Facts, icp: Icp = ICP, given_weights: Weights | None = None, day: date = DAY) -> Score:
    return score_company(facts, criteria_of(icp, day), given_weights or Weights(), day)


@given(companies(), weights)
def test_a_score_is_the_sum_of_its_contributions(facts: Facts, given_weights: Weights) -> None:
    score = scored(facts, given_weights=given_weights)
    assert math.isclose(score.score, math.fsum(one.points for one in score.contributions), abs_tol=1e-9)
    for part in PARTS:
        value = getattr(score, part)
        assert value is None or -1e-9 <= value <= 100 + 1e-9
    assert 0 <= score.score <= 100
    assert 0 <= score.confidence <= 100 + 1e-9
    assert math.isclose(score.intent or 0, score_of([one.weighed for one in facts.signals], DAY), abs_tol=1e-9)


@given(companies(), told, weights)
def test_more_positive_evidence_never_lowers_it(facts: Facts, more: Told, given_weights: Weights) -> None:
    if more.weighed.is_negative:
        return
    with_more = Facts(**{name: getattr(facts, name) for name in Facts.__slots__} | {"signals": (*facts.signals, more)})
    assert (
        scored(with_more, given_weights=given_weights).score >= scored(facts, given_weights=given_weights).score - 1e-9
    )


@given(companies(), st.randoms(use_true_random=False))
def test_neither_order_nor_name_matters(facts: Facts, chance: Any) -> None:
    signals = list(facts.signals)
    chance.shuffle(signals)
    known = {name: getattr(facts, name) for name in Facts.__slots__}
    other = Facts(**known | {"signals": tuple(signals), "name": "Another name"})
    assert scored(other) == scored(facts)


def test_what_is_unknown_is_no_match_and_lowers_the_confidence_only() -> None:
    icp = Icp(sic=["62"], towns=["Leeds"])
    known = Facts(id=UUID(int=1), sic_codes=("62012",), town="Leeds", town_upper="LEEDS")
    unknown = Facts(id=UUID(int=1), sic_codes=("62012",))
    wrong = Facts(id=UUID(int=1), sic_codes=("62012",), town="York", town_upper="YORK")
    assert scored(known, icp).fit == scored(unknown, icp).fit == 100
    assert scored(wrong, icp).fit == pytest.approx(200 / 3)
    assert scored(unknown, icp).confidence < scored(known, icp).confidence
    assert scored(Facts(id=UUID(int=1)), icp).fit is None


def test_a_profile_that_asks_nothing_leaves_the_fit_out() -> None:
    score = scored(Facts(id=UUID(int=1)), Icp())
    assert score.fit is None
    assert not [one for one in score.contributions if one.part == "fit"]


@pytest.mark.parametrize(("day", "years", "then"), [(date(2024, 2, 29), 1, date(2023, 2, 28)), (DAY, 0, DAY)])
def test_years_before(day: date, years: int, then: date) -> None:
    assert years_before(day, years) == then


@pytest.mark.django_db
@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries(values), min_size=1, max_size=8))
def test_sql_and_python_agree_on_the_fit(rows: list[dict[str, Any]]) -> None:
    Business.objects.all().delete()
    for number, row in enumerate(rows):
        area = row["postcode_area"]
        known = {name: value for name, value in row.items() if name != "postcode_area"}
        make_business(name=f"Company {number}", postcode=f"{area}1 1AA" if area else "", **known)
    criteria = criteria_of(ICP, DAY)
    found = dict(with_fit(Business.objects.all(), criteria).values_list("pk", "sql_fit"))
    facts = load_facts(Organization(pk=UUID(int=9)), list(found), day=DAY, similarities={})
    for one in facts:
        assert found[one.id] == pytest.approx(scored(one).fit or 0.0), one


@pytest.mark.django_db
def test_the_number_of_statements_does_not_grow(org_a: Organization, django_assert_num_queries: Any) -> None:
    def look(ids: Sequence[UUID]) -> list[Score]:
        return score_businesses(org_a, ids, icp=ICP, meaning=NO_MEANING, weights=Weights(), day=DAY)

    first = [make_business().pk]
    many = first + [make_business().pk for _ in range(9)]
    for ids in (first, many):
        with django_assert_num_queries(4):  # trust in sources, signals, events, companies
            assert len(look(ids)) == len(ids)


@pytest.mark.django_db
def test_the_shortlist_holds_who_moves_and_who_fits(org_a: Organization, org_b: Organization) -> None:
    moving, fitting = make_business(name="Moving"), make_business(name="Fitting", sic_codes=["62012"])
    others = [make_business(name=f"Other {place}") for place in range(3)]
    make_signal(org_a, moving)
    make_signal(org_b, others[0])
    for org in (org_a, org_b):
        refresh_scores(org)
    criteria = criteria_of(Icp(sic=["62"]), DAY)
    ids = shortlist(org_a, eligible(Filters()), criteria, NO_MEANING, Weights(), size=1)
    assert set(ids) == {moving.pk, fitting.pk}


@pytest.mark.django_db
def test_the_shortlist_is_one_statement(org_a: Organization, django_assert_num_queries: Any) -> None:
    moving = [make_business(name=f"Moving {place}", sic_codes=["62012"] * (place % 2)) for place in range(4)]
    for business in moving:
        make_signal(org_a, business)
    refresh_scores(org_a)
    criteria = criteria_of(Icp(sic=["62"]), DAY)
    with django_assert_num_queries(1):
        ids = shortlist(org_a, eligible(Filters()), criteria, NO_MEANING, Weights(), size=2)
    assert set(ids) == {moving[1].pk, moving[3].pk}  # of those that move alike, those that fit
    nobody = Business.objects.none()
    assert shortlist(org_a, nobody, criteria, NO_MEANING, Weights()) == []


@pytest.mark.django_db
def test_the_agent_scores_and_keeps_what_changed(org_a: Organization) -> None:
    business = make_business(name="Acme Ltd", sic_codes=["62012"], town="Leeds")
    make_business(name="Gone Ltd", status="dissolved", sic_codes=["62012"])
    make_signal(org_a, business, days_ago=3)
    make_event(business)
    refresh_scores(org_a)
    agent = make_agent(org_a, "scoring_agent", configuration={"icp": {"sic": ["62"], "towns": ["Leeds"]}})
    execution = execute(agent)
    assert execution.status == "completed", execution.error_message
    card = Scorecard.objects.for_org(org_a).get()
    assert (card.business_id, card.fit) == (business.pk, 100)
    assert card.score == pytest.approx(math.fsum(one["points"] for one in card.contributions), abs=1e-9)
    assert [one for one in card.contributions if one["evidence"] and one["part"] == "intent"]
    again = execute(agent)
    assert again.output_data is not None
    assert (again.output_data["changed"], Scorecard.objects.for_org(org_a).count()) == (0, 1)
    make_signal(org_a, business, days_ago=1, weight=50)
    assert execute(agent, companies=[str(business.pk)]).status == "completed"
    assert Scorecard.objects.for_org(org_a).count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("icp", "field"),
    [
        ({"sic": ["99999x"]}, "configuration.icp.sic.0"),
        ({"min_age": 5, "max_age": 2}, "configuration.icp"),
        ({"examples": ["00000000-0000-4000-8000-000000000000"]}, "configuration.icp.examples"),
        ({"sizes": ["huge"]}, "configuration.icp.sizes.0"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(org_a: Organization, icp: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_agent(org_a, "scoring_agent", configuration={"icp": icp})
    assert list(caught.value.fields) == [field]


@pytest.mark.django_db
def test_meaning_is_compared_where_there_are_vectors(org_a: Organization, settings: Any) -> None:
    settings.EMBEDDING_PROVIDER = "deterministic"
    from embeddings.providers import get_provider
    from embeddings.services import generate_embeddings

    beer = make_business(name="Acme Brewery", description="craft beer brewery")
    other = make_business(name="Accounts House", description="bookkeeping for dentists")
    generate_embeddings(provider=get_provider())
    new = make_business(name="No vector yet")
    meaning = meaning_of(Icp(text="craft beer brewery", examples=[beer.pk]))
    assert [target.name for target in meaning.targets] == ["text", "examples"]
    icp = Icp(text="craft beer brewery", examples=[beer.pk])
    found = score_businesses(org_a, [beer.pk, other.pk, new.pk], icp=icp, meaning=meaning, weights=Weights(), day=DAY)
    fits = {one.business_id: one.fit for one in found}
    assert fits[new.pk] is None
    assert (fits[beer.pk] or 0) > 90
    assert (fits[other.pk] or 0) < 50
