"""What happened to a company as one organisation knows it: public events, its own, and its signals, newest first."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import CharField, F, QuerySet, TextField, Value
from django.db.models.functions import Cast, Coalesce, TruncDate

from businesses.models import Business, BusinessEvent, OrgEvent
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal

Key = tuple[date, str, str]  # day, which table, id: descending


@dataclass(frozen=True, slots=True)
class Entry:
    """One happening: an `event`, `org_event` or `signal`."""

    on: date
    what: str
    row: Any

    @property
    def key(self) -> Key:
        return self.on, self.what, str(self.row.pk)


def timeline(org: Organization, business: Business, *, after: Key | None = None, limit: int = 50) -> list[Entry]:
    """Up to `limit` entries that come after the key of another; four statements, however many there are."""
    tables: dict[str, QuerySet[Any]] = {
        "event": BusinessEvent.objects.filter(business=business).annotate(
            on=Coalesce("occurred_on", TruncDate("observed_at"))
        ),
        "org_event": OrgEvent.objects.for_org(org)
        .filter(business=business)
        .annotate(on=Coalesce("occurred_on", TruncDate("observed_at"))),
        "signal": BuyingSignal.objects.for_org(org).filter(business=business).annotate(on=F("occurred_on")),
    }
    keys = [
        (rows if after is None else rows.filter(on__lte=after[0]))
        .order_by()
        .annotate(what=Value(what, CharField()), key=Cast("pk", TextField()))
        .values_list("on", "what", "key")
        for what, rows in tables.items()
    ]
    merged = keys[0].union(*keys[1:], all=True).order_by("-on", "-what", "-key")
    # Of the day the last page ended on, what it showed comes first; all of that day are few.
    found: list[Key] = []
    for key in merged.iterator(chunk_size=500):
        if after is None or key < after:
            found.append(key)
            if len(found) == limit:
                break
    stored = {
        what: {str(row.pk): row for row in rows.filter(pk__in=[key for _, table, key in found if table == what])}
        for what, rows in tables.items()
    }
    return [Entry(on, what, stored[what][key]) for on, what, key in found if key in stored[what]]
