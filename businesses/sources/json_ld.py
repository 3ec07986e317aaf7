"""Facts that pages state in JSON-LD by the vocabulary of schema.org."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MAX_SCRIPT = 1_000_000  # characters
MAX_OBJECTS = 50_000  # that are looked at, of a page
_WRAPPING = re.compile(
    r"^\s*(?://|/\*)?\s*(?:<!--|<!\[CDATA\[)(?:\s*\*/)?|(?://|/\*)?\s*(?:-->|\]\]>)(?:\s*\*/)?\s*;?\s*$"
)

Thing = Mapping[str, Any]


def things_in(scripts: Iterable[str]) -> tuple[list[Thing], list[str]]:
    """Every object with a type, however nested, and why scripts could not be read: one does not spoil another."""
    found: list[Thing] = []
    problems: list[str] = []
    left = MAX_OBJECTS
    for place, script in enumerate(scripts, start=1):
        if len(script) > MAX_SCRIPT:
            problems.append(f"JSON-LD script {place}: longer than {MAX_SCRIPT:,} characters")
            continue
        try:
            value = json.loads(_WRAPPING.sub("", script), strict=False)
        except (ValueError, RecursionError) as error:
            problems.append(f"JSON-LD script {place}: {str(error)[:200]}")
            continue
        for thing in _objects(value):
            left -= 1
            if left < 0:
                problems.append(f"JSON-LD: only the first {MAX_OBJECTS:,} objects were read")
                return found, problems
            if types_of(thing):
                found.append(thing)
    return found, problems


def _objects(value: Any) -> Iterator[Thing]:
    """In the order of the document, without recursion: how deep it goes is the page's choice."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(reversed([each for each in item.values() if isinstance(each, dict | list)]))
        elif isinstance(item, list):
            stack.extend(reversed([each for each in item if isinstance(each, dict | list)]))


def types_of(thing: Thing) -> set[str]:
    """Of `{"@type": ["https://schema.org/Corporation"]}`: `{"Corporation"}`."""
    given = thing.get("@type")
    names = given if isinstance(given, list) else [given]
    return {re.split(r"[/#:]", name)[-1] for name in names if isinstance(name, str) and name}


def each_of(value: Any) -> list[Any]:
    """The vocabulary allows one value, or a list of them, everywhere."""
    return value if isinstance(value, list) else [] if value is None else [value]


def text_of(value: Any) -> Any:
    """A text, or the name or value of the object that stands in its place; the first of several."""
    for item in each_of(value):
        if isinstance(item, dict):
            item = next((item[key] for key in ("name", "value", "@value", "@id") if key in item), None)  # noqa: PLW2901
        if isinstance(item, str | int | float) and not isinstance(item, bool):
            return item
    return None
