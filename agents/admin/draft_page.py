"""What the page of a draft shows besides its facts: the text, what each sentence rests on, and how it came to be so."""

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold import widgets

from agents.admin.evidence import Cited, cited
from agents.models import Draft, DraftStatus, DraftVersion
from agents.models.drafts import OPEN
from agents.suppression import MAX_EMAIL, suppressed
from agents.writing.refusing import refusal

MAX_SUBJECT, MAX_BODY, MAX_REASON = 500, 10_000, 2_000  # characters
SHOWN_VERSIONS = 20


class EditForm(forms.Form):
    """Other words. `content` is the hash of those that were read."""

    content = forms.CharField(widget=forms.HiddenInput)
    subject = forms.CharField(max_length=MAX_SUBJECT, required=False, widget=widgets.UnfoldAdminTextInputWidget)
    body = forms.CharField(max_length=MAX_BODY, widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 18}))


class RejectForm(forms.Form):
    reason = forms.CharField(
        max_length=MAX_REASON, required=False, label="Why not", widget=widgets.UnfoldAdminTextInputWidget
    )


class ExportForm(forms.Form):
    to = forms.CharField(
        max_length=MAX_EMAIL, required=False, label="To be sent to", widget=widgets.UnfoldAdminTextInputWidget,
        help_text="An address is checked against the do-not-contact list, and not stored.",
    )  # fmt: skip


def draft_sections(draft: Draft) -> dict[str, Any]:
    """The parts of the page."""
    evidence = {one.id: one for one in cited(draft.citations)}
    is_open = draft.status in OPEN
    versions = DraftVersion.objects.for_org(draft.org).filter(draft=draft).order_by("-number")
    return {
        "draft": draft,
        "obstacle": (suppressed(org=draft.org, business=draft.business) or refusal(draft.org, draft.business))
        if draft.status != DraftStatus.REJECTED
        else "",
        "claims": [_claim(claim, evidence) for claim in draft.claims],
        "evidence": list(evidence.values()),
        "versions": list(versions[:SHOWN_VERSIONS]),
        "can_approve": draft.status == DraftStatus.DRAFT,
        "can_change": is_open,
        "can_export": draft.status in {DraftStatus.APPROVED, DraftStatus.EXPORTED},
        "reject_form": RejectForm(auto_id="id_reject_%s"),
        "export_form": ExportForm(auto_id="id_export_%s"),
    }


def _claim(claim: Mapping[str, Any], evidence: Mapping[str, Cited]) -> tuple[str, list[Cited], list[str]]:
    """What is said, the facts that it cites, and ids of facts that are not there."""
    ids = [str(key) for key in claim["evidence"]]
    return (
        str(claim["text"]),
        [evidence[key] for key in ids if key in evidence],
        [key for key in ids if key not in evidence],
    )
