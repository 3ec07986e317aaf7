"""What may make the company buy: its active signals, the strongest first, and what happened to it."""

from agents.models import SectionName
from agents.research.dossier import Dossier
from agents.research.happenings import in_order, tell_event, tell_own
from agents.research.lines import Section
from businesses.models import OrgEvent
from businesses.sources.pull import fingerprint_of
from signals_app.models import BuyingSignal

SHOWN_SIGNALS, SHOWN_EVENTS = 30, 20


def said(signal: BuyingSignal) -> str:
    """A signal in words."""
    against = ", speaks against a purchase" if signal.is_negative else ""
    return (
        f"{signal.rule.replace('_', ' ')} on {signal.occurred_on.isoformat()}, {signal.get_signal_strength_display()},"
        f" confidence {signal.confidence_score} of 100{against}"
    )


def cite_signal(section: Section, signal: BuyingSignal) -> str:
    return section.cite(
        f"{signal.get_signal_type_display()}: {said(signal)}", source=signal.source, url=signal.source_url,
        on=signal.occurred_on, seen=signal.detected_at.date(),
    )  # fmt: skip


def _weighed(dossier: Dossier) -> str:
    """What the score is made of; it falls by itself as signals grow old."""
    signals = sorted((part.signal for part in dossier.scored.contributions), key=lambda one: one.pk)
    parts = (f"{one.pk} {one.weight} {one.confidence_score} {dossier.trust.get(one.source)}" for one in signals)
    return str(fingerprint_of("score", *parts))


def buying_signals(dossier: Dossier) -> Section:
    section = Section(SectionName.BUYING_SIGNALS, dossier.trust)
    sources = len(dossier.sources)
    for part in dossier.scored.contributions[:SHOWN_SIGNALS]:
        signal = part.signal
        cited = cite_signal(section, signal)
        section.add(f"signal:{signal.pk}", signal.get_signal_type_display(), said(signal), [cited])
        for one in signal.evidence[:1]:
            quoted = str(one.get("quote") or "") if isinstance(one, dict) else ""
            section.quote(f"signal:{signal.pk}:quote", "Its source says", quoted, source=signal.source,
                          url=signal.source_url, on=signal.occurred_on, seen=signal.detected_at.date())  # fmt: skip
    if dossier.scored.contributions:
        text = f"{dossier.scored.score:.0f} of 100 on {dossier.day.isoformat()} ({dossier.scored.tier.label})"
        section.state("score", "Score of signals", text, value=_weighed(dossier), source="oppspot", on=dossier.day,
                      seen=dossier.day)  # fmt: skip
    else:
        section.unknown("signals", "Active buying signals", sources)
    if dossier.in_review:
        text = f"{dossier.in_review} more wait for somebody to look at them; they count for nothing before that"
        section.state("in_review", "To be reviewed", text, source="oppspot", on=dossier.day, seen=dossier.day)
    for event in in_order((*dossier.own, *dossier.events[:SHOWN_EVENTS])):
        if isinstance(event, OrgEvent):
            tell_own(section, event)
        else:
            tell_event(section, event)
    if not dossier.events and not dossier.own:
        section.unknown("events", "What happened", sources)
    return section
