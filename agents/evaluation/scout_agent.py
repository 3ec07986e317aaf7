"""Scouting: the detectors on the golden and the held-out set, and one happening one detection however it is told."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

from agents.evaluation.base import SEED, Evaluation, Measure, Property
from signals_app.detectors.base import History
from signals_app.detectors.registry import detect_all
from signals_app.evaluation import evaluate as evaluate_detectors
from signals_app.evaluation import wilson
from signals_app.labelled import GOLDEN, HELD_OUT, cases_in
from signals_app.models import SignalType

NOT_MEASURED = [
    "Agreement of two labellers: each set has one.",
    "The world's events: both sets are written, not sampled.",
]


def evaluate(cases: int) -> Evaluation:
    """Random histories put together of labelled facts: shuffled, doubled, and looked at twice."""
    chance = Random(SEED)
    histories = [one.history for directory in (GOLDEN, HELD_OUT) for one in cases_in(directory)]
    order = Property("the order of facts does not matter")
    doubled = Property("k copies of a report make one signal")
    evidence = Property("every signal has evidence and a date")
    for number in range(cases):
        history = chance.choice(histories)
        case = f"case {number} of seed {SEED}"
        found = detect_all(history)
        evidence.check(all(one.evidence and one.on for one in found), case)
        facts = list(history.facts)
        chance.shuffle(facts)
        order.check(detect_all(replace(history, facts=tuple(facts))) == found, case)
        copies = tuple(fact for fact in facts for _ in range(chance.randint(1, 3)))
        doubled.check(_kinds(replace(history, facts=copies)) == _kinds(history), case)
    measures = [
        *_measures("golden set, which rules were fitted to", GOLDEN),
        *_measures("held-out set, which they were not", HELD_OUT),
    ]
    return Evaluation("scout_agent", [order, doubled, evidence], measures, NOT_MEASURED)


def _kinds(history: History) -> Counter[tuple[str, str, frozenset[UUID]]]:
    return Counter(
        (str(one.signal_type), one.rule, frozenset(item.fact.fingerprint for item in one.evidence))
        for one in detect_all(history)
    )


def _measures(labels: str, directory: Path) -> list[Measure]:
    counts = evaluate_detectors(cases_in(directory), detect_all).counts
    made = []
    for kind in SignalType:
        one = counts[kind]
        for name, right, whole in (
            ("precision", one.right, one.right + one.false),
            ("recall", one.right, one.right + one.missed),
        ):
            value = right / whole if whole else None
            made.append(Measure(f"{kind.value} {name}", value, wilson(right, whole), whole, labels))
    return made
