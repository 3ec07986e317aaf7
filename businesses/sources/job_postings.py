"""Jobs that companies advertise: on their careers pages, in schema.org's terms, or in files of JSON lines."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.utils import timezone

from businesses.lookup import resolve
from businesses.models import EventKind
from businesses.pulling import watched_businesses
from businesses.sources.careers_pages import careers_link, guesses, posting_links
from businesses.sources.company_website import website_of
from businesses.sources.event_files import items, json_rows
from businesses.sources.event_values import company_of
from businesses.sources.growing_files import file_targets, opened
from businesses.sources.html_pages import Page, read_page
from businesses.sources.job_values import Posting, posting_of, postings_among, thing_of_row
from businesses.sources.pull import (
    Checkpoint,
    CompanyKey,
    Item,
    PullSource,
    Seen,
    Selection,
    Target,
    Unreadable,
    business_targets,
    with_website,
)
from businesses.sources.visits import PAUSE_S, Visits
from oppspot.core.errors import OutsideCallError, PermanentError, RetryableError

MAX_POSTING_PAGES = 10  # of one visit; the others are read on the next ones
MAX_OPEN = 2_000  # postings of a company


class JobPostings(PullSource):
    """The checkpoint of a company is its careers page and what was open there: {key: address of its own page}."""

    name, label = "job_postings", "Job postings"
    pause_s = PAUSE_S

    def targets(self, selection: Selection) -> Iterator[Target]:
        """Files if any are named, else companies with a website."""
        if selection.paths:
            yield from file_targets(self.name, selection)
        else:
            watched = watched_businesses().filter(with_website())
            yield from business_targets(self.name, selection, watched=watched, url=website_of)

    def pull(self, target: Target) -> Iterator[Item]:
        if target.path is not None:
            with opened(target.path, target.checkpoint) as file:
                yield from items(file, json_rows(file), _event_of_row, target.path.name, {})
            return
        visits = Visits(target.checkpoint.get("robots"), pause_s=self.pause_s)
        try:
            page = self._careers_page(visits, target)
        except PermanentError as error:
            yield Unreadable(target.url, str(error))
            return
        yield from self._postings(visits, target, page)

    def _careers_page(self, visits: Visits, target: Target) -> Page:
        """The one of the last visit, or the one that the home page leads to. Raises `OutsideCallError`."""
        if known := target.checkpoint.get("careers_url"):
            try:
                return read_page(visits.page(known))
            except PermanentError:
                pass  # moved: it is looked for again
        home = read_page(visits.page(target.url))
        tried = [found] if (found := careers_link(home)) else guesses(home.url)
        for url in tried:
            try:
                page = read_page(visits.page(url))
            except PermanentError:
                continue
            # A page of one's own careers often only leads on to the system that has the postings.
            if not postings_among(page.things) and not posting_links(page) and (further := careers_link(page)):
                return read_page(visits.page(further))
            return page
        raise PermanentError("No careers page was found, or none that may be read.")

    def _postings(self, visits: Visits, target: Target, page: Page) -> Iterator[Item]:
        """New postings as events, each with how many are open now and were at the last visit."""
        before: Mapping[str, str] | None = target.checkpoint.get("open")
        held = before or {}
        is_open: dict[str, str] = {}
        new: list[Posting] = []
        for item in self._found(visits, page, held, is_open):
            if isinstance(item, Unreadable):
                yield item
            elif item.key not in is_open and len(is_open) < MAX_OPEN:
                is_open[item.key] = item.found_at
                new += [] if item.key in held else [item]
        counts = {"open_count": len(is_open)} | ({} if before is None else {"open_before": len(held)})
        if target.business is not None:
            yield from (_event(str(target.business.pk), posting, counts) for posting in new)
        yield Checkpoint({"careers_url": page.url, "open": is_open, "robots": visits.kept})

    def _found(
        self, visits: Visits, page: Page, held: Mapping[str, str], is_open: dict[str, str]
    ) -> Iterator[Posting | Unreadable]:
        """The postings on the page or, when it states none, on the pages it links to.

        Those that are known by their page are open as long as it is linked to, and are not read again.
        """
        if postings_among(page.things):
            yield from _readable(page)
            return
        links = posting_links(page)
        is_open.update((key, url) for key, url in held.items() if url in links)
        for url in [url for url in links if url not in held.values()][:MAX_POSTING_PAGES]:
            try:
                single = read_page(visits.page(url))
            except OutsideCallError as error:
                if isinstance(error, RetryableError) and error.retry_after:
                    raise
                yield Unreadable(url, str(error))
                continue
            yield from (
                replace(item, found_at=url) if isinstance(item, Posting) else item for item in _readable(single)
            )


def _readable(page: Page) -> Iterator[Posting | Unreadable]:
    yield from (Unreadable(page.url, problem) for problem in page.problems)
    today = timezone.now().date()
    for place, thing in enumerate(postings_among(page.things), start=1):
        try:
            yield posting_of(thing, page.url, today)
        except ValueError as error:
            yield Unreadable(f"{page.url} posting {place}", str(error))


def _event(company: str, posting: Posting, counts: Mapping[str, int]) -> Seen:
    return Seen(
        CompanyKey("id", company),
        EventKind.JOB_POSTED,
        posting.posted_on,
        (company, posting.identity),
        {**posting.payload, **counts},
        posting.url,
    )


def _event_of_row(row: dict[str, Any]) -> Seen:
    """With the same identity as if it were found on the careers page. Raises `ValueError`."""
    key = company_of(row)
    company = resolve([key]).get(key)
    if company is None:
        raise ValueError(f"{key.by} {key.value}: no company, or more than one, goes by it")
    return _event(str(company), posting_of(thing_of_row(row), "", timezone.now().date()), {})
