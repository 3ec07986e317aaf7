"""Drafts: read with what they rest on, edited, approved as they were read, rejected, exported. Nothing is sent."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern

from agents.admin.base import OF_ORG, OfCompanyAdmin, staff
from agents.admin.draft_page import EditForm, ExportForm, RejectForm, draft_sections
from agents.admin.evidence import cited
from agents.admin.executions import AgentFilter
from agents.admin.verdicts import VERDICTS, VerdictActions
from agents.drafts import approve_draft, edit_draft, export_draft, reject_draft
from agents.models import Draft, DraftChannel, DraftStatus, Judged
from agents.models.drafts import OPEN
from oppspot.core.admin import column
from oppspot.core.errors import InvalidInput, OppspotError
from oppspot.jobs.admin.durations import NOTHING, age_of, exactly

STATUSES = {"draft": "info", "approved": "success", "exported": "primary", "rejected": "warning"}
SHOWN_SUBJECT = 80


@admin.register(Draft)
class DraftAdmin(VerdictActions, OfCompanyAdmin):
    judged = Judged.DRAFT
    list_display = ["shown_subject", "company", "organisation", "channel", "recipient", "state", "look_at", "written"]
    list_filter = [OF_ORG, "status", "channel", AgentFilter]
    actions = VERDICTS
    change_form_template = "agents/admin_draft.html"
    fields = [
        ("company", "organisation"), ("shown_channel", "recipient", "shown_state"), ("shown_reason", "mode", "tone"),
        ("agent_link", "execution_link"), ("shown_edit", "shown_approval"), ("shown_export", "shown_rejection"),
        ("version", "template"), "content_sha256", "id",
    ]  # fmt: skip

    # Pages

    def get_urls(self) -> list[URLPattern]:
        may, both = self.has_judge_permission, ("GET", "POST")
        return [
            self.form_url("approve", self.approve_view, may),
            self.form_url("reject", self.reject_view, may),
            self.form_url("export", self.export_view, may),
            self.form_url("edit", self.edit_view, may, both),
            *super().get_urls(),
        ]

    def parts_of(self, request: HttpRequest, row: Draft) -> dict[str, Any]:
        return draft_sections(row) | {
            "may_judge": self.has_judge_permission(request),
            "title": f"{DraftChannel(row.channel).label} to {row.business.name}",
        }

    def approve_view(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        """Of the text that was on the page: its hash comes with the form."""
        content = request.POST.get("content", "")

        def act() -> Draft:
            return approve_draft(draft=draft, content=content, by=staff(request))

        if done := self.attempt(request, act, "Approved, as it was read"):
            self.write_down(request, [done], f"Approved {done.content_sha256}")
        return self.page_of(draft)

    def reject_view(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        form = RejectForm(request.POST)
        if not form.is_valid():
            self.say_wrong(request, form)
            return self.page_of(draft)
        reason = form.cleaned_data["reason"]
        if done := self.attempt(
            request, lambda: reject_draft(draft=draft, by=staff(request), reason=reason), "Rejected"
        ):
            self.write_down(request, [done], "Rejected")
        return self.page_of(draft)

    def export_view(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        """The approved text, to be copied from the page."""
        form = ExportForm(request.POST)
        if not form.is_valid():
            self.say_wrong(request, form)
            return self.page_of(draft)
        to = form.cleaned_data["to"]
        exported = self.attempt(
            request, lambda: export_draft(draft=draft, by=staff(request), to=to), "Exported; nothing was sent"
        )
        if exported is None:
            return self.page_of(draft)
        self.write_down(request, [exported.draft], "Exported")
        context = self.admin_site.each_context(request) | {
            "title": f"For {draft.business.name}", "exported": exported, "evidence": cited(exported.citations),
            "opts": self.opts, "media": self.media,
        }  # fmt: skip
        return TemplateResponse(request, "agents/admin_draft_export.html", context)

    def edit_view(self, request: HttpRequest, draft: Draft) -> HttpResponse:
        """A form of the words; sent, the page with what they were found to say."""
        if draft.status not in OPEN:
            self.message_user(request, f"A draft that was {draft.status} is not changed any more.", messages.WARNING)
            return self.page_of(draft)
        known = {"content": draft.content_sha256, "subject": draft.subject, "body": draft.body}
        form = EditForm(request.POST if request.method == "POST" else None, initial=known)
        if request.method == "POST" and form.is_valid():
            try:
                edited = edit_draft(draft=draft, by=staff(request), **form.cleaned_data)
            except InvalidInput as error:
                for name, texts in error.fields.items():
                    form.add_error(name, list(texts))
            except OppspotError as error:
                form.add_error(None, error.message)
            else:
                self.write_down(request, [edited], f"Edited: version {edited.version}")
                self.message_user(request, f"It reads so now: version {edited.version}.", messages.SUCCESS)
                return self.page_of(draft)
        context = self.admin_site.each_context(request) | {
            "title": f"Edit the draft for {draft.business.name}", "form": form, "draft": draft, "opts": self.opts,
            "evidence": cited(draft.citations), "media": self.media,
        }  # fmt: skip
        return TemplateResponse(request, "agents/admin_draft_edit.html", context)

    # Columns and details

    @column("Draft")
    def shown_subject(self, draft: Draft) -> str:
        text = draft.subject or draft.body
        return text if len(text) <= SHOWN_SUBJECT else f"{text[:SHOWN_SUBJECT]}…"

    @column("Channel")
    def shown_channel(self, draft: Draft) -> str:
        return str(DraftChannel(draft.channel).label)

    @column("To")
    def recipient(self, draft: Draft) -> str:
        return ", ".join(filter(None, [draft.recipient_name, draft.recipient_role])) or "nobody named"

    @column("State", colours=STATUSES)
    def state(self, draft: Draft) -> tuple[str, str]:
        return draft.status, str(DraftStatus(draft.status).label)

    @column("State")
    def shown_state(self, draft: Draft) -> str:
        return str(DraftStatus(draft.status).label)

    @column("To look at")
    def look_at(self, draft: Draft) -> str:
        return str(len(draft.warnings) or "")

    @column("Written")
    def written(self, draft: Draft) -> str:
        return age_of(draft.written_at)

    @column("Reason for it")
    def shown_reason(self, draft: Draft) -> str:
        return draft.reason.replace(".", ": ").replace("_", " ")

    @column("Written last by")
    def shown_edit(self, draft: Draft) -> str:
        return f"{draft.edited_by or 'the agent'}, {exactly(draft.written_at)}"

    @column("Approved")
    def shown_approval(self, draft: Draft) -> str:
        return f"{draft.approved_by}, {exactly(draft.approved_at)}" if draft.approved_at else NOTHING

    @column("Exported")
    def shown_export(self, draft: Draft) -> str:
        return f"{draft.exported_by}, {exactly(draft.exported_at)}" if draft.exported_at else NOTHING

    @column("Rejected")
    def shown_rejection(self, draft: Draft) -> str:
        if draft.rejected_at is None:
            return NOTHING
        return ", ".join(filter(None, [draft.rejected_by, exactly(draft.rejected_at), draft.rejection]))
