"""Evidence as pages show it. What sources say is text; a link leads to http and https alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cited:
    """A fact that something rests on. `reliability`: of its source, in words."""

    id: str
    text: str
    source: str
    url: str  # empty unless it may be followed
    on: str
    retrieved_at: str
    reliability: str


def cited(evidence: Iterable[Mapping[str, Any]]) -> list[Cited]:
    """Evidence as it is stored, ready to be shown."""
    return [
        Cited(
            str(one.get("id", "")),
            str(one.get("text", "")),
            str(one.get("source") or "unknown"),
            followable(str(one.get("url") or "")),
            str(one.get("on") or "unknown"),
            str(one.get("retrieved_at") or "unknown"),
            reliability_of(one.get("reliability")),
        )
        for one in evidence
    ]


def followable(url: str) -> str:
    """`url` if it is one of the web; empty for any other, such as `javascript:`."""
    return url if url.startswith(("https://", "http://")) else ""


def reliability_of(share: float | None) -> str:
    return "not judged" if share is None else f"{100 * share:.0f} %"
