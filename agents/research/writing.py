"""Prose by a language model, sentence by sentence held against the facts that it cites; the others are dropped.

The model is given facts in the project's own words, and no text that others wrote at length (descriptions, headlines,
quotes): what is hidden in those has no way to it.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from django.db import connection
from pydantic import BaseModel, Field

from agents.base import Evidence
from agents.grounding import cited_ids, grounded_sentences
from agents.llm import LLMFailed, Untrusted
from agents.models import Mode, ResearchSection, SectionName
from agents.reports import keep_prose
from agents.research.lines import QUOTE, UNKNOWN
from oppspot.core.errors import OppspotError

if TYPE_CHECKING:
    from agents.context import ExecutionContext

PROMPT = "research_synthesis"
MAX_FACTS = 60  # of a section that the model is given


class Synthesis(BaseModel):
    """A section in prose, for the model to fill in."""

    text: Annotated[str, Field(max_length=4_000, description="The sentences, each ending with the ids it rests on.")]


def write_prose(ctx: "ExecutionContext[Any, Any]", made: Collection[UUID], unwritten: Collection[UUID]) -> None:
    """Have the sections of these ids written, one call each; without a language model they stay as they are.

    `made`: for this report. `unwritten`: used again, and left without prose by the reports before, as the model failed
    or there was none; whatever is in the way of these, be it a spent budget, they can be read as they are.
    """
    ids = [*made, *unwritten]
    if not ids or not ctx.llm.is_configured:
        return
    rows = ResearchSection.objects.for_org(ctx.org).filter(pk__in=ids).exclude(name=SectionName.SOURCES)
    for section in sorted(rows, key=lambda one: SectionName.values.index(one.name)):
        facts = told_to_model(section)
        if facts:
            may_fail = (LLMFailed,) if section.pk in made else (OppspotError,)
            written = ctx.step(f"write {section.name}", partial(_write, ctx, section, facts, may_fail),
                               inputs={"facts": len(facts)}, transactional=False)  # fmt: skip
            if written is not None:
                ctx.step(f"keep {section.name}", partial(_keep, ctx, section.pk, written))


def evidence_of(section: ResearchSection) -> list[Evidence]:
    return [Evidence(**one) for one in section.evidence]


def told_to_model(section: ResearchSection) -> list[Evidence]:
    cited = {
        cite for line in section.content if line["kind"] not in (QUOTE, UNKNOWN) for cite in line["cites"]
    }  # fmt: skip
    return [one for one in evidence_of(section) if one.id in cited][:MAX_FACTS]


def _write(
    ctx: "ExecutionContext[Any, Any]", section: ResearchSection, facts: list[Evidence],
    may_fail: tuple[type[OppspotError], ...],
) -> dict[str, Any] | None:  # fmt: skip
    """What to keep; None when another execution is writing the section, or has: it is not bought twice."""
    with _alone(section.pk) as is_alone:
        has_prose = ResearchSection.objects.for_org(ctx.org).filter(pk=section.pk, mode=Mode.LLM).exists()
        return _ask(ctx, section, facts, may_fail) if is_alone and not has_prose else None


@contextmanager
def _alone(section: UUID) -> Iterator[bool]:
    """Whether nobody else writes the section; nobody will until the end. The session's lock, which ends with it: no
    transaction may be open while a language model is asked."""
    key = [f"prose:{section}"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", key)
        (is_alone,) = cursor.fetchone()
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", key)


def _ask(
    ctx: "ExecutionContext[Any, Any]", section: ResearchSection, facts: list[Evidence],
    may_fail: tuple[type[OppspotError], ...],
) -> dict[str, Any]:  # fmt: skip
    told = "\n".join(f"[{one.id}] {one.text}" for one in facts)
    try:
        answer = ctx.llm.ask(PROMPT, Synthesis, facts={"section": section.get_name_display()},
                             untrusted=[Untrusted(section.name, "Facts", told)])  # fmt: skip
    except may_fail as error:
        return {"prose": [], "dropped": 0, "mode": Mode.LLM_FALLBACK.value, "reason": error.message}
    kept, dropped = grounded_sentences(answer.value.text, facts)
    return {
        "prose": [{"text": sentence, "cites": cited_ids(sentence)} for sentence in kept],
        "dropped": len(dropped),
        "mode": (Mode.LLM if kept else Mode.LLM_FALLBACK).value,
        "reason": "" if kept else "No sentence of the answer was supported by the facts.",
    }


def _keep(ctx: "ExecutionContext[Any, Any]", section: UUID, written: dict[str, Any]) -> int:
    keep_prose(org=ctx.org, section=section, **written)
    return len(written["prose"])
