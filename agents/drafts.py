"""Drafts from writing to export. Approval is of an exact text; whoever changes it, asks for approval anew.

Nothing here sends: an exported draft is text that a person takes elsewhere.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from agents.base import Evidence
from agents.models import Agent, AgentExecution, Draft, DraftStatus, DraftVersion, Mode, Opportunity
from agents.models.drafts import OPEN
from agents.suppression import check_contact
from agents.visible import visible
from agents.writing.facts import Recipient
from agents.writing.lints import Violation, Written, check_edit
from agents.writing.refusing import recipient_refusal, refusal
from businesses.models import Business
from oppspot.core.errors import InvalidInput, OppspotError
from oppspot.jobs.services import WrongState

logger = structlog.get_logger(__name__)


class NotFit(OppspotError):
    """The draft cannot be approved or exported as it is."""

    code = "draft_not_fit"
    status = 409


@dataclass(frozen=True)
class Saved:
    """What became of a text: `new`, `updated`, `unchanged`, or `kept` when a person's decision or edit stands."""

    draft: Draft
    result: str
    note: str = ""


@dataclass(frozen=True)
class Exported:
    """What a person takes elsewhere."""

    draft: Draft
    to: str
    subject: str
    body: str
    citations: Sequence[Mapping[str, Any]]


def content_sha256(draft: Draft) -> str:
    """Of all that a person approves: to whom, by which way, what it says, and what it rests on."""
    parts = [
        str(draft.business_id), draft.channel, draft.form, draft.recipient_key, draft.recipient_name, draft.subject,
        draft.body, draft.citations,
    ]  # fmt: skip
    return sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def facts_sha256(written: Written, settings: Mapping[str, Any]) -> str:
    """Of what a text was written from; the days on which sources were asked again do not count."""
    facts = [[each.id, each.text, each.source, each.url, each.on] for each in written.evidence]
    parts = [facts, written.reason, written.template, dict(settings)]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def drafts_to(*, agent: Agent, business: Business, channel: str, recipient: Recipient) -> QuerySet[Draft]:
    """What the agent ever wrote to the recipient by this way."""
    found: QuerySet[Draft] = Draft.objects.for_org(agent.org).filter(
        agent=agent, business=business, channel=channel, recipient_key=recipient.key
    )
    return found


def standing(drafts: QuerySet[Draft], *, facts: str, mode: Mode) -> Saved | None:
    """The one of `drafts` that stays as it is although a text of these facts was, or would be, written in this mode.

    A draft that a person approved or edited stands; so does one that was exported or rejected, while nothing that is
    known has changed. Words of a language model are not given up for a template's that tell the same.
    """
    present = drafts.filter(status__in=OPEN).first()
    if present is None:
        closed = drafts.order_by("-id").first()
        if closed is None or closed.facts_sha256 != facts:
            return None
        return Saved(closed, "kept", f"It was {closed.status}, and nothing new is known.")
    if present.status == DraftStatus.APPROVED:
        return Saved(present, "kept", "It is approved.")
    if present.edited_by:
        return Saved(present, "kept", "It was edited by a person.")
    is_same = present.facts_sha256 == facts and present.mode in {mode, Mode.LLM}
    return Saved(present, "unchanged") if is_same else None


def save_draft(
    *,
    agent: Agent,
    execution: AgentExecution,
    business: Business,
    opportunity: Opportunity | None,
    channel: str,
    tone: str,
    recipient: Recipient,
    written: Written,
    facts: str,
    mode: Mode,
    warnings: Sequence[Violation] = (),
) -> Saved:
    """Keep a text, written from `facts`, as the one open draft of the agent to the recipient, unless one stands: see
    `standing`. Raises `DoNotContact`."""
    org = agent.org
    check_contact(org=org, business=business)
    with transaction.atomic():
        Agent.objects.for_org(org).select_for_update(no_key=True).get(pk=agent.pk)
        drafts = drafts_to(agent=agent, business=business, channel=channel, recipient=recipient).select_for_update()
        if saved := standing(drafts, facts=facts, mode=mode):
            return saved
        present: Draft | None = drafts.filter(status__in=OPEN).first()
        draft = present or Draft(
            org=org, agent=agent, business=business, channel=channel, recipient_key=recipient.key, version=0
        )
        draft.execution, draft.opportunity, draft.tone, draft.form = execution, opportunity, tone, written.form
        draft.recipient_name, draft.recipient_role = (visible(text)[:200] for text in (recipient.name, recipient.role))
        draft.subject, draft.body, draft.reason, draft.template = (
            written.subject, written.body, written.reason, written.template,
        )  # fmt: skip
        draft.claims = [{"text": claim.text, "evidence": list(claim.evidence)} for claim in written.claims]
        draft.citations = [each.as_json() for each in written.evidence]
        draft.warnings = [one.as_json() for one in warnings]
        draft.mode, draft.facts_sha256 = mode, facts
        _keep(draft, made_by=f"execution:{execution.pk}", mode=mode)
    return Saved(draft, "updated" if present else "new")


