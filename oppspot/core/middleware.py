"""HTTP middleware of the whole site."""

from collections.abc import Callable
from typing import ClassVar

from django.http import HttpRequest, HttpResponse


class ContentSecurityPolicyMiddleware:
    """Sets a strict Content-Security-Policy, with the relaxations the admin's Alpine.js components need."""

    STRICT: ClassVar[dict[str, str]] = {
        "default-src": "'self'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "img-src": "'self' data:",
        "object-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
    }
    # Alpine evaluates expressions found in the markup, and sets inline styles.
    ADMIN: ClassVar[dict[str, str]] = STRICT | {
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
    }
    # Swagger UI sets inline styles; its script is split out by SpectacularSwaggerSplitView.
    DOCS: ClassVar[dict[str, str]] = STRICT | {"style-src": "'self' 'unsafe-inline'"}

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith("/admin/"):
            policy = self.ADMIN
        elif request.path.startswith("/api/docs/"):
            policy = self.DOCS
        else:
            policy = self.STRICT
        response.setdefault("Content-Security-Policy", "; ".join(f"{key} {value}" for key, value in policy.items()))
        return response
