"""How to approach the company, by rules: why now, whom, with what, and what to check before; or that it is no company
to approach any more, and what to do instead. Each line cites facts."""

from datetime import timedelta

from agents.models import SectionName
from agents.research.dossier import Dossier
from agents.research.happenings import tell_own
from agents.research.lines import ADVICE, Section
from agents.research.people import cite_office, described, in_rank
from agents.research.signals import cite_signal, said
from agents.research.snapshot import OLD_DAYS
from agents.research.standing import advise_against, obstacles
from businesses.models import Appointment
from businesses.models.register import Status
from signals_app.models import BuyingSignal, SignalType
from signals_app.scoring import Contribution

SURE = 60  # confidence below which a signal is to be checked first
NEW_DAYS = 180  # an officer appointed since then is new
OPENINGS = {
    SignalType.FUNDING_ROUND: "ask what the new money is meant for, and what has to work before it is spent",
    SignalType.EXECUTIVE_CHANGE: "congratulate on the appointment, and ask what is to be different",
    SignalType.JOB_POSTING: "ask how the work is done until the post is filled",
    SignalType.TECHNOLOGY_ADOPTION: "ask how the change of systems goes, and what it has to work with",
    SignalType.EXPANSION: "ask what the new place needs from its first day on",
    SignalType.WEBSITE_ACTIVITY: "refer to what is new on the website, and ask what is behind it",
    SignalType.COMPETITOR_MENTION: "ask what is compared, and what matters in the choice",
    SignalType.COMPANIES_HOUSE_FILING: "refer to the filing, and ask what it prepares",
}
# For rules of a type that what is said of the others would not fit.
OPENINGS_OF_RULES = {
    "growth": "ask what grows, and what no longer keeps up with it",
    "share_allotment": "refer to the filing, and ask what it prepares",
    "cap_table_change": "refer to the filing, and ask what it prepares",
    "executive_departure": "ask who does the work by now, and what is to be decided anew",
    "several_departures": "ask who does the work by now, and what is to be decided anew",
}


def recommended_approach(dossier: Dossier) -> Section:
    section = Section(SectionName.APPROACH, dossier.trust)
    if found := obstacles(dossier):
        advise_against(section, found)
    else:
        _offer(section, dossier)
    for event in dossier.own[:3]:
        tell_own(section, event)
    _verify_profile(section, dossier)
    return section


def _offer(section: Section, dossier: Dossier) -> None:
    parts = dossier.scored.contributions
    against = [one.signal for one in parts if one.signal.is_negative]
    for_it = [one for one in parts if not one.signal.is_negative]
    for signal in against:
        section.add(f"against:{signal.pk}", "Wait", f"do not offer anything before this is clear: {said(signal)}",
                    [cite_signal(section, signal)], kind=ADVICE)  # fmt: skip
    _why_now(section, dossier, for_it)
    _whom(section, dossier, for_it[0].signal if for_it else None)
    if for_it:
        best = for_it[0].signal
        opening = OPENINGS_OF_RULES.get(best.rule) or OPENINGS[SignalType(best.signal_type)]
        section.add("opening", "Opening", opening, [cite_signal(section, best)], kind=ADVICE)
    _verify(section, for_it)


def _why_now(section: Section, dossier: Dossier, parts: list[Contribution]) -> None:
    for one in parts[:3]:
        text = f"{one.signal.get_signal_type_display()}: {said(one.signal)}"
        section.add(f"why:{one.signal.pk}", "Why now", text, [cite_signal(section, one.signal)], kind=ADVICE)
    if not parts:
        section.unknown("why", "Why now", len(dossier.sources))


def _whom(section: Section, dossier: Dossier, best: BuyingSignal | None) -> None:
    people = [one for one in in_rank(list(dossier.offices)) if not one.officer.is_corporate]
    if not people:
        section.unknown("whom", "Whom", len(dossier.sources))
        return
    chosen = _chosen(people, dossier, best)
    section.add("whom", "Whom", described(chosen, dossier), [cite_office(section, chosen, dossier)], kind=ADVICE)


def _chosen(people: list[Appointment], dossier: Dossier, best: BuyingSignal | None) -> Appointment:
    """The new one where somebody new is the reason; otherwise the director who has been there longest."""
    newest = people[0]
    is_new = newest.appointed_on and newest.appointed_on >= dossier.day - timedelta(days=NEW_DAYS)
    if best is not None and best.signal_type == SignalType.EXECUTIVE_CHANGE and is_new:
        return newest
    directors = [one for one in people if one.role == people[0].role]
    return min(directors, key=lambda one: (one.appointed_on or dossier.day, one.pk))


def _verify(section: Section, parts: list[Contribution]) -> None:
    """What to look up before anybody is written to."""
    for one in parts:
        if one.signal.confidence_score < SURE:
            section.add(f"verify:{one.signal.pk}", "Verify", f"whether it is so: {said(one.signal)}",
                        [cite_signal(section, one.signal)], kind=ADVICE)  # fmt: skip


def _verify_profile(section: Section, dossier: Dossier) -> None:
    read = dossier.profile_on
    if read is None or (dossier.day - read).days > OLD_DAYS:
        when = f"read on {read.isoformat()}" if read else "of an unknown day"
        cited = section.cite(f"the profile is {when}", **dossier.profile_source)
        section.add("verify:profile", "Verify", f"the profile is {when}", [cited], kind=ADVICE)
    if dossier.business.status == Status.OTHER:
        status = dossier.business.get_status_display()
        cited = section.cite(f"Status: {status}", **dossier.profile_source)
        section.add("verify:status", "Verify", f"whether it still trades: {status}", [cited], kind=ADVICE)
