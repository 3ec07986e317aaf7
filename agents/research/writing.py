"""Prose by a language model, sentence by sentence held against the facts that it cites; the others are dropped.

The model is given facts in the project's own words, and no text that others wrote at length (descriptions, headlines,
quotes): what is hidden in those has no way to it.
"""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from agents.base import Evidence
from agents.grounding import cited_ids, grounded_sentences
from agents.llm import LLMFailed, Untrusted
from agents.models import Mode, ResearchSection, SectionName
from agents.reports import keep_prose
from agents.research.lines import QUOTE, UNKNOWN

if TYPE_CHECKING:
    from agents.context import ExecutionContext

PROMPT = "research_synthesis"
MAX_FACTS = 60  # of a section that the model is given


class Synthesis(BaseModel):
    """A section in prose, for the model to fill in."""

    text: Annotated[str, Field(max_length=4_000, description="The sentences, each ending with the ids it rests on.")]


def write_prose(ctx: "ExecutionContext[Any, Any]", ids: list[UUID]) -> None:
    """Have the sections of these ids written, one call each; without a language model they stay as they are."""
    if not ids or not ctx.llm.is_configured:
        return
    rows = ResearchSection.objects.for_org(ctx.org).filter(pk__in=ids).exclude(name=SectionName.SOURCES)
    for section in sorted(rows, key=lambda one: SectionName.values.index(one.name)):
        facts = told_to_model(section)
        if facts:
            written = ctx.step(f"write {section.name}", partial(_write, ctx, section, facts),
                               inputs={"facts": len(facts)}, transactional=False)  # fmt: skip
            ctx.step(f"keep {section.name}", partial(_keep, ctx, section.pk, written))


def evidence_of(section: ResearchSection) -> list[Evidence]:
    return [Evidence(**one) for one in section.evidence]


def told_to_model(section: ResearchSection) -> list[Evidence]:
    cited = {
        cite for line in section.content if line["kind"] not in (QUOTE, UNKNOWN) for cite in line["cites"]
    }  # fmt: skip
    return [one for one in evidence_of(section) if one.id in cited][:MAX_FACTS]


def _write(ctx: "ExecutionContext[Any, Any]", section: ResearchSection, facts: list[Evidence]) -> dict[str, Any]:
    told = "\n".join(f"[{one.id}] {one.text}" for one in facts)
    try:
        answer = ctx.llm.ask(PROMPT, Synthesis, facts={"section": section.get_name_display()},
                             untrusted=[Untrusted(section.name, "Facts", told)])  # fmt: skip
    except LLMFailed as error:
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
