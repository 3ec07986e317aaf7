"""Whether a text may be given to a person: lengths, placeholders, banned claims, stale facts, unsupported claims.

Hard violations keep a text from being stored by an agent and from being approved; the others are shown as warnings.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from agents.base import Evidence
from agents.grounding import unsupported
from agents.visible import visible
from agents.writing.facts import FRESH_DAYS
from agents.writing.phrases import banned_in, is_fake_reply, placeholders_in
from agents.writing.slots import length_of

# Most characters of subject and body, and words of the body; None: no such limit.
LIMITS: Mapping[str, tuple[int | None, int | None, int | None]] = {
    "email": (65, 2_000, 150),
    "inmail": (65, 1_900, None),
    "note": (0, 300, None),
    "call": (0, 2_000, 200),
}
MIN_EASE = 40.0  # Flesch reading ease; 60 and more is plain English
EASE_WORDS = 20  # fewer say nothing about how a text reads
_ADDRESS = re.compile(r"https?:|www\.|\S@\S", re.IGNORECASE)
_VOWELS = re.compile(r"[aeiouy]+")


@dataclass(frozen=True)
class Violation:
    code: str
    detail: str
    is_hard: bool = True

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "detail": self.detail}


@dataclass(frozen=True)
class Claim:
    """A part of a text, and the evidence that it rests on; none for what claims nothing."""

    text: str
    evidence: tuple[str, ...] = ()
    place: str = ""  # of the text, as templates name it


@dataclass(frozen=True)
class Written:
    """A text with what it rests on."""

    form: str
    subject: str
    body: str
    claims: tuple[Claim, ...]
    evidence: tuple[Evidence, ...]
    template: str = ""
    reason: str = ""

    @property
    def text(self) -> str:
        return f"{self.subject}\n{self.body}"


def check_draft(written: Written, *, today: date) -> list[Violation]:
    """All that is wrong with a text as an agent wrote it; empty for one that may be shown."""
    return [
        *check_wording(written.form, written.subject, written.body),
        *_stale(written.evidence, today),
        *_claims(written),
        *(Violation("unsupported", claim) for claim in unsupported(_by_lines(written.text), written.evidence)),
    ]


def check_wording(form: str, subject: str, body: str) -> list[Violation]:
    """What is wrong with the words alone, whoever wrote them."""
    text = f"{subject}\n{body}"
    found = [*_lengths(form, subject, body)]
    found += [Violation("placeholder", mark) for mark in placeholders_in(text)]
    found += [Violation("banned", phrase) for phrase in banned_in(text)]
    if is_fake_reply(subject):
        found.append(Violation("banned", f"fake_reply: {subject}"))
    if visible(text) != text:
        found.append(Violation("hidden", "Characters that nobody sees."))
    ease = reading_ease(body)
    if ease is not None and ease < MIN_EASE:
        found.append(Violation("hard_to_read", f"Reading ease {ease:.0f} of at least {MIN_EASE:.0f}.", is_hard=False))
    return found


def check_edit(form: str, subject: str, body: str, evidence: Sequence[Evidence], *, today: date) -> list[Violation]:
    """As `check_wording`, for what a person wrote: what the evidence does not hold, the person may know."""
    unknown = unsupported(_by_lines(f"{subject}\n{body}"), evidence)
    return [
        *check_wording(form, subject, body),
        *_stale(evidence, today),
        *(Violation("unsupported", claim, is_hard=False) for claim in unknown),
    ]


def addresses_in(text: str) -> bool:
    """Whether there is a link or an e-mail address."""
    return bool(_ADDRESS.search(text))


def _by_lines(text: str) -> str:
    """With a mark at the end of each line: no name runs from a subject or a greeting into what follows."""
    return " |\n".join(text.splitlines())


def _lengths(form: str, subject: str, body: str) -> Iterable[Violation]:
    most_subject, most_body, most_words = LIMITS[form]
    for what, text, most in (("subject", subject, most_subject), ("body", body, most_body)):
        if most is not None and length_of(text) > most:
            yield Violation("too_long", f"The {what} has {length_of(text)} characters of at most {most}.")
    if most_words is not None and len(body.split()) > most_words:
        yield Violation("too_long", f"The body has {len(body.split())} words of at most {most_words}.")
    if not body.strip() or (most_subject and not subject.strip()):
        yield Violation("empty", "The subject or the body is empty.")


def _stale(evidence: Iterable[Evidence], today: date) -> Iterable[Violation]:
    """Signals that are too old to be the reason of a message sent now."""
    for each in evidence:
        if each.id.startswith("s") and date.fromisoformat(each.on) < today - timedelta(FRESH_DAYS):
            yield Violation("stale", f"{each.id} is of {each.on}, more than {FRESH_DAYS} days ago.")


def _claims(written: Written) -> Iterable[Violation]:
    """Each claim, by nothing but what it cites."""
    by_id = {each.id: each for each in written.evidence}
    for claim in written.claims:
        if unknown := [key for key in claim.evidence if key not in by_id]:
            yield Violation("unknown_evidence", ", ".join(unknown))
        cited = [by_id[key] for key in claim.evidence if key in by_id]
        yield from (Violation("uncited", missing) for missing in unsupported(_by_lines(claim.text), cited))
        if claim.text not in written.text:
            yield Violation("claim_elsewhere", claim.text)


def reading_ease(text: str) -> float | None:
    """Flesch's reading ease (R. Flesch, "A new readability yardstick", 1948): 206.835 - 1.015 words per sentence
    - 84.6 syllables per word, syllables being groups of vowels without a silent final e. None for short texts.

    Words with capitals inside a sentence are left out: nobody can choose an easier name.
    """
    sentences = [part for part in re.split(r"[.!?:;\n]+", text) if part.strip()]
    words = [
        word for part in sentences for place, word in enumerate(re.findall(r"[A-Za-z']+", part))
        if place == 0 or not word[0].isupper() or word == "I"
    ]  # fmt: skip
    if len(words) < EASE_WORDS:
        return None
    syllables = sum(_syllables(word.lower()) for word in words)
    return 206.835 - 1.015 * len(words) / len(sentences) - 84.6 * syllables / len(words)


def _syllables(word: str) -> int:
    count = len(_VOWELS.findall(word))
    return max(1, count - (word.endswith("e") and not word.endswith("le") and count > 1))
