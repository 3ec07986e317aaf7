"""Prompt templates: files in `agents/llm/prompts`, each with a version, so that the ledger tells what was asked."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from agents.visible import visible
from oppspot.core.errors import NotConfigured

FOLDER = Path(__file__).with_name("prompts")
KEYS = {"version", "system", "user"}
MAX_FACT = 20_000  # characters of one
_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_VERSION = re.compile(r"[0-9A-Za-z.-]{1,16}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


class BadTemplate(NotConfigured):
    """A prompt template is missing or cannot be used."""


@dataclass(frozen=True)
class Template:
    name: str
    version: str  # as the file says, and what the file's text hashes to
    system: str
    user: str

    @property
    def placeholders(self) -> set[str]:
        return set(_PLACEHOLDER.findall(self.system + self.user))

    def filled(self, facts: Mapping[str, Any]) -> tuple[str, str]:
        """The system's part and the user's, facts in their places. Raises `BadTemplate` for facts that are missing or
        have no place."""
        if differing := self.placeholders ^ facts.keys():
            raise BadTemplate(f"The facts and the placeholders of prompt {self.name} differ: {sorted(differing)}.")
        shown = {name: _shown(value) for name, value in facts.items()}
        system, user = (_PLACEHOLDER.sub(lambda match: shown[match[1]], text) for text in (self.system, self.user))
        return system, user


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return visible(text)[:MAX_FACT]


@cache
def get_template(name: str) -> Template:
    """Raises `BadTemplate`, which says what is wrong with it."""
    if not _NAME.fullmatch(name):
        raise BadTemplate(f"{name!r} is no name of a prompt template.", hint="Use small letters, digits and _.")
    return read_template(FOLDER / f"{name}.toml")


def read_template(path: Path) -> Template:
    """Raises `BadTemplate`, as `get_template`."""
    name = path.stem
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except FileNotFoundError:
        raise BadTemplate(f"There is no prompt template {name}.", hint=f"Write {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadTemplate(f"The prompt template {name} cannot be read: {error}") from error
    if values.keys() != KEYS or not all(isinstance(value, str) and value.strip() for value in values.values()):
        raise BadTemplate(f"The prompt template {name} needs the texts version, system and user, and nothing else.")
    if not _VERSION.fullmatch(values["version"]):
        raise BadTemplate(f"The version of the prompt template {name} is no short word.")
    version = f"{values['version']}+{sha256(text.encode()).hexdigest()[:12]}"
    return Template(name, version, values["system"].strip(), values["user"].strip())


def bad_templates() -> Iterator[BadTemplate]:
    """What is wrong with the templates that there are."""
    for path in sorted(FOLDER.glob("*.toml")):
        try:
            if not _NAME.fullmatch(path.stem):
                raise BadTemplate(f"{path.stem!r} is no name of a prompt template.")
            read_template(path)
        except BadTemplate as error:
            yield error
