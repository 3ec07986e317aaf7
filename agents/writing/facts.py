"""What is known of a company and may be said to it: pure data, and the values and evidence made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from agents.base import Evidence
from agents.visible import visible
from agents.writing.slots import Value, amount, company_name, day, first_name, month, number, person_name, phrase

FRESH_DAYS = 90  # older facts are no reason to write; older snapshots are no source of what changes
MAX_SHOWN = 300  # characters of a quote
NAMELESS = {"company": Value("your company", "")}  # where its name is not fit to be written
OWN = "agent_configuration"  # the source of what the organisation says of itself


@dataclass(frozen=True)
class SignalFact:
    """A buying signal as it is stored."""

    type: str
    rule: str
    on: date
    data: Mapping[str, Any] = field(default_factory=dict)
    quote: str = ""
    source: str = ""
    url: str = ""
    retrieved_on: str = ""
    confidence: int = 0  # 0 to 100
    weight: int = 0  # 0 to 100
    told: str = ""  # where, as in `parts.TOLD`; empty where nobody knows


@dataclass(frozen=True)
class Recipient:
    """Who is written to: an officer, or somebody whom a person of the organisation named."""

    name: str = ""
    role: str = ""
    source: str = ""
    url: str = ""
    on: str = ""
    key: str = ""


@dataclass(frozen=True)
class Facts:
    """All that may be said of a company on a day."""

    today: date
    name: str
    number: str = ""
    town: str = ""
    trade: str = ""
    incorporated_on: date | None = None
    source: str = ""
    url: str = ""
    retrieved_on: date | None = None
    signals: tuple[SignalFact, ...] = ()
    recipient: Recipient = Recipient()

    def is_fresh(self, on: date | None) -> bool:
        return on is not None and timedelta(0) <= self.today - on <= timedelta(FRESH_DAYS)

    @property
    def reasons(self) -> list[SignalFact]:
        """Fresh signals, the one to write about first."""
        fresh = [signal for signal in self.signals if self.is_fresh(signal.on)]
        return sorted(fresh, key=lambda one: (-one.weight * one.confidence, -one.on.toordinal(), one.type, one.rule))


@dataclass(frozen=True)
class Known:
    """Values of slots, and the evidence behind them by its id."""

    values: Mapping[str, Value]
    evidence: Mapping[str, Evidence]
    rule: str  # of the signal; empty without one
    told: str = ""  # of the signal


def known_of(facts: Facts, signal: SignalFact | None, *, offer: str, sender: str) -> Known:
    """What slots may say when `signal` is the reason to write. Values that cannot be written are missing."""
    made = _Maker()
    made.add_company(facts)
    rule = signal.rule if signal else ""
    if facts.recipient.name:
        made.add_recipient(facts.recipient)
    if signal:
        made.add_signal(signal)
        if rule == "new_executive" and made.is_recipient(signal.data.get("person")):
            rule = "new_executive_self"
    made.add_own("o1", "offer", offer.rstrip(".!? "), "Offer")
    made.add_own("o2", "sender", sender, "Sender")
    return Known(made.values, made.evidence, rule, signal.told if signal else "")


class _Maker:
    def __init__(self) -> None:
        self.values = dict(NAMELESS)
        self.evidence: dict[str, Evidence] = {}

    def put(self, evidence: Evidence, values: Mapping[str, str]) -> None:
        found = {name: text for name, text in values.items() if text}
        if found:
            untold = "; ".join(text for text in dict.fromkeys(found.values()) if text not in evidence.text)
            text = f"{evidence.text} ({untold})" if untold else evidence.text
            self.evidence[evidence.id] = replace(evidence, text=text, data={"values": found})
            self.values |= {name: Value(text, evidence.id) for name, text in found.items()}

    def add_company(self, facts: Facts) -> None:
        is_current = facts.is_fresh(facts.retrieved_on)
        values = {
            "company": company_name(facts.name),
            "town": _cased(phrase(facts.town)) if is_current else "",
            "trade": phrase(facts.trade) if is_current else "",
            "year": str(facts.incorporated_on.year) if facts.incorporated_on else "",
        }
        parts = [facts.name, facts.number, facts.town, facts.trade]
        parts += [f"incorporated on {day(facts.incorporated_on)}"] if facts.incorporated_on else []
        text = ", ".join(shown for part in parts if (shown := _shown(part)))
        retrieved = facts.retrieved_on.isoformat() if facts.retrieved_on else ""
        self.put(Evidence("f1", text, facts.source, facts.url, retrieved_at=retrieved), values)

    def add_recipient(self, recipient: Recipient) -> None:
        name = person_name(recipient.name)
        text = ", ".join(shown for part in (recipient.name, recipient.role) if (shown := _shown(part)))
        values = {"full_name": name, "first_name": first_name(name)}
        self.put(Evidence("r1", text, recipient.source, recipient.url, recipient.on), values)

    def add_signal(self, signal: SignalFact) -> None:
        shown = _shown(signal.quote)
        what = f"{signal.type} ({signal.rule}), {day(signal.on)}".replace("_", " ")
        evidence = Evidence(
            "s1", f"{what}: {shown}" if shown else what, signal.source, signal.url, signal.on.isoformat(),
            signal.retrieved_on, signal.confidence / 100,
        )  # fmt: skip
        self.put(evidence, _told(signal))

    def add_own(self, key: str, slot: str, text: str, what: str) -> None:
        self.put(Evidence(key, f"{what}: {_shown(text)}", OWN), {slot: " ".join(visible(text).split())})

    def is_recipient(self, person: Any) -> bool:
        """Whether the person of a signal is the recipient: all words of the shorter name are in the longer one."""
        known = self.values.get("full_name")
        first, second = (set(name.casefold().split()) for name in (known.text if known else "", person_name(person)))
        return min(len(first), len(second)) > 1 and (first <= second or second <= first)


def _told(signal: SignalFact) -> dict[str, str]:
    """The slots that a signal's data fills. The data was read from news and filings: each value is checked."""
    data = signal.data
    return {
        "date": day(signal.on),
        "month": month(signal.on),
        "person": person_name(data.get("person")),
        "appointed": person_name(data.get("appointed")),
        "title": phrase(_first(data.get("title"))),
        "amount": amount(data.get("amount"), data.get("currency")),
        "count": number(data.get("count")),
        "technology": phrase(_first(data.get("technology"))),
        "place": _cased(phrase(_first(data.get("place") or data.get("city") or data.get("cities")))),
        "competitor": phrase(_first(data.get("competitors"))),
    }


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _shown(text: str) -> str:
    return " ".join(visible(text).split())[:MAX_SHOWN]


def _cased(text: str) -> str:
    """The register writes towns in capitals."""
    return text.title() if text.isupper() else text
