"""Events in words: nothing but what the payload holds, and no text that others wrote at length."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from agents.research.lines import Section
from agents.visible import visible
from businesses.models import EventKind, OrgEvent
from businesses.models.events import EventFacts

MAX_VALUE = 120  # characters of a value
MAX_FIELDS, MAX_FIELD = 8, 60  # of an own event's payload that are shown; characters of a field's name


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


def day_of(event: EventFacts) -> str:
    return f"on {event.occurred_on.isoformat()}" if event.occurred_on else "date unknown"


def happened(event: EventFacts) -> str:
    """What and when, without details."""
    return f"{title_of(event.kind).lower()}{' ' if event.occurred_on else ', '}{day_of(event)}"


def in_order(events: Iterable[EventFacts]) -> list[EventFacts]:
    """The newest first, and last those without a date."""
    return sorted(events, key=lambda one: one.occurred_on or date.min, reverse=True)


def tell_own(section: Section, event: OrgEvent) -> None:
    """What the organisation's own systems know: that it happened, and each field of the payload word for word.

    Anybody may have written what a field holds (a note may be a stranger's e-mail), so that each is a quote, which no
    language model is given.
    """
    key, told = f"own:{event.pk}", list(_fields(event.payload))
    section.state(key, "You know", happened(event), **where(event))
    for place, (name, text) in enumerate(told[:MAX_FIELDS]):
        section.quote(f"{key}:{place}", f"You know, {name}", text, **where(event))
    if len(told) > MAX_FIELDS:
        section.state(f"{key}:more", "You know", f"{len(told) - MAX_FIELDS} more fields of it are not shown",
                      **where(event))  # fmt: skip


def _fields(payload: Any, within: str = "") -> Iterator[tuple[str, str]]:
    """Each field that holds something, with its name in words: of an object one level down each field, of a list each
    item that is no list or object itself."""
    for key, value in payload.items() if isinstance(payload, dict) else ():
        name = " ".join(f"{within} {visible(str(key))}".replace("_", " ").split())[:MAX_FIELD]
        if isinstance(value, dict) and not within:
            yield from _fields(value, name)
        else:
            texts = (_plain(one) for one in (value if isinstance(value, list) else [value]))
            yield from ((name, text) for text in texts if text)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(str(value)).strip() if isinstance(value, str | int | float) else ""


def tell_event(section: Section, event: EventFacts) -> None:
    """The event as a line; each text that others wrote is a quote of its own."""
    key, label, details = f"event:{event.pk}", title_of(event.kind), details_of(event)
    if quotes := quotes_of(event):
        section.state(key, label, happened(event), **where(event))
        for place, text in enumerate(quotes):
            section.quote(f"{key}:quote" if place == 0 else f"{key}:quote:{place}", label, text, **where(event))
        return
    section.state(key, label, f"{day_of(event)}: {details}" if details else day_of(event), **where(event))
