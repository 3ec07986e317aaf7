"""Feedback on results by staff: from the list on many, on a page on one, with a note."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from unfold import widgets

from agents.admin.base import ResultAdmin, staff
from agents.admin.executions import NONE
from agents.feedback import give_feedback
from agents.models import Feedback, Judged, Verdict
from oppspot.jobs.admin.filters import as_uuid

MAX_NOTE = 2_000  # characters
SHOWN_VERDICTS = 100
VERDICTS = ["useful", "wrong", "already_known"]  # actions of `VerdictActions`


class VerdictForm(forms.Form):
    verdict = forms.ChoiceField(choices=Verdict.choices, label="It is", widget=widgets.UnfoldAdminSelectWidget)
    note = forms.CharField(max_length=MAX_NOTE, required=False, widget=widgets.UnfoldAdminTextInputWidget)


class VerdictActions(ResultAdmin):
    """Base of lists of results that people judge, which show what was said of each."""

    judged: Judged
    change_form_template = "agents/admin_result.html"

    class Media:
        css = {"all": ["jobs/admin.css", "agents/admin.css"]}

    def has_feedback_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("agents.add_feedback")

    def get_urls(self) -> list[URLPattern]:
        return [self.form_url("verdict", self.verdict_view, self._may_say), *super().get_urls()]

    def _may_say(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and self.has_feedback_permission(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_queryset(request).filter(pk=as_uuid(object_id) or NONE).first()
        context = extra_context or {}
        if row is not None and self.has_view_permission(request, row):
            context |= self.parts_of(request, row) | {"verdicts": self._given(row)}
            if self.has_feedback_permission(request):
                context |= {"verdict_form": VerdictForm(), "verdict_url": f"admin:{self.url_name('verdict')}"}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def parts_of(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the page of `row` shows besides its fields, made once: a field is asked for again and again."""
        return {}

    def _given(self, row: Any) -> list[Feedback]:
        given = Feedback.objects.for_org(row.org).filter(subject_type=self.judged, subject_id=row.pk)
        return list(given.order_by("-pk")[:SHOWN_VERDICTS])

    def verdict_view(self, request: HttpRequest, row: Any) -> HttpResponse:
        form = VerdictForm(request.POST)
        if not form.is_valid():
            self.say_wrong(request, form)
            return self.page_of(row)
        verdict, note = Verdict(form.cleaned_data["verdict"]), form.cleaned_data["note"]
        headline = f"Kept as {verdict.label.lower()}"
        if self.attempt(request, lambda: self._give(row, verdict, staff(request), note), headline):
            self.write_down(request, [row], headline)
        return self.page_of(row)

    @admin.action(description="Feedback: useful", permissions=["feedback"])
    def useful(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._say(request, queryset, Verdict.USEFUL)

    @admin.action(description="Feedback: wrong", permissions=["feedback"])
    def wrong(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._say(request, queryset, Verdict.WRONG)

    @admin.action(description="Feedback: already known", permissions=["feedback"])
    def already_known(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._say(request, queryset, Verdict.KNOWN)

    def _say(self, request: HttpRequest, queryset: QuerySet[Any], verdict: Verdict) -> None:
        self.judge(request, queryset, lambda row, by: self._give(row, verdict, by), f"Kept as {verdict.label.lower()}")

    def _give(self, row: Any, verdict: Verdict, by: str, note: str = "") -> Any:
        give_feedback(
            org=row.org, subject_type=self.judged, subject_id=row.pk, verdict=verdict, note=note, given_by=by
        )  # fmt: skip
        return row
