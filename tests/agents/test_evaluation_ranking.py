"""Labelled profiles are what their README says, figures are computed right, and planted patterns are found."""

import csv
import math
import random
from itertools import permutations
from statistics import mean
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from agents.evaluation import planted, ranking
from agents.evaluation.base import Measure
from agents.evaluation.orders import best_by_bm25
from agents.evaluation.planted import Planted, back_test, planted_cases
from agents.evaluation.profiles import (
    LabelledProfile,
    expected_ndcg,
    expected_recall,
    labelled_profiles,
    ndcg,
    recall,
)
from agents.evaluation.sample import FILE
from agents.scoring.profile import Filters, Icp
from embeddings.providers.base import MissingModelFiles

GRADES = {"a": 2, "b": 1, "c": 1}


def sample_rows() -> dict[str, dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def passes(row: dict[str, str], filters: dict[str, Any]) -> bool:
    codes, labels = row["sic_codes"].split(";"), row["categories"].split(";")
    return (
        (not filters.get("sic") or any(code.startswith(prefix) for code in codes for prefix in filters["sic"]))
        and row["town"] in filters.get("town", [row["town"]])
        and bool(set(labels) & set(filters.get("category", labels)))
    )


def test_labels_are_of_companies_that_there_are_and_that_may_be_found() -> None:
    profiles, rows = labelled_profiles(), sample_rows()
    assert len(profiles) >= 50
    assert f"labels of {len(profiles)} profiles over {len(rows)} companies" in ranking.LABELS
    assert len({one.name for one in profiles}) == len(profiles)
    assert 0.4 < sum(one.is_held_out for one in profiles) / len(profiles) < 0.6
    for one in profiles:
        Icp.model_validate(one.icp_by_id(dict.fromkeys(rows, UUID(int=1))) | {"counter_examples": []})
        assert set(Filters.model_validate(one.filters).values()) <= {"sic", "town", "category"}
        assert {*one.grades, *one.examples} <= rows.keys(), one.name
        assert all(passes(rows[name], one.filters) for name in one.grades), one.name


@pytest.mark.parametrize(
    "changes", [{"fits": []}, {"partly": ["A"]}, {"icp": {"examples": ["A"]}}, {"icp": {}, "unknown": 1}]
)
def test_labels_that_contradict_themselves_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"stands twice|nothing fits|Extra inputs"):
        LabelledProfile.model_validate({"name": "x", "icp": {}, "fits": ["A"], "partly": []} | changes)


def test_ndcg_and_recall_by_hand() -> None:
    best = 3 + 1 / math.log2(3) + 1 / 2
    assert ndcg(["a", "b", "c"], GRADES, 10) == ndcg(["a", "c", "b"], GRADES, 10) == 1
    assert ndcg(["x", "b", "x", "a"], GRADES, 10) == pytest.approx((1 / math.log2(3) + 3 / math.log2(5)) / best)
    assert ndcg(["x", "a"], GRADES, 1) == ndcg([], GRADES, 10) == 0
    assert ndcg(["a"], GRADES, 1) == 1
    assert recall(["x", "a", "y", "b"], GRADES, 3) == pytest.approx(1 / 3)


def test_the_random_order_is_the_mean_of_all_orders() -> None:
    orders = list(permutations(["a", "b", "c", "x", "y"]))
    assert expected_ndcg(5, GRADES, 3) == pytest.approx(mean(ndcg(order, GRADES, 3) for order in orders))
    assert expected_recall(5, 3) == pytest.approx(mean(recall(order, GRADES, 3) for order in orders))


def test_bm25_prefers_rare_words_and_short_texts() -> None:
    ids = [UUID(int=number) for number in range(4)]
    texts = [{"beer": 1, "craft": 1}, {"beer": 1, "of": 9}, {"beer": 1}, {"tea": 1}]
    assert best_by_bm25(["craft", "beer"], dict(zip(ids, texts, strict=True))) == [ids[0], ids[2], ids[1]]
    assert best_by_bm25(["wine"], dict(zip(ids, texts, strict=True))) == best_by_bm25(["wine"], {}) == []


def test_without_the_model_the_order_is_said_not_to_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingModelFiles("The model is not there.")

    monkeypatch.setattr(ranking, "local_provider", missing)
    expected: tuple[list[Measure], list[str]] = ([], ["Order on labelled profiles: The model is not there."])
    assert ranking.opportunity_measures() == ranking.score_measures() == expected


def auc_of(cases: list[Planted]) -> float:
    test = back_test(cases)
    return planted.area_under_curve(test.scores["score"], test.won)


def test_a_planted_pattern_is_found_in_later_months() -> None:
    figures = {one.name: one for one in planted.measures(planted_cases(1_500))}
    score = figures["AUC"]
    assert score.interval[0] > max(score.baselines[name] or 1 for name in ("random order", "size only", "recency only"))
    assert (score.value or 1) <= (score.baselines["the planted chance itself"] or 0) + 0.02
    assert figures["lift@10%"].interval[0] > 1
    chance = figures["Brier score"]
    assert (chance.value or 1) < (chance.baselines["the same chance for all"] or 0)


def test_where_nothing_is_planted_nothing_is_found() -> None:
    assert auc_of(planted_cases(1_000, strength=0)) == pytest.approx(0.5, abs=0.08)


def test_what_happened_later_would_betray_who_was_won(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trap is there: counting what nobody could know makes the order far better than the planted chance allows."""
    cases = planted_cases(1_000)
    honest = auc_of(cases)
    monkeypatch.setattr(planted, "is_known", lambda signal, day: True)
    assert auc_of(cases) > honest + 0.1


def test_chances_are_judged_by_their_distance_from_what_came() -> None:
    won = np.asarray([True, False] * 10)
    assert planted.brier(won.astype(float), won) == planted.calibration_error(won.astype(float), won) == 0
    half = np.full(20, 0.5)
    assert planted.brier(half, won) == pytest.approx(0.25)
    assert planted.calibration_error(half, won) == 0
    assert planted.calibration_error(np.full(20, 0.8), won) == pytest.approx(0.3)
    shuffled = random.Random(1).sample(range(20), 20)
    assert planted.area_under_curve(np.asarray(shuffled, dtype=float), won) == pytest.approx(0.5, abs=0.3)
