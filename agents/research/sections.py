"""All sections of a report, in its order."""

from collections.abc import Callable, Collection, Mapping

from agents.models import SectionName
from agents.research.approach import recommended_approach
from agents.research.dossier import Dossier
from agents.research.lines import Section
from agents.research.people import decision_makers
from agents.research.revenue import revenue_signals
from agents.research.signals import buying_signals
from agents.research.snapshot import snapshot
from agents.research.used_sources import used_sources

MAKERS: Mapping[SectionName, Callable[[Dossier], Section]] = {
    SectionName.SNAPSHOT: snapshot,
    SectionName.BUYING_SIGNALS: buying_signals,
    SectionName.DECISION_MAKERS: decision_makers,
    SectionName.REVENUE_SIGNALS: revenue_signals,
    SectionName.APPROACH: recommended_approach,
    SectionName.SOURCES: used_sources,
}
_REGISTER = (SectionName.SNAPSHOT, SectionName.DECISION_MAKERS, SectionName.REVENUE_SIGNALS)
# What a source feeds; sections that rest on others' facts suffer from all.
_FEEDS: dict[str, tuple[SectionName, ...]] = {
    "companies_house_api": (*_REGISTER, SectionName.BUYING_SIGNALS),
    "company_website": (SectionName.BUYING_SIGNALS,),
    "news_feeds": (SectionName.BUYING_SIGNALS,),
    "job_postings": (SectionName.BUYING_SIGNALS, SectionName.REVENUE_SIGNALS),
    "careers_pages": (SectionName.BUYING_SIGNALS, SectionName.REVENUE_SIGNALS),
}


def make_sections(dossier: Dossier, names: Collection[str]) -> list[Section]:
    """The sections of these names, each with the problem of a source that failed, if it feeds the section."""
    made = []
    for name, make in MAKERS.items():
        if name in names:
            section = make(dossier)
            failed = {one: why for one, why in sorted(dossier.problems.items()) if _suffers(name, one)}
            section.problem = "; ".join(f"{source}: {why[:300]}" for source, why in failed.items())
            made.append(section)
    return made


def _suffers(name: SectionName, source: str) -> bool:
    every = (SectionName.APPROACH, SectionName.SOURCES)
    return name in every or name in _FEEDS.get(source, tuple(MAKERS))
