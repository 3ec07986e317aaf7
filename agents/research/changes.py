"""What is different from the last report: lines are told apart by their key, and compared by what the clock leaves."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.models import ResearchSection, SectionName
from agents.research.dossier import SIGNALS
from agents.research.lines import UNKNOWN

# What happened does not unhappen: such a line is gone because newer ones took its place, or its time has passed.
_STAYS = ("event:", "own:", "jobs")


def changes_between(
    before: Sequence[ResearchSection], after: Sequence[ResearchSection]
) -> dict[str, dict[str, list[Any]]]:
    """By section, what is new, changed and gone; sections without a change are left out.

    What is unknown is no line: a fact that was found is new, one that is not found any more is gone. What follows from
    facts that are told elsewhere is not compared: the recommended approach, and lines whose value is None.
    """
    old = {one.name: one for one in before}
    found = {}
    for section in after:
        if section.name == SectionName.APPROACH:
            continue
        last = old.get(section.name)
        was, now = _lines(last) if last else {}, _lines(section)
        changes: dict[str, list[Any]] = {
            "new": [_shown(line) for key, line in now.items() if key not in was and not _was_active(key, last)],
            "changed": [
                {"key": key, "part": line["part"], "before": was[key]["text"], "after": line["text"]}
                for key, line in now.items()
                if key in was and _value(was[key]) != _value(line)
            ],
            "gone": [_shown(line) for key, line in was.items() if key not in now and not _stays(key, section)],
        }
        if any(changes.values()):
            found[section.name] = changes
    return found


def _lines(section: ResearchSection) -> dict[str, Mapping[str, Any]]:
    compared = (line for line in section.content if line["kind"] != UNKNOWN and _value(line) is not None)
    return {line["key"]: line for line in compared}


def _value(line: Mapping[str, Any]) -> Any:
    return line.get("value", line["text"])


def _shown(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in ("key", "part", "text")}


def _was_active(key: str, section: ResearchSection | None) -> bool:
    """Whether the line is of a signal that was active when the section was made: of many, only some are shown."""
    kind, _, rest = key.partition(":")
    signals = section.basis.get(SIGNALS, ()) if section else ()
    return kind == "signal" and any(pk == rest.partition(":")[0] and not in_review for pk, in_review, *_ in signals)


def _stays(key: str, section: ResearchSection) -> bool:
    return key.startswith(_STAYS) or _was_active(key, section)


def new_signals(changes: Mapping[str, Any]) -> list[str]:
    """Keys of the signals that were not in the last report."""
    new = changes.get("buying_signals", {}).get("new", [])
    return [line["key"] for line in new if line["key"].startswith("signal:") and not line["key"].endswith(":quote")]
