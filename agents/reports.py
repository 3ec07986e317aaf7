"""Reports: sections are used again while they are fresh, made anew when not, and put together to what one run gives."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from agents.models import (
    AgentExecution,
    Mode,
    ReportSection,
    ReportStatus,
    ResearchMonth,
    ResearchReport,
    ResearchSection,
    SectionName,
    SectionStatus,
)
from agents.research.changes import changes_between
from agents.research.dossier import basis_for
from agents.research.lines import UNKNOWN, Section
from businesses.models import Business
from oppspot.core.errors import PermanentError
from oppspot.organizations.models import Organization

PARTIAL_LIVES = timedelta(days=1)  # at most: a source that failed may answer tomorrow
DEFAULT_QUOTA = 500


class QuotaSpent(PermanentError):
    """The reports of this month's quota are used up."""

    code = "quota_spent"
    status = 402


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A report that is asked for. `lives`: days of each section; `basis`: how the company's facts stand."""

    org: Organization
    business: Business
    depth: str
    basis: Mapping[str, Any]
    lives: Mapping[str, int]
    quota: int
    now: datetime = field(default_factory=timezone.now)


def lock_research(org: Organization, business: UUID) -> None:
    """Until the transaction ends: concurrent runs for one company make one set of sections."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"research:{org.pk}:{business}"])


def current_sections(wanted: Wanted) -> QuerySet[ResearchSection]:
    """The newest of each name, fresh or not."""
    sections = ResearchSection.objects.for_org(wanted.org)
    return sections.filter(business=wanted.business, depth=wanted.depth, superseded_at=None)


def fresh_sections(wanted: Wanted) -> dict[str, ResearchSection]:
    """Sections that can be used again, by name: not expired, and of facts that have not changed since."""
    rows = current_sections(wanted).filter(expires_at__gt=wanted.now)
    return {one.name: one for one in rows if one.basis == basis_for(one.name, wanted.basis)}


def stale_names(wanted: Wanted) -> list[str]:
    """Names of the sections to make, in the report's order."""
    fresh = fresh_sections(wanted)
    return [name for name in SectionName.values if name not in fresh]


def keep_sections(*, wanted: Wanted, sections: Sequence[Section]) -> list[ResearchSection]:
    """Store sections in place of those before; what another run has made meanwhile is left as it is. Returns the new.

    Anything new counts as one report of the month's quota. Raises `QuotaSpent`; nothing is stored then.
    """
    with transaction.atomic():
        lock_research(wanted.org, wanted.business.pk)
        fresh = fresh_sections(wanted)
        rows = [_row(wanted, section) for section in sections if section.name not in fresh]
        if rows:
            spend_quota(org=wanted.org, quota=wanted.quota, day=wanted.now.date())
        current_sections(wanted).filter(name__in=[row.name for row in rows]).update(superseded_at=wanted.now)
        ResearchSection.objects.for_org(wanted.org).bulk_create(rows)
    return rows


def _row(wanted: Wanted, section: Section) -> ResearchSection:
    lives = timedelta(days=wanted.lives[section.name])
    nothing = all(line["kind"] == UNKNOWN for line in section.lines)
    status = SectionStatus.OK
    if section.problem:
        lives = min(lives, PARTIAL_LIVES)
        status = SectionStatus.FAILED if nothing else SectionStatus.PARTIAL
    return ResearchSection(
        org=wanted.org, business=wanted.business, name=section.name, depth=wanted.depth, content=section.lines,
        evidence=[one.as_json() for one in section.evidence], status=status, problem=section.problem,
        basis=basis_for(section.name, wanted.basis), generated_at=wanted.now, expires_at=wanted.now + lives,
    )  # fmt: skip


def quota_left(*, org: Organization, quota: int, day: date) -> int:
    used = ResearchMonth.objects.for_org(org).filter(month=day.replace(day=1)).values_list("used", flat=True).first()
    return max(0, quota - (used or 0))


def spend_quota(*, org: Organization, quota: int, day: date) -> None:
    """Count a report, within a transaction. Raises `QuotaSpent`, whatever runs beside it."""
    month = day.replace(day=1)
    rows = ResearchMonth.objects.for_org(org)
    rows.bulk_create([ResearchMonth(org=org, month=month)], ignore_conflicts=True)
    if not rows.filter(month=month, used__lt=quota).update(used=F("used") + 1):
        raise QuotaSpent(f"All {quota} reports of {month:%Y-%m} are used up; what is fresh can still be read.")


def keep_prose(
    *, org: Organization, section: UUID, prose: Sequence[Mapping[str, Any]], dropped: int, mode: str, reason: str
) -> None:
    """Add what a language model wrote to a section, or why it did not; prose that is there already stays."""
    rows = ResearchSection.objects.for_org(org).filter(pk=section).exclude(mode=Mode.LLM)
    rows.update(prose=list(prose), dropped_sentences=dropped, mode=mode, fallback_reason=reason[:1_000])


def make_report(
    *, execution: AgentExecution, wanted: Wanted, made: Collection[UUID], score: float | None
) -> ResearchReport:
    """Put the sections that are current together; the same report if the execution has one already.

    `made` are the ids of the sections that this execution made. The sections before tell what has changed.
    """
    org, business = wanted.org, wanted.business
    with transaction.atomic():
        lock_research(org, business.pk)
        reports = ResearchReport.objects.for_org(org)
        known: ResearchReport | None = reports.filter(execution=execution, business=business).first()
        if known is not None:
            return known
        sections = sorted(current_sections(wanted), key=lambda one: SectionName.values.index(one.name))
        previous = reports.filter(business=business, depth=wanted.depth).order_by("-pk").first()
        before = sections_of(org, [previous.pk])[previous.pk] if previous else []
        cited = {(one.pk, cite) for one in sections for line in one.content for cite in line["cites"]}
        is_complete = all(one.status == SectionStatus.OK for one in sections)
        report: ResearchReport = reports.create(
            org=org, business=business, execution=execution, depth=wanted.depth,
            status=ReportStatus.COMPLETE if is_complete else ReportStatus.PARTIAL,
            is_reuse=not made, score=score, evidence_count=len(cited), previous=previous,
            problems=[{"section": one.name, "problem": one.problem} for one in sections if one.problem],
            changes=changes_between([link.section for link in before], sections) if previous else {},
            requested_by=execution.requested_by,
        )  # fmt: skip
        ReportSection.objects.for_org(org).bulk_create(
            ReportSection(org=org, report=report, section=one, place=place, is_reused=one.pk not in made)
            for place, one in enumerate(sections)
        )
    return report


def sections_of(org: Organization, reports: Sequence[UUID]) -> dict[UUID, list[ReportSection]]:
    """The sections of reports, in order: one statement."""
    found: dict[UUID, list[ReportSection]] = {pk: [] for pk in reports}
    rows = ReportSection.objects.for_org(org).filter(report__in=list(reports)).select_related("section")
    for row in rows.order_by("report", "place"):
        found[row.report_id].append(row)
    return found
