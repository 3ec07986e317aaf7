"""Companies' websites: the home page and up to three others, compared with the last visit."""

from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from businesses.models import Business, EventKind
from businesses.payloads import WebChanged
from businesses.pulling import watched_businesses
from businesses.sources import web_changes
from businesses.sources.html_pages import read_page, site_of
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
from businesses.sources.technologies import Shown, technologies_of
from businesses.sources.visits import PAUSE_S, Visits
from businesses.sources.web_changes import State
from oppspot.core.errors import OutsideCallError, PermanentError

HOME = "home"


class CompanyWebsite(PullSource):
    """The first visit only remembers. The checkpoint is what the next one is compared with."""

    name, label = "company_website", "Companies' websites"
    pause_s = PAUSE_S

    def targets(self, selection: Selection) -> Iterator[Target]:
        watched = watched_businesses().filter(with_website())
        yield from business_targets(self.name, selection, watched=watched, url=website_of)

    def pull(self, target: Target) -> Iterator[Item]:
        visits = Visits(target.checkpoint.get("robots"), pause_s=self.pause_s)
        before: dict[str, State] = target.checkpoint.get("pages", {})
        try:
            home, others = self._home(visits, target.url, before)
        except PermanentError as error:
            yield Unreadable(target.url, str(error))
            return
        after = {HOME: home}
        for role, url in others.items():
            try:
                after[role] = self._page(visits, url, role, before.get(role))[0]
            except OutsideCallError as error:
                yield Unreadable(url, str(error))
                if role in before:  # it is there, but cannot be read now
                    after[role] = before[role]
        if before:
            yield from _changes(target, before, after)
        kept = {
            role: web_changes.kept_state(before[role], state) if role in before else state
            for role, state in after.items()
        }
        yield Checkpoint({"seen_at": timezone.now().isoformat(), "pages": kept, "robots": visits.kept})

    def _home(self, visits: Visits, url: str, before: dict[str, State]) -> tuple[State, dict[str, str]]:
        """The home page and its links to the others; as they were, if it is unchanged."""
        state, others = self._page(visits, url, HOME, before.get(HOME))
        if others is None:
            others = {role: kept["url"] for role, kept in before.items() if role != HOME}
        return state, others

    def _page(self, visits: Visits, url: str, role: str, before: State | None) -> tuple[State, dict[str, str] | None]:
        """Raises `OutsideCallError`; the links are None when the page is as it was."""
        held = before or {}
        answer = visits.page(url, etag=held.get("etag", ""), last_modified=held.get("last_modified", ""))
        if answer.is_unchanged and before is not None:
            return before, None
        page = read_page(answer)
        if reason := web_changes.unusable(page):
            raise PermanentError(reason)
        shown = Shown(page.resources, page.generators, answer.headers)
        state = web_changes.state_of(
            page,
            role=role,
            technologies=technologies_of(shown),
            etag=answer.headers.get("etag", ""),
            last_modified=answer.headers.get("last-modified", ""),
        )
        return state, web_changes.other_pages(page)


def website_of(business: Business) -> str:
    """Its website as a URL; "" for one that is none."""
    if not business.domain:
        return ""
    return business.website if "//" in business.website else f"https://{business.website}"


def _changes(target: Target, before: dict[str, State], after: dict[str, State]) -> Iterator[Seen]:
    """One event for each page that differs; what concerns the site as a whole is told with the home page."""
    for role, state in after.items():
        change: dict[str, Any] = web_changes.page_change(before[role], state) if role in before else {}
        if role == HOME:
            change |= web_changes.site_change(before, after)
            domains = site_of(before[HOME]["url"]), site_of(state["url"])
            if domains[0] != domains[1]:
                change["before"] = {**change.get("before", {}), "domain": domains[0]}
                change["after"] = {**change.get("after", {}), "domain": domains[1]}
        if change and target.business is not None:
            payload = WebChanged(page=state["url"], since=target.checkpoint["seen_at"], **change)
            yield Seen(
                CompanyKey("id", str(target.business.pk)),
                EventKind.WEB_CHANGED,
                None,  # some day between the two visits
                (str(target.business.pk), role, target.checkpoint["seen_at"]),
                payload.model_dump(mode="json", exclude_unset=True),
                state["url"],
            )
