"""How much a company moves: one number from its active signals, for one organisation, as of a day.

Each signal weighs w = weight/100 x confidence/100 x reliability of its source, and a positive one half of that after
each half-life. Positive signals add up as probabilities do (noisy-or): 1 - product of (1 - w). Negative ones
(insolvency, strike-off) do not fade, and suppress: the result is multiplied by (1 - w) of each. So more positive
evidence never lowers a score, age never raises what a positive signal adds, and the order does not matter. Signals
that wait for a review do not count.

The same formula stands here in Python, for one company with each signal's share, and in SQL, for all of them and for
the ranking; tests hold the two together. Scores are kept as rows, because ranking a million companies by sums of decays
at each request would read all their signals: rows are written when signals change, and each night for the new day.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from oppspot.organizations.models import Organization
from signals_app.locking import lock_signals
from signals_app.models import BuyingSignal, SignalStatus, SourceReliability

PRIOR = 5  # signals of a source that count as confirmed before anybody judged one
CERTAIN = 0.99  # no single signal weighs more
HALF_LIVES = 3  # a signal expires after so many
HOT, WARM = 60.0, 30.0  # scores from which on a company is hot, or warm; below it is watched


class Tier(models.TextChoices):
    HOT = "hot", "Hot"
    WARM = "warm", "Warm"
    WATCHING = "watching", "Watching"


BOUNDS = {Tier.HOT: (HOT, 100.01), Tier.WARM: (WARM, HOT), Tier.WATCHING: (0.0, WARM)}  # from, and below


def tier_of(score: float) -> Tier:
    return Tier.HOT if score >= HOT else Tier.WARM if score >= WARM else Tier.WATCHING


def reliability(confirmed: int, refuted: int) -> float:
    """How far a source is trusted: 1 before anybody judged it, lower with each signal that was found false."""
    return (PRIOR + confirmed) / (PRIOR + confirmed + refuted)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the formula needs of a signal. `weight` and `confidence` are 0 to 100, `trust` is its source's, 0 to 1."""

    weight: int
    confidence: int
    half_life_days: int
    occurred_on: date
    is_negative: bool = False
    trust: float = 1.0

    def share(self, day: date) -> float:
        """What it weighs on `day`, 0 to `CERTAIN`."""
        full = self.weight / 100 * self.confidence / 100 * self.trust
        age = 0 if self.is_negative else max(0, (day - self.occurred_on).days)
        return min(CERTAIN, full * math.pow(0.5, age / self.half_life_days))


def score_of(signals: Iterable[Weighed], day: date) -> float:
    """0 to 100; 0 without positive signals."""
    shares = [(one.share(day), one.is_negative) for one in signals]
    still = math.exp(math.fsum(math.log1p(-share) for share, is_negative in shares if not is_negative))
    spared = math.exp(math.fsum(math.log1p(-share) for share, is_negative in shares if is_negative))
    return 100 * (1 - still) * spared


# The SQL of `reliability` and of `Weighed.share`; each name stands once, in the order that `Formula` is given them.
TRUST_SQL = f"coalesce(1 / (1 + {{refuted}}::float8 / ({PRIOR} + {{confirmed}})), 1)"  # 1 without a row
SHARE_SQL = (
    f"least({CERTAIN}, {{weight}} * {{confidence}} / 10000.0 * {{trust}} * CASE WHEN {{is_negative}} THEN 1"
    " ELSE power(0.5::float8, greatest(0, {day}::date - {occurred_on}) / {half_life_days}::float8) END)"
)


class Formula(models.Func):
    """An SQL formula of this module over expressions of the ORM, given by the names it has for them, in its order."""

    output_field = models.FloatField()

    def __init__(self, formula: str, **named: Any) -> None:
        super().__init__(*named.values())
        self.formula, self.names = formula, tuple(named)

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **context: Any) -> Any:
        compiled = [compiler.compile(each) for each in self.get_source_expressions()]
        texts = {name: text for name, (text, _) in zip(self.names, compiled, strict=True)}
        return self.formula.format(**texts), [value for _, values in compiled for value in values]


def share_on(day: date, org: Organization) -> Formula:
    """`Weighed.share` of each of `org`'s signals, as a column of a query."""
    trusts = SourceReliability.objects.for_org(org).filter(source=models.OuterRef("source"))
    trust = trusts.values(trust=Formula(TRUST_SQL, refuted=F("refuted"), confirmed=F("confirmed")))
    return Formula(
        SHARE_SQL,
        weight=F("weight"),
        confidence=F("confidence_score"),
        trust=Coalesce(models.Subquery(trust), 1.0),
        is_negative=F("is_negative"),
        day=models.Value(day),
        occurred_on=F("occurred_on"),
        half_life_days=F("half_life_days"),
    )


