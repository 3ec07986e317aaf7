"""A report on a company: six sections of stored facts, each line with what it rests on."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agents.base import Input, Kind, Outcome, Params, Subject
from agents.context import ExecutionContext
from agents.models import Mode, ResearchReport, SectionName
from agents.references import BusinessId
from agents.reports import (
    DEFAULT_QUOTA,
    QuotaSpent,
    Wanted,
    current_sections,
    keep_sections,
    make_report,
    quota_left,
    sections_of,
    stale_names,
)
from agents.research.changes import new_signals
from agents.research.dossier import basis_of, load_dossier
from agents.research.peers import peers_of
from agents.research.refreshing import refresh_source
from agents.research.sections import make_sections
from agents.research.writing import write_prose
from businesses.models import Business
from oppspot.core.errors import PermanentError

Days = Annotated[int, Field(ge=1, le=365)]


class Lives(BaseModel):
    """Days for which a section is used again, unless something new comes to be known."""

    model_config = ConfigDict(extra="forbid")

    snapshot: Annotated[Days, Field(title="Snapshot", description="Days.")] = 30
    buying_signals: Annotated[Days, Field(title="Buying signals", description="Days.")] = 3
    decision_makers: Annotated[Days, Field(title="Decision makers", description="Days.")] = 14
    revenue_signals: Annotated[Days, Field(title="Revenue signals", description="Days.")] = 14
    recommended_approach: Annotated[Days, Field(title="Recommended approach", description="Days.")] = 3
    sources: Annotated[Days, Field(title="Sources", description="Days.")] = 3


def _each_once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


class ResearchParams(Params):
    company: Annotated[
        BusinessId | None, Field(title="Company", description="That is researched when an execution names none.")
    ] = None
    depth: Annotated[
        Literal["quick", "detailed"],
        Field(title="Depth", description="Detailed asks the sources first, and adds companies that are alike."),
    ] = "quick"
    lives: Annotated[
        Lives, Field(title="Time to live", description="For how many days each section is used again.")
    ] = Lives()
    quota: Annotated[
        int,
        Field(title="Monthly quota", description="Reports of your organisation in a month that are not made of fresh "
              "sections alone.", ge=0, le=100_000),
    ] = DEFAULT_QUOTA  # fmt: skip
    refresh: Annotated[
        list[Literal["companies_house_api", "company_website", "careers_pages"]],
        Field(title="Sources to ask", description="In detailed depth, if they are set up.", max_length=3),
        AfterValidator(_each_once),
    ] = ["companies_house_api", "company_website"]


class ResearchInput(Input):
    company: Annotated[BusinessId | None, Field(title="Company", description="That is researched, this time.")] = None
    depth: Annotated[
        Literal["quick", "detailed"] | None, Field(title="Depth", description="This time; empty: as set up.")
    ] = None


Context = ExecutionContext[ResearchParams, ResearchInput]


class ResearchGpt(Kind[ResearchParams, ResearchInput]):
    slug = "research_gpt"
    title = "Research"
    description = "Writes a report on a company in six sections, every line with the fact that it rests on."
    Params = ResearchParams
    Input = ResearchInput
    parallel = 4

    def run(self, ctx: Context) -> Outcome:
        if (ctx.input.company or ctx.params.company) is None:
            return Outcome({}, failure="No company is named: give one as input, or in the configuration.")
        try:
            return self._report(ctx)
        except QuotaSpent as error:
            return Outcome({"quota": ctx.params.quota}, failure=error.message)

    def _report(self, ctx: Context) -> Outcome:
        depth = _depth(ctx)
        stale = ctx.step("look", partial(_look, ctx), inputs={"company": str(_company(ctx)), "depth": depth})
        asked: dict[str, dict[str, Any]] = {}
        peers: list[dict[str, Any]] = []
        if stale and depth == "detailed":
            for source in ctx.params.refresh:
                asked[source] = ctx.step(f"ask {source}", partial(refresh_source, source, _company(ctx)),
                                         transactional=False)  # fmt: skip
            peers = ctx.step("peers", partial(peers_of, _company(ctx)), transactional=False)
        made = ctx.step("sections", partial(_make, ctx, asked, peers), inputs={"stale": stale})
        write_prose(ctx, [UUID(pk) for pk in made["ids"]], [UUID(pk) for pk in made["unwritten"]])
        report = ctx.step("report", partial(_put_together, ctx, made))
        return Outcome(
            output=report,
            items_processed=len(made["ids"]),
            mode=Mode(report["mode"]),
            subjects=[Subject(_company(ctx), made["score"], report["evidence"], report["summary"])],
            news=report["news"],
        )

    def input_for_subject(self, subject: Subject) -> dict[str, Any]:
        return {"company": str(subject.business_id)}

    def input_for_event(self, name: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """The company that an event tells of, and the depth, if it says one."""
        company = data.get("company_id")
        if not company:
            return None
        depth = {"depth": data["depth"]} if data.get("depth") in ("quick", "detailed") else {}
        return {"company": str(company)} | depth


def _company(ctx: Context) -> UUID:
    found = ctx.input.company or ctx.params.company
    assert found is not None  # noqa: S101  `run` has looked
    return found


def _depth(ctx: Context) -> str:
    return ctx.input.depth or ctx.params.depth


def _wanted(ctx: Context) -> Wanted:
    business = Business.objects.defer("embedding", "search_vector").filter(pk=_company(ctx)).first()
    if business is None:
        raise PermanentError(f"Company {_company(ctx)} is not in the register any more.")
    return Wanted(
        org=ctx.org, business=business, depth=_depth(ctx), basis=basis_of(ctx.org, business),
        lives=ctx.params.lives.model_dump(), quota=ctx.params.quota,
    )  # fmt: skip


def _look(ctx: Context) -> list[str]:
    """The sections to make. Raises `QuotaSpent` before anything is asked or paid for."""
    wanted = _wanted(ctx)
    stale = stale_names(wanted)
    if stale and not quota_left(org=ctx.org, quota=wanted.quota, day=wanted.now.date()):
        raise QuotaSpent(f"All {wanted.quota} reports of this month are used up; what is fresh can still be read.")
    return stale


def _make(ctx: Context, asked: Mapping[str, dict[str, Any]], peers: list[dict[str, Any]]) -> dict[str, Any]:
    """Make what is stale now: a source that was asked may have brought something new."""
    wanted = _wanted(ctx)
    failed = {source: one["problem"] for source, one in asked.items() if one["problem"]}
    unset = [source for source, one in asked.items() if one["unset"]]
    dossier = load_dossier(ctx.org, wanted.business, day=wanted.now.date(), refreshed=failed, not_configured=unset,
                           peers=peers)  # fmt: skip
    sections = make_sections(dossier, stale_names(wanted))
    kept = keep_sections(wanted=wanted, sections=sections)
    score = dossier.scored.score if dossier.scored.contributions else None
    ids = [one.pk for one in kept]
    unwritten = current_sections(wanted).exclude(pk__in=ids).exclude(mode=Mode.LLM).values_list("pk", flat=True)
    return {"ids": [str(pk) for pk in ids], "unwritten": sorted(map(str, unwritten)), "score": score}


def _put_together(ctx: Context, made: Mapping[str, Any]) -> dict[str, Any]:
    wanted = _wanted(ctx)
    report = make_report(
        execution=ctx.execution, wanted=wanted, made=[UUID(pk) for pk in made["ids"]], score=made["score"]
    )
    rows = [link.section for link in sections_of(ctx.org, [report.pk])[report.pk]]
    modes = {one.mode for one in rows}
    mode = next((one for one in (Mode.LLM_FALLBACK, Mode.LLM) if one in modes), Mode.DETERMINISTIC)
    return {
        "report": str(report.pk), "status": report.status, "depth": report.depth, "is_reuse": report.is_reuse,
        "made": len(made["ids"]), "reused": len(SectionName.values) - len(made["ids"]),
        "evidence": report.evidence_count, "problems": report.problems, "mode": mode,
        "dropped_sentences": sum(one.dropped_sentences for one in rows),
        "fallback_reason": next((one.fallback_reason for one in rows if one.fallback_reason), ""),
        "summary": _summary(report), "news": _news(wanted.business, report),
    }  # fmt: skip


def _summary(report: ResearchReport) -> str:
    return f"{report.get_status_display()} report, {report.evidence_count} facts"


def _news(business: Business, report: ResearchReport) -> list[str]:
    """A line when there are signals that the last report did not have."""
    new = len(new_signals(report.changes))
    return [f"{business.name}: {new} new signal{'' if new == 1 else 's'} since the last report"] if new else []
