"""What holds of a report, found out apart from `agents.research.checking`: by the rows that it was made of."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from agents.research.dossier import Dossier
from agents.research.lines import QUOTE, UNKNOWN
from businesses.models import EventKind
from businesses.models.register import Status
from businesses.sic import titles
from signals_app.models import SignalType, Strength
from signals_app.scoring import Tier

Section = Mapping[str, Any]
_TOKEN = re.compile(r"[^\W_]+")
_CUTS = (60, 120, 300, 2_000)  # characters at which texts are cut
# All that the agent adds in words of its own. What it says besides has to be stored.
_OWN_WORDS = """
a about active advertised after an and as at became before by check confidence current day disagree for from have is
it judged know less look meeting month more name named newest no nobody not nothing now number occupation of offer
officers on outstanding person purchase read registered reliability score shown since similarity so somebody sources
speaks started still than that the them they this those to trades unknown until wait was what when whether with year
years yet against anything clear count counts do company category accounts profile companies status founded in
incorporated jobs are posted news changed job has vectors register date fields 100 0
"""
OWN_WORDS = frozenset(_OWN_WORDS.split())


def no_such_fact(section: Section) -> bool:
    """Whether a line cites nothing or what is not there, or an unknown one cites or says anything at all."""
    ids = [one["id"] for one in section["evidence"]]
    for line in section["content"]:
        if line["kind"] == UNKNOWN:
            if line["cites"] or not re.fullmatch(r"unknown: not found in [0-9]+ sources?", line["text"]):
                return True
        elif not line["cites"] or not set(line["cites"]) <= set(ids) or not line["text"].strip():
            return True
    return len(set(ids)) != len(ids)


def is_misquoted(section: Section, stored: Iterable[str]) -> bool:
    """Whether a quote stands in no stored text, character for character, but for those that nobody sees."""
    texts = list(stored)
    seen: list[str] = []
    for line in section["content"]:
        if line["kind"] == QUOTE and not any(line["text"] in text for text in texts):
            seen = seen or [_seen(text) for text in texts]
            if not any(_seen(line["text"]) in text for text in seen):
                return True
    return False


def _seen(text: str) -> str:
    """The characters that print, spaces and marks without a width of their own left out."""
    return "".join(char for char in text if char.isprintable() and unicodedata.category(char) not in ("Zs", "Mn"))


def strange_words(section: Section, pool: frozenset[str]) -> list[str]:
    """Words and figures of the facts that are neither stored, nor computed, nor the agent's own."""
    return [word for one in section["evidence"] for word in tokens(one["text"]) if word not in pool]


def pool_of(dossier: Dossier) -> frozenset[str]:
    """All words that facts of the dossier may be made of."""
    found = set(OWN_WORDS)
    for text in (*stored_texts(dossier), *_labels(dossier), *_computed(dossier)):
        for cut in (text, *(text[:most] for most in _CUTS if len(text) > most)):
            found.update(tokens(cut))
    return frozenset(found)


def tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold())


def stored_texts(dossier: Dossier) -> list[str]:
    """Every value of every row, as text, as it is and without what nobody sees."""
    people = [one.officer for one in dossier.offices]
    signals = [part.signal for part in dossier.scored.contributions]
    rows = [dossier.business, *dossier.events, *dossier.own, *dossier.offices, *people, *signals, *dossier.states]
    values = [value for row in rows for name, value in vars(row).items() if not name.startswith("_")]
    values += [vars(peer) for peer in dossier.peers] + [
        dict(dossier.problems),
        list(dossier.problems),
        list(dossier.not_configured),
    ]
    texts = [text for value in values for text in _texts(value)]
    return texts + [plain(text) for text in texts if not text.isascii() or not text.isprintable()]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, datetime):
        yield value.date().isoformat()
    elif isinstance(value, date):
        yield value.isoformat()
    elif isinstance(value, bool):
        yield "yes" if value else "no"
    elif isinstance(value, str | int | float):
        yield str(value)


def plain(text: str) -> str:
    """Without characters of no width; controls are spaces. Written apart from `agents.visible`, to be compared."""
    gone = {"Cf", "Co", "Cs", "Cn"}
    fillers = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
    return "".join(
        " " if unicodedata.category(char) == "Cc" else char
        for char in text
        if unicodedata.category(char) not in gone and char not in fillers and not "\ufe00" <= char <= "\ufe0f"
    )  # fmt: skip


def _labels(dossier: Dossier) -> list[str]:
    """Names that the project has for codes: of kinds, types, strengths, states, and industries."""
    known = titles()
    choices = (EventKind, SignalType, Strength, Status, Tier)
    labels = [str(label) for each in choices for label in each.labels]
    return labels + [known.get(code, "") for code in dossier.business.sic_codes]


