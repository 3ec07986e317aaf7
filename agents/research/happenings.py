"""Events in words: nothing but what the payload holds, and no text that others wrote at length."""

from collections.abc import Callable, Mapping
from typing import Any

from agents.research.lines import Section
from businesses.models import EventKind
from businesses.models.events import EventFacts

MAX_VALUE = 120  # characters of a value


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(filter(None, (_value(one) for one in value[:5])))
    return str(value)[:MAX_VALUE] if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _change(payload: Mapping[str, Any]) -> str:
    before, after = _value(payload.get("before")), _value(payload.get("after"))
    return f"from {before} to {after}" if before and after else f"now {after}" if after else ""


def _named(*names: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda payload: ", ".join(filter(None, (_value(payload.get(name)) for name in names)))


_DETAILS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    EventKind.OFFICER_APPOINTED: _named("name", "role"),
    EventKind.OFFICER_RESIGNED: _named("name", "role"),
    EventKind.CONTROL_NOTIFIED: _named("name", "natures_of_control"),
    EventKind.CONTROL_CEASED: _named("name"),
    EventKind.FILING: _named("type", "category", "description"),
    EventKind.CHARGE_REGISTERED: _named("charge_code", "classification", "persons_entitled"),
    EventKind.CHARGE_SATISFIED: _named("charge_code", "classification"),
    EventKind.INSOLVENCY: _named("case_type", "case_number"),
    EventKind.ACCOUNTS_OVERDUE: _named("due_on"),
    EventKind.JOB_POSTED: _named("title", "locations"),
    EventKind.NEWS: _named("title"),
    EventKind.WEB_CHANGED: _named("technologies_added", "cities_added"),
}
WRITTEN_BY_OTHERS: dict[str, tuple[str, ...]] = {
    EventKind.NEWS: ("title",),
    EventKind.JOB_POSTED: ("title", "locations"),
}


def title_of(kind: str) -> str:
    return str(EventKind(kind).label) if kind in EventKind.values else kind.replace("_", " ")[:MAX_VALUE]


def details_of(event: EventFacts) -> str:
    return _DETAILS.get(event.kind, _change)(payload_in(event))


def payload_in(event: EventFacts) -> Mapping[str, Any]:
    return event.payload if isinstance(event.payload, dict) else {}


def quotes_of(event: EventFacts) -> list[str]:
    """What others wrote, each text as it is stored."""
    values = [payload_in(event).get(name) for name in WRITTEN_BY_OTHERS.get(event.kind, ())]
    single = [one for value in values for one in (value[:5] if isinstance(value, list) else [value])]
    return [text for one in single if (text := _value(one))]


def where(event: EventFacts) -> dict[str, Any]:
    """Source, URL and days of an event, as evidence has them."""
    return {
        "source": event.source, "url": event.source_url, "on": event.occurred_on, "seen": event.observed_at.date(),
    }  # fmt: skip


def tell_event(section: Section, event: EventFacts, *, part: str = "") -> None:
    """The event as a line; each text that others wrote is a quote of its own."""
    key, label = f"event:{event.pk}", part or title_of(event.kind)
    day = f"on {event.occurred_on.isoformat()}" if event.occurred_on else "on an unknown day"
    details = details_of(event)
    if quotes := quotes_of(event):
        section.add(key, label, f"{title_of(event.kind).lower()} {day}", [section.cite(
            f"{title_of(event.kind).lower()} {day}", **where(event))])  # fmt: skip
        for place, text in enumerate(quotes):
            section.quote(f"{key}:quote" if place == 0 else f"{key}:quote:{place}", label, text, **where(event))
        return
    words = f"{title_of(event.kind)} {day}" if part else day
    section.state(key, label, f"{words}: {details}" if details else words, **where(event))
