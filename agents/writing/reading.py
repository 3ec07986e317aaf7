"""Facts of a company from the database: the register's row, its officer, and what the organisation's signals say."""

from collections.abc import Mapping, Sequence
from datetime import date

from agents.visible import visible
from agents.writing.facts import MAX_SHOWN, Facts, Recipient, SignalFact
from businesses.models import Appointment, Business, BusinessEvent, OrgEvent
from businesses.models.events import EventKind
from businesses.normalise import normalise_name
from businesses.sic import titles
from oppspot.core.errors import PermanentError
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal, SignalStatus

MAX_SIGNALS = 20
# Where an event is told; what is neither is of the register. The first that any evidence of a signal has counts.
TOLD = {EventKind.NEWS: "news", EventKind.WEB_CHANGED: "website", EventKind.JOB_POSTED: "jobs"}


class NoSuchRecipient(PermanentError):
    """The recipient holds no office at the company now."""


def facts_of(org: Organization, business: Business, *, recipient: Recipient, today: date) -> Facts:
    """What may be said to the company: five queries at most."""
    return Facts(
        today=today,
        name=business.name,
        number=business.company_number or "",
        town=business.town,
        trade=titles().get(business.sic_codes[0], "") if business.sic_codes else "",
        incorporated_on=business.incorporated_on,
        source=business.source or "register",
        retrieved_on=business.register_checked_on or business.register_snapshot_on or business.updated_at.date(),
        signals=tuple(signals_of(org, business)),
        recipient=recipient,
    )


def signals_of(org: Organization, business: Business) -> list[SignalFact]:
    """Active signals that may be mentioned: none against, and none that still wait to be looked at."""
    signals = BuyingSignal.objects.for_org(org).filter(
        business=business, status=SignalStatus.ACTIVE, is_negative=False, needs_review=False
    )
    rows = list(signals.order_by("-occurred_on", "-id")[:MAX_SIGNALS])
    kinds = _kinds(org, rows)
    return [
        SignalFact(
            type=signal.signal_type,
            rule=signal.rule,
            on=signal.occurred_on,
            data=signal.signal_data if isinstance(signal.signal_data, dict) else {},
            quote=_quote(signal),
            source=signal.source,
            url=signal.source_url,
            retrieved_on=signal.detected_at.date().isoformat(),
            confidence=signal.confidence_score,
            weight=signal.weight,
            told=_told([kinds[fact] for fact in _facts(signal) if fact in kinds]),
        )
        for signal in rows
    ]


def _facts(signal: BuyingSignal) -> list[str]:
    """Ids of the events that it rests on: `event:123`, `org_event:<uuid>`."""
    evidence = signal.evidence if isinstance(signal.evidence, list) else []
    return [str(one.get("fact", "")) for one in evidence if isinstance(one, dict)]


def _kinds(org: Organization, signals: Sequence[BuyingSignal]) -> Mapping[str, str]:
    """Of the events that signals rest on; none of those that are no longer there."""
    named: dict[str, set[str]] = {"event": set(), "org_event": set()}
    for kind, _, pk in (fact.partition(":") for signal in signals for fact in _facts(signal)):
        if kind in named and pk:
            named[kind].add(pk)
    found: dict[str, str] = {}
    for kind, events in (("event", BusinessEvent.objects.all()), ("org_event", OrgEvent.objects.for_org(org))):
        if named[kind]:
            rows = events.filter(pk__in=named[kind]).values_list("pk", "kind")
            found |= {f"{kind}:{pk}": event_kind for pk, event_kind in rows}
    return found


def _told(kinds: Sequence[str]) -> str:
    for kind, told in TOLD.items():
        if kind in kinds:
            return told
    return "register" if any(kind in EventKind.values for kind in kinds) else ""


def _quote(signal: BuyingSignal) -> str:
    first = signal.evidence[0] if isinstance(signal.evidence, list) and signal.evidence else {}
    quote = first.get("quote", "") if isinstance(first, dict) else ""
    return visible(quote)[:MAX_SHOWN] if isinstance(quote, str) else ""


def officer_of(business: Business, officer_id: int) -> Recipient:
    """The officer, who must hold an office now. Raises `NoSuchRecipient`."""
    appointment: Appointment | None = (
        Appointment.objects.filter(business=business, officer_id=officer_id, resigned_on=None)
        .select_related("officer")
        .order_by("-appointed_on", "pk")
        .first()
    )
    if appointment is None or appointment.officer.is_corporate:
        raise NoSuchRecipient
    on = appointment.appointed_on.isoformat() if appointment.appointed_on else ""
    return Recipient(
        appointment.officer.name, appointment.role, appointment.source, appointment.source_url, on,
        key=f"officer:{officer_id}",
    )  # fmt: skip


def named(name: str, role: str) -> Recipient:
    """Somebody whom a person of the organisation named; nobody for an empty name."""
    key = f"name:{normalise_name(name)}"[:64] if name else ""
    return Recipient(name, role, "execution_input", key=key)
