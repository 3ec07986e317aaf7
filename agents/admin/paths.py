"""Introduction paths: hop by hop with the facts that each rests on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from agents.admin.base import OF_ORG, GoneFilter, ResultAdmin, link_to
from agents.admin.evidence import Cited, cited
from agents.admin.executions import AgentFilter
from agents.admin.verdicts import VERDICTS, VerdictActions
from agents.models import IntroPath, Judged
from oppspot.core.admin import ChoiceFilter, column
from oppspot.jobs.admin.durations import age_of, exactly

BY = {"officer": "officer of both", "address": "the same registered office"}
UNREAD = [f"{role}__{name}" for role in ("target", "start") for name in ("embedding", "search_vector")]


class StrengthFilter(ChoiceFilter):
    title, parameter_name = "strength", "strength"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(least, f"{least} or more") for least in ("0.5", "0.25", "0.1")]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(strength__gte=float(value))


class HopsFilter(ChoiceFilter):
    title, parameter_name = "hops", "hops"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "1"), ("2", "At most 2"), ("3", "At most 3")]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(hops__lte=int(value))


@dataclass(frozen=True)
class End:
    """A company at an end of a hop."""

    name: str
    number: str
    link: str


@dataclass(frozen=True)
class Hop:
    """From one company, or none where a person is known, by somebody or something to the next."""

    source: End | None
    via: str
    by: str
    strength: float
    target: End
    evidence: list[Cited]


def hops_of(links: Iterable[Mapping[str, Any]]) -> list[Hop]:
    """The links of a path, ready to be shown."""
    return [
        Hop(
            source=_end(link["from"]) if link["from"] else None,
            via=link["via"]["name"],
            by=BY.get(link["kind"], link["kind"]) if link["from"] else "known to the organisation",
            strength=link["strength"],
            target=_end(link["to"]),
            evidence=cited(link["evidence"]),
        )
        for link in links
    ]


def _end(company: Mapping[str, Any]) -> End:
    link = reverse("admin:businesses_business_change", args=[company["id"]])
    return End(company["name"], company["company_number"] or "", link)


@admin.register(IntroPath)
class IntroPathAdmin(VerdictActions, ResultAdmin):
    judged = Judged.INTRO_PATH
    list_display = ["summary", "target_link", "organisation", "agent_link", "hops", "shown_strength", "seen", "gone"]
    list_select_related = ["org", "agent", "target", "start"]
    list_filter = [OF_ORG, StrengthFilter, HopsFilter, GoneFilter, AgentFilter]
    actions = VERDICTS
    change_form_template = "agents/admin_path.html"
    fields = [
        ("target_link", "start_link"), ("organisation", "hops", "shown_strength"), ("agent_link", "execution_link"),
        ("shown_first", "shown_last", "gone"), ("mode", "id"),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[IntroPath]:
        return super().get_queryset(request).defer(*UNREAD)

    def parts_of(self, request: HttpRequest, row: IntroPath) -> dict[str, Any]:
        return {"hops": hops_of(row.links), "title": row.summary}

    # Columns and details

    @column("To")
    def target_link(self, row: IntroPath) -> str:
        return link_to(row.target, row.target.name)

    @column("From")
    def start_link(self, row: IntroPath) -> str:
        return link_to(row.start, row.start.name) if row.start else "a person whom the organisation knows"

    @column("Strength")
    def shown_strength(self, row: IntroPath) -> str:
        return f"{row.strength:.2f}"

    @column("Seen")
    def seen(self, row: IntroPath) -> str:
        return age_of(row.last_seen_at)

    @column("Gone")
    def gone(self, row: IntroPath) -> str:
        return age_of(row.gone_at) if row.gone_at else ""

    @column("Found first")
    def shown_first(self, row: IntroPath) -> str:
        return exactly(row.first_seen_at)

    @column("Found last")
    def shown_last(self, row: IntroPath) -> str:
        return exactly(row.last_seen_at)
