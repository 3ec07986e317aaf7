"""Writes drafts to companies, for a person to read, change, approve and send."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from agents.base import Input, Kind, Outcome, Params, Subject
from agents.context import ExecutionContext
from agents.llm import BudgetExceeded
from agents.models import Opportunity, OpportunityStatus
from agents.models.drafts import OPEN, Draft
from agents.references import BusinessId, OpportunityId, Refers
from agents.writing.compose import Settings
from agents.writing.jobs import Job, Result, compose_step, mode_of, rewrite_step, save_step
from agents.writing.parts import Form, Tone
from agents.writing.phrases import banned_in, placeholders_in
from agents.writing.slots import length_of
from businesses.models import Business
from oppspot.core.errors import NotConfigured, OppspotError, PermanentError

OfficerId = Annotated[int, Refers("businesses.Officer", "officer")]
Channel = Literal["email", "linkedin", "call"]
MAX_OFFER, MAX_SENDER = 200, 80


def _sayable(text: str) -> str:
    """Words that go into each draft must themselves be such as a draft may hold."""
    if wrong := [*banned_in(text), *placeholders_in(text)]:
        raise ValueError(f"No draft may say this: {', '.join(wrong)}.")
    if length_of(text) != length_of(" ".join(text.split())):
        raise ValueError("Write it on one line.")
    return text


class WriterParams(Params):
    channel: Annotated[Channel, Field(title="Channel", description="What the draft is for.")] = "email"
    linkedin: Annotated[
        Literal["note", "inmail"],
        Field(title="LinkedIn form", description="A note with an invitation (300 characters) or an InMail (1,900)."),
    ] = "note"
    tone: Annotated[Tone, Field(title="Tone", description="How it should sound.")] = "plain"
    offer: Annotated[
        str,
        AfterValidator(_sayable),
        Field(title="Offer", max_length=MAX_OFFER,
              description="What you sell, as it would follow a colon: accounts software for bakeries. May be empty."),
    ] = ""  # fmt: skip
    sender: Annotated[
        str, AfterValidator(_sayable), Field(title="Sender", description="Who signs.", max_length=MAX_SENDER)
    ] = ""
    language: Annotated[Literal["en"], Field(title="Language", description="Drafts are in English.")] = "en"
    at_once: Annotated[
        int,
        Field(title="Drafts at once", ge=1, le=20,
              description="Without a company to write to: for so many of the best open opportunities."),
    ] = 5  # fmt: skip


class WriterInput(Input):
    opportunity: Annotated[OpportunityId | None, Field(title="Opportunity", description="To write to its company.")] = (
        None
    )
    company: Annotated[BusinessId | None, Field(title="Company", description="To write to.")] = None
    officer: Annotated[
        OfficerId | None, Field(title="Officer", description="Of the company, to address.", ge=1, le=2**63 - 1)
    ] = None
    recipient_name: Annotated[str, Field(title="Recipient", description="Whom to address.", max_length=100)] = ""
    recipient_role: Annotated[str, Field(title="Role", description="Of the recipient.", max_length=100)] = ""
    channel: Annotated[Channel | None, Field(title="Channel", description="Instead of the agent's.")] = None

    @model_validator(mode="after")
    def _one_recipient(self) -> Self:
        if self.officer and self.recipient_name:
            raise ValueError("Name an officer or a recipient, not both.")
        if (self.officer or self.recipient_name) and not (self.company or self.opportunity):
            raise ValueError("A recipient needs a company.")
        return self


class WriterAgent(Kind[WriterParams, WriterInput]):
    slug = "writer_agent"
    title = "Writer"
    description = "Drafts an e-mail, a LinkedIn message or notes for a call from stored facts; a person approves it."
    Params = WriterParams
    Input = WriterInput
    timeout_s = 600.0
    asks_no_more = True

    def run(self, ctx: ExecutionContext[WriterParams, WriterInput]) -> Outcome:
        chosen = ctx.step("choose", lambda: _choose(ctx))
        results: list[Result] = []
        stopped: OppspotError | None = None
        for place, job in enumerate(chosen, 1):
            try:
                results.append(_write(ctx, _job(ctx, job), f"-{place}" if len(chosen) > 1 else ""))
            except (BudgetExceeded, NotConfigured) as error:
                stopped = stopped or error
            ctx.progress(place, len(chosen))
        if stopped:  # with each draft written: a retry goes on from there
            raise stopped
        return _outcome(results)

    def input_for_subject(self, subject: Subject) -> dict[str, Any]:
        opportunity = str(subject.opportunity_id) if subject.opportunity_id else None
        return {"company": str(subject.business_id), "opportunity": opportunity}

    def input_for_event(self, name: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        company = data.get("company_id")
        return {"company": str(company)} if company else None


def _choose(ctx: ExecutionContext[WriterParams, WriterInput]) -> list[dict[str, Any]]:
    """The companies to write to: the one of the input, or those of the best opportunities that have no draft yet."""
    given, opportunities = ctx.input, Opportunity.objects.for_org(ctx.org)
    if given.opportunity:
        business = opportunities.values_list("business_id", flat=True).get(pk=given.opportunity)
        if given.company not in {None, business}:
            raise PermanentError("The opportunity is another company's.")
        return [{"business": str(business), "opportunity": str(given.opportunity)}]
    if given.company:
        return [{"business": str(given.company), "opportunity": None}]
    drafts = Draft.objects.for_org(ctx.org).filter(agent=ctx.agent, channel=ctx.params.channel, status__in=OPEN)
    rows = (
        opportunities.filter(status=OpportunityStatus.OPEN, gone_at=None)
        .exclude(business_id__in=drafts.values("business_id"))
        .order_by("-score", "id")
        .values_list("pk", "business_id")
    )
    best: dict[UUID, UUID] = {}
    for pk, business in rows[: 10 * ctx.params.at_once]:  # several agents may have found a company
        best.setdefault(business, pk)
    return [
        {"business": str(business), "opportunity": str(pk)} for business, pk in list(best.items())[: ctx.params.at_once]
    ]


def _job(ctx: ExecutionContext[WriterParams, WriterInput], chosen: Mapping[str, Any]) -> Job:
    given, params = ctx.input, ctx.params
    channel = given.channel or params.channel
    form: Form = params.linkedin if channel == "linkedin" else channel
    seed = f"{ctx.agent.pk}:{chosen['business']}"
    return Job(
        business=Business.objects.get(pk=chosen["business"]),
        opportunity_id=UUID(chosen["opportunity"]) if chosen["opportunity"] else None,
        channel=channel,
        settings=Settings(form, params.tone, params.offer, params.sender, seed),
        today=ctx.began_at.date(),
        officer=given.officer,
        recipient_name=given.recipient_name,
        recipient_role=given.recipient_role,
    )


def _write(ctx: ExecutionContext[WriterParams, WriterInput], job: Job, mark: str) -> Result:
    """Compose, have a language model give other words if there is one, and save, each a step; a refusal is a result.

    Raises `BudgetExceeded` and `NotConfigured` when the model may not be asked: the template's text is a draft by then,
    and a retry of the execution asks.
    """
    composed = ctx.step(f"compose{mark}", lambda: compose_step(ctx, job), inputs={"company": str(job.business.pk)})
    if "refused" in composed:
        return Result(job, composed, {}, {})
    rewritten: dict[str, Any] = {}
    if ctx.llm.is_configured:
        try:
            rewritten = ctx.step(f"rewrite{mark}", lambda: rewrite_step(ctx, job, composed), transactional=False)
        except (BudgetExceeded, NotConfigured) as error:
            without = {"fallback": error.message}
            ctx.step(f"save as composed{mark}", lambda: save_step(ctx, job, composed, without))
            raise
    saved = ctx.step(f"save{mark}", lambda: save_step(ctx, job, composed, rewritten))
    return Result(job, composed, rewritten, saved)


def _outcome(results: list[Result]) -> Outcome:
    written = [result for result in results if "draft" in result.saved]
    new = [result for result in written if result.saved["result"] in {"new", "updated"}]
    return Outcome(
        output={
            "drafts": [result.saved["draft"] for result in written],
            "results": [result.shown for result in results],
            "written": len(new),
            "not_written": len(results) - len(written),
            "variants_dropped": sum(len(result.rewritten.get("dropped", ())) for result in results),
        },
        items_processed=len(results),
        mode=mode_of(results),
        subjects=[
            Subject(
                result.job.business.pk,
                evidence=len([each for each in result.evidence if not each.id.startswith("o")]),
                reason=f"A draft is there: {result.composed['reason']}"[:200],
                opportunity_id=result.job.opportunity_id,
            )
            for result in written
        ],
        news=[f"Draft for {result.job.business.name} waits for approval" for result in new],
    )
