"""Where the facts come from: every source with its newest day and how far it is trusted, and those that failed."""

from agents.models import SectionName
from agents.research.dossier import Dossier
from agents.research.lines import Section


def used_sources(dossier: Dossier) -> Section:
    section = Section(SectionName.SOURCES, dossier.trust)
    urls = _urls(dossier)
    for source, days in sorted(dossier.sources.items()):
        newest = max(days) if days else None
        trust = dossier.trust.get(source)
        judged = "nobody has judged it yet" if trust is None else f"reliability {trust:.2f}"
        text = f"{source}: newest of {newest.isoformat() if newest else 'an unknown day'}, {judged}"
        section.state(
            f"source:{source}", "Used", text, value=source, source=source, url=urls.get(source, ""), on=newest
        )
    for source, problem in sorted(dossier.problems.items()):
        section.state(f"failed:{source}", "Failed", f"{source}: {problem[:300]}", value=None, source=source,
                      on=dossier.day)  # fmt: skip
    for source in dossier.not_configured:
        section.state(f"unset:{source}", "Not configured", source, value=None, source=source, on=dossier.day)
    return section


def _urls(dossier: Dossier) -> dict[str, str]:
    """An address of each source: of its newest fact that has one."""
    found = {dossier.profile_source["source"]: dossier.profile_source["url"]} if dossier.profile_source["url"] else {}
    told = [(one.source, one.source_url) for one in (*dossier.events, *dossier.own)]
    for source, url in (*told, *((one.source, one.source_url) for one in dossier.offices)):
        if url:
            found.setdefault(source, url)
    return found