@dataclass(frozen=True, slots=True)
class Contribution:
    """A signal's part in a score. `points`: what the score would lose without it (a negative one: gain)."""

    signal: BuyingSignal
    share: float
    points: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A company's score with what it is made of, the greatest part first."""

    score: float
    contributions: list[Contribution]

    @property
    def tier(self) -> Tier:
        return tier_of(self.score)


def explain(org: Organization, business_id: UUID, *, day: date | None = None) -> Scored:
    """A company's score now, signal by signal."""
    day = day or today()
    signals = list(counting(org).filter(business_id=business_id))
    trust = trust_in_sources(org)
    weighed = [weighed_from(signal, trust) for signal in signals]
    score = score_of(weighed, day)
    parts = [
        Contribution(signal, one.share(day), score - score_of(weighed[:place] + weighed[place + 1 :], day))
        for place, (signal, one) in enumerate(zip(signals, weighed, strict=True))
    ]
    return Scored(score, sorted(parts, key=lambda part: (-abs(part.points), -part.share, str(part.signal.pk))))


def counting(org: Organization) -> models.QuerySet[BuyingSignal]:
    """Signals that count towards scores."""
    active = BuyingSignal.objects.for_org(org).filter(status=SignalStatus.ACTIVE, needs_review=False)
    return active.filter(expires_at__gt=timezone.now())


def trust_in_sources(org: Organization) -> dict[str, float]:
    """By source; those nobody judged are left out, and trusted fully."""
    rows = SourceReliability.objects.for_org(org).values_list("source", "confirmed", "refuted")
    return {source: reliability(confirmed, refuted) for source, confirmed, refuted in rows}


def weighed_from(signal: BuyingSignal, trust: dict[str, float]) -> Weighed:
    return Weighed(
        signal.weight,
        signal.confidence_score,
        signal.half_life_days,
        signal.occurred_on,
        signal.is_negative,
        trust.get(signal.source, 1.0),
    )


def today() -> date:
    return timezone.now().date()  # UTC


_SHARE = SHARE_SQL.format(
    weight="s.weight",
    confidence="s.confidence_score",
    trust=TRUST_SQL.format(refuted="r.refuted", confirmed="r.confirmed"),
    is_negative="s.is_negative",
    day="%(day)s",
    occurred_on="s.occurred_on",
    half_life_days="s.half_life_days",
)
_COUNTED = f"""
    SELECT s.business_id, s.is_negative, s.occurred_on, ln(1 - {_SHARE}) AS kept
    FROM buying_signals s LEFT JOIN source_reliability r ON r.org_id = s.org_id AND r.source = s.source
    WHERE s.org_id = %(org)s AND s.status = 'active' AND NOT s.needs_review AND s.expires_at > %(now)s
"""  # noqa: S608  constants
_SCORES = """
    SELECT business_id, count(*)::int AS signals, max(occurred_on) AS latest_on,
        greatest(0, least(100, 100 * (1 - exp(coalesce(sum(kept) FILTER (WHERE NOT is_negative), 0)))
                                   * exp(coalesce(sum(kept) FILTER (WHERE is_negative), 0))))::float8 AS score
    FROM ({counted}) counted GROUP BY business_id
"""
_WRITE = """
    WITH scored AS MATERIALIZED ({scores}), gone AS (
        DELETE FROM business_scores b WHERE b.org_id = %(org)s {among_rows}
            AND NOT EXISTS (SELECT FROM scored WHERE scored.business_id = b.business_id)
    )
    INSERT INTO business_scores AS b (id, org_id, business_id, score, signals, latest_on, as_of)
    SELECT gen_random_uuid(), %(org)s, business_id, score, signals, latest_on, %(day)s FROM scored ORDER BY business_id
    ON CONFLICT (org_id, business_id) DO UPDATE
    SET score = excluded.score, signals = excluded.signals, latest_on = excluded.latest_on, as_of = excluded.as_of
    WHERE (b.score, b.signals, b.latest_on, b.as_of)
        IS DISTINCT FROM (excluded.score, excluded.signals, excluded.latest_on, excluded.as_of)
"""


def refresh_scores(org: Organization, business_ids: Collection[UUID] | None = None, *, day: date | None = None) -> None:
    """Write the scores of `business_ids`, or of all companies that the organisation has signals of: one statement.

    Whoever changed signals before it in a transaction took `lock_signals` first.
    """
    among = "" if business_ids is None else " AND {}.business_id = ANY(%(ids)s)"
    scores = _SCORES.format(counted=_COUNTED + among.format("s"))
    statement = _WRITE.format(scores=scores, among_rows=among.format("b"))
    values: dict[str, Any] = {
        "org": org.pk,
        "day": day or today(),
        "now": timezone.now(),
        "ids": list(business_ids or ()),
    }
    with transaction.atomic(savepoint=False):
        lock_signals(org)
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
