"""Several who change an organisation's signals at once: none writes over what another has just written."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connections

from oppspot.jobs.models import Event
from oppspot.organizations.models import Organization
from signals_app.detection import DetectionReport, detect_signals
from signals_app.detectors.base import Detection, Evidence, History
from signals_app.models import BusinessScore, BuyingSignal, SignalType, SourceReliability
from signals_app.scoring import explain, refresh_scores
from signals_app.services import change_status, confirm, record_signal
from tests.factories import make_business
from tests.signals_app.factories import make_event, make_signal
from tests.signals_app.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def raised(history: History) -> list[Detection]:
    """All news of a company is one round of money."""
    facts = history.of("news")
    return [
        Detection(
            signal_type=SignalType.FUNDING_ROUND, rule="share_allotment", version="1", weight=80, confidence=75,
            days=180, on=facts[0].on, data={"n": len(facts)}, evidence=tuple(Evidence(fact) for fact in facts),
        )
    ]  # fmt: skip


def detect(org: Organization, ids: Sequence[Any]) -> DetectionReport:
    return detect_signals(org=org, business_ids=ids, detect=raised)


def test_passes_at_once_make_each_signal_once(org_a: Organization, org_b: Organization) -> None:
    ids = [make_event(make_business()).business_id for _ in range(20)]
    reports = at_once(*[lambda: detect(org_a, ids)] * 3, lambda: detect(org_b, ids))
    assert sorted(report.new for report in reports[:3]) == [0, 0, 20]
    assert reports[3].new == BuyingSignal.objects.for_org(org_a).count() == 20
    assert Event.all_orgs.filter(name="signals/buying_signal.detected").count() == 40
    assert {row.signals for row in BusinessScore.objects.for_org(org_a)} == {1}


def test_passes_at_once_that_find_another_report_renew_the_signal(org_a: Organization) -> None:
    business = make_event(make_business()).business
    detect(org_a, [business.pk])
    make_event(business, days_ago=3, source="other")
    reports = at_once(*[lambda: detect(org_a, [business.pk])] * 3)
    assert sorted((report.new, report.renewed) for report in reports) == [(0, 0), (0, 0), (0, 1)]
    assert len(BuyingSignal.objects.for_org(org_a).get().evidence) == 2


def test_a_judgement_during_a_pass_is_not_lost(org_a: Organization) -> None:
    """The pass has read the signal as active, and would write that back with what it renews."""
    business = make_event(make_business()).business
    detect(org_a, [business.pk])
    signal = BuyingSignal.objects.for_org(org_a).get()
    make_event(business, days_ago=3, source="other")

    def judge() -> None:
        change_status(org=org_a, signal_id=signal.pk, status="false_positive", by="alice")
        connections.close_all()

    judging = threading.Thread(target=judge)

    def meanwhile(history: History) -> list[Detection]:
        judging.start()
        judging.join(0.3)  # it has all the time it would take
        return raised(history)

    report = detect_signals(org=org_a, business_ids=[business.pk], detect=meanwhile)
    judging.join()
    assert report.renewed == 1
    signal.refresh_from_db()
    assert (signal.status, signal.handled_by, len(signal.evidence)) == ("false_positive", "alice", 2)
    assert not BusinessScore.objects.for_org(org_a).exists()


def test_scores_after_several_changes_at_once_are_those_of_what_is_there(org_a: Organization) -> None:
    business = make_business()
    false, used, waiting = (make_signal(org_a, business, needs_review=place == 2) for place in range(3))
    refresh_scores(org_a)
    at_once(
        lambda: change_status(org=org_a, signal_id=false.pk, status="false_positive", by="alice"),
        lambda: change_status(org=org_a, signal_id=used.pk, status="acted_upon", by="bob"),
        lambda: confirm(org=org_a, signal_id=waiting.pk, by="carol"),
        *[
            lambda: record_signal(
                org=org_a, business_id=business.pk, signal_type="expansion", strength="strong", confidence=90,
                told_by="dave", quote="A second plant",
            )
        ] * 3,
    )  # fmt: skip
    trust = SourceReliability.objects.for_org(org_a).get(source="companies_house_api")
    assert (trust.confirmed, trust.refuted) == (1, 1)
    row, explained = BusinessScore.objects.for_org(org_a).get(), explain(org_a, business.pk)
    assert row.signals == len(explained.contributions) == 2
    assert row.score == pytest.approx(explained.score)
