"""What reports and baselines answer to the questions of the invented dossiers: told, unknown, or nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.evaluation.base import Measure, mean, proportion
from agents.evaluation.gold import PLAIN, Gold, Stored
from agents.research.checking import check_report
from agents.research.dossier import Dossier
from agents.research.lines import QUOTE, UNKNOWN
from agents.research.sections import MAKERS, make_sections

LABELS = "54 invented dossiers, by one labeller who knew the agent's code, before it was run on them"
PARAGRAPH = 300  # characters of the page, as many as a quote has
# By question: the section of its answer, and how keys of lines that answer it begin.
QUESTIONS: Mapping[str, tuple[str, str]] = {
    "description": ("snapshot", "description"), "website": ("snapshot", "website"), "status": ("snapshot", "status"),
    "industry": ("snapshot", "industry"), "accounts": ("snapshot", "accounts"), "employees": ("snapshot", "employees"),
    "charges": ("snapshot", "charges"), "officers": ("decision_makers", "offic"),
    "turnover": ("revenue_signals", "turnover"), "made_up": ("revenue_signals", "made_up"),
    "due": ("revenue_signals", "due"), "jobs": ("revenue_signals", "jobs"), "funding": ("revenue_signals", "funding"),
    "signals": ("buying_signals", "signal"), "events": ("buying_signals", "event"),
    "why": ("recommended_approach", "why"), "whom": ("recommended_approach", "whom"),
}  # fmt: skip
# The column of a dump that answers a question; the others have none.
COLUMNS = {
    "description": "description", "website": "website", "status": "status", "industry": "sic_codes",
    "accounts": "accounts_category", "employees": "employee_count", "charges": "charges_total",
    "made_up": "accounts_last_made_up_on", "due": "accounts_next_due_on",
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A text on a company: its lines, with whether each is a quote, and the questions that it says are unknown."""

    lines: Sequence[tuple[str, bool]]
    unknown: frozenset[str]
    problems: int = 0  # lines that the checker finds fault with

    def holds(self, words: str) -> bool:
        return any(same(words) in same(text) for text, _ in self.lines)

    def wrong(self, gold: Gold) -> int:
        """Lines that hold what may not be said."""
        return sum(
            any(same(one) in same(text) for one in gold.never)
            or (not is_quote and any(same(one) in same(text) for one in gold.must_not))
            for text, is_quote in self.lines
        )

    def stands(self, gold: Gold) -> bool:
        """Whether the trap is stood."""
        return not self.wrong(gold) and all(self.holds(one) for one in gold.must)


def same(text: str) -> str:
    return " ".join(text.casefold().split())


def report_of(dossier: Dossier) -> dict[str, Any]:
    """As `rendering.report_as_json` gives it, of a dossier that is not stored."""
    frame = {"status": "ok", "problem": "", "mode": "deterministic", "fallback_reason": "", "is_reused": False,
             "generated_at": dossier.day.isoformat(), "prose": [], "dropped_sentences": 0}  # fmt: skip
    sections = [
        {"name": one.name.value, "title": one.name.label, "content": one.lines,
         "evidence": [each.as_json() for each in one.evidence], **frame}
        for one in make_sections(dossier, set(MAKERS))
    ]  # fmt: skip
    business = {"id": "1", "name": dossier.business.name, "company_number": dossier.business.company_number}
    return {"id": "1", "business": business, "depth": "quick", "status": "complete",
            "created_at": dossier.day.isoformat(), "sections": sections}  # fmt: skip


def of_agent(stored: Stored) -> Told:
    report = report_of(stored.dossier)
    lines = [line for section in report["sections"] for line in section["content"]]
    told = [(f"{line['part']}: {line['text']}", line["kind"] == QUOTE) for line in lines if line["kind"] != UNKNOWN]
    unknown = frozenset(question for question in QUESTIONS if _is_unknown(report, question))
    return Told(told, unknown, len(check_report(report)))


