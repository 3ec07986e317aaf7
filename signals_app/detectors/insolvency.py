"""Signs that a company will not buy: insolvency, winding up, striking off; and that such a thing was called off."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from businesses.payloads import Changed, Filing, Payload
from businesses.payloads import Insolvency as Case
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import filings, form, grouped, made, read
from signals_app.detectors.rules import Percent, Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType


class InsolvencyRules(RuleTable):
    insolvency: Rule
    solvent_winding_up: Rule
    strike_off: Rule
    dissolved: Rule
    strike_off_withdrawn: Rule
    insolvency_ended: Rule


class InsolvencyLimits(Strict):
    procedure_days: int
    closing_days: int
    gazetted_confidence: Percent


class Forms(Strict):
    insolvent: frozenset[str]
    insolvent_starts: tuple[str, ...]
    solvent: frozenset[str]
    strike_off: frozenset[str]
    dissolved: frozenset[str]
    withdrawn: frozenset[str]
    ended: frozenset[str]
    silent: frozenset[str]


class Descriptions(Strict):
    solvent: tuple[str, ...]
    ended: tuple[str, ...]
    not_ended: tuple[str, ...]
    case_solvent: tuple[str, ...]


class InsolvencyFile(RuleFile):
    rules: InsolvencyRules
    limits: InsolvencyLimits
    forms: Forms
    descriptions: Descriptions


FILE = load_rules("insolvency", InsolvencyFile)
FORMS, WORDS = FILE.forms, FILE.descriptions
INSOLVENT, SOLVENT, STRIKE_OFF, DISSOLVED, WITHDRAWN, ENDED = range(6)
Sign = tuple[Fact, Payload]


class InsolvencyOrClosure(Detector):
    name = "insolvency"
    label = "Insolvency or closure"

    def detect(self, history: History) -> Iterator[Detection]:
        signs: dict[int, list[Sign]] = {kind: [] for kind in range(6)}
        for fact, payload in sorted(_signs(history), key=lambda sign: (sign[0].on, sign[0].id)):
            for kind in _kinds(payload):
                signs[kind].append((fact, payload))
        yield from _procedures(signs)
        yield from _closings(signs)


def _signs(history: History) -> Iterator[Sign]:
    yield from filings(history)
    yield from read(history, "insolvency", Case)
    yield from read(history, "status_changed", Changed)


def _procedures(signs: dict[int, list[Sign]]) -> Iterator[Detection]:
    """One detection for each procedure, however many papers it makes. One that pays everybody is no insolvency."""
    ends = signs[ENDED]
    for group in _until(signs[INSOLVENT] + signs[SOLVENT], ends, FILE.limits.procedure_days):
        solvent = any(SOLVENT in _kinds(payload) for _, payload in group) and not any(
            _is_creditors(payload) for _, payload in group
        )
        rule = FILE.rules.solvent_winding_up if solvent else FILE.rules.insolvency
        yield made(SignalType.COMPANIES_HOUSE_FILING, rule, FILE.version, _evidence(group), data=_case(group))
    for group in grouped(ends, FILE.limits.closing_days):
        clears = ("insolvency", "solvent_winding_up")
        yield made(SignalType.COMPANIES_HOUSE_FILING, FILE.rules.insolvency_ended, FILE.version, _evidence(group),
                   clears=clears)  # fmt: skip


def _closings(signs: dict[int, list[Sign]]) -> Iterator[Detection]:
    for group in _until(signs[STRIKE_OFF], signs[WITHDRAWN], FILE.limits.closing_days):
        applied = any(isinstance(payload, Filing) and form(payload) == "DS01" for _, payload in group)
        confidence = FILE.rules.strike_off.confidence if applied else FILE.limits.gazetted_confidence
        yield made(SignalType.COMPANIES_HOUSE_FILING, FILE.rules.strike_off, FILE.version, _evidence(group),
                   confidence=confidence, data={"is_voluntary": applied})  # fmt: skip
    for group in grouped(signs[DISSOLVED], FILE.limits.procedure_days):
        yield made(SignalType.COMPANIES_HOUSE_FILING, FILE.rules.dissolved, FILE.version, _evidence(group))
    for group in grouped(signs[WITHDRAWN], FILE.limits.closing_days):
        yield made(SignalType.COMPANIES_HOUSE_FILING, FILE.rules.strike_off_withdrawn, FILE.version, _evidence(group),
                   clears=("strike_off",))  # fmt: skip


def _until(signs: Sequence[Sign], ends: Sequence[Sign], days: int) -> list[list[Sign]]:
    """Signs that follow each other within `days`, as one; what comes after an end is another."""
    groups: list[list[Sign]] = []
    closed = sorted(fact.on for fact, _ in ends)
    at = 0
    for fact, payload in sorted(signs, key=lambda sign: (sign[0].on, sign[0].id)):
        over = False
        while at < len(closed) and closed[at] < fact.on:
            over, at = True, at + 1
        if not groups or over or fact.on - groups[-1][-1][0].on > timedelta(days=days):
            groups.append([])
        if fact.fingerprint not in {known.fingerprint for known, _ in groups[-1][-1:]}:
            groups[-1].append((fact, payload))
    return groups


def _kinds(payload: Payload) -> tuple[int, ...]:
    """What a filing, a case or a change of status says."""
    if isinstance(payload, Filing):
        return _of_filing(payload)
    if isinstance(payload, Case):
        case = payload.case_type.lower()
        solvent = case in WORDS.case_solvent or "declaration-solvent-on" in payload.dates
        ended = "moratorium" in case and "end" in case
        return (SOLVENT,) if solvent else () if ended else (INSOLVENT,)
    return _of_status(payload) if isinstance(payload, Changed) else ()


def _of_filing(filing: Filing) -> tuple[int, ...]:
    kind, told = filing.type.upper().strip(), filing.description
    found = _of_closing(kind, told)
    if found:
        return found
    if any(word in told for word in WORDS.ended) or kind in FORMS.ended:
        return () if any(word in told for word in WORDS.not_ended) else (ENDED,)
    if kind in FORMS.solvent or any(word in told for word in WORDS.solvent):
        return (SOLVENT,)
    if kind in FORMS.silent:
        return ()
    is_insolvent = (
        filing.category == "insolvency"
        or told.startswith("liquidation-")
        or kind in FORMS.insolvent
        or (not filing.category and not told and kind.startswith(FORMS.insolvent_starts))
    )
    return (INSOLVENT,) if is_insolvent else ()


def _of_closing(kind: str, told: str) -> tuple[int, ...]:
    if kind in FORMS.withdrawn or told in {
        "gazette-filings-brought-up-to-date",
        "dissolution-voluntary-strike-off-discontinued",
    }:
        return (WITHDRAWN,)
    if told.startswith("dissolution-withdrawal-application"):
        return (WITHDRAWN,)
    if kind in FORMS.dissolved or told.startswith("gazette-dissolved"):
        return (DISSOLVED,)
    if kind in FORMS.strike_off or told.startswith(("gazette-notice", "dissolution-application-strike-off")):
        return (STRIKE_OFF,)
    return ()


def _of_status(change: Changed) -> tuple[int, ...]:
    before, after = _status(change.before), _status(change.after)
    if after == before and after != "insolvent":
        return ()
    named = {"insolvent": (INSOLVENT,), "strike_off_proposed": (STRIKE_OFF,), "dissolved": (DISSOLVED,)}
    if after in named:
        return named[after]
    if after == "active":
        return {"insolvent": (ENDED,), "strike_off_proposed": (WITHDRAWN,)}.get(before, ())
    return ()


def _status(value: object) -> str:
    return value.lower().replace("-", "_") if isinstance(value, str) else ""


def _is_creditors(payload: Payload) -> bool:
    """Whether it is of a winding up for the creditors' sake, or by the court."""
    if isinstance(payload, Case):
        return payload.case_type.lower() not in WORDS.case_solvent and "declaration-solvent-on" not in payload.dates
    if not isinstance(payload, Filing):
        return False
    told, kind = payload.description, payload.type.upper()
    return kind in {"LIQ02", "LIQ14", "4.20", "AM01", "COCOMP", "CVA1"} or kind.startswith(("WU", "AM")) or any(
        word in told for word in ("statement-of-affairs", "creditors-return", "compulsory", "in-administration")
    )  # fmt: skip


def _evidence(group: Sequence[Sign]) -> list[tuple[Fact, str]]:
    return [(fact, _quote(payload)) for fact, payload in group]


def _quote(payload: Payload) -> str:
    if isinstance(payload, Filing):
        return payload.description or payload.type
    if isinstance(payload, Case):
        return payload.case_type
    return payload.after_raw if isinstance(payload, Changed) else ""


def _case(group: Sequence[Sign]) -> dict[str, str]:
    case = next((payload for _, payload in group if isinstance(payload, Case)), None)
    return {"case_type": case.case_type, "case_number": case.case_number} if case else {}
