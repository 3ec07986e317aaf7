"""What is new at the companies that an organisation watches, detected as signals: from where the last pass ended."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from django.utils import timezone
from pydantic import Field, field_validator

from agents.base import Input, Kind, Outcome, Params, Subject
from agents.context import ExecutionContext
from agents.models import Mode
from agents.references import BusinessId, WatchlistId
from agents.scout_news import load_articles, read_article, record_findings, summed_up, unread_news
from agents.scouting import (
    COUNTED,
    KEPT,
    OVERLAP,
    SHOWN_UNREADABLE,
    Watch,
    key_of,
    next_with_news,
    scout_portion,
)
from businesses.filters import filter_businesses
from embeddings.search import MAX_LIMIT, MAX_QUERY, search
from oppspot.core.errors import InvalidInput
from signals_app.models import BuyingSignal, SignalType

PORTION = 2_000  # companies of one step, whose histories are in memory together
MAX_NEWS = 20  # lines that are told
MAX_FAILURES = 3  # one after the other: then the model is asked no more


class ScoutParams(Params):
    watchlist: Annotated[
        WatchlistId | None,
        Field(title="Watchlist", description="Whose companies are watched; empty: those of all your watchlists, unless "
              "filters or a query say which."),
    ] = None  # fmt: skip
    filters: Annotated[
        dict[str, Any],
        Field(
            title="Filters", description="Filters of the register: sic, town, postcode_area, status, …", max_length=20
        ),
    ] = {}
    query: Annotated[
        str,
        Field(title="Query", description="What the companies do, in words; the best matches are watched, as of each "
              "pass.", max_length=MAX_QUERY),
    ] = ""  # fmt: skip
    query_limit: Annotated[
        int, Field(title="Matches", description="How many of the query's matches are watched.", ge=1, le=MAX_LIMIT)
    ] = MAX_LIMIT
    signal_types: Annotated[
        list[SignalType],
        Field(title="Signal types", description="Which types are kept; empty: all.", max_length=len(SignalType)),
    ] = []
    min_confidence: Annotated[
        int, Field(title="Least confidence", description="Signals that are less sure are not kept.", ge=0, le=100)
    ] = 40
    lookback_days: Annotated[
        int,
        Field(title="Look-back", description="Days that the first pass, and a company newly watched, is looked back.",
              ge=1, le=730),
    ] = 90  # fmt: skip
    max_news: Annotated[
        int,
        Field(title="News to read", description="How many news the language model reads in a pass, at most; 0: none.",
              ge=0, le=200),
    ] = 20  # fmt: skip

    @field_validator("filters")
    @classmethod
    def _known_filters(cls, filters: dict[str, Any]) -> dict[str, Any]:
        try:
            filter_businesses(filters)
        except InvalidInput as error:
            raise ValueError(error.message) from None
        return filters


class ScoutInput(Input):
    companies: Annotated[
        list[BusinessId],
        Field(title="Companies", description="Look at these alone, back to the look-back.", max_length=500),
    ] = []


Context = ExecutionContext[ScoutParams, ScoutInput]


class ScoutAgent(Kind[ScoutParams, ScoutInput]):
    slug = "scout_agent"
    title = "Scout"
    description = "Looks at what happened to the companies you watch and turns it into buying signals with evidence."
    Params = ScoutParams
    Input = ScoutInput
    timeout_s = 3_600.0
    asks_no_more = True

    def run(self, ctx: Context) -> Outcome:
        found = _find_by_query(ctx)
        begun = ctx.step("begin", partial(_begin, ctx, found), inputs={"settings": _settings(ctx)})
        watch = _watch(ctx, found, begun)
        portions = list(_portions(ctx, watch, begun))
        counts = {name: sum(one["counts"][name] for one in portions) for name in COUNTED}
        reading, mode = _read_news(ctx, watch, [fact for one in portions for fact in one["unread"]])
        output = counts | {
            "since": begun["since"],
            "until": begun["until"],
            "unreadable_shown": [fact for one in portions for fact in one["unreadable"]][:SHOWN_UNREADABLE],
            "news_read": reading,
        }
        best = sorted((one for portion in portions for one in portion["companies"]),
                      key=lambda one: (-one["score"], one["business"]))[:KEPT]  # fmt: skip
        return Outcome(
            output=output,
            items_processed=counts["with_news"],
            mode=mode,
            subjects=[
                Subject(UUID(one["business"]), score=one["score"], evidence=one["evidence"], reason="New signals")
                for one in best
            ],
            news=_lines(ctx, [pk for one in portions for pk in one["signals"]], counts["new"]),
        )

    def input_for_subject(self, subject: Subject) -> dict[str, Any]:
        return {"companies": [str(subject.business_id)]}

    def input_for_event(self, name: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """The company that an event tells of. A signal is what a scout makes, not what it looks at."""
        if name == "signals/buying_signal.detected":
            return None
        return {"companies": [str(data["company_id"])]} if data.get("company_id") else {}


def _settings(ctx: Context) -> dict[str, Any]:
    shown = {"watchlist", "filters", "query", "query_limit", "signal_types", "min_confidence", "lookback_days"}
    settings: dict[str, Any] = ctx.params.model_dump(mode="json", include=shown)
    return settings


def _find_by_query(ctx: Context) -> list[UUID] | None:
    """The companies that the query finds now; None without one. May call the embedding provider."""
    params = ctx.params
    if not params.query or ctx.input.companies:
        return None

    def find() -> list[str]:
        result = search(params.query, filters=params.filters or None, limit=params.query_limit)
        return [str(hit.pk) for hit in result.hits]

    found = ctx.step("search", find, inputs={"query": params.query}, transactional=False)
    return [UUID(pk) for pk in found]


def _begin(ctx: Context, found: list[UUID] | None) -> dict[str, Any]:
    """From where to where this pass goes: fixed once, whatever tries it takes."""
    now, state = timezone.now(), ctx.agent.state
    is_continued = state.get("watch") == key_of(_settings(ctx)) and not ctx.input.companies
    since = datetime.fromisoformat(state["watermark"]) - OVERLAP if is_continued and state.get("watermark") else None
    known = set(state.get("found") or ())
    return {
        "since": since.isoformat() if since else None,
        "until": now.isoformat(),
        "day": now.date().isoformat(),
        "fresh": [str(pk) for pk in found or () if str(pk) not in known],
    }


def _watch(ctx: Context, found: list[UUID] | None, begun: dict[str, Any]) -> Watch:
    given, day = ctx.input.companies, date.fromisoformat(begun["day"])
    if given:
        return Watch(ctx.org, day, ctx.params.lookback_days, only=given)
    return Watch(
        ctx.org,
        day,
        ctx.params.lookback_days,
        watchlist=ctx.params.watchlist,
        filters=ctx.params.filters,
        only=found,
        fresh=[UUID(pk) for pk in begun["fresh"]],
        since=datetime.fromisoformat(begun["since"]) if begun["since"] else None,
    )


def _portions(ctx: Context, watch: Watch, begun: dict[str, Any]) -> Any:
    after: UUID | None = None
    done = unread = 0
    for number in range(1, 1_000_000):
        room = ctx.params.max_news - unread if ctx.llm.is_configured else 0
        portion = ctx.step(
            f"portion {number}",
            partial(_portion, ctx, watch, begun, after=after, room=room),
            inputs={"after": str(after or ""), "since": begun["since"]},
        )
        yield portion
        done, unread = done + portion["counts"]["with_news"], unread + len(portion["unread"])
        ctx.progress(done)
        if portion["is_last"]:
            return
        after = UUID(portion["after"])


def _portion(ctx: Context, watch: Watch, begun: dict[str, Any], *, after: UUID | None, room: int) -> dict[str, Any]:
    """The next companies with news. With the last of them the agent remembers where the next pass goes on: the
    watermark stands or falls with the signals."""
    ids = next_with_news(watch, after=after, limit=PORTION)
    portion = scout_portion(
        watch,
        ids,
        detected_by=f"scout_agent:{ctx.agent.pk}",
        signal_types=ctx.params.signal_types or None,
        min_confidence=ctx.params.min_confidence,
        told_in=ctx.job.run_id,
    )
    is_last = len(ids) < PORTION
    if is_last and not ctx.input.companies:
        ctx.remember(
            watermark=begun["until"],
            watch=key_of(_settings(ctx)),
            found=None if watch.only is None else [str(pk) for pk in watch.only],
        )
    return {
        "counts": portion.counts,
        "companies": portion.companies,
        "signals": portion.signals,
        "unreadable": portion.unreadable,
        "unread": unread_news(watch, ids, limit=room) if room > 0 and ids else [],
        "after": str(ids[-1][0]) if ids else "",
        "is_last": is_last,
    }


def _read_news(ctx: Context, watch: Watch, ids: list[str]) -> tuple[dict[str, Any], Mode]:
    """Have the model read news that the rules made nothing of; what came of it, and how the result was made."""
    if not ids:
        return summed_up([], 0), Mode.DETERMINISTIC
    results: list[tuple[str, dict[str, Any]]] = []
    articles = load_articles(watch, ids)
    failures = 0
    for fact in ids:
        if failures >= MAX_FAILURES and not ctx.is_dry:
            break
        if fact not in articles:
            continue
        result = ctx.step(
            f"read {fact}",
            partial(_read, ctx, articles[fact]),
            inputs={"company": articles[fact].business.name},
            transactional=False,
        )
        failures = failures + 1 if "failed" in result else 0
        results.append((fact, result))
    findings = [(articles[fact], result["finding"]) for fact, result in results if "finding" in result]
    new = ctx.step("keep what was read", lambda: record_findings(watch, findings), inputs={"findings": len(findings)})
    failed = any("failed" in result for _, result in results)
    return summed_up([result for _, result in results], new), Mode.LLM_FALLBACK if failed else Mode.LLM


def _read(ctx: Context, article: Any) -> dict[str, Any]:
    return read_article(ctx.llm, article)


def _lines(ctx: Context, signals: list[str], new: int) -> list[str]:
    """New signals as people are told of them, the heaviest first."""
    rows = BuyingSignal.objects.for_org(ctx.org).filter(pk__in=signals, needs_review=False).select_related("business")
    best = rows.defer("business__embedding").order_by("-weight", "-confidence_score", "pk")[:MAX_NEWS]
    lines = [
        f"{one.business.name}: {one.get_signal_type_display()} ({one.get_signal_strength_display().lower()}, "
        f"{one.occurred_on:%d %b %Y})"
        for one in best
    ]
    return [*lines, f"and {new - len(lines)} more"] if lines and new > len(lines) else lines
