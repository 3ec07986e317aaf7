"""Reading labelled sets: facts with what they mean, and texts with what a parser should read from them.

Pure: no database, no clock. What the cases are and what a label means: `README.md` of each set's directory.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from businesses.payloads import InvalidPayload, payload_of
from oppspot.core.errors import InvalidInput
from signals_app.detectors.base import Company, Fact, History, Rival
from signals_app.models import SignalType

GOLDEN = Path(__file__).parent / "golden"
HELD_OUT = Path(__file__).parent / "held_out"
PARSING = "parsing.jsonl"
AS_OF = date(2024, 6, 3)  # any day would do: the days of the cases are relative to it
_RELATIVE_DAY = re.compile(r"D([+-]\d+)(T.*)?")

Read = TypeVar("Read")


class InvalidCase(InvalidInput):
    """A case of a labelled set cannot be read."""

    code = "invalid_case"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expectation(_Strict):
    """A signal that the facts of a case mean. `rule` is for the reader; `data` is a subset of the detection's."""

    signal_type: SignalType
    rule: str = ""
    is_negative: bool = False
    data: dict[str, str | int | Decimal] = Field(default_factory=dict)


class _FactRecord(_Strict):
    kind: str
    on: date
    source: str
    url: str
    payload: dict[str, Any]
    is_dated: bool


class _CaseRecord(_Strict):
    id: str
    company: dict[str, Any]
    facts: list[_FactRecord] = Field(min_length=1)
    expect: list[Expectation]
    why: str = Field(min_length=1)
    may: list[SignalType] = Field(default_factory=list)
    rivals: list[Rival] = Field(default_factory=list)
    address_companies: int | None = None
    directorships: dict[str, int] = Field(default_factory=dict)


class ParsingCase(_Strict):
    id: str
    task: str
    text: str
    expect: Any


@dataclass(frozen=True, slots=True)
class Case:
    """`about` is the type whose file holds it; of the types in `may`, a detection is neither right nor wrong."""

    id: str
    about: SignalType
    history: History
    expect: tuple[Expectation, ...]
    may: frozenset[SignalType]
    why: str


def cases_in(directory: Path, as_of: date = AS_OF) -> list[Case]:
    """The cases of all types, as seen on the day `as_of`. Raises `InvalidCase`, naming file and line."""
    cases: list[Case] = []
    for about in SignalType:
        cases += _read(directory / f"{about}.jsonl", as_of, partial(_case, about))
    return cases


def parsing_cases(directory: Path = GOLDEN) -> list[ParsingCase]:
    """Raises `InvalidCase`, naming file and line."""
    return _read(directory / PARSING, AS_OF, ParsingCase.model_validate)


def _read(path: Path, as_of: date, build: Callable[[Any], Read]) -> list[Read]:
    """What `build` makes of each line, its days made absolute."""
    built: list[Read] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            built.append(build(_with_days(json.loads(line), as_of)))
        except (ValueError, TypeError, ValidationError, InvalidPayload) as error:
            raise InvalidCase(f"{path.name}, line {number}: {error}") from error
    return built


def _with_days(value: Any, as_of: date) -> Any:
    """`"D-12"` → twelve days before `as_of`, `"D-12T08:30:00Z"` likewise, wherever it is the whole of a text."""
    if isinstance(value, dict):
        return {key: _with_days(inner, as_of) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_days(inner, as_of) for inner in value]
    match = _RELATIVE_DAY.fullmatch(value) if isinstance(value, str) else None
    return f"{as_of + timedelta(days=int(match[1]))}{match[2] or ''}" if match else value


def _case(about: SignalType, value: Any) -> Case:
    record = _CaseRecord.model_validate(value)
    known = dict(record.company)
    born = known.pop("incorporated_on", None)
    company = Company(
        id=uuid5(NAMESPACE_URL, record.id),
        sic_codes=tuple(known.pop("sic_codes", ())),
        incorporated_on=date.fromisoformat(born) if born else None,
        **known,
    )
    facts = [
        Fact(
            id=f"event:{record.id}-{number}",
            fingerprint=uuid5(NAMESPACE_URL, f"{record.id}/{number}"),
            payload=payload_of(fact.kind, fact.payload),
            **fact.model_dump(exclude={"payload"}),
        )
        for number, fact in enumerate(record.facts, 1)
    ]
    history = History(
        company=company,
        facts=tuple(sorted(facts, key=lambda fact: fact.on)),
        rivals=tuple(record.rivals),
        address_companies=record.address_companies,
        directorships=record.directorships,
    )
    return Case(record.id, about, history, tuple(record.expect), frozenset(record.may), record.why)
