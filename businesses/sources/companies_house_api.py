"""Companies House's REST API: the profile, officers, filings, charges, control and insolvency of single companies.

Each group of a company's facts ends with a checkpoint: a pull that is cut off goes on with the groups that are missing.
Requests come out of one budget for all processes; a refused key ends the pull.
Source: developer-specs.company-information.service.gov.uk.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.utils import timezone

from businesses import budgets
from businesses.sources.companies_house_api_fields import count_of, day_of, mapping_of, text_of
from businesses.sources.companies_house_api_values import (
    charge_counts_of,
    charge_of,
    control_of,
    filing_of,
    insolvency_of,
    officer_of,
    profile_of,
)
from businesses.sources.companies_house_overdue import overdue_of
from businesses.sources.pull import (
    BudgetSpent,
    Checkpoint,
    Item,
    PullSource,
    Selection,
    Target,
    Unreadable,
    business_targets,
)
from oppspot.core.errors import NotConfigured, OutsideCallError, PermanentError, RetryableError
from oppspot.core.http import Answer, RefusedAnswer, TimedOut, plain_client

PAGE = 100  # items; the service may send fewer
MAX_PAGES = 200
FIRST_FILINGS, FIRST_YEARS = 300, 3  # of a company that is read for the first time: whichever is less
MAX_BYTES = 10_000_000  # of an answer
GO_ON = timedelta(hours=1)  # a pull that was cut off longer ago begins anew
DAYS_OF_YEAR = 365.25
REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

ItemsOf = Callable[[str, Mapping[str, Any]], list[Any]]


@dataclass
class _Company:
    """A company at work: its number, and what will be its checkpoint."""

    target: Target
    number: str
    state: dict[str, Any]

    @property
    def done(self) -> list[str]:
        return list(mapping_of(self.state.get("pass")).get("done", ()))

    def checkpoint(self, group: str) -> Checkpoint:
        self.state[f"{group}_on"] = _today().isoformat()
        self.state["pass"] = {**self.state["pass"], "done": [*self.done, group]}
        return Checkpoint(dict(self.state))

    def at_end(self) -> Checkpoint:
        """The next pull asks for everything again."""
        return Checkpoint({name: value for name, value in self.state.items() if name != "pass"})


class NotThere(Exception):
    """The register has nothing at this address."""


class CompaniesHouseApi(PullSource):
    """Its targets are companies that have a number."""

    name = "companies_house_api"
    label = "Companies House API"
    seconds = 30.0  # for an answer, all bytes included

    def missing(self) -> str:
        return "" if settings.COMPANIES_HOUSE_API_KEY else "Set COMPANIES_HOUSE_API_KEY to a key for the REST API."

    def targets(self, selection: Selection) -> Iterator[Target]:
        from businesses.pulling import watched_businesses  # it imports what finds this module

        base = settings.COMPANIES_HOUSE_API_URL.rstrip("/")
        yield from business_targets(
            self.name,
            selection,
            watched=watched_businesses(),
            url=lambda business: f"{base}/company/{business.company_number}" if business.company_number else "",
        )

    def pull(self, target: Target) -> Iterator[Item]:
        """A group that fails does not keep the others from being read; its error is raised at the end.

        Raises `NotConfigured` for a refused key and `BudgetSpent`: both hold for every company.
        """
        if target.business is None:
            raise PermanentError("The API is asked for companies of the register only.")
        company = _Company(target, str(target.business.company_number), _begun(target.checkpoint, timezone.now()))
        failure: OutsideCallError | None = None
        for name, read in self._groups().items():
            if name in company.done:
                continue
            try:
                yield from read(company)
            except NotThere:
                if name == "profile":
                    yield Unreadable(company.number, "the register's API knows no company of this number")
                    return
            except (BudgetSpent, TimedOut):
                raise
            except OutsideCallError as error:
                if name == "profile":
                    raise
                failure = failure or error
                continue
            yield company.checkpoint(name)
        yield company.at_end()
        if failure is not None:
            raise failure

    def _groups(self) -> dict[str, Callable[[_Company], Iterator[Item]]]:
        return {
            "profile": self._profile,
            "officers": partial(self._list, "officers", "total_results", officer_of),
            "filings": self._filings,
            "charges": self._charges,
            "controls": partial(self._list, "persons-with-significant-control", "total_results", control_of),
            "insolvency": self._insolvency,
        }

    def _profile(self, company: _Company) -> Iterator[Item]:
        answer = self._ask(company, "", etag=str(company.state.get("profile_etag", "")))
        if answer.is_unchanged:
            return
        data = _object(answer)
        links = data.get("links")  # of what there is; where they are missing, anything may be
        company.state["has_insolvency"] = (
            not isinstance(links, dict) or "insolvency" in links or data.get("has_insolvency_history") is True
        )
        try:
            profile = profile_of(data, on=_today())
        except ValueError as error:
            yield Unreadable(f"{company.number}, profile", str(error))
            return
        if profile.company.value != company.number:
            yield Unreadable(f"{company.number}, profile", f"company_number: is {profile.company.value}")
        else:
            company.state["profile_etag"] = answer.headers.get("etag", "")
            yield profile
            yield from overdue_of(data, profile)

    def _list(self, path: str, total: str, items_of: ItemsOf, company: _Company) -> Iterator[Item]:
        for page in self._pages(company, path, total):
            yield from self._items(company, page, path, items_of)

    def _charges(self, company: _Company) -> Iterator[Item]:
        for place, page in enumerate(self._pages(company, "charges", "total_count")):
            counts = charge_counts_of(company.number, page, on=_today()) if place == 0 else None
            if counts is not None:
                yield counts
            yield from self._items(company, page, "charges", charge_of)

    def _insolvency(self, company: _Company) -> Iterator[Item]:
        if company.state.get("has_insolvency") is False:
            return
        cases = _object(self._ask(company, "/insolvency")).get("cases")
        page = {"items": [{"cases": [case]} for case in cases] if isinstance(cases, list) else []}
        yield from self._items(company, page, "insolvency", insolvency_of)

    def _filings(self, company: _Company) -> Iterator[Item]:
        """The newest first, to the first page that holds nothing newer than what was read last.

        All of a page is told, since a filing may appear late among older ones.
        """
        known = mapping_of(company.state.get("newest"))
        known_on, known_ids = day_of(known.get("on")), set(known.get("ids", ()))
        horizon = _today() - timedelta(days=round(FIRST_YEARS * DAYS_OF_YEAR))
        newest: dict[str, date] = {}
        read = 0
        for page in self._pages(company, "filing-history", "total_count"):
            days = _filed(page)
            newest |= days
            recent = [item for item in _items_of_page(page) if not _is_before(item, horizon)]
            yield from self._items(company, {"items": recent}, "filing-history", filing_of)
            read += len(_items_of_page(page))
            is_known = known_on is not None and all(
                day < known_on or (day == known_on and key in known_ids) for key, day in days.items()
            )
            is_old = days and max(days.values()) < horizon
            if (days and is_known) or is_old or (known_on is None and read >= FIRST_FILINGS):
                break
        if newest:
            on = max(newest.values())
            ids = {key for key, day in newest.items() if day == on} | (known_ids if on == known_on else set())
            if known_on is None or on >= known_on:
                company.state["newest"] = {"on": on.isoformat(), "ids": sorted(ids)}

    def _items(self, company: _Company, page: Mapping[str, Any], path: str, items_of: ItemsOf) -> Iterator[Item]:
        for item in _items_of_page(page):
            try:
                found = items_of(company.number, _checked(item))
            except ValueError as error:
                yield Unreadable(f"{company.number}, {path}, {_name_of(item)}"[:200], str(error))
            else:
                yield from found

    def _pages(self, company: _Company, path: str, total: str) -> Iterator[Mapping[str, Any]]:
        """Answers until all items that there are have come. Items that move between pages come twice, or next time."""
        start = 0
        for _ in range(MAX_PAGES):
            page = _object(self._ask(company, f"/{path}?items_per_page={PAGE}&start_index={start}"))
            items = page.get("items")
            if items is not None and not isinstance(items, list):
                raise RetryableError(f"Companies House answered for {path} without a list of items.")
            yield page
            start += len(items or ())
            expected = count_of(page.get(total))
            if not items or (start >= expected if expected is not None else len(items) < PAGE):
                return
        raise RetryableError(f"Companies House goes on with {path} after {MAX_PAGES} pages.")

    def _ask(self, company: _Company, path: str, *, etag: str = "") -> Answer:
        """Raises `NotThere`, `BudgetSpent`, `NotConfigured`, or what the client raises."""
        budgets.take(self.name)
        try:
            answer = plain_client().fetch(
                company.target.url + path,
                auth=(settings.COMPANIES_HOUSE_API_KEY, ""),
                etag=etag,
                seconds=self.seconds,
                max_bytes=MAX_BYTES,
            )
        except RefusedAnswer as error:
            if error.answer_status == HTTPStatus.TOO_MANY_REQUESTS:
                budgets.refuse(self.name, error.headers, retry_after=getattr(error, "retry_after", None))
            budgets.learn(self.name, error.headers)
            if error.answer_status in REFUSED:
                raise NotConfigured(
                    f"Companies House refuses the key (status {error.answer_status}).",
                    hint="Set COMPANIES_HOUSE_API_KEY to a key for the REST API, which is not one for streams.",
                ) from error
            if error.answer_status == HTTPStatus.NOT_FOUND:
                raise NotThere from error
            raise
        budgets.learn(self.name, answer.headers)
        return answer


def _begun(checkpoint: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The checkpoint with a pass in it: the one that was cut off, if that is not long ago, or a new one."""
    begun = mapping_of(checkpoint.get("pass"))
    try:
        is_recent = now - datetime.fromisoformat(begun["began"]) < GO_ON
    except (KeyError, TypeError, ValueError):
        is_recent = False
    return dict(checkpoint) | {"pass": begun if is_recent else {"began": now.isoformat(), "done": []}}


