"""All routes."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from businesses.api import BusinessEventViewSet, BusinessViewSet, SicCodeViewSet
from embeddings.api import SemanticSearchView, SimilarSearchView, SimilarToView
from embeddings.generation_api import GenerateEmbeddingsView
from oppspot.core import health
from oppspot.jobs import health as jobs_health
from oppspot.jobs.api import JobViewSet
from oppspot.organizations.api import ApiKeyViewSet, MemberViewSet, OrganizationView
from signals_app.alerts.api.channels import ChannelViewSet
from signals_app.alerts.api.deliveries import AlertViewSet, DeliveryViewSet
from signals_app.alerts.api.rules import RuleViewSet

router = SimpleRouter()
router.register("alert-channels", ChannelViewSet, basename="alert-channel")
router.register("alert-deliveries", DeliveryViewSet, basename="alert-delivery")
router.register("alert-rules", RuleViewSet, basename="alert-rule")
router.register("alerts", AlertViewSet, basename="alert")
router.register("businesses", BusinessViewSet, basename="business")
router.register(r"businesses/(?P<business_id>[^/.]+)/events", BusinessEventViewSet, basename="business-event")
router.register("sic-codes", SicCodeViewSet, basename="sic-code")
router.register("api-keys", ApiKeyViewSet, basename="api-key")
router.register("jobs", JobViewSet, basename="job")
router.register("members", MemberViewSet, basename="member")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="api-docs")),
    path(
        "favicon.ico", RedirectView.as_view(url=f"/{settings.STATIC_URL.lstrip('/')}core/favicon.svg"), name="favicon"
    ),
    path("admin/", admin.site.urls),
    path("api/v1/", include(router.urls)),
    path("api/v1/businesses/<uuid:pk>/similar/", SimilarToView.as_view(), name="business-similar"),
    path("api/v1/embeddings/generate/", GenerateEmbeddingsView.as_view(), name="embeddings-generate"),
    path("api/v1/search/semantic/", SemanticSearchView.as_view(), name="search-semantic"),
    path("api/v1/search/similar/", SimilarSearchView.as_view(), name="search-similar"),
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
