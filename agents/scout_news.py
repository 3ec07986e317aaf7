"""News that the rules found nothing in, read by a language model: what it names must stand in the text, word for word.

A rule comes before the model: only news of the company that holds a word of `HINTS` is asked about. A rule comes after
it: the company must be named in the text, the quote must be a part of it and hold a hint of the type that is claimed,
and so must amount, person and title stand there, or they are left out. What remains is a signal that waits for a
person's review: it counts in no score and is told to nobody before that.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from pydantic import BaseModel, Field

from agents.llm import LLM, LLMFailed, Untrusted
from agents.scouting import Watch
from businesses.models import Business, BusinessEvent, EventKind, OrgEvent
from businesses.payloads import InvalidPayload, News, payload_of
from businesses.sources.pull import fingerprint_of
from signals_app.models import BuyingSignal, SignalType, strength_of
from signals_app.scoring import HALF_LIVES
from signals_app.text.names import mentions, short_names

PROMPT, RULE, RULE_VERSION = "scout_news", "read_in_news", "1"
CONFIDENCE, CONFIDENCE_NAMED = 60, 70  # the second when the quote itself names the company; never more
WEIGHT, DAYS = 40, 90
MAX_CANDIDATES = 2_000  # news of one portion that are looked at, the newest

# Words that news of a type has. Without one of them nobody is asked, and a quote without one is no quote of the type.
HINTS = {
    SignalType.FUNDING_ROUND: r"rais(?:e[sd]?|ing)|fund(?:s|ed|ing)|invest(?:s|ed|ment|ments|or|ors)|backing|backed|"
    r"series [a-f]|seed|round|grant|loan|facility|[£$€]\s?\d",
    SignalType.EXECUTIVE_CHANGE: r"appoint(?:s|ed|ment)?|nam(?:e[sd]|ing)|hir(?:e[sd]?|ing)|join(?:s|ed|ing)?|"
    r"step(?:s|ped|ping) down|depart(?:s|ed|ure)?|resign(?:s|ed)?|succeed(?:s|ed)?|promot(?:e[sd]|ed)|new (?:ceo|cfo|"
    r"cto|coo|chair|chief|managing director|head)",
    SignalType.EXPANSION: r"open(?:s|ed|ing)?|expan(?:d|ds|ded|ding|sion)|new (?:office|site|plant|factory|store|"
    r"warehouse|market)|acqui(?:re|res|red|ring|sition)|launch(?:es|ed)? in|relocat(?:e[sd]?|ing)|enter(?:s|ed|ing)",
    SignalType.TECHNOLOGY_ADOPTION: r"adopt(?:s|ed|ing)?|migrat(?:e[sd]?|ing)|implement(?:s|ed|ing)?|roll(?:s|ed|ing) "
    r"out|deploy(?:s|ed|ing)?|switch(?:es|ed|ing)? to|select(?:s|ed)",
}
_HINTS = {kind: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for kind, words in HINTS.items()}


class NewsReading(BaseModel):
    """What a piece of news says of a company, for the model to fill in."""

    type: Literal["funding_round", "executive_change", "expansion", "technology_adoption", "none"]
    is_about_company: bool = Field(description="Whether it happened to the company itself, not to another.")
    quote: str = Field(default="", max_length=600, description="The words of the text that say so, exactly as written.")
    amount: str = Field(default="", max_length=60, description="As written, or empty.")
    person: str = Field(default="", max_length=120, description="As written, or empty.")
    title: str = Field(default="", max_length=120, description="The person's post, as written, or empty.")


@dataclass(frozen=True)
class Article:
    """News of a company. `id` is that of the event: event:12, org_event:<uuid>."""

    id: str
    business: Business
    fingerprint: UUID
    on: Any
    source: str
    url: str
    text: str

    @property
    def names(self) -> tuple[str, ...]:
        return short_names(self.business.name, self.business.domain)


def unread_news(watch: Watch, ids: Sequence[tuple[UUID, bool]], *, limit: int) -> list[str]:
    """Ids of news of these companies that no signal rests on and that a hint makes worth reading, the newest first."""
    keys, fresh = [pk for pk, _ in ids], [pk for pk, is_fresh in ids if is_fresh]
    news = Q(kind=EventKind.NEWS, business__in=keys, occurred_on__gte=watch.floor, occurred_on__lte=watch.day)
    if watch.since is not None:
        news &= Q(observed_at__gte=watch.since) | Q(business__in=fresh)
    articles = _articles(watch, news)
    prints = [article.fingerprint for article in articles]
    signals = BuyingSignal.objects.for_org(watch.org).filter(business__in=keys, event_fingerprints__overlap=prints)
    known = {one for found in signals.values_list("event_fingerprints", flat=True) for one in found}
    wanted = [one for one in articles if one.fingerprint not in known and _is_worth_reading(one)]
    return [one.id for one in wanted[:limit]]


def _is_worth_reading(article: Article) -> bool:
    return bool(mentions(article.text, article.names)) and any(hint.search(article.text) for hint in _HINTS.values())


def load_articles(watch: Watch, ids: Sequence[str]) -> dict[str, Article]:
    """The news of these ids that still are there, by id."""
    found: dict[str, Article] = {}
    for kind in ("event", "org_event"):
        keys = [one.partition(":")[2] for one in ids if one.partition(":")[0] == kind]
        if keys:
            found |= {one.id: one for one in _articles(watch, Q(pk__in=keys), kinds=(kind,))}
    return found


def _articles(watch: Watch, which: Q, *, kinds: Sequence[str] = ("event", "org_event")) -> list[Article]:
    sources: dict[str, Any] = {"event": BusinessEvent.objects.all(), "org_event": OrgEvent.objects.for_org(watch.org)}
    found = []
    for kind in kinds:
        rows = sources[kind].filter(which).select_related("business").defer("business__embedding")
        for row in rows.order_by("-occurred_on", "pk")[:MAX_CANDIDATES]:
            try:
                payload = payload_of(row.kind, row.payload)
            except InvalidPayload:
                continue  # the pass counts it as unreadable
            if isinstance(payload, News):
                text = "\n".join(part for part in (payload.title, payload.summary) if part)
                found.append(Article(f"{kind}:{row.pk}", row.business, row.fingerprint, row.occurred_on,
                                     row.source, row.source_url, text))  # fmt: skip
    return found


def read_article(llm: LLM, article: Article) -> dict[str, Any]:
    """What the model read in it, checked: `{finding}`, `{dropped: why}` or, when there was no answer, `{failed: why}`.

    Raises `RetryableError` and `BudgetExceeded`, as the model's module does.
    """
    try:
        answer = llm.ask(
            PROMPT,
            NewsReading,
            facts={"company": article.business.name, "day": article.on.isoformat()},
            untrusted=[Untrusted(article.id, "News", article.text)],
        )
    except LLMFailed as error:
        return {"failed": error.message}
    return checked(article, answer.value)


def checked(article: Article, reading: NewsReading) -> dict[str, Any]:
    """A finding that rests on the text, or why there is none."""
    if reading.type == "none":
        return {"dropped": "nothing in it"}
    if not reading.is_about_company or not mentions(article.text, article.names):
        return {"dropped": "not about the company"}
    if not is_quoted(reading.quote, article.text):
        return {"dropped": "quote not in the text"}
    if not _HINTS[SignalType(reading.type)].search(" ".join(reading.quote.split())):
        return {"dropped": "quote does not say so"}
    is_named = bool(mentions(reading.quote, article.names))
    told = {name: getattr(reading, name) for name in ("amount", "person", "title")}
    return {
        "finding": {
            "type": reading.type,
            "quote": reading.quote,
            "confidence": CONFIDENCE_NAMED if is_named else CONFIDENCE,
            "data": {name: value for name, value in told.items() if is_quoted(value, article.text)},
        }
    }


def is_quoted(quote: str, text: str) -> bool:
    """Whether `quote` stands in `text` word for word; only spaces and line breaks may differ."""
    wanted = " ".join(quote.split())
    return bool(wanted) and wanted in " ".join(text.split())


def record_findings(watch: Watch, findings: Sequence[tuple[Article, dict[str, Any]]]) -> int:
    """Keep findings as signals that wait for a review, one an article whatever it was read as; how many are new."""
    signals = BuyingSignal.objects.for_org(watch.org)
    made = [_signal(watch, article, finding) for article, finding in findings]
    known = set(signals.filter(fingerprint__in=[one.fingerprint for one in made]).values_list("fingerprint", flat=True))
    signals.bulk_create(made, ignore_conflicts=True)
    return len({one.fingerprint for one in made} - known)


def _signal(watch: Watch, article: Article, finding: dict[str, Any]) -> BuyingSignal:
    kind, _, pk = article.id.partition(":")
    quote = {"fact": article.id, "source": article.source, "url": article.url, "on": article.on.isoformat(),
             "quote": finding["quote"]}  # fmt: skip
    return BuyingSignal(
        org=watch.org, business=article.business, signal_type=finding["type"], rule=RULE, rule_version=RULE_VERSION,
        signal_strength=strength_of(WEIGHT), weight=WEIGHT, needs_review=True,
        confidence_score=min(CONFIDENCE_NAMED, finding["confidence"]),
        signal_data=finding["data"], evidence=[quote], source=article.source,
        source_url=article.url, event_id=int(pk) if kind == "event" else None,
        org_event_id=UUID(pk) if kind == "org_event" else None, event_fingerprints=[article.fingerprint],
        occurred_on=article.on, half_life_days=DAYS // HALF_LIVES, detected_by=f"scout_agent:{settings.LLM_MODEL}",
        expires_at=datetime.combine(article.on + timedelta(days=DAYS), time(), tzinfo=UTC),
        fingerprint=fingerprint_of(RULE, str(article.business.pk), str(article.fingerprint)),
    )  # fmt: skip


def summed_up(results: Sequence[dict[str, Any]], new: int) -> dict[str, Any]:
    """What reading came to, for the output: counts, why findings were dropped, the first failure."""
    failures = [one["failed"] for one in results if "failed" in one]
    return {
        "asked": len(results),
        "found": sum("finding" in one for one in results),
        "new": new,
        "dropped": dict(Counter(one["dropped"] for one in results if "dropped" in one)),
        "failed": len(failures),
        "failure": failures[0] if failures else "",
    }