def _today() -> date:
    return timezone.now().date()


def _object(answer: Answer) -> Mapping[str, Any]:
    """Raises `RetryableError`: services answer with half a page or somebody else's when they are unwell."""
    try:
        data = json.loads(answer.text())
    except (ValueError, RecursionError):
        raise RetryableError("Companies House answered with something that is not JSON.") from None
    if not isinstance(data, dict):
        raise RetryableError("Companies House answered with JSON that is not an object.")
    return data


def _items_of_page(page: Mapping[str, Any]) -> list[Any]:
    items = page.get("items")
    return items if isinstance(items, list) else []


def _checked(item: Any) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise ValueError("is not an object")  # noqa: TRY004  of an answer, not of a call
    return item


def _name_of(item: Any) -> str:
    """What the item calls itself, for the list of failures."""
    data = mapping_of(item)
    names = (data.get("transaction_id"), mapping_of(data.get("links")).get("self"), data.get("charge_code"))
    return next(filter(None, map(text_of, names)), "an item without an id")


def _filed(page: Mapping[str, Any]) -> dict[str, date]:
    """The day of each filing of a page by its id; those that cannot be read, or are of days to come, are left out."""
    found = {}
    for item in map(mapping_of, _items_of_page(page)):
        key, day = text_of(item.get("transaction_id")), day_of(item.get("date"))
        if key and day is not None and day <= _today():
            found[key] = day
    return found


def _is_before(item: Any, horizon: date) -> bool:
    day = day_of(mapping_of(item).get("date"))
    return day is not None and day < horizon
