"""A draft in a language model's words: sentence by sentence what the template says, or the template's sentence.

The model is given the sentences with the values of their slots, and neither quotes nor descriptions: what strangers hid
in those has no way to it. Nor are greeting, offer and signature its matter.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from agents.llm.contract import LLM, LLMFailed, Untrusted
from agents.writing.compose import Settings, with_claims
from agents.writing.lints import LIMITS, Claim, Written, check_draft
from agents.writing.wording import Original, common_words, originals_of, wrong_with

PROMPT = "writer_draft"
MAX_TOKENS = 1_000

Place = Literal["subject", "reason", "context", "question", "ask", "ask_more"]


class Part(BaseModel):
    """A sentence in other words."""

    place: Annotated[Place, Field(description="The place that the sentence was given with.")]
    text: Annotated[str, Field(max_length=1_000, description="The sentence in other words, without ids.")]
    evidence: Annotated[list[str], Field(max_length=20, description="The ids that it rests on; none for no fact.")]


class Rewriting(BaseModel):
    """A draft's sentences in other words, for the model to fill in."""

    parts: Annotated[list[Part], Field(max_length=20)]


@dataclass(frozen=True)
class Dropped:
    """A sentence of the model that may not be said, and why: without its words."""

    place: str
    reason: str


@dataclass(frozen=True)
class Rewritten:
    """The draft in other words, where those may be said. `written` is None when none may, or none were given."""

    written: Written | None
    dropped: tuple[Dropped, ...] = ()
    failure: str = ""


def rewrite(llm: LLM, composed: Written, settings: Settings, *, today: date) -> Rewritten:
    """Ask for other words, and hold them against the facts. Raises as `LLM.ask` does, but for `LLMFailed`."""
    originals = originals_of(composed)
    told = "\n".join(_told(original) for original in originals.values())
    facts = {
        "channel": composed.form,
        "tone": settings.tone,
        "limits": _limits(composed.form),
        "words": common_words(list(originals)),
    }
    try:
        answer = llm.ask(PROMPT, Rewriting, facts=facts, untrusted=[Untrusted("draft", "Sentences", told)],
                         max_tokens=MAX_TOKENS)  # fmt: skip
    except LLMFailed as error:
        return Rewritten(None, failure=error.message)
    return checked(composed, answer.value.parts, today=today)


def _told(original: Original) -> str:
    return json.dumps(
        {"place": original.claim.place, "sentence": original.claim.text, "evidence": list(original.claim.evidence),
         "keep": original.kept, "words": sorted(original.words)},
        ensure_ascii=False,
    )  # fmt: skip


def _limits(form: str) -> str:
    subject, body, words = LIMITS[form]
    limits = [f"{subject} characters of the subject"] if subject else []
    limits += [f"{body} characters of the whole message"] if body else []
    limits += [f"{words} words of the whole message"] if words else []
    return ", ".join(limits)


def checked(composed: Written, parts: Sequence[Part], *, today: date) -> Rewritten:
    """The template's text with those `parts` that say what its sentences say, and leave it fit to be shown."""
    originals = originals_of(composed)
    given: dict[str, Part] = {}
    dropped: list[Dropped] = []
    for part in parts:
        if part.place in originals and part.place not in given:
            given[part.place] = part
        else:
            dropped.append(Dropped(part.place, "There is no such sentence, or it was rewritten before."))
    written, kept, before = composed, 0, _problems(composed, today)
    for place, original in originals.items():
        if found := given.get(place):
            claim = Claim(" ".join(found.text.split()), tuple(dict.fromkeys(found.evidence)), place)
            changed = _with_claim(composed, written, claim)
            reason = wrong_with(original, claim.text, claim.evidence) or _broken(_problems(changed, today) - before)
            if reason:
                dropped.append(Dropped(place, reason))
            else:
                written, kept = changed, kept + 1
    return Rewritten(
        written if kept else None, tuple(dropped), "" if kept else "No sentence of the answer may be said."
    )


def _with_claim(composed: Written, written: Written, claim: Claim) -> Written:
    """`written` with `claim` in its place; `composed` has all the evidence that there is."""
    claims = [claim if each.place == claim.place else each for each in written.claims]
    return with_claims(replace(written, evidence=composed.evidence), claims)


def _problems(written: Written, today: date) -> set[tuple[str, str]]:
    """Which rules a text breaks where, and which warnings it has."""
    return {(one.code, one.detail if one.is_hard else "") for one in check_draft(written, today=today)}


def _broken(problems: set[tuple[str, str]]) -> str:
    codes = sorted({code for code, _ in problems})
    return f"The text would break a rule by it: {', '.join(codes)}." if codes else ""
