"""The inventory of routes: what each needs. A route that is missing here, or here but gone, fails the tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver

from oppspot.organizations.scopes import Scope

READ, WRITE, ADMIN, REGISTER = Scope.READ, Scope.WRITE, Scope.ADMIN, Scope.REGISTER

# Scope by method. A route with an id of an org-owned object names the object's kind in OWNED.
API: dict[str, dict[str, str]] = {
    "/api/v1/agents/": {"GET": READ, "POST": WRITE},
    "/api/v1/agents/<pk>/": {"GET": READ, "PATCH": WRITE, "DELETE": WRITE},
    "/api/v1/agents/<pk>/dry-run/": {"POST": WRITE},
    "/api/v1/agents/<pk>/pause/": {"POST": WRITE},
    "/api/v1/agents/<pk>/resume/": {"POST": WRITE},
    "/api/v1/agents/<pk>/run/": {"POST": WRITE},
    "/api/v1/agents/kinds/": {"GET": READ},
    "/api/v1/agents/stats/": {"GET": READ},
    "/api/v1/alert-channels/": {"GET": READ, "POST": ADMIN},
    "/api/v1/alert-channels/<pk>/": {"GET": READ, "PATCH": ADMIN, "DELETE": ADMIN},
    "/api/v1/alert-channels/<pk>/rotate-secret/": {"POST": ADMIN},
    "/api/v1/alert-channels/<pk>/test/": {"POST": ADMIN},
    "/api/v1/alert-deliveries/": {"GET": READ},
    "/api/v1/alert-deliveries/<pk>/": {"GET": READ},
    "/api/v1/alert-deliveries/<pk>/resend/": {"POST": WRITE},
    "/api/v1/alert-rules/": {"GET": READ, "POST": WRITE},
    "/api/v1/alert-rules/<pk>/": {"GET": READ, "PATCH": WRITE, "DELETE": WRITE},
    "/api/v1/alerts/": {"GET": READ},
    "/api/v1/alerts/<pk>/": {"GET": READ},
    "/api/v1/api-keys/": {"GET": ADMIN, "POST": ADMIN},
    "/api/v1/api-keys/<pk>/": {"GET": ADMIN, "DELETE": ADMIN},
    "/api/v1/businesses/": {"GET": READ},
    "/api/v1/businesses/<pk>/": {"GET": READ, "PATCH": REGISTER},
    "/api/v1/businesses/<business_id>/events/": {"GET": READ},
    "/api/v1/businesses/<uuid:pk>/similar/": {"GET": READ},
    "/api/v1/businesses/<uuid:business_id>/timeline/": {"GET": READ},
    "/api/v1/competitors/": {"GET": READ, "POST": WRITE},
    "/api/v1/competitors/<pk>/": {"GET": READ, "PATCH": WRITE, "DELETE": WRITE},
    "/api/v1/drafts/": {"GET": READ},
    "/api/v1/drafts/<pk>/": {"GET": READ, "PATCH": WRITE},
    "/api/v1/drafts/<pk>/approve/": {"POST": WRITE},
    "/api/v1/drafts/<pk>/export/": {"POST": WRITE},
    "/api/v1/drafts/<pk>/reject/": {"POST": WRITE},
    "/api/v1/embeddings/generate/": {"POST": WRITE},
    "/api/v1/events/": {"GET": READ, "POST": WRITE},
    "/api/v1/executions/": {"GET": READ},
    "/api/v1/executions/<pk>/": {"GET": READ},
    "/api/v1/executions/<pk>/cancel/": {"POST": WRITE},
    "/api/v1/executions/<pk>/retry/": {"POST": WRITE},
    "/api/v1/executions/<pk>/tree/": {"GET": READ},
    "/api/v1/feedback/": {"GET": READ, "POST": WRITE},
    "/api/v1/opportunities/": {"GET": READ},
    "/api/v1/opportunities/<pk>/": {"GET": READ, "PATCH": WRITE},
    "/api/v1/scorecards/": {"GET": READ},
    "/api/v1/scorecards/<pk>/": {"GET": READ},
    "/api/v1/icp-suggestions/": {"GET": READ, "POST": WRITE},
    "/api/v1/icp-suggestions/<pk>/": {"GET": READ},
    "/api/v1/icp-suggestions/<pk>/accept/": {"POST": WRITE},
    "/api/v1/icp-suggestions/<pk>/reject/": {"POST": WRITE},
    "/api/v1/intro-paths/": {"GET": READ},
    "/api/v1/intro-paths/<pk>/": {"GET": READ},
    "/api/v1/reports/": {"GET": READ},
    "/api/v1/reports/<pk>/": {"GET": READ},
    "/api/v1/reports/<pk>/markdown/": {"GET": READ},
    "/api/v1/jobs/": {"GET": READ},
    "/api/v1/jobs/<pk>/": {"GET": READ},
    "/api/v1/jobs/<pk>/cancel/": {"POST": WRITE},
    "/api/v1/jobs/<pk>/retry/": {"POST": WRITE},
    "/api/v1/members/": {"GET": READ},
    "/api/v1/members/<pk>/": {"GET": READ, "PATCH": ADMIN, "DELETE": ADMIN},
    "/api/v1/organization/": {"GET": READ},
    "/api/v1/scores/": {"GET": READ},
    "/api/v1/scores/<uuid:business_id>/": {"GET": READ},
    "/api/v1/search/semantic/": {"POST": READ},
    "/api/v1/search/similar/": {"POST": READ},
    "/api/v1/sic-codes/": {"GET": READ},
    "/api/v1/signals/": {"GET": READ, "POST": WRITE},
    "/api/v1/signals/<pk>/": {"GET": READ, "PATCH": WRITE},
    "/api/v1/signals/<pk>/confirm/": {"POST": WRITE},
    "/api/v1/source-reliability/": {"GET": READ},
    "/api/v1/suppressions/": {"GET": READ, "POST": WRITE},
    "/api/v1/suppressions/<pk>/": {"DELETE": WRITE},
    "/api/v1/suppressions/bulk/": {"POST": WRITE},
    "/api/v1/usage/": {"GET": READ},
    "/api/v1/usage/budget/": {"GET": READ, "PUT": ADMIN},
    "/api/v1/watchlists/": {"GET": READ, "POST": WRITE},
    "/api/v1/watchlists/<pk>/": {"GET": READ, "PATCH": WRITE, "DELETE": WRITE},
    "/api/v1/watchlists/<uuid:watchlist_id>/fill/": {"POST": WRITE},
    "/api/v1/watchlists/<watchlist_id>/entries/": {"GET": READ, "POST": WRITE},
    "/api/v1/watchlists/<watchlist_id>/entries/remove/": {"POST": WRITE},
    "/api/v1/watchlists/<watchlist_id>/exclusions/": {"GET": READ},
    "/api/v1/watchlists/<watchlist_id>/exclusions/remove/": {"POST": WRITE},
    "/api/v1/watchlists/<watchlist_id>/match/": {"POST": WRITE},
}
OWNED = {
    "/api/v1/agents/<pk>/": "agent",
    "/api/v1/agents/<pk>/dry-run/": "agent",
    "/api/v1/agents/<pk>/pause/": "agent",
    "/api/v1/agents/<pk>/resume/": "agent",
    "/api/v1/agents/<pk>/run/": "agent",
    "/api/v1/alert-channels/<pk>/": "channel",
    "/api/v1/alert-channels/<pk>/rotate-secret/": "channel",
    "/api/v1/alert-channels/<pk>/test/": "channel",
    "/api/v1/alert-deliveries/<pk>/": "delivery",
    "/api/v1/alert-deliveries/<pk>/resend/": "delivery",
    "/api/v1/alert-rules/<pk>/": "rule",
    "/api/v1/alerts/<pk>/": "alert",
    "/api/v1/api-keys/<pk>/": "api_key",
    "/api/v1/competitors/<pk>/": "competitor",
    "/api/v1/drafts/<pk>/": "draft",
    "/api/v1/drafts/<pk>/approve/": "draft",
    "/api/v1/drafts/<pk>/export/": "draft",
    "/api/v1/drafts/<pk>/reject/": "draft",
    "/api/v1/executions/<pk>/": "execution",
    "/api/v1/executions/<pk>/cancel/": "execution",
    "/api/v1/executions/<pk>/retry/": "execution",
    "/api/v1/executions/<pk>/tree/": "execution",
    "/api/v1/icp-suggestions/<pk>/": "suggestion",
    "/api/v1/icp-suggestions/<pk>/accept/": "suggestion",
    "/api/v1/icp-suggestions/<pk>/reject/": "suggestion",
    "/api/v1/intro-paths/<pk>/": "intro_path",
    "/api/v1/jobs/<pk>/": "run",
    "/api/v1/jobs/<pk>/cancel/": "run",
    "/api/v1/jobs/<pk>/retry/": "run",
    "/api/v1/members/<pk>/": "membership",
    "/api/v1/opportunities/<pk>/": "opportunity",
    "/api/v1/reports/<pk>/": "report",
    "/api/v1/reports/<pk>/markdown/": "report",
    "/api/v1/scorecards/<pk>/": "scorecard",
    "/api/v1/signals/<pk>/": "signal",
    "/api/v1/signals/<pk>/confirm/": "signal",
    "/api/v1/suppressions/<pk>/": "suppression",
    "/api/v1/watchlists/<pk>/": "watchlist",
    "/api/v1/watchlists/<uuid:watchlist_id>/fill/": "watchlist",
    "/api/v1/watchlists/<watchlist_id>/entries/": "watchlist",
    "/api/v1/watchlists/<watchlist_id>/entries/remove/": "watchlist",
    "/api/v1/watchlists/<watchlist_id>/exclusions/": "watchlist",
    "/api/v1/watchlists/<watchlist_id>/exclusions/remove/": "watchlist",
    "/api/v1/watchlists/<watchlist_id>/match/": "watchlist",
}

# Open to everyone, with what they answer.
PUBLIC = {
    "/": 302,  # to the documentation
    "/favicon.ico": 302,
    "/api/docs/": 200,
    "/api/schema/": 200,
    "/healthz/": 200,
    "/healthz/ready/": 200,
    "/healthz/jobs/": 503,  # no worker runs in the tests
    "/admin/login/": 200,
}
# Everything else below it sends those who are not staff to the login page.
ADMIN_ROOT = "/admin/"


@dataclass(frozen=True)
class Route:
    template: str
    callback: Any

    def methods(self) -> set[str]:
        """The methods that the view answers, without HEAD and OPTIONS."""
        actions = getattr(self.callback, "actions", None)
        if actions:
            return {method.upper() for method in actions} - {"HEAD"}
        view: Any = getattr(self.callback, "cls", None)
        return {name.upper() for name in view.http_method_names if hasattr(view, name)} - {"HEAD", "OPTIONS"}


def all_routes() -> list[Route]:
    return list(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: Any, prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield Route(simplify_regex(path.removesuffix("$").removesuffix("\\Z")), pattern.callback)
