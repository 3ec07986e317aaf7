"""Adding companies to a watchlist from a CSV file: upload, look at what every row would do, then have it done.

Between the pages the file lies in the cache for an hour, compressed, under a key that names organisation, watchlist,
person and a random token. It is matched anew by each page: what is written is what the register says at that moment,
and the session holds nothing.
"""

import io
import secrets
import zlib
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.generic import TemplateView
from unfold.views import UnfoldModelAdminViewMixin
from unfold.widgets import UnfoldAdminFileFieldWidget

from businesses.matching import Outcome, Row
from businesses.models import Watchlist
from businesses.row_files import MAX_BYTES, MAX_ROWS, UnreadableList, read_rows, unmatched_csv
from businesses.watchlists import WatchlistFull, match_rows

KEPT_S = 3600
SHOWN = 200  # rows of a kind on the page


class UploadForm(forms.Form):
    file = forms.FileField(label="CSV file", widget=UnfoldAdminFileFieldWidget({"accept": ".csv,.tsv,.txt,text/csv"}))


class OfWatchlistView(UnfoldModelAdminViewMixin, TemplateView):
    """Base of the pages: those who may change watchlists, and one that is there."""

    permission_required = "businesses.change_watchlist"
    title = "Add companies from a file"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.has_permission():
            refused: HttpResponseBase = self.handle_no_permission()
            return refused
        watchlists = self.model_admin.get_queryset(request)
        self.watchlist: Watchlist | None = watchlists.filter(pk=kwargs["watchlist_id"]).first()
        if self.watchlist is None:
            raise Http404
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"watchlist": self.watchlist}

    def target(self) -> dict[str, Any]:
        """Arguments of the services."""
        assert self.watchlist is not None  # noqa: S101  dispatch saw to it
        return {"org": self.watchlist.org, "watchlist_id": self.watchlist.pk}

    def key(self, token: str) -> str:
        of = self.target()
        return f"watchlist-upload:{of['org'].pk}:{of['watchlist_id']}:{self.request.user.pk}:{token}"


class UploadView(OfWatchlistView):
    template_name = "businesses/admin_upload.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        limits = {"max_rows": f"{MAX_ROWS:,}", "max_megabytes": MAX_BYTES // 1024 // 1024}
        return super().get_context_data(**{"form": UploadForm(), **kwargs}) | limits

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = UploadForm(request.POST, request.FILES)
        if form.is_valid():
            file: Any = form.cleaned_data["file"]
            try:
                read_rows(file)
            except UnreadableList as error:
                form.add_error("file", error.message)
            else:
                file.seek(0)
                token = secrets.token_urlsafe(16)
                cache.set(self.key(token), zlib.compress(file.read()), KEPT_S)
                return redirect("admin:businesses_watchlist_report", kwargs["watchlist_id"], token)
        return self.render_to_response(self.get_context_data(form=form))


class KeptView(OfWatchlistView):
    """Base of the pages about a file that was uploaded."""

    def kept_rows(self) -> list[Row] | None:
        raw = cache.get(self.key(self.kwargs["token"]))
        return read_rows(io.BytesIO(zlib.decompress(raw))) if raw else None

    def upload_again(self) -> HttpResponse:
        messages.warning(self.request, "The file is no longer kept: upload it again.")
        return redirect("admin:businesses_watchlist_upload", self.kwargs["watchlist_id"])


class ReportView(KeptView):
    """What every row would do; posting does it."""

    template_name = "businesses/admin_upload_report.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        rows = self.kept_rows()
        if rows is None:
            return self.upload_again()
        report = match_rows(**self.target(), rows=rows, dry_run=True)
        groups = [
            (outcome, report.having(outcome)) for outcome in (Outcome.UNMATCHED, Outcome.MATCHED, Outcome.ALREADY)
        ]
        context = self.get_context_data(
            token=kwargs["token"],
            counts=report.counts,
            groups=[
                (outcome.value, placed[:SHOWN], max(len(placed) - SHOWN, 0)) for outcome, placed in groups if placed
            ],
        )
        return self.render_to_response(context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        rows = self.kept_rows()
        if rows is None:
            return self.upload_again()
        try:
            report = match_rows(**self.target(), rows=rows, added_by=f"user:{request.user.pk}")
        except WatchlistFull as error:
            messages.error(request, error.message)
        else:
            counts = report.counts
            added = f"Put {counts['matched']:,} companies on the list."
            watchlists = Watchlist.objects.for_org(self.target()["org"]).filter(pk=kwargs["watchlist_id"])
            LogEntry.objects.log_actions(str(request.user.pk), watchlists, CHANGE, added)
            messages.success(request, f"{added} {counts['unmatched']:,} rows did not match.")
        return redirect("admin:businesses_watchlist_report", kwargs["watchlist_id"], kwargs["token"])


class UnmatchedView(KeptView):
    """The rows that did not match, as a file to correct and upload again."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        rows = self.kept_rows()
        if rows is None:
            return self.upload_again()
        report = match_rows(**self.target(), rows=rows, dry_run=True)
        text = unmatched_csv(report.having(Outcome.UNMATCHED))
        response = HttpResponse("\ufeff" + text, content_type="text/csv; charset=utf-8")  # the mark is for Excel
        response["Content-Disposition"] = 'attachment; filename="unmatched.csv"'
        response["X-Content-Type-Options"] = "nosniff"
        return response
