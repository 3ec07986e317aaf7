"""Admin: the models in use, and a page that searches as the API does."""

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, path
from django.views.generic import TemplateView
from unfold.admin import ModelAdmin
from unfold.views import UnfoldModelAdminViewMixin

from embeddings.forms import SearchForm
from embeddings.models import EmbeddingModel
from embeddings.search import SearchResult, search
from oppspot.core.admin import ReadOnlyMixin
from oppspot.core.errors import OppspotError


class SearchView(UnfoldModelAdminViewMixin, TemplateView):
    """Search, with the results explained."""

    title = "Search by meaning"
    permission_required = "businesses.view_business"
    template_name = "embeddings/admin_search.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = SearchForm(self.request.GET or None, initial={"limit": 20})
        result, error = self._run(form)
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"form": form, "result": result, "error": error}

    @staticmethod
    def _run(form: SearchForm) -> tuple[SearchResult | None, str]:
        if not form.is_bound or not form.is_valid():
            return None, ""
        try:
            return search(**form.arguments()), ""
        except OppspotError as error:
            return None, str(error)


@admin.register(EmbeddingModel)
class EmbeddingModelAdmin(ReadOnlyMixin, ModelAdmin):
    """Models are activated by `embed_businesses`; here they are looked at."""

    list_display = ["name", "provider", "dimensions", "hnsw_m", "hnsw_ef_construction", "index_name", "activated_at"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(SearchView.as_view(model_admin=self))
        urls: list[URLPattern] = super().get_urls()
        return [path("search/", view, name="embeddings_search"), *urls]
