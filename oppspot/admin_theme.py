"""How the admin looks: settings of its theme."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "oppSpot",
    "SITE_HEADER": "oppSpot",
    "SITE_SUBHEADER": "Company intelligence",
    "SITE_URL": reverse_lazy("api-docs"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("core/favicon.svg")}],
    "STYLES": [lambda request: static("core/admin.css")],
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": "oppspot.navigation.sidebar"},
}
