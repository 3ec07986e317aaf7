"""A profile in words, read by a language model into the fields of a profile: shown to a person, never a score."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.grounding import is_quoted
from agents.llm.contract import LLMFailed, Untrusted
from agents.models import Mode
from agents.scoring.profile import Icp

if TYPE_CHECKING:
    from agents.context import ExecutionContext

PROMPT = "read_profile"
LISTS = ("sic", "not_sic", "postcode_areas", "towns", "sizes", "company_types")
STEP = "read"


class ReadField(BaseModel):
    """A value that the text asks for, with the words that say so."""

    model_config = ConfigDict(extra="forbid")

    field: Literal[
        "sic", "not_sic", "postcode_areas", "towns", "sizes", "company_types", "min_age", "max_age", "min_employees",
        "max_employees",
    ]  # fmt: skip
    value: Annotated[str, Field(max_length=100)]
    quote: Annotated[str, Field(max_length=300)]


class ReadProfile(BaseModel):
    """What a text says of ideal customers."""

    model_config = ConfigDict(extra="forbid")

    attributes: Annotated[list[ReadField], Field(max_length=40)]


@dataclass(frozen=True, slots=True)
class Reading:
    """How the profile was read, which fields that it leaves empty its words would fill, and what was left out."""

    mode: Mode
    proposal: Mapping[str, Any] = field(default_factory=dict)
    dropped: int = 0
    why_not: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"mode": self.mode, "proposal": dict(self.proposal), "dropped": self.dropped, "why_not": self.why_not}


def read_profile(ctx: "ExecutionContext[Any, Any]", icp: Icp) -> dict[str, Any]:
    """`Reading` as JSON, by a step of its own. Raises as `LLM.ask` does, but for `LLMFailed`, which it tells of."""
    read: dict[str, Any] = ctx.step(STEP, lambda: _read(ctx, icp).as_json(), transactional=False)
    return read


def _read(ctx: "ExecutionContext[Any, Any]", icp: Icp) -> Reading:
    if not icp.text or not ctx.llm.is_configured:
        return Reading(Mode.DETERMINISTIC)
    try:
        read = ctx.llm.ask(PROMPT, ReadProfile, untrusted=[Untrusted("t1", "Description of ideal customers", icp.text)])
    except LLMFailed as error:
        return Reading(Mode.LLM_FALLBACK, why_not=error.message)
    return checked(read.value, icp)


def checked(read: ReadProfile, icp: Icp) -> Reading:
    """What of an answer the text says word for word, makes a valid profile, and is not in the profile yet."""
    asked = icp.model_dump(mode="json")
    whole: dict[str, Any] = asked
    proposal: dict[str, Any] = {}
    dropped = 0
    for one in read.attributes:
        values = _added(proposal, one) if is_quoted(one.quote, icp.text) and not asked[one.field] else None
        if values is None or not _is_valid(whole | values):
            dropped += 1
            continue
        proposal, whole = values, whole | values
    return Reading(Mode.LLM, proposal, dropped)


def _added(proposal: Mapping[str, Any], one: ReadField) -> dict[str, Any] | None:
    """The proposal with the field; None for a number that is none."""
    if one.field in LISTS:
        return {**proposal, one.field: list(dict.fromkeys([*proposal.get(one.field, []), one.value]))}
    is_number = one.value.isascii() and one.value.isdigit() and len(one.value) < 10  # noqa: PLR2004  beyond any bound
    return {**proposal, one.field: int(one.value)} if is_number else None


def _is_valid(values: Mapping[str, Any]) -> bool:
    try:
        Icp.model_validate(values)
    except ValidationError:
        return False
    return True