def edit_draft(
    *, draft: Draft, by: str, subject: str | None = None, body: str | None = None, content: str = ""
) -> Draft:
    """A person's words, in place of the content whose SHA-256 is `content`, if given. An approved draft is a draft
    again. Raises `WrongState` and `InvalidInput`."""
    with transaction.atomic():
        locked = _locked(draft)
        if locked.status not in OPEN:
            raise WrongState(f"A draft that was {locked.status} is not changed any more.")
        if content and content != locked.content_sha256:
            raise WrongState("The draft was changed since it was read; read it again.")
        subject, body = (
            locked.subject if subject is None else visible(subject).strip(),
            locked.body if body is None else visible(body).strip(),
        )
        violations = check_edit(locked.form, subject, body, evidence_of(locked), today=timezone.now().date())
        wrong = {"subject" if one.detail.startswith("The subject") else "body": [one.detail]
                 for one in violations if one.code in {"too_long", "empty"}}  # fmt: skip
        if wrong:
            raise InvalidInput("The text does not fit its channel.", fields=wrong)
        if (subject, body) == (locked.subject, locked.body):
            return locked
        locked.subject, locked.body, locked.edited_by, locked.status = subject, body, by, DraftStatus.DRAFT
        locked.approved_sha256, locked.approved_by, locked.approved_at = "", "", None
        locked.claims = [claim for claim in locked.claims if claim["text"] in f"{subject}\n{body}"]
        locked.warnings = [one.as_json() for one in violations]
        _keep(locked, made_by=by)
    logger.info("draft_edited", draft=str(draft.pk), by=by, version=locked.version)
    return locked


def approve_draft(*, draft: Draft, content: str, by: str) -> Draft:
    """Approve exactly the content whose SHA-256 is `content`. Raises `WrongState` if it reads otherwise by now or is
    no draft, `NotFit` for what no draft may say and for companies and recipients that are gone, and `DoNotContact`."""
    with transaction.atomic():
        locked = _locked(draft)
        if locked.status != DraftStatus.DRAFT:
            raise WrongState(f"Only a draft is approved; this is {locked.status}.")
        if content != locked.content_sha256 or content != content_sha256(locked):
            raise WrongState("The draft was changed since it was read; read it again.")
        _check(locked)
        locked.status, locked.approved_sha256 = DraftStatus.APPROVED, locked.content_sha256
        locked.approved_by, locked.approved_at = by, timezone.now()
        locked.save()
    logger.info("draft_approved", draft=str(draft.pk), by=by, sha256=locked.content_sha256)
    return locked


def reject_draft(*, draft: Draft, by: str, reason: str = "") -> Draft:
    """Say that it is not to be used. Raises `WrongState` for one that was exported or rejected."""
    with transaction.atomic():
        locked = _locked(draft)
        if locked.status not in OPEN:
            raise WrongState(f"The draft was {locked.status}.")
        locked.status, locked.rejected_by, locked.rejected_at = DraftStatus.REJECTED, by, timezone.now()
        locked.rejection = reason
        locked.save()
    logger.info("draft_rejected", draft=str(draft.pk), by=by)
    return locked


def export_draft(*, draft: Draft, by: str, to: str = "") -> Exported:
    """The approved text, and a note that it was handed out; again, if asked again. `to` is checked and not stored.

    Raises `WrongState` unless it is approved, and `NotFit` and `DoNotContact` as `approve_draft`.
    """
    with transaction.atomic():
        locked = _locked(draft)
        if locked.status not in {DraftStatus.APPROVED, DraftStatus.EXPORTED}:
            raise WrongState(f"Only an approved draft is exported; this is {locked.status}.")
        if content_sha256(locked) != locked.approved_sha256:
            raise WrongState("The draft is not what was approved.")
        _check(locked, emails=[to] if to else [])
        if locked.status == DraftStatus.APPROVED:
            locked.status, locked.exported_by, locked.exported_at = DraftStatus.EXPORTED, by, timezone.now()
            locked.save()
    logger.info("draft_exported", draft=str(draft.pk), by=by, sha256=locked.content_sha256)
    return Exported(locked, to, locked.subject, locked.body, locked.citations)


def evidence_of(draft: Draft) -> list[Evidence]:
    """What it rests on, as it was when it was written."""
    return [Evidence(**citation) for citation in draft.citations]


def _check(draft: Draft, emails: Sequence[str] = ()) -> None:
    check_contact(org=draft.org, business=draft.business, emails=emails)
    if reason := refusal(draft.org, draft.business):
        raise NotFit(reason)
    if reason := recipient_refusal(draft.business, draft.recipient_key):
        raise NotFit(reason, hint="Have the agent write to somebody else.")
    today = timezone.now().date()
    found = check_edit(draft.form, draft.subject, draft.body, evidence_of(draft), today=today)
    if hard := [f"{one.code}: {one.detail}" for one in found if one.is_hard]:
        raise NotFit(" ".join(hard), hint="Edit the draft, or let the agent write it anew.")


def _locked(draft: Draft) -> Draft:
    locked: Draft = (
        Draft.objects.for_org(draft.org)
        .select_for_update(of=("self",))
        .select_related("org", "business")
        .get(pk=draft.pk)
    )
    return locked


def _keep(draft: Draft, *, made_by: str, mode: str = "") -> None:
    """Store the content as the next version."""
    draft.version += 1
    draft.written_at = timezone.now()
    draft.content_sha256 = content_sha256(draft)
    try:
        with transaction.atomic():
            draft.save()
    except IntegrityError as error:
        if "draft_open_once" not in str(error):
            raise
        raise WrongState("Another open draft to this recipient was written meanwhile.") from None
    DraftVersion.objects.for_org(draft.org).create(
        org=draft.org, draft=draft, number=draft.version, subject=draft.subject, body=draft.body, claims=draft.claims,
        citations=draft.citations, content_sha256=draft.content_sha256, mode=mode, made_by=made_by,
    )  # fmt: skip
