"""All routes."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from agents.api.paths import IntroPathViewSet
from businesses.admin.sources_page import sources_urls
from businesses.api import BusinessEventViewSet, BusinessViewSet, SicCodeViewSet
from businesses.org_events_api import OrgEventViewSet
from businesses.watchlist_api import (
    WatchlistEntryViewSet,
    WatchlistMatchViewSet,
    WatchlistRemovalViewSet,
    WatchlistViewSet,
)
from embeddings.api import SemanticSearchView, SimilarSearchView, SimilarToView
from embeddings.generation_api import GenerateEmbeddingsView
from embeddings.watchlist_api import WatchlistFillView
from oppspot.core import health
from oppspot.jobs import health as jobs_health
from oppspot.jobs.api import JobViewSet
from oppspot.organizations.api import ApiKeyViewSet, MemberViewSet, OrganizationView
from signals_app.alerts.api.channels import ChannelViewSet
from signals_app.alerts.api.deliveries import AlertViewSet, DeliveryViewSet
from signals_app.alerts.api.rules import RuleViewSet
from signals_app.api import CompetitorViewSet, ReliabilityViewSet, SignalViewSet
from signals_app.score_api import ExplainedScoreView, ScoreViewSet, TimelineView

router = SimpleRouter()
router.register("alert-channels", ChannelViewSet, basename="alert-channel")
router.register("alert-deliveries", DeliveryViewSet, basename="alert-delivery")
router.register("alert-rules", RuleViewSet, basename="alert-rule")
router.register("alerts", AlertViewSet, basename="alert")
router.register("businesses", BusinessViewSet, basename="business")
router.register(r"businesses/(?P<business_id>[^/.]+)/events", BusinessEventViewSet, basename="business-event")
router.register("sic-codes", SicCodeViewSet, basename="sic-code")
router.register("api-keys", ApiKeyViewSet, basename="api-key")
router.register("competitors", CompetitorViewSet, basename="competitor")
router.register("intro-paths", IntroPathViewSet, basename="intro-path")
router.register("jobs", JobViewSet, basename="job")
router.register("members", MemberViewSet, basename="member")
router.register("scores", ScoreViewSet, basename="score")
router.register("signals", SignalViewSet, basename="signal")
router.register("source-reliability", ReliabilityViewSet, basename="source-reliability")
router.register("events", OrgEventViewSet, basename="org-event")
router.register("watchlists", WatchlistViewSet, basename="watchlist")
for name, viewset in (
    ("entries", WatchlistEntryViewSet),
    ("entries/remove", WatchlistRemovalViewSet),
    ("match", WatchlistMatchViewSet),
):
    router.register(rf"watchlists/(?P<watchlist_id>[^/.]+)/{name}", viewset, basename=f"watchlist-{name}")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="api-docs")),
    path(
        "favicon.ico", RedirectView.as_view(url=f"/{settings.STATIC_URL.lstrip('/')}core/favicon.svg"), name="favicon"
    ),
    path("admin/businesses/sources/", include(sources_urls(admin.site))),  # before the admin, which answers all below
    path("admin/", admin.site.urls),
    path("api/v1/", include(router.urls)),
    path("api/v1/businesses/<uuid:pk>/similar/", SimilarToView.as_view(), name="business-similar"),
    path("api/v1/businesses/<uuid:business_id>/timeline/", TimelineView.as_view(), name="business-timeline"),
    path("api/v1/scores/<uuid:business_id>/", ExplainedScoreView.as_view(), name="score-explained"),
    path("api/v1/embeddings/generate/", GenerateEmbeddingsView.as_view(), name="embeddings-generate"),
    path("api/v1/search/semantic/", SemanticSearchView.as_view(), name="search-semantic"),
    path("api/v1/search/similar/", SimilarSearchView.as_view(), name="search-similar"),
    path("api/v1/watchlists/<uuid:watchlist_id>/fill/", WatchlistFillView.as_view(), name="watchlist-fill"),
    path("api/v1/organization/", OrganizationView.as_view(), name="organization"),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("healthz/", health.live, name="health-live"),
    path("healthz/ready/", health.ready, name="health-ready"),
    path("healthz/jobs/", jobs_health.jobs, name="health-jobs"),
]

handler400 = "oppspot.core.problems.bad_request"
handler403 = "oppspot.core.problems.permission_denied"
handler404 = "oppspot.core.problems.not_found"
handler500 = "oppspot.core.problems.server_error"
