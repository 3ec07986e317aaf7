"""Who decides: those who hold an office now, for how long, and who told. No dates of birth are stored or shown."""

from datetime import timedelta

from agents.models import SectionName
from agents.research.dossier import Dossier
from agents.research.happenings import tell_event
from agents.research.lines import Section
from agents.research.snapshot import years_between
from businesses.models import Appointment, EventKind

LEFT_DAYS = 365
_RANK = ("director", "llp-designated-member", "llp-member", "corporate-director", "secretary", "corporate-secretary")


def in_rank(offices: list[Appointment]) -> list[Appointment]:
    """Directors first, the newest of them first; then who else holds an office."""
    return sorted(
        offices,
        key=lambda one: (
            one.officer.is_corporate,
            _RANK.index(one.role) if one.role in _RANK else len(_RANK),
            -(one.appointed_on.toordinal() if one.appointed_on else 0),
            one.pk,
        ),
    )


def described(office: Appointment, dossier: Dossier) -> str:
    role = office.role.replace("-", " ")
    since = "since an unknown day"
    if office.appointed_on:
        years = years_between(office.appointed_on, dossier.day)
        since = f"since {office.appointed_on.isoformat()} ({f'{years} years' if years else 'less than a year'})"
    flag = ", a company and no person" if office.officer.is_corporate else ""
    occupation = f", occupation {office.occupation}" if office.occupation else ""
    return f"{office.officer.name}: {role} {since}{occupation}{flag}"


def _value(office: Appointment) -> str:
    """What is compared with the next report: not how long it has lasted."""
    return " / ".join((office.officer.name, office.role, office.occupation, str(office.appointed_on)))


def cite_office(section: Section, office: Appointment, dossier: Dossier) -> str:
    return section.cite(
        described(office, dossier), source=office.source, url=office.source_url, on=office.appointed_on,
        seen=office.updated_at.date(),
    )  # fmt: skip


def decision_makers(dossier: Dossier) -> Section:
    section = Section(SectionName.DECISION_MAKERS, dossier.trust)
    for office in in_rank(list(dossier.offices)):
        part = "Corporate officer" if office.officer.is_corporate else "Officer"
        cited = cite_office(section, office, dossier)
        section.add(f"office:{office.external_id}", part, described(office, dossier), [cited], value=_value(office))
    if not dossier.offices:
        section.unknown("officers", "Officers", len(dossier.sources))
    elif dossier.offices_total > len(dossier.offices):
        more = f"{dossier.offices_total - len(dossier.offices)} more are not shown"
        section.state("more", "Officers", more, source=dossier.offices[0].source, on=dossier.day)
    since = dossier.day - timedelta(days=LEFT_DAYS)
    for event in dossier.of_kind(EventKind.OFFICER_RESIGNED, EventKind.CONTROL_NOTIFIED, EventKind.CONTROL_CEASED):
        if event.occurred_on and event.occurred_on >= since:
            tell_event(section, event)
    if not dossier.offices:
        for event in dossier.of_kind(EventKind.OFFICER_APPOINTED)[:10]:
            tell_event(section, event)
    return section
