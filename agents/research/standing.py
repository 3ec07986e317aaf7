"""Whether a company can still buy: what says that it is closed, insolvent, or about to be struck off, and what an
organisation does then instead of selling. The writer refuses on the same grounds: `agents.writing.refusing`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.research.dossier import Dossier
from agents.research.happenings import happened, where
from agents.research.lines import ADVICE, Section
from agents.research.signals import cite_signal, said
from agents.writing.refusing import CLOSING, ENDING
from businesses.models import EventKind
from businesses.models.register import Status
from signals_app.models import BuyingSignal

_OF_RULE = {"strike_off": Status.STRIKE_OFF_PROPOSED, "dissolved": Status.DISSOLVED}  # others: a procedure
_REASONS: Mapping[Status, str] = {
    Status.DISSOLVED: "offer nothing: a closed company buys nothing",
    Status.INSOLVENT: "offer nothing: its officers may no longer decide what it buys, and debts may not be paid",
    Status.STRIKE_OFF_PROPOSED: "offer nothing while it may be struck off: it may be closed before it pays",
}
_INSTEAD: Mapping[Status, tuple[str, ...]] = {
    Status.DISSOLVED: (
        "close it in your records; if it owes you something, ask a lawyer whether it can be restored to the register",
        "find out whether another company carries on the business, and research that one",
    ),
    Status.INSOLVENT: (
        "if it owes you something, or holds what is yours, tell the insolvency practitioner",
        "deliver nothing more unless the insolvency practitioner has agreed to pay",
        "look again when the procedure has ended, or somebody has bought the business",
    ),
    Status.STRIKE_OFF_PROPOSED: (
        "if it owes you something, object to the strike-off at the register before it is done",
        "ask whether it means to close, or is only late with its papers",
        "look again when the proposal is withdrawn",
    ),
}
_WORST_FIRST = (Status.DISSOLVED, Status.INSOLVENT, Status.STRIKE_OFF_PROPOSED)


@dataclass(frozen=True)
class Obstacle:
    """What stands against an offer. `where`: source, URL and days of the fact, as evidence has them."""

    status: Status
    text: str
    where: Mapping[str, Any]
    signal: BuyingSignal | None = None


def obstacles(dossier: Dossier) -> list[Obstacle]:
    """All that says that the company is at its end, what is worst first; nothing for one that may buy."""
    found = [*_of_profile(dossier), *_of_signals(dossier), *_of_events(dossier)]
    return sorted(found, key=lambda one: _WORST_FIRST.index(one.status))


def advise_against(section: Section, found: list[Obstacle]) -> None:
    """What stands against an offer, and what to do instead."""
    for place, one in enumerate(found):
        cited = cite_signal(section, one.signal) if one.signal else section.cite(one.text, **one.where)
        section.add(f"stop:{place}", "Do not approach", f"{_REASONS[one.status]} ({one.text})", [cited], kind=ADVICE)
    cited = section.lines[0]["cites"]
    for place, text in enumerate(_INSTEAD[found[0].status]):
        section.add(f"instead:{place}", "Instead", text, cited, kind=ADVICE)


def _of_profile(dossier: Dossier) -> list[Obstacle]:
    business = dossier.business
    closed_on = business.dissolved_on
    if closed_on is not None:
        return [Obstacle(Status.DISSOLVED, f"dissolved on {closed_on.isoformat()}", dossier.profile_source)]
    status = Status(business.status)
    if status not in CLOSING:
        return []
    return [Obstacle(status, f"Status: {business.status_raw or status.label}", dossier.profile_source)]


def _of_signals(dossier: Dossier) -> list[Obstacle]:
    signals = [one.signal for one in dossier.scored.contributions]
    return [
        Obstacle(_OF_RULE.get(signal.rule, Status.INSOLVENT), said(signal), {}, signal)
        for signal in signals
        if signal.is_negative and signal.rule in ENDING
    ]


def _of_events(dossier: Dossier) -> list[Obstacle]:
    """Insolvency cases that the profile cannot know of yet, and those of a profile that tells no status."""
    read = dossier.profile_on
    return [
        Obstacle(Status.INSOLVENT, happened(event), where(event))
        for event in dossier.of_kind(EventKind.INSOLVENCY)
        if read is None or dossier.business.status == Status.UNKNOWN or (event.occurred_on or read) > read
    ]
