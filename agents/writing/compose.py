"""Texts from templates: the same facts and settings give the same text, and no slot is left open.

Each place of a text is filled by the first part whose slots are all known; which of its variants, a hash decides. What
does not fit the limits or fails a lint is tried with fewer and plainer parts, down to a text without any slot.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from agents.base import Evidence
from agents.writing.facts import NAMELESS, Facts, Known, SignalFact, known_of
from agents.writing.lints import Claim, Violation, Written, check_draft
from agents.writing.parts import FRAME, PROFILE, Form, Part, Templates, Tone, get_templates
from agents.writing.slots import filled

MAX_FACTS = 4  # in the notes for a call
# What may be left out, in the order in which it is.
OPTIONAL: Mapping[Form, tuple[str, ...]] = {
    "email": ("context", "offer"),
    "inmail": ("context", "offer"),
    "note": ("offer", "closing"),
    "call": ("ask_more", "pitch"),
}
PLACES: Mapping[Form, tuple[str, ...]] = {
    "email": ("subject", "greeting", "reason", "context", "offer", "question", "closing"),
    "inmail": ("subject", "greeting", "reason", "context", "offer", "question", "closing"),
    "note": ("greeting", "reason", "offer", "question", "closing"),
    "call": ("opener", "fact", "ask", "ask_more", "pitch"),
}


class NothingFits(Exception):
    """Not even the text without slots passes: the settings themselves fail a lint."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = list(violations)
        super().__init__("; ".join(f"{one.code}: {one.detail}" for one in violations))


@dataclass(frozen=True)
class Settings:
    """How an organisation writes."""

    form: Form = "email"
    tone: Tone = "plain"
    offer: str = ""
    sender: str = ""
    seed: str = ""  # by which variants are chosen


def compose(facts: Facts, settings: Settings) -> Written:
    """A text that passes every lint. Raises `NothingFits`."""
    last: list[Violation] = []
    for signal in [*facts.reasons, None]:
        known = known_of(facts, signal, offer=settings.offer, sender=settings.sender)
        for kept in _plans(settings.form):
            written = _written(_filled(signal, known, settings, kept), signal, known, settings)
            last = [one for one in check_draft(written, today=facts.today) if one.is_hard]
            if not last:
                return written
    bare = Known(NAMELESS, {}, "")
    written = _written(_filled(None, bare, settings, set(PLACES[settings.form])), None, bare, settings)
    if violations := [one for one in check_draft(written, today=facts.today) if one.is_hard]:
        raise NothingFits(last + violations)
    return written


def _plans(form: Form) -> Iterator[set[str]]:
    """The places to fill: all, then fewer and fewer."""
    kept = set(PLACES[form])
    yield set(kept)
    for place in OPTIONAL[form]:
        kept.discard(place)
        yield set(kept)


def _filled(signal: SignalFact | None, known: Known, settings: Settings, kept: set[str]) -> list[Claim]:
    found: list[Claim] = []
    for place in PLACES[settings.form]:
        if place in kept:
            found += _claims_of(place, signal, known, settings)[: MAX_FACTS if place == "fact" else 1]
    return found


def _claims_of(place: str, signal: SignalFact | None, known: Known, settings: Settings) -> list[Claim]:
    """The texts for a place, best first: of the reason's own templates, of the profile's, of the frame's."""
    claims: list[Claim] = []
    for templates in _sources(signal):
        usable = [
            part
            for part in templates.fitting(place, settings.form, known.rule, known.told)
            if part.slots[settings.tone] <= set(known.values)
        ]
        if place == "fact" and templates.name != PROFILE:
            usable = usable[:1]  # the same news, told more and less exactly
        for part in usable:
            text, evidence = filled(_variant(part, settings), known.values)
            claims.append(Claim(text, tuple(evidence), place))
    return claims


def _sources(signal: SignalFact | None) -> list[Templates]:
    names = [signal.type if signal else "", PROFILE, FRAME]
    return [templates for name in names if name and (templates := get_templates(name))]


def _variant(part: Part, settings: Settings) -> str:
    variants = part.variants[settings.tone]
    digest = sha256(f"{settings.seed}\x1f{part.place}".encode()).digest()
    return variants[int.from_bytes(digest[:8]) % len(variants)]


def _written(claims: list[Claim], signal: SignalFact | None, known: Known, settings: Settings) -> Written:
    versions = [f"{templates.name}@{templates.version}" for templates in _sources(signal)]
    is_used = any("s1" in claim.evidence for claim in claims)
    return Written(
        settings.form, _subject(claims), _body(settings.form, claims), tuple(claims),
        _evidence(claims, known.evidence), template=versions[0],
        reason=f"{signal.type}.{signal.rule}" if signal and is_used else PROFILE,
    )  # fmt: skip


def with_claims(written: Written, claims: Sequence[Claim]) -> Written:
    """The same text with other words in some of its places."""
    known = {each.id: each for each in written.evidence}
    return replace(
        written, subject=_subject(claims), body=_body(written.form, claims), claims=tuple(claims),
        evidence=_evidence(claims, known),
    )  # fmt: skip


def _evidence(claims: Sequence[Claim], evidence: Mapping[str, Evidence]) -> tuple[Evidence, ...]:
    """What is cited, each once, in the order of the text."""
    ids = dict.fromkeys(key for claim in claims for key in claim.evidence)
    return tuple(evidence[key] for key in ids if key in evidence)


def _subject(claims: Sequence[Claim]) -> str:
    return next((claim.text for claim in claims if claim.place == "subject"), "")


def _body(form: str, claims: Sequence[Claim]) -> str:
    """The body, laid out as its form asks for."""
    if form == "call":
        return _notes(claims)
    if form == "note":
        return " ".join(claim.text for claim in claims)
    blocks = [("greeting",), ("reason", "context"), ("offer", "question"), ("closing",)]
    found = [" ".join(claim.text for claim in claims if claim.place in block) for block in blocks]
    return "\n\n".join(block for block in found if block)


def _notes(claims: Sequence[Claim]) -> str:
    blocks = (("Opening", {"opener"}), ("Facts", {"fact"}), ("Questions", {"ask", "ask_more"}), ("Offer", {"pitch"}))
    shown: list[str] = []
    for title, places in blocks:
        if lines := [f"- {claim.text}" for claim in claims if claim.place in places]:
            shown.append("\n".join([f"{title}:", *lines]))
    return "\n\n".join(shown)
