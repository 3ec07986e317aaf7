"""What the page of a report shows besides its facts: its sections as people read them, and what has changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.utils import timezone

from agents.admin.evidence import Cited, cited
from agents.models import Mode, ReportSection, ResearchReport, ResearchSection, SectionName, SectionStatus
from agents.reports import sections_of
from agents.research.rendering import report_as_json, report_as_markdown
from oppspot.jobs.admin.durations import age_of, in_words

SECTION_STATES = {"ok": "good", "partial": "poor", "failed": "bad"}
TITLES = dict(SectionName.choices)


@dataclass(frozen=True)
class Part:
    """Lines that have one label."""

    label: str
    lines: list[Mapping[str, Any]]


@dataclass(frozen=True)
class ShownSection:
    """A section, ready to be shown. `freshness` says how old it is, `is_stale` that it is not as things are now."""

    section: ResearchSection
    title: str
    state: str
    state_colour: str
    mode: str
    freshness: str
    is_stale: bool
    is_reused: bool
    parts: list[Part]
    evidence: list[Cited]


@dataclass(frozen=True)
class ShownChanges:
    title: str
    new: list[Mapping[str, Any]]
    changed: list[Mapping[str, Any]]
    gone: list[Mapping[str, Any]]


def report_sections(report: ResearchReport) -> dict[str, Any]:
    """The parts of the page: one statement."""
    links, now = sections_of(report.org, [report.pk])[report.pk], timezone.now()
    return {
        "report": report,
        "sections": [_shown(link, now) for link in links],
        "problems": [(TITLES.get(one["section"], one["section"]), one["problem"]) for one in report.problems],
        "changes": list(_changes(report.changes)),
        "markdown": report_as_markdown(report_as_json(report, links)),
    }


def _shown(link: ReportSection, now: datetime) -> ShownSection:
    section = link.section
    is_stale = section.superseded_at is not None or section.expires_at <= now
    if section.superseded_at is not None:
        freshness = f"replaced by a newer one {age_of(section.superseded_at)}"
    elif is_stale:
        freshness = f"expired {age_of(section.expires_at)}"
    else:
        freshness = f"fresh for {in_words((section.expires_at - now).total_seconds())} more"
    return ShownSection(
        section=section, title=TITLES.get(section.name, section.name),
        state=str(SectionStatus(section.status).label), state_colour=SECTION_STATES[section.status],
        mode=str(Mode(section.mode).label), freshness=freshness, is_stale=is_stale, is_reused=link.is_reused,
        parts=[Part(label, list(lines)) for label, lines in groupby(section.content, key=lambda line: line["part"])],
        evidence=cited(section.evidence),
    )  # fmt: skip


def _changes(changes: Mapping[str, Mapping[str, list[Any]]]) -> Iterable[ShownChanges]:
    for name, found in changes.items():
        yield ShownChanges(TITLES.get(name, name), found["new"], found["changed"], found["gone"])
