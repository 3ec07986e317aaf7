"""Rules are data: a TOML file for each detector, with one version, limits and rules. Checked when it is loaded."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from oppspot.core.errors import InvalidInput

FOLDER = Path(__file__).parent.parent / "rules"
Percent = Annotated[int, Field(ge=0, le=100, strict=True)]
Days = Annotated[int, Field(ge=1, le=3650, strict=True)]


class InvalidRules(InvalidInput):
    """A file of rules is not valid."""

    code = "invalid_rules"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(Strict):
    """What a detection by this rule is worth: `weight` and `confidence` 0 to 100, for `days`."""

    name: str
    weight: Percent
    confidence: Percent
    days: Days
    is_negative: bool = False
    needs_review: bool = False


class RuleTable(Strict):
    """The rules of a detector: a field for each, so that a missing or an unknown one is an error."""

    @model_validator(mode="before")
    @classmethod
    def _name_rules(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        return {key: {"name": key, **rule} if isinstance(rule, dict) else rule for key, rule in table.items()}


class RuleFile(Strict):
    version: Annotated[str, Field(min_length=1, max_length=30)]


File = TypeVar("File", bound=RuleFile)


def load_rules(name: str, kind: type[File], *, folder: Path = FOLDER) -> File:
    """The rules of the detector `name`. Raises `InvalidRules`, naming file, rule and field."""
    path = folder / f"{name}.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidRules(f"{path.name}: there is no such file in {folder.name}/.") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidRules(f"{path.name}: {error}") from error
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors(include_url=False)
        ]
        raise InvalidRules(f"{path.name}: {'; '.join(problems)}.") from error
