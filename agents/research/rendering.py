"""Reports as JSON and as Markdown. In Markdown nothing that others wrote is a link, an image, HTML or formatting."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from agents.models import ReportSection, ResearchReport, SectionName
from agents.visible import visible

_SPECIAL = re.compile(r"[\\`*_{}\[\]#|~!@$^]")
_LIST = re.compile(r"^(\d{0,9})([-+.)=])")  # what makes a list, or a heading of the line before
_SHOWN = ("key", "part", "text", "cites", "kind", "quote")  # of a line
_STATUS = {"ok": "", "partial": "Partial", "failed": "Failed"}


def report_as_json(report: ResearchReport, sections: Iterable[ReportSection]) -> dict[str, Any]:
    business = report.business
    return {
        "id": str(report.pk),
        "business": {"id": str(business.pk), "name": business.name, "company_number": business.company_number},
        "depth": report.depth,
        "status": report.status,
        "created_at": report.created_at.isoformat(),
        "sections": [section_as_json(link) for link in sections],
    }


def section_as_json(link: ReportSection) -> dict[str, Any]:
    section = link.section
    return {
        "name": section.name,
        "title": SectionName(section.name).label,
        "status": section.status,
        "problem": section.problem,
        "mode": section.mode,
        "fallback_reason": section.fallback_reason,
        "is_reused": link.is_reused,
        "generated_at": section.generated_at.isoformat(),
        "expires_at": section.expires_at.isoformat(),
        "content": [{name: line[name] for name in _SHOWN} for line in section.content],
        "prose": section.prose,
        "dropped_sentences": section.dropped_sentences,
        "evidence": section.evidence,
    }


def report_as_markdown(report: Mapping[str, Any]) -> str:
    """A report, as `report_as_json` gives it."""
    business = report["business"]
    number = f" ({escaped(business['company_number'])})" if business["company_number"] else ""
    lines = [
        f"# {escaped(business['name'])}{number}",
        "",
        f"{report['depth'].title()} report of {report['created_at'][:10]}, {report['status']}.",
    ]
    for section in report["sections"]:
        lines += ["", *_section(section)]
    return "\n".join(lines) + "\n"


def _section(section: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {section['title']}"
    yield ""
    used = ", used again" if section["is_reused"] else ""
    yield f"As of {section['generated_at'][:10]}{used}. Mode: {escaped(section['mode'])}."
    if section["status"] != "ok":
        yield f"**{_STATUS[section['status']]}:** {escaped(section['problem'])}"
    if section["fallback_reason"]:
        yield f"Without prose: {escaped(section['fallback_reason'])}"
    if section["prose"]:
        yield ""
        yield " ".join(escaped(sentence["text"]) for sentence in section["prose"])
    if section["dropped_sentences"]:
        yield ""
        yield f"{section['dropped_sentences']} sentences were dropped, as no stored fact supports them."
    yield ""
    for line in section["content"]:
        text = f"“{escaped(line['text'])}”" if line["quote"] else escaped(line["text"])
        marks = f" \\[{', '.join(line['cites'])}\\]" if line["cites"] else ""
        yield f"- **{escaped(line['part'])}:** {text}{marks}"
    if section["evidence"]:
        yield ""
        yield "Evidence:"
        yield ""
        yield from (_evidence(one) for one in section["evidence"])


def _evidence(one: Mapping[str, Any]) -> str:
    told = [escaped(one["source"]), escaped(one["on"]) if one["on"] else "", _link(one["url"])]
    if one["reliability"] is not None:
        told.append(f"reliability {one['reliability']:.2f}")
    return f"- {one['id']}: {escaped(one['text'])} ({', '.join(filter(None, told))})"


def _link(url: str) -> str:
    """A link to http and https alone; whatever else is shown as text."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return escaped(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return escaped(url)
    return f"[source](<{quote(url, safe=SAFE)}>)"


SAFE = "%/:?#[]@!$&'()*+,;=~"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line, without what nobody sees; addresses in it do not become links by
    themselves."""
    plain = " ".join(visible(str(text)).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = _LIST.sub(r"\1\\\2", _SPECIAL.sub(r"\\\g<0>", plain))
    return re.sub(r"(?i)(www)\.", r"\1\\.", plain.replace("://", "\\://"))
