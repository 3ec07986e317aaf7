"""`manage.py detect_signals`: which companies it looks at."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from businesses.models import Business, OrgEvent, Watchlist, WatchlistEntry
from businesses.sources.pull import fingerprint_of
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal
from tests.factories import make_business
from tests.signals_app.factories import make_event

pytestmark = pytest.mark.django_db
RAISED = {"title": "Acme raises £5 million in Series A funding led by Balderton"}


def told(org: Organization, business: Business) -> None:
    """An event that the organisation's own systems know of."""
    OrgEvent.objects.for_org(org).create(
        org=org, business=business, kind="news", source="crm", payload=RAISED, occurred_on="2026-11-20",
        fingerprint=fingerprint_of("news", str(business.pk)),
    )  # fmt: skip


def of_signals(org: Organization) -> set[Any]:
    return set(BuyingSignal.objects.for_org(org).values_list("business_id", flat=True))


@pytest.fixture(autouse=True)
def november(time_machine: Any) -> None:
    time_machine.move_to("2026-11-24T12:00:00Z", tick=False)


def test_all_are_those_with_public_events_and_with_ones_own(org_a: Organization, org_b: Organization) -> None:
    public, own, theirs, both = (make_business("Acme") for _ in range(4))
    for business in (public, both):
        make_event(business, payload=RAISED)
    told(org_a, own)
    told(org_a, both)
    told(org_b, theirs)
    call_command("detect_signals", "--all", org="alpha")
    assert of_signals(org_a) == {public.pk, own.pk, both.pk}


def test_a_watchlist_of_the_organisation(org_a: Organization, org_b: Organization) -> None:
    listed, other = make_business("Acme"), make_business("Acme")
    for business in (listed, other):
        make_event(business, payload=RAISED)
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="Ours")
    WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=watchlist, business=listed)
    call_command("detect_signals", org="alpha", watchlist="ours")
    assert of_signals(org_a) == {listed.pk}
    with pytest.raises(CommandError, match="has no watchlist 'ours'"):
        call_command("detect_signals", org="beta", watchlist="ours")
    with pytest.raises(CommandError, match="no organisation 'gamma'"):
        call_command("detect_signals", org="gamma")
