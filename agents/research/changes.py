"""What is different from the last report: lines are told apart by their key."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.models import ResearchSection
from agents.research.lines import UNKNOWN


def changes_between(
    before: Sequence[ResearchSection], after: Sequence[ResearchSection]
) -> dict[str, dict[str, list[Any]]]:
    """By section, what is new, changed and gone; sections without a change are left out.

    What is unknown is no line: a fact that was found is new, one that is not found any more is gone.
    """
    old = {one.name: _lines(one) for one in before}
    found = {}
    for section in after:
        was, now = old.get(section.name, {}), _lines(section)
        changes: dict[str, list[Any]] = {
            "new": [line for key, line in now.items() if key not in was],
            "changed": [
                {"key": key, "part": line["part"], "before": was[key]["text"], "after": line["text"]}
                for key, line in now.items()
                if key in was and was[key]["text"] != line["text"]
            ],
            "gone": [line for key, line in was.items() if key not in now],
        }
        if any(changes.values()):
            found[section.name] = changes
    return found


def _lines(section: ResearchSection) -> dict[str, Mapping[str, Any]]:
    return {
        line["key"]: {name: line[name] for name in ("key", "part", "text")}
        for line in section.content
        if line["kind"] != UNKNOWN
    }


def new_signals(changes: Mapping[str, Any]) -> list[str]:
    """Keys of the signals that were not in the last report."""
    new = changes.get("buying_signals", {}).get("new", [])
    return [line["key"] for line in new if line["key"].startswith("signal:") and not line["key"].endswith(":quote")]
