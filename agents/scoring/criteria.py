"""What an ideal customer profile asks for, each criterion in Python for one company and in SQL for all of them.

A criterion is met (1), missed (0), or unknown (None, NULL): what is not known is never a match, and weighs nothing.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Case, F, FloatField, Q, Value, When
from django.db.models.functions import Coalesce, NullIf, Upper

from agents.scoring.facts import Facts
from agents.scoring.profile import Icp, SizeBand, codes_below

# Points within the fit; meaning and industry say most about what a company does.
WEIGHTS = {"text": 2.0, "examples": 2.0, "industry": 2.0, "not_industry": 1.0, "place": 1.0, "age": 1.0,
           "size": 1.0, "employees": 1.0, "company_type": 1.0}  # fmt: skip
# Employees of each band: the EU's definition of small and medium-sized companies (Recommendation 2003/361/EC).
BANDS = {SizeBand.MICRO: (0, 9), SizeBand.SMALL: (10, 49), SizeBand.MEDIUM: (50, 249), SizeBand.LARGE: (250, 10**9)}
# Kinds of accounts by the size that the Companies Act 2006 allows them to; others (dormant, none filed) tell no size.
ACCOUNTS = {
    SizeBand.MICRO: ("MICRO ENTITY",),
    SizeBand.SMALL: ("SMALL", "TOTAL EXEMPTION FULL", "TOTAL EXEMPTION SMALL", "UNAUDITED ABRIDGED",
                     "AUDITED ABRIDGED", "PARTIAL EXEMPTION"),
    SizeBand.MEDIUM: ("MEDIUM",),
    SizeBand.LARGE: ("FULL", "GROUP"),
}  # fmt: skip
BAND_OF_ACCOUNTS = {kind: band for band, kinds in ACCOUNTS.items() for kind in kinds}


@dataclass(frozen=True)
class Criterion:
    """`met` gives the match, 0 to 1 or None, and the fact in words. `sql` is None for what vectors decide."""

    code: str
    weight: float
    met: Callable[[Facts], tuple[float | None, str]]
    sql: Any = None


def criteria_of(icp: Icp, day: date) -> list[Criterion]:
    """What the profile asks for, without the comparisons by meaning."""
    return list(_criteria(icp, day))


def _criteria(icp: Icp, day: date) -> Iterator[Criterion]:
    if icp.sic:
        codes = sorted({code for prefix in icp.sic for code in codes_below(prefix)})
        yield Criterion("industry", WEIGHTS["industry"], _overlapping(set(codes), wanted=True), _overlap(codes, 1.0))
    if icp.not_sic:
        codes = sorted({code for prefix in icp.not_sic for code in codes_below(prefix)})
        yield Criterion(
            "not_industry", WEIGHTS["not_industry"], _overlapping(set(codes), wanted=False), _overlap(codes, 0.0)
        )
    if icp.postcode_areas or icp.towns:
        yield _place(icp)
    if icp.min_age is not None or icp.max_age is not None:
        yield _age(icp, day)
    if icp.sizes:
        yield _size(icp)
    if icp.min_employees is not None or icp.max_employees is not None:
        yield _employees(icp)
    if icp.company_types:
        yield _type(icp)


def _overlapping(codes: set[str], *, wanted: bool) -> Callable[[Facts], tuple[float | None, str]]:
    def met(facts: Facts) -> tuple[float | None, str]:
        if not facts.sic_codes:
            return None, "industry unknown"
        return float(bool(codes & set(facts.sic_codes)) is wanted), f"SIC {', '.join(facts.sic_codes)}"

    return met


def _overlap(codes: list[str], found: float) -> Any:
    return Case(
        When(sic_codes=[], then=None),
        When(sic_codes__overlap=codes, then=Value(found)),
        default=Value(1.0 - found),
        output_field=FloatField(),
    )


def _place(icp: Icp) -> Criterion:
    areas = sorted({area.upper() for area in icp.postcode_areas})
    towns = sorted({town.upper() for town in icp.towns})

    def met(facts: Facts) -> tuple[float | None, str]:
        where = ", ".join(part for part in (facts.town, facts.postcode_area) if part) or "place unknown"
        if (facts.postcode_area or "") in areas or facts.town_upper in towns:
            return 1.0, where
        is_unknown = (bool(areas) and not facts.postcode_area) or (bool(towns) and not facts.town_upper)
        return (None if is_unknown else 0.0), where

    unknown = Q(pk__in=[])
    if areas:
        unknown |= Q(postcode_area="") | Q(postcode_area=None)
    if towns:
        unknown |= Q(town="")
    sql = Case(
        When(postcode_area__in=areas, then=Value(1.0)),
        When(Q(town_upper__in=towns), then=Value(1.0)),
        When(unknown, then=None),
        default=Value(0.0),
        output_field=FloatField(),
    )
    return Criterion("place", WEIGHTS["place"], met, sql)


def years_before(day: date, years: int) -> date:
    """The same day so many years before; of 29 February, 28 February."""
    year = max(1, day.year - years)
    return day.replace(year=year, day=28) if (day.month, day.day) == (2, 29) else day.replace(year=year)


def _age(icp: Icp, day: date) -> Criterion:
    low, high = icp.min_age or 0, icp.max_age
    latest = years_before(day, low)
    earliest = years_before(day, high + 1) if high is not None else date.min
    years = (day.year - high if high is not None else 0), day.year - low

    def met(facts: Facts) -> tuple[float | None, str]:
        if facts.incorporated_on is not None:
            text = f"incorporated on {facts.incorporated_on.isoformat()}"
            return float(earliest < facts.incorporated_on <= latest), text
        if facts.founded_year is not None:
            return float(years[0] <= facts.founded_year <= years[1]), f"founded in {facts.founded_year}"
        return None, "age unknown"

    sql = Case(
        When(incorporated_on__gt=earliest, incorporated_on__lte=latest, then=Value(1.0)),
        When(incorporated_on__isnull=False, then=Value(0.0)),
        When(founded_year__gte=years[0], founded_year__lte=years[1], then=Value(1.0)),
        When(founded_year__isnull=False, then=Value(0.0)),
        default=None,
        output_field=FloatField(),
    )
    return Criterion("age", WEIGHTS["age"], met, sql)


def _size(icp: Icp) -> Criterion:
    bands = set(icp.sizes)

    def met(facts: Facts) -> tuple[float | None, str]:
        band = band_of(facts)
        if band is None:
            return None, "size unknown"
        if facts.employee_count is not None:
            return float(band in bands), f"{facts.employee_count} employees"
        return float(band in bands), f"accounts: {facts.accounts_category.lower()}"

    within = Q(pk__in=[])
    for band in bands:
        within |= Q(employee_count__gte=BANDS[band][0], employee_count__lte=BANDS[band][1])
    sql = Case(
        When(within, then=Value(1.0)),
        When(employee_count__isnull=False, then=Value(0.0)),
        When(accounts_category__in=sorted(kind for band in bands for kind in ACCOUNTS[band]), then=Value(1.0)),
        When(accounts_category__in=sorted(BAND_OF_ACCOUNTS), then=Value(0.0)),
        default=None,
        output_field=FloatField(),
    )
    return Criterion("size", WEIGHTS["size"], met, sql)


def band_of(facts: Facts) -> SizeBand | None:
    """By employees where they are known, else by the kind of accounts."""
    if facts.employee_count is not None:
        return next((band for band, (low, high) in BANDS.items() if low <= facts.employee_count <= high), None)
    return BAND_OF_ACCOUNTS.get(facts.accounts_category)


def _employees(icp: Icp) -> Criterion:
    low, high = icp.min_employees or 0, icp.max_employees if icp.max_employees is not None else 10**9

    def met(facts: Facts) -> tuple[float | None, str]:
        if facts.employee_count is None:
            return None, "employees unknown"
        return float(low <= facts.employee_count <= high), f"{facts.employee_count} employees"

    sql = Case(
        When(employee_count__gte=low, employee_count__lte=high, then=Value(1.0)),
        When(employee_count__isnull=False, then=Value(0.0)),
        default=None,
        output_field=FloatField(),
    )
    return Criterion("employees", WEIGHTS["employees"], met, sql)


def _type(icp: Icp) -> Criterion:
    wanted = sorted(set(icp.company_types))

    def met(facts: Facts) -> tuple[float | None, str]:
        if not facts.company_type:
            return None, "company type unknown"
        return float(facts.company_type in wanted), facts.company_type

    sql = Case(
        When(company_type="", then=None),
        When(company_type__in=wanted, then=Value(1.0)),
        default=Value(0.0),
        output_field=FloatField(),
    )
    return Criterion("company_type", WEIGHTS["company_type"], met, sql)


def fit_of(facts: Facts, criteria: Sequence[Criterion]) -> float | None:
    """The fit by these criteria, 0 to 100; None where none is known."""
    known = [(one.weight, met) for one in criteria if (met := one.met(facts)[0]) is not None]
    whole = math.fsum(weight for weight, _ in known)
    return 100 * math.fsum(weight * met for weight, met in known) / whole if whole else None


def with_fit(queryset: Any, criteria: Sequence[Criterion]) -> Any:
    """`queryset` of companies with the column `sql_fit`, 0 to 100: 0 where none of the criteria is known."""
    aliased = queryset.alias(town_upper=Upper("town"), **{f"met_{one.code}": one.sql for one in criteria})
    met: Any = Value(0.0)
    known: Any = Value(0.0)
    for one in criteria:
        met = met + Coalesce(F(f"met_{one.code}") * one.weight, 0.0)
        known = known + Case(When(**{f"met_{one.code}": None}, then=Value(0.0)), default=Value(one.weight))
    fit = Value(100.0) * met / NullIf(known, 0.0)
    return aliased.annotate(sql_fit=Coalesce(fit, 0.0, output_field=FloatField()))