def _computed(dossier: Dossier) -> list[str]:
    """Figures that a report may compute, computed here once more."""
    day, jobs_since = dossier.day, dossier.day - timedelta(days=90)
    starts = [dossier.business.incorporated_on, *(one.appointed_on for one in dossier.offices)]
    ages = [str((day.year * 12 + day.month - start.year * 12 - start.month - (day.day < start.day)) // 12)
            for start in starts if start]  # fmt: skip
    jobs = sum(
        one.kind == "job_posted" and one.occurred_on is not None and one.occurred_on >= jobs_since
        for one in dossier.events
    )
    shown = len(dossier.offices)
    unshown = [_texts_of_payload(one.payload) - 8 for one in dossier.own]
    counts = [dossier.offices_total, dossier.offices_total - shown, dossier.in_review, jobs, *unshown]
    figures = [f"{one:.2f}" for one in (*dossier.trust.values(), *(peer.similarity for peer in dossier.peers))]
    return [*ages, *map(str, counts), *figures, f"{dossier.scored.score:.0f}", day.isoformat(), jobs_since.isoformat()]


def _texts_of_payload(payload: Any) -> int:
    """How many texts there are in a payload, one level down."""
    values = payload.values() if isinstance(payload, dict) else ()
    inner = [list(one.values()) if isinstance(one, dict) else one if isinstance(one, list) else [one] for one in values]
    return sum(_has(text) for each in inner for text in each if isinstance(text, str | int | float))


def wrongly_known(sections: Mapping[str, Section], dossier: Dossier) -> list[str]:
    """Fields that are told though no source has them, or called unknown though one has."""
    found = []
    for name, fields in _fields(dossier).items():
        content = sections[name]["content"]
        if name == "recommended_approach" and _is_against(content) != _has_ended(dossier):
            found.append(f"{name}.stop")
        if name == "recommended_approach" and _is_against(content):
            continue  # nothing is offered, to nobody
        for prefix, is_known in fields.items():
            lines = [line["kind"] for line in content if line["key"] == prefix or line["key"].startswith(f"{prefix}:")]
            is_told = bool(lines) and UNKNOWN not in lines
            if is_told != is_known or (not is_known and lines != [UNKNOWN]):
                found.append(f"{name}.{prefix}")
    return found


def _is_against(content: Any) -> bool:
    return any(line["key"].startswith("stop:") for line in content)


def _has_ended(dossier: Dossier) -> bool:
    """Whether the profile says that the company is at its end, or an insolvency case that the profile may not know."""
    one, read = dossier.business, dossier.profile_on
    cases = [each.occurred_on for each in dossier.events if each.kind == "insolvency"]
    is_new = any(read is None or one.status == "unknown" or (on is not None and on > read) for on in cases)
    rules = {part.signal.rule for part in dossier.scored.contributions if part.signal.is_negative}
    is_closing = one.status in ("dissolved", "insolvent", "strike_off_proposed") or one.dissolved_on is not None
    return is_closing or is_new or bool(rules & {"insolvency", "solvent_winding_up", "strike_off", "dissolved"})


def _fields(dossier: Dossier) -> dict[str, dict[str, bool]]:
    """By section, whether any source has what a field tells."""
    one, day = dossier.business, dossier.day
    parts = dossier.scored.contributions
    address = (one.address_line1, one.address_line2, one.town, one.county, one.postcode, one.country)
    jobs = [each for each in dossier.events if each.kind == "job_posted" and each.occurred_on
            and (day - each.occurred_on).days <= 90]  # fmt: skip
    amounts = [part.signal.signal_data.get("amount") for part in parts if part.signal.signal_type == "funding_round"]
    return {
        "snapshot": {
            "number": _has(one.company_number), "status": one.status != "unknown", "type": _has(one.company_type),
            "age": _has(one.incorporated_on) or _has(one.founded_year), "address": any(map(_has, address)),
            "industry": any(map(_has, one.sic_codes)), "website": _has(one.website), "charges": _has(one.charges_total),
            "accounts": _has(one.accounts_category), "employees": _has(one.employee_count),
            "description": _has(one.description), "officers": bool(dossier.offices),
        },
        "buying_signals": {},
        "decision_makers": {},
        "revenue_signals": {
            "turnover": False, "accounts": _has(one.accounts_category), "made_up": _has(one.accounts_last_made_up_on),
            "due": _has(one.accounts_next_due_on), "charges": _has(one.charges_outstanding), "jobs": bool(jobs),
            "funding": any(map(_has, amounts)),
        },
        "recommended_approach": {
            "why": any(not part.signal.is_negative for part in parts),
            "whom": any(not office.officer.is_corporate for office in dossier.offices),
        },
    }  # fmt: skip


def _has(value: Any) -> bool:
    return value is not None and bool(_seen(value).strip() if isinstance(value, str) else str(value))
