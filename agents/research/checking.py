"""Whether a report keeps its promises, judged by what it says alone: nothing is read from the database."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agents.base import Evidence
from agents.grounding import cited_ids, is_quoted, unsupported
from agents.research.lines import BETWEEN, QUOTE, UNKNOWN

_UNKNOWN = re.compile(r"unknown: not found in \d+ sources?")
_SHOWN = ("id", "text", "source", "url", "on", "retrieved_at", "reliability")


def check_report(report: Mapping[str, Any]) -> list[str]:
    """What is wrong with a report as `rendering.report_as_json` gives it, in words; nothing is what is demanded.

    Each line and sentence cites evidence that is there, unless it says that something is unknown; its numbers, dates,
    links and names stand in what it cites; a quote is a part of it, word for word.
    """
    found: list[str] = []
    for section in report["sections"]:
        evidence = [Evidence(**{name: one[name] for name in _SHOWN}) for one in section["evidence"]]
        by_id = {one.id: one for one in evidence}
        if len(by_id) != len(evidence):
            found.append(f"{section['name']}: an id of evidence is there twice")
        for line in section["content"]:
            found += [f"{section['name']}.{line['key']}: {problem}" for problem in _of_line(line, by_id)]
        for sentence in section["prose"]:
            if cited_ids(sentence["text"]) != sentence["cites"]:
                found.append(f"{section['name']}: cites differ from the marks in {sentence['text'][:80]!r}")
            found += [f"{section['name']}: {problem}" for problem in _of_claim(sentence, by_id)]
    return found


def _of_line(line: Mapping[str, Any], by_id: Mapping[str, Evidence]) -> Iterator[str]:
    if line["kind"] == UNKNOWN:
        if line["cites"] or not _UNKNOWN.fullmatch(line["text"]):
            yield "it is no plain statement that something is unknown"
        return
    yield from _of_claim(line, by_id)
    if line["kind"] == QUOTE:
        cited = [by_id[one].text for one in line["cites"] if one in by_id]
        if line["quote"] != line["text"] or not any(is_quoted(line["quote"], text) for text in cited):
            yield "the quote is not in what it cites"


def _of_claim(said: Mapping[str, Any], by_id: Mapping[str, Evidence]) -> Iterator[str]:
    if not said["cites"]:
        yield "it cites nothing"
    if missing := [one for one in said["cites"] if one not in by_id]:
        yield f"there is no evidence {', '.join(missing)}"
    known = [by_id[one] for one in said["cites"] if one in by_id]
    parts = said["text"].split(BETWEEN)
    if all(any(is_quoted(part, one.text) for one in known) for part in parts):
        return  # what stands there word for word claims nothing that is not there
    if claims := unsupported(said["text"], known):
        yield f"not in what it cites: {', '.join(claims)}"
