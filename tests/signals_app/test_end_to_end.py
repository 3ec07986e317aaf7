"""From two snapshots of the real sample to a ranked list: each known change becomes the signal that it should."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from businesses.imports.register import import_register
from businesses.models import Business, BusinessEvent, Watchlist, WatchlistEntry
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal, DetectionPass
from signals_app.ranking import ranked
from signals_app.scoring import Tier, explain, tier_of
from signals_app.watching import detect_for_watched
from tests.businesses.register_files import REAL_REGISTER, real_file
from tests.signals_app.two_snapshots import make_snapshots

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

# What each edit of `two_snapshots` must lead to: the type of its signal, and whether it speaks against buying.
EXPECTED: dict[str, set[tuple[str, bool]]] = {
    "grows_and_moves": {("expansion", False)},
    "files_full_accounts": {("expansion", False)},
    "moves": {("expansion", False)},
    "borrows": {("companies_house_filing", False), ("expansion", False)},  # property firms: expansion
    "repays": {("companies_house_filing", False)},
    "is_renamed": {("companies_house_filing", False)},
    "changes_trade": {("companies_house_filing", False)},
    "fails": {("companies_house_filing", True)},
    "is_to_be_struck_off": {("companies_house_filing", True)},
    "appears": {("companies_house_filing", False)},
}


def test_two_snapshots_lead_to_a_ranked_list_with_evidence(
    tmp_path: Path, org_a: Organization, org_b: Organization, capsys: Any
) -> None:
    month: date = timezone.now().date().replace(day=1)
    first, second, edits = make_snapshots(real_file(REAL_REGISTER.name), tmp_path, second=month)
    import_register(paths=[first])
    assert not BusinessEvent.objects.exists()
    everybody = Watchlist.objects.for_org(org_a).create(org=org_a, name="Everybody")
    import_register(paths=[second])
    WatchlistEntry.objects.for_org(org_a).bulk_create(
        WatchlistEntry(org=org_a, watchlist=everybody, business_id=pk)
        for pk in Business.objects.values_list("pk", flat=True)
    )
    made = detect_for_watched(org_a)
    assert made.unreadable == []
    numbers = dict(Business.objects.values_list("company_number", "pk"))
    of: dict[Any, set[tuple[str, bool]]] = {}
    for signal in BuyingSignal.objects.for_org(org_a):
        of.setdefault(signal.business_id, set()).add((signal.signal_type, signal.is_negative))
        assert signal.evidence, signal
        assert all(each["source"] == "companies_house_bulk" for each in signal.evidence)
        assert all(each["fact"].startswith("event:") for each in signal.evidence)
        assert signal.source_url.endswith(Business.objects.get(pk=signal.business_id).company_number or "?")
    changed = {number for name, edit in edits.items() if name != "disappears" for number in edit}
    assert {number for number, pk in numbers.items() if pk in of} <= changed
    for name, expected in EXPECTED.items():
        for number in edits[name]:
            assert of.get(numbers[number], set()) & expected, (name, number, of.get(numbers[number]))
            assert of[numbers[number]] <= expected, (name, number, of[numbers[number]])
    rows = list(ranked(org_a).order_by("-score", "pk"))
    top = {row.business.company_number for row in rows[:2]}
    assert top == set(edits["grows_and_moves"])
    assert [tier_of(row.score) for row in rows] == sorted((tier_of(row.score) for row in rows), key=list(Tier).index)
    assert explain(org_a, rows[0].business_id).score == pytest.approx(rows[0].score)
    assert {row.score for row in rows if row.business.company_number in edits["fails"]} == {0}

    before = list(BuyingSignal.objects.for_org(org_a).order_by("pk").values())
    again = detect_for_watched(org_a)
    assert (again.new, again.renewed, again.cleared) == (0, 0, 0)
    assert list(BuyingSignal.objects.for_org(org_a).order_by("pk").values()) == before
    assert DetectionPass.objects.for_org(org_a).count() == 2
    assert not BuyingSignal.objects.for_org(org_b).exists()
    call_command("detect_signals", org="alpha", show=3)
    printed = capsys.readouterr().out
    assert rows[0].business.name in printed
    assert "companies_house_bulk" in printed
