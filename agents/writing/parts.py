"""Templates as data: parts of texts, for a form, a reason to write and a tone, with slots in braces."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from agents.writing.slots import SLOT
from oppspot.core.errors import NotConfigured

FOLDER = Path(__file__).with_name("templates")
FRAME, PROFILE = "frame", "profile"  # files that are not of a type of signal
TONES = ("plain", "warm", "formal")
FORMS = ("email", "inmail", "note", "call")
PLACES = ("subject", "greeting", "reason", "context", "offer", "question", "closing", "opener", "fact", "ask",
          "ask_more", "pitch")  # fmt: skip
SLOTS = {"company", "town", "trade", "year", "full_name", "first_name", "offer", "sender", "date", "month", "person",
         "appointed", "title", "amount", "count", "technology", "place", "competitor"}  # fmt: skip

TOLD = ("news", "website", "jobs", "register")  # where a signal is from, as texts may say

Tone = Literal["plain", "warm", "formal"]
Form = Literal["email", "inmail", "note", "call"]


class BadTemplates(NotConfigured):
    """A file of templates cannot be used."""


@dataclass(frozen=True)
class Part:
    """Variants of one part of a text best first within a place."""

    place: str
    forms: frozenset[str]
    rules: frozenset[str]  # of signals; none: all of the type
    told: frozenset[str]  # where the signal must be from, as the text says or takes it so; none: anywhere
    variants: Mapping[str, tuple[str, ...]]  # by tone
    slots: Mapping[str, frozenset[str]]  # that any of the variants asks for, by tone


@dataclass(frozen=True)
class Templates:
    """The parts of one file, in their order, and its version."""

    name: str
    version: str
    parts: tuple[Part, ...]

    def fitting(self, place: str, form: str, rule: str, told: str = "") -> list[Part]:
        """The parts for a place, those of the rule before those of any, and then those of where it was told."""
        fitting = [
            part
            for part in self.parts
            if part.place == place and form in part.forms
            and (not part.rules or rule in part.rules) and (not part.told or told in part.told)
        ]  # fmt: skip
        return sorted(fitting, key=lambda part: (not part.rules, not part.told))


@cache
def get_templates(name: str) -> Templates | None:
    """The templates of a type of signal; None when there are none. Raises `BadTemplates`."""
    path = FOLDER / f"{name}.toml"
    return read_templates(path) if path in set(FOLDER.glob("*.toml")) else None


def read_templates(path: Path) -> Templates:
    """Raises `BadTemplates`, which says what is wrong where."""
    text = path.read_text(encoding="utf-8")
    try:
        data = tomllib.loads(text)
        parts = tuple(_part(path.name, place, item) for place, item in enumerate(data["parts"]))
        version = f"{data['version']}+{sha256(text.encode()).hexdigest()[:8]}"
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise BadTemplates(f"{path.name}: {error!r}") from error
    return Templates(path.stem, version, parts)


def _part(file: str, place: int, item: dict[str, object]) -> Part:
    where = f"{file}, part {place + 1}"
    if unknown := item.keys() - {"place", "forms", "rules", "told", "any", *TONES}:
        raise BadTemplates(f"{where}: unknown keys {sorted(unknown)}.")
    forms, rules, told = (frozenset(map(str, _list(item.get(key, [])))) for key in ("forms", "rules", "told"))
    if item.get("place") not in PLACES or not forms or not forms <= set(FORMS) or not told <= set(TOLD):
        raise BadTemplates(f"{where}: place, forms or told are not known.")
    shared = tuple(map(str, _list(item.get("any", []))))
    variants = {tone: tuple(map(str, _list(item.get(tone, [])))) or shared for tone in TONES}
    texts = [text for each in variants.values() for text in each]
    slots = {tone: frozenset(SLOT.findall(" ".join(each))) for tone, each in variants.items()}
    if not all(variants.values()):
        raise BadTemplates(f"{where}: each tone needs a text.")
    if frozenset().union(*slots.values()) - SLOTS or any(set("{}") & set(SLOT.sub("", text)) for text in texts):
        raise BadTemplates(f"{where}: an unknown slot or a stray brace.")
    return Part(str(item["place"]), forms, rules, told, variants, slots)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("a list is needed")
    return value
