"""The steps of writing one draft, each with a small output that a retry goes on from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from typing import Any
from uuid import UUID

from agents.base import Evidence
from agents.context import ExecutionContext
from agents.drafts import drafts_to, facts_sha256, save_draft, standing
from agents.models import Mode, Opportunity
from agents.suppression import DoNotContact, suppressed
from agents.writing.compose import NothingFits, Settings, compose
from agents.writing.facts import Recipient
from agents.writing.lints import Claim, Written, check_draft
from agents.writing.reading import NoSuchRecipient, facts_of, named, officer_of
from agents.writing.refusing import refusal
from agents.writing.rewriting import rewrite
from businesses.models import Business

Context = ExecutionContext[Any, Any]


@dataclass(frozen=True)
class Job:
    """What one draft is to be."""

    business: Business
    opportunity_id: UUID | None
    channel: str
    settings: Settings
    today: date
    officer: int | None = None
    recipient_name: str = ""
    recipient_role: str = ""

    @cached_property
    def recipient(self) -> Recipient:
        """Raises `NoSuchRecipient`."""
        if self.officer:
            return officer_of(self.business, self.officer)
        return named(self.recipient_name, self.recipient_role)


@dataclass(frozen=True)
class Result:
    """What the steps of a draft gave."""

    job: Job
    composed: dict[str, Any]
    rewritten: dict[str, Any]
    saved: dict[str, Any]

    @property
    def evidence(self) -> list[Evidence]:
        return list(written_of(self.composed).evidence) if "claims" in self.composed else []

    @property
    def shown(self) -> dict[str, Any]:
        """For the execution's output."""
        reason = self.composed.get("refused") or self.saved.get("refused", "")
        told: dict[str, Any] = {"company": str(self.job.business.pk)}
        told |= {key: self.saved[key] for key in ("draft", "result", "note") if key in self.saved}
        told |= {key: self.rewritten[key] for key in ("fallback", "dropped") if self.rewritten.get(key)}
        return told | ({"not_written": reason} if reason else {})


def compose_step(ctx: Context, job: Job) -> dict[str, Any]:
    """The text from templates, or why there is none."""
    reason = suppressed(org=ctx.org, business=job.business) or refusal(ctx.org, job.business)
    if reason:
        return {"refused": reason}
    try:
        facts = facts_of(ctx.org, job.business, recipient=job.recipient, today=job.today)
        return json_of(compose(facts, job.settings))
    except NoSuchRecipient as error:
        return {"refused": error.message}
    except NothingFits as error:
        return {"refused": f"No text keeps to the rules: {error}"[:500]}


def rewrite_step(ctx: Context, job: Job, composed: dict[str, Any]) -> dict[str, Any]:
    """The text in a language model's words, or why there are none; empty when nobody needs to be asked: what is
    written already stands, or nothing will be.

    Raises `BudgetExceeded`, `RetryableError` and `NotConfigured`, as the model's module does.
    """
    written = written_of(composed)
    if _is_settled(ctx, job, facts_sha256(written, _settings(job))):
        return {}
    found = rewrite(ctx.llm, written, job.settings, today=job.today)
    dropped = [asdict(one) for one in found.dropped]
    if found.written is None:
        return {"fallback": found.failure, "dropped": dropped}
    return {"written": json_of(found.written), "dropped": dropped}


def _is_settled(ctx: Context, job: Job, facts: str) -> bool:
    try:
        drafts = drafts_to(agent=ctx.agent, business=job.business, channel=job.channel, recipient=job.recipient)
    except NoSuchRecipient:
        return True
    reason = suppressed(org=ctx.org, business=job.business) or refusal(ctx.org, job.business)
    return bool(reason) or standing(drafts, facts=facts, mode=Mode.LLM) is not None


def save_step(ctx: Context, job: Job, composed: dict[str, Any], rewritten: dict[str, Any]) -> dict[str, Any]:
    """Keep it, unless something came in the way since it was composed."""
    if reason := refusal(ctx.org, job.business):
        return {"refused": reason}
    written = written_of(rewritten.get("written") or composed)
    opportunity = Opportunity.objects.for_org(ctx.org).filter(pk=job.opportunity_id).first()
    try:
        saved = save_draft(
            agent=ctx.agent, execution=ctx.execution, business=job.business, opportunity=opportunity,
            channel=job.channel, tone=job.settings.tone, recipient=job.recipient, written=written,
            facts=facts_sha256(written_of(composed), _settings(job)), mode=_mode(rewritten),
            warnings=check_draft(written, today=job.today),
        )  # fmt: skip
    except (DoNotContact, NoSuchRecipient) as error:
        return {"refused": error.message}
    return {"draft": str(saved.draft.pk), "result": saved.result, "note": saved.note}


def _settings(job: Job) -> dict[str, Any]:
    """What of the settings a text depends on: which of the variants was chosen changes nothing that is told."""
    return {key: value for key, value in asdict(job.settings).items() if key != "seed"}


def mode_of(results: Sequence[Result]) -> Mode:
    """Of several drafts together: a fallback of any is told."""
    modes = {_mode(result.rewritten) for result in results}
    return next((mode for mode in (Mode.LLM_FALLBACK, Mode.LLM) if mode in modes), Mode.DETERMINISTIC)


def _mode(rewritten: dict[str, Any]) -> Mode:
    if not rewritten:
        return Mode.DETERMINISTIC
    return Mode.LLM if rewritten.get("written") else Mode.LLM_FALLBACK


def json_of(written: Written) -> dict[str, Any]:
    evidence = [{**each.as_json(), "data": dict(each.data)} for each in written.evidence]
    claims = [[claim.text, list(claim.evidence), claim.place] for claim in written.claims]
    return {**asdict(written), "evidence": evidence, "claims": claims}


def written_of(stored: dict[str, Any]) -> Written:
    """The text that `json_of` stored."""
    claims = tuple(Claim(text, tuple(ids), place) for text, ids, place in stored["claims"])
    return Written(**{**stored, "claims": claims, "evidence": tuple(Evidence(**each) for each in stored["evidence"])})
