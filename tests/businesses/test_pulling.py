"""Pulling: facts and checkpoints together, each failure with its reason, and nothing twice."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from businesses.models import (
    Appointment,
    Business,
    BusinessEvent,
    Officer,
    SourceGap,
    SourcePull,
    SourceState,
    Watchlist,
    WatchlistEntry,
)
from businesses.pulling import MAX_BATCH, Pulled, pull_source, watched_businesses
from businesses.sources.pull import (
    BudgetSpent,
    Checkpoint,
    CompanyKey,
    Gap,
    Office,
    Profile,
    PullSource,
    Seen,
    Selection,
    Target,
    Unreadable,
    business_targets,
    fingerprint_of,
)
from oppspot.core.errors import NotConfigured, PermanentError, RetryableError
from oppspot.organizations.models import Organization
from tests.factories import make_business

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 1)


class Scripted(PullSource):
    """Yields what a test says, or raises it."""

    name, label = "scripted", "A script"

    def __init__(self, script: dict[str, list[Any]], *, hint: str = "") -> None:
        self.script, self.hint, self.closed = script, hint, False
        self.given: list[dict[str, Any]] = []

    def missing(self) -> str:
        return self.hint

    def targets(self, selection: Selection) -> Iterator[Target]:
        for key in self.script:
            state = SourceState.objects.filter(source=self.name, target=key).first()
            yield Target(key, state.checkpoint if state else {})

    def pull(self, target: Target) -> Iterator[Any]:
        self.given.append(dict(target.checkpoint))
        for item in self.script[target.key]:
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self) -> None:
        self.closed = True


def news(number: str, place: int = 1, **payload: Any) -> Seen:
    return Seen(CompanyKey("number", number), "news", TODAY, (number, str(place)), payload or {"title": "x"})


def run(*items: Any, **options: Any) -> Pulled:
    return pull_source(Scripted({"one": list(items)}), Selection(), **options)


def test_facts_and_checkpoint_are_kept_and_the_next_pull_goes_on_from_there() -> None:
    make_business(company_number="00000001")
    script = Scripted({"one": [news("00000001"), Checkpoint({"upto": 7})]})
    pull = pull_source(script, Selection(), requested_by="alice").pull
    assert (pull.status, pull.targets, pull.items, pull.new, pull.failed) == ("completed", 1, 1, 1, 0)
    event = BusinessEvent.objects.get()
    assert (event.kind, event.source, event.occurred_on) == ("news", "scripted", TODAY)
    assert event.fingerprint == fingerprint_of("news", "00000001", "1")
    again = pull_source(script, Selection()).pull
    assert script.given == [{}, {"upto": 7}]
    assert (again.items, again.new, BusinessEvent.objects.count()) == (1, 0, 1)
    assert script.closed


def test_what_came_after_the_last_checkpoint_is_kept_too() -> None:
    make_business(company_number="00000001")
    pull = run(news("00000001", 1), Checkpoint({"upto": 1}), news("00000001", 2), RetryableError("cut")).pull
    assert SourceState.objects.get().checkpoint == {"upto": 1}
    assert BusinessEvent.objects.count() == 1  # what nobody vouches for as complete comes again
    assert (pull.status, pull.failures) == ("partial", [{"where": "one", "reason": "cut"}])


def test_many_items_without_a_checkpoint_do_not_pile_up() -> None:
    make_business(company_number="00000001")
    items = [news("00000001", place) for place in range(MAX_BATCH + 5)]
    assert run(*items, PermanentError("no more")).pull.new == MAX_BATCH


def test_a_failing_target_does_not_stop_the_others_and_is_counted() -> None:
    make_business(company_number="00000001")
    script = Scripted({"bad": [RetryableError("503")], "good": [news("00000001"), Checkpoint({})]})
    for failures in (1, 2):
        pull = pull_source(script, Selection()).pull
        state = SourceState.objects.get(target="bad")
        assert (state.failures, state.error, state.succeeded_at) == (failures, "503", None)
    assert (pull.status, pull.targets, pull.failed) == ("partial", 2, 1)
    script.script["bad"] = []
    pull_source(script, Selection())
    state.refresh_from_db()
    assert (state.failures, state.error) == (0, "")
    assert state.succeeded_at is not None


def test_items_that_cannot_be_stored_do_not_take_the_others_along() -> None:
    make_business(company_number="00000001")
    bad = [
        news("00000001", 1, title="a\x00b"),
        news("00000001", 2, title="half \ud800"),
        news("00000001", 3, title="x" * 200_000),
        news("99999999", 4),
        Seen(CompanyKey("number", "no number"), "news", None, ("5",)),
        Unreadable("line 6", "not JSON"),
    ]
    pull = run(*bad, news("00000001", 7), Checkpoint({"upto": 7})).pull
    assert (pull.new, pull.failed) == (1, 6)
    reasons = " ".join(failure["reason"] for failure in pull.failures)
    for part in ("NUL", "surrogate", "larger than", "no company", "not JSON"):
        assert part in reasons


def test_a_company_is_named_by_number_domain_or_name_and_never_guessed() -> None:
    one = make_business("Boring Ltd", website="https://www.boring.example", company_number="00000001")
    make_business("Twin Ltd", status="active")
    make_business("Twin Limited", status="active")
    alive = make_business("Phoenix Ltd", status="active")
    make_business("Phoenix (2009) Ltd", status="dissolved")
    make_business("Phoenix Limited", status="dissolved")
    keys = [
        CompanyKey("domain", "boring.example"),
        CompanyKey("number", "1"),
        CompanyKey("name", "BORING LIMITED"),
        CompanyKey("id", str(one.pk)),
        CompanyKey("name", "Twin"),
        CompanyKey("name", "Phoenix Ltd"),
        CompanyKey("id", "not an id"),
    ]
    run(*(Seen(key, "news", TODAY, (str(place),)) for place, key in enumerate(keys)))
    assert BusinessEvent.objects.filter(business=one).count() == 4
    assert BusinessEvent.objects.filter(business=alive).count() == 1
    assert BusinessEvent.objects.count() == 5


def test_offices_are_kept_as_they_stand_and_written_only_when_they_change() -> None:
    make_business(company_number="00000001")
    office = Office(CompanyKey("number", "1"), "app1", "off1", "SMITH, Ann", "director", appointed_on=TODAY)
    run(office, Checkpoint({}))
    assert Appointment.objects.get().is_current
    assert Officer.objects.get().name_normalised == "smith ann"
    before = list(Appointment.objects.values()) + list(Officer.objects.values())
    run(office, Checkpoint({}))
    assert list(Appointment.objects.values()) + list(Officer.objects.values()) == before
    run(Office(CompanyKey("number", "1"), "app1", "off1", "SMITH, Ann", "director", resigned_on=TODAY), Checkpoint({}))
    assert not Appointment.objects.get().is_current


def test_a_profile_that_differs_is_written_and_told_with_before_and_after() -> None:
    business = make_business("Old Ltd", company_number="00000001", status="active", status_raw="Active", town="LEEDS")
    values = {
        "name": "New Ltd",
        "status": "insolvent",
        "status_raw": "liquidation",
        "town": "YORK",
        "postcode": "YO1 1AA",
    }
    profile = Profile(CompanyKey("number", "00000001"), values, TODAY, "https://register.example/1")
    assert run(profile, Checkpoint({})).pull.new == 3
    business.refresh_from_db()
    assert (business.name, business.name_normalised, business.register_checked_on) == ("New Ltd", "new", TODAY)
    told = {event.kind: event.payload for event in BusinessEvent.objects.all()}
    assert (told["name_changed"]["before"], told["name_changed"]["after"]) == ("Old Ltd", "New Ltd")
    assert told["status_changed"]["after_raw"] == "liquidation"
    assert told["address_changed"]["after"] == {"town": "YORK", "postcode": "YO1 1AA"}
    assert run(profile, Checkpoint({})).pull.new == 0


def test_an_answer_older_than_what_is_known_changes_nothing() -> None:
    business = make_business("New Ltd", company_number="00000001")
    Business.objects.update(register_snapshot_on=TODAY)
    old = Profile(CompanyKey("number", "00000001"), {"name": "Old Ltd"}, TODAY - timedelta(days=1))
    assert run(old, Checkpoint({})).pull.new == 0
    business.refresh_from_db()
    assert business.name == "New Ltd"


def test_what_was_unknown_is_filled_in_silently() -> None:
    business = make_business(company_number="00000001")
    run(Profile(CompanyKey("number", "00000001"), {"accounts_category": "MICRO ENTITY"}, TODAY), Checkpoint({}))
    business.refresh_from_db()
    assert business.accounts_category == "MICRO ENTITY"
    assert not BusinessEvent.objects.exists()


def test_a_source_without_its_key_says_what_to_set() -> None:
    with pytest.raises(NotConfigured, match="Set SCRIPT_KEY"):
        pull_source(Scripted({}, hint="Set SCRIPT_KEY."), Selection())
    assert SourcePull.objects.get().status == "not_configured"


def test_a_spent_budget_ends_the_pull_and_says_when_to_go_on() -> None:
    make_business(company_number="00000001")
    script = Scripted({"one": [BudgetSpent("wait", retry_after=42)], "two": [news("00000001")]})
    pulled = pull_source(script, Selection())
    assert (pulled.retry_after, pulled.pull.status, pulled.pull.targets) == (42, "partial", 1)
    assert SourceState.objects.get().pulled_at is None  # its turn comes again


def test_a_gap_is_recorded_and_the_next_pull_starts_without_a_checkpoint() -> None:
    run(Checkpoint({"timepoint": 5}))
    script = Scripted({"one": [Gap("too old")]})
    pull_source(script, Selection())
    gap = SourceGap.objects.get()
    assert (gap.target, gap.after, gap.closed_at) == ("one", 5, None)
    assert SourceState.objects.get().checkpoint == {}


def test_another_pull_of_the_same_target_is_noticed() -> None:
    make_business(company_number="00000001")

    class Overtaken(Scripted):
        def pull(self, target: Target) -> Iterator[Any]:
            SourceState.objects.update(checkpoint={"upto": 99})
            yield from super().pull(target)

    pull = pull_source(Overtaken({"one": [news("00000001"), Checkpoint({"upto": 1})]}), Selection()).pull
    assert SourceState.objects.get().checkpoint == {"upto": 99}
    assert (pull.new, pull.failures[0]["reason"]) == (0, "another pull reads it")


def test_a_pull_that_breaks_says_so_and_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError("oops"))
    pull = SourcePull.objects.get()
    assert (pull.status, pull.note) == ("failed", "ZeroDivisionError: oops")
    assert pull.finished_at is not None


def test_stopping_ends_after_the_checkpoint() -> None:
    make_business(company_number="00000001")
    asked: list[bool] = []
    pulled = run(
        news("00000001", 1), Checkpoint({"upto": 1}), news("00000001", 2), Checkpoint({"upto": 2}),
        should_stop=lambda: bool(asked) or asked.append(True) or False,  # type: ignore[func-returns-value]
    )  # fmt: skip
    assert SourceState.objects.get().checkpoint == {"upto": 1}
    assert pulled.pull.new == 1


def test_companies_are_pulled_the_stalest_first_and_once_a_pull(org_a: Organization) -> None:
    fresh, stale, never, unwatched = (make_business(website=f"https://c{n}.example") for n in range(4))
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="ours")
    for business in (fresh, stale, never):
        WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=watchlist, business=business)
    now = timezone.now()
    for business, hours in ((fresh, 1), (stale, 9)):
        SourceState.objects.create(
            source="web", target=str(business.pk), business=business, pulled_at=now - timedelta(hours=hours)
        )

    def order(**selection: Any) -> list[Business | None]:
        targets = business_targets(
            "web", Selection(**selection), watched=watched_businesses(), url=lambda business: business.website
        )
        return [target.business for target in targets]

    assert order() == [never, stale, fresh]
    assert order(limit=1) == [never]
    assert order(not_since=now - timedelta(hours=2)) == [never, stale]
    assert order(businesses=Business.objects.filter(pk=unwatched.pk)) == [unwatched]
