"""Whom organisations do not contact: listed, added, removed. Addresses and domains are not to be read anywhere."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold import widgets

from agents.admin.base import OF_ORG, staff
from agents.models import Suppression, SuppressionKind, SuppressionReason
from agents.suppression import MAX_BULK, MAX_EMAIL, Wish, add_suppressions, remove_suppression
from oppspot.core.admin import LargeTableAdmin, column
from oppspot.core.errors import InvalidInput
from oppspot.jobs.admin.durations import age_of, exactly
from oppspot.organizations.models import Organization

SHOWN_OF_HASH = 8  # characters: enough to tell rows apart
SHOWN_WRONG = 20  # lines
MAX_VALUES = MAX_BULK * (MAX_EMAIL + 2)  # characters


class AddForm(forms.Form):
    org = forms.ModelChoiceField(
        Organization.objects.order_by("name"), label="Organisation", widget=widgets.UnfoldAdminSelect2Widget
    )
    kind = forms.ChoiceField(choices=SuppressionKind.choices, widget=widgets.UnfoldAdminSelectWidget)
    reason = forms.ChoiceField(choices=SuppressionReason.choices, widget=widgets.UnfoldAdminSelectWidget)
    values = forms.CharField(
        max_length=MAX_VALUES, label="Who", widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text=f"One a line, {MAX_BULK:,} at most: addresses, domains or company numbers. All are added, or none.",
    )  # fmt: skip

    def wishes(self) -> list[tuple[int, Wish]]:
        """Each with the number of its line."""
        kind, reason = self.cleaned_data["kind"], self.cleaned_data["reason"]
        lines = enumerate(self.cleaned_data["values"].splitlines(), start=1)
        return [(number, Wish(kind, line.strip(), reason)) for number, line in lines if line.strip()]

    def add_errors(self, error: InvalidInput, lines: list[int]) -> None:
        """What the service refused, by line: it names places, and never repeats a value."""
        told: list[str] = []
        for path, texts in error.fields.items():
            place = path.split(".")[1] if path.startswith("items.") else "0" if path == "value" else ""
            told += [f"Line {lines[int(place)]}: {text}" if place else text for text in texts]
        for text in told[:SHOWN_WRONG]:
            self.add_error("values", text)
        if len(told) > SHOWN_WRONG:
            self.add_error("values", f"And {len(told) - SHOWN_WRONG} more.")


@admin.register(Suppression)
class SuppressionAdmin(LargeTableAdmin):
    """Rows are added and removed, never edited."""

    list_display = ["who", "kind", "organisation", "reason", "created_by", "added"]
    list_select_related = ["org"]
    list_filter = [OF_ORG, "kind", "reason"]
    sortable_by: list[str] = []
    ordering = ["-id"]
    fields = ["who", "kind", "organisation", "reason", "created_by", "shown_created", "id"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Suppression]:
        rows: QuerySet[Suppression] = super().get_queryset(request).select_related("org")
        return rows

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = AddForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid() and self._add(request, form):
            return redirect("admin:agents_suppression_changelist")
        context = self.admin_site.each_context(request) | {
            "title": "Do not contact", "form": form, "opts": self.opts, "media": self.media + form.media,
        }  # fmt: skip
        return TemplateResponse(request, "agents/admin_suppression_add.html", context)

    def _add(self, request: HttpRequest, form: AddForm) -> bool:
        org, numbered = form.cleaned_data["org"], form.wishes()
        try:
            new = add_suppressions(org=org, wishes=[wish for _, wish in numbered], by=staff(request))
        except InvalidInput as error:
            form.add_errors(error, [number for number, _ in numbered])
            return False
        told = f"Not to be contacted by {org}: {new} new, {len(numbered) - new} were on the list already."
        LogEntry.objects.log_actions(str(request.user.pk), [org], ADDITION, told)
        self.message_user(request, told, messages.SUCCESS)
        return True

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        remove_suppression(suppression=obj, by=staff(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    # Columns and details

    @column("Who")
    def who(self, row: Suppression) -> str:
        if row.kind == SuppressionKind.COMPANY:
            return f"Company {row.value}"
        return f"Not readable (hash {row.value[:SHOWN_OF_HASH]}…)"

    @column("Organisation")
    def organisation(self, row: Suppression) -> str:
        return row.org.name

    @column("Added")
    def added(self, row: Suppression) -> str:
        return age_of(row.created_at)

    @column("Added")
    def shown_created(self, row: Suppression) -> str:
        return exactly(row.created_at)