def _is_unknown(report: Mapping[str, Any], question: str) -> bool:
    """Whether a line says that the answer is unknown, and none gives one."""
    name, prefix = QUESTIONS[question]
    content = next(one["content"] for one in report["sections"] if one["name"] == name)
    kinds = {line["kind"] for line in content if line["key"].startswith(prefix)}
    return kinds == {UNKNOWN}


def of_paragraph(stored: Stored) -> Told:
    """The beginning of the page, which leaves out whatever else is asked."""
    text = stored.dossier.business.description.split("\n\n")[0][:PARAGRAPH]
    return Told([(text, False)] if text else [], frozenset())


def of_profile(stored: Stored) -> Told:
    """Each column of the profile with its value, or with nothing, which says that it is not known."""
    return _dumped(stored.rows[:1])


def of_rows(stored: Stored) -> Told:
    """Each column of all rows of the company."""
    return _dumped(stored.rows)


def _dumped(rows: Sequence[Mapping[str, Any]]) -> Told:
    empty = frozenset(question for question, column in COLUMNS.items() if rows[0][column] in (None, "", []))
    return Told([(f"{name}: {value}", False) for row in rows for name, value in row.items()], empty)


BASELINES: Mapping[str, Callable[[Stored], Told]] = {
    "first paragraph": of_paragraph,
    "profile dumped": of_profile,
    "all rows dumped": of_rows,
}


def measures(pairs: Sequence[tuple[Gold, Stored]]) -> list[Measure]:
    """Coverage, abstention, unsupported lines and traps, each beside the baselines."""
    golds = [gold for gold, _ in pairs]
    agent = [of_agent(stored) for _, stored in pairs]
    others = {name: [make(stored) for _, stored in pairs] for name, make in BASELINES.items()}

    def share(name: str, count: Callable[[Gold, Told], tuple[int, int]], chosen: str = "") -> Measure:
        def total(told: Sequence[Told]) -> tuple[int, int]:
            counts = [count(one, each) for one, each in zip(golds, told, strict=True) if chosen in ("", one.trap)]
            return sum(right for right, _ in counts), sum(cases for _, cases in counts)

        baselines = {each: _ratio(*total(told)) for each, told in others.items()}
        return proportion(name, *total(agent), labels=LABELS, baselines=baselines)

    per_dossier = [_ratio(*_covered(one, told)) or 0.0 for one, told in zip(golds, agent, strict=True)]
    means: dict[str, float | None] = {name: _mean_coverage(golds, told) for name, told in others.items()}
    traps = sorted({one.trap for one in golds} - {PLAIN})
    return [
        share("gold facts told", _covered),
        mean("gold facts told, mean of dossiers", per_dossier, labels=LABELS, baselines=means),
        share("unanswerable questions called unknown", _abstained),
        share("questions that only the page's text answers, not called unknown", _seen_in_text),
        share("lines that are unsupported or may not be said (lower is better)", _wrong),
        *(share(f"trap stood: {trap}", lambda one, told: (int(told.stands(one)), 1), trap) for trap in traps),
    ]


def _ratio(right: int, cases: int) -> float | None:
    return right / cases if cases else None


def _mean_coverage(golds: Sequence[Gold], told: Sequence[Told]) -> float:
    return sum(_ratio(*_covered(one, each)) or 0.0 for one, each in zip(golds, told, strict=True)) / len(golds)


def _covered(gold: Gold, told: Told) -> tuple[int, int]:
    return sum(told.holds(answer) for _, answer in gold.gold), len(gold.gold)


def _abstained(gold: Gold, told: Told) -> tuple[int, int]:
    return sum(question in told.unknown for question in gold.unknown), len(gold.unknown)


def _seen_in_text(gold: Gold, told: Told) -> tuple[int, int]:
    return sum(question not in told.unknown for question in gold.in_text), len(gold.in_text)


def _wrong(gold: Gold, told: Told) -> tuple[int, int]:
    return min(len(told.lines), told.wrong(gold) + told.problems), len(told.lines)
