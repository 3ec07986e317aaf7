"""What a score is made of and what outcomes taught, as tables that people read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join

from agents.admin.evidence import followable
from agents.models import IcpSuggestion
from agents.scoring.profile import Icp
from oppspot.core.admin import LINK
from oppspot.jobs.admin.durations import NOTHING

SHOWN_LIFTS = 100
PARTS = {"fit": "Fit", "intent": "Intent", "timing": "Timing", "data_quality": "Data quality"}
ATTRIBUTES = {
    "industry": "Industry (SIC division)", "postcode_area": "Postcode area", "age": "Years when found", "size": "Size",
    "company_type": "Company type", "signal": "Signal when found",
}  # fmt: skip


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = format_html_join("", "<th>{}</th>", ((text,) for text in heads))
    body = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows)
    )
    return format_html('<table class="oppspot-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, body)


def reasons_table(reasons: Iterable[Mapping[str, Any]]) -> str:
    """Each reason with the points that it adds to the score, and its evidence."""
    rows = [
        (
            f"{one['points']:.1f}",
            PARTS.get(one["part"], one["part"]),
            one["text"],
            "unknown" if one["met"] is None else f"{100 * one['met']:.0f} %",
            format_html_join("", "<div>{}</div>", ((_evidence(each),) for each in one["evidence"])),
        )
        for one in reasons
    ]
    return table(["Points", "Part", "Why", "Met", "Evidence"], rows)


def _evidence(one: Mapping[str, Any]) -> str:
    quote = f"“{one['quote']}”" if one.get("quote") else ""
    text = " · ".join(filter(None, [one.get("on"), one.get("source"), quote])) or NOTHING
    url = followable(one.get("url") or "")
    if not url:
        return text
    return format_html('{} <a class="{}" href="{}" rel="noreferrer nofollow">source</a>', text, LINK, url)


def lifts_table(suggestion: IcpSuggestion) -> str:
    rows = [
        (
            ATTRIBUTES.get(one["attribute"], one["attribute"]),
            one["value"],
            one["won"],
            one["lost"],
            f"{100 * one['rate']:.0f} % ({100 * one['low']:.0f} to {100 * one['high']:.0f})",
            NOTHING if one["lift"] is None else f"{one['lift']:.2f}",
        )
        for one in suggestion.lifts[:SHOWN_LIFTS]
    ]
    return table(["Attribute", "Value", "Won", "Lost", "Share won, 95 %", "Lift"], rows)


def learnt_table(suggestion: IcpSuggestion) -> str:
    """Each field that was learnt, beside what the agent had."""
    if not suggestion.learnt:
        return "Nothing: no attribute was shown to tell won from lost."
    titles = {name: field.title or name for name, field in Icp.model_fields.items()}
    names = [name for name in titles if suggestion.icp.get(name) != suggestion.current_icp.get(name)]
    rows = [(titles[name], _said(suggestion.current_icp.get(name)), _said(suggestion.icp.get(name))) for name in names]
    return table(["Field", "Now", "Suggested"], rows)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or NOTHING
    return NOTHING if value in (None, "") else str(value)


def figures_table(suggestion: IcpSuggestion) -> str:
    """How the suggested profile and the agent's own do on companies that nothing was learnt from."""
    rows = []
    for name, title in (("suggested", "Suggested"), ("current", "Now")):
        measured = suggestion.figures[name]
        quality = measured["quality"]
        if quality is None:
            rows.append((title, NOTHING, NOTHING, NOTHING, measured["note"]))
            continue
        rows.append(
            (title, _interval(quality["auc"]), f"{_interval(quality['precision'])} of {quality['k']}",
             f"{quality['base']:.2f}", measured["note"])
        )  # fmt: skip
    return table(["Profile", "AUC, 95 %", "Precision of the best, 95 %", "By chance", ""], rows)


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"
