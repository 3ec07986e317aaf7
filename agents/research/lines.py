"""Lines of a section, and the evidence that they cite."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from agents.base import Evidence
from agents.models import SectionName
from agents.visible import visible

FACT, QUOTE, ADVICE, CONFLICT, UNKNOWN = "fact", "quote", "advice", "conflict", "unknown"
# Ids of evidence begin with the section's: they stay apart when sections of different days stand in one report.
PREFIXES = {
    SectionName.SNAPSHOT: "sn",
    SectionName.BUYING_SIGNALS: "bs",
    SectionName.DECISION_MAKERS: "dm",
    SectionName.REVENUE_SIGNALS: "rs",
    SectionName.APPROACH: "ra",
    SectionName.SOURCES: "so",
}
BETWEEN = " / "  # what sources say that disagree
MAX_QUOTE, MAX_TEXT = 300, 2_000  # characters


@dataclass
class Section:
    """A section in the making. `problem` names the sources that failed."""

    name: SectionName
    reliability: Mapping[str, float]  # by source; those nobody judged are not in it
    lines: list[dict[str, Any]] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    problem: str = ""

    def cite(self, text: str, *, source: str, url: str = "", on: date | None = None, seen: date | None = None) -> str:
        """Keep a fact, and its id; one that is there already is not kept again."""
        day, seen_on = on.isoformat() if on else "", seen.isoformat() if seen else ""
        text = visible(text)[:MAX_TEXT]
        for known in self.evidence:
            if (known.text, known.source, known.url, known.on) == (text, source, url, day):
                return known.id
        made = Evidence(
            f"{PREFIXES[self.name]}{len(self.evidence) + 1}", text, source or "unknown", url, day, seen_on,
            self.reliability.get(source),
        )  # fmt: skip
        self.evidence.append(made)
        return made.id

    def add(
        self, key: str, part: str, text: str, cites: Sequence[str], *, kind: str = FACT, quote: str = "",
        value: str | None = "",
    ) -> None:  # fmt: skip
        """A line. `key` tells it from others of the section, the same in the next report; `part` is its label.

        `value` is what is compared with the next report where the text changes by the clock alone, as ages do; None
        for what is no fact about the company.
        """
        line = {"key": key, "part": visible(part), "text": visible(text), "cites": list(cites), "kind": kind,
                "quote": quote}  # fmt: skip
        self.lines.append(line if value == "" else line | {"value": value})

    def state(self, key: str, part: str, text: str, *, value: str | None = "", **where: Any) -> str:
        """A line that says just what its evidence says."""
        cited = self.cite(text, **where)
        self.add(key, part, text, [cited], value=value)
        return cited

    def quote(self, key: str, part: str, text: str, **where: Any) -> None:
        """What others wrote, or its beginning, word for word."""
        whole = visible(text)[:MAX_TEXT].strip()
        if whole:
            shown = whole if len(whole) <= MAX_QUOTE else whole[:MAX_QUOTE].rsplit(maxsplit=1)[0]
            self.add(key, part, shown, [self.cite(whole, **where)], kind=QUOTE, quote=shown)

    def unknown(self, key: str, part: str, sources: int) -> None:
        self.add(key, part, not_found(sources), [], kind=UNKNOWN)

    def fact(self, cited: str) -> Evidence:
        return next(one for one in self.evidence if one.id == cited)


def is_said(text: str) -> bool:
    """Whether a person sees anything of it."""
    return bool(visible(text).strip())


def not_found(sources: int) -> str:
    return f"unknown: not found in {sources} source{'' if sources == 1 else 's'}"
