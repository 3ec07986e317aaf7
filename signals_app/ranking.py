"""Who is moving now: companies by their score, with the signals behind it, in one statement."""

from datetime import date
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import JSONObject

from oppspot.organizations.models import Organization
from signals_app.models import BusinessScore
from signals_app.scoring import BOUNDS, Tier, counting, share_on, today

SHOWN = 3  # signals of a company in the list, the heaviest first

# Columns of the company that the list shows: without the vector and the full text.
COMPANY = ("id", "company_number", "name", "website", "town", "postcode", "status", "sic_codes")


def ranked(org: Organization, *, day: date | None = None) -> QuerySet[BusinessScore]:
    """Scores of `org` with their company, and the heaviest signals as `top_signals` (a list of dicts)."""
    signals = counting(org).filter(business=OuterRef("business_id")).annotate(share=share_on(day or today(), org))
    shown = JSONObject(
        id="id",
        signal_type="signal_type",
        rule="rule",
        strength="signal_strength",
        confidence="confidence_score",
        is_negative="is_negative",
        occurred_on="occurred_on",
        share="share",
        source_url="source_url",
    )
    top: Any = ArraySubquery(signals.order_by("-share", "pk").values(shown=shown)[:SHOWN])
    rows: QuerySet[BusinessScore] = BusinessScore.objects.for_org(org).select_related("business")
    columns = ["score", "signals", "latest_on", "as_of", "org_id", *(f"business__{name}" for name in COMPANY)]
    return rows.only(*columns).annotate(top_signals=top)


def in_tier(rows: QuerySet[BusinessScore], tier: str) -> QuerySet[BusinessScore]:
    """Those of `ranked` that are hot, warm or only watched; companies that nothing speaks for are in none."""
    low, high = BOUNDS[Tier(tier)]
    rows = rows.filter(score__lt=high)
    return rows.filter(score__gte=low) if low else rows.filter(score__gt=0)
