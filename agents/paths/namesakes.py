"""Officers of the target who bear the name of an officer of a known company: perhaps one person, nobody has checked.

The register has several rows for some people and one name for many people. These are shown beside the paths and are
never part of one.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db import connection

MAX_NAMESAKES = 10
MAX_ROWS = 200  # rows of one name that are looked at; of a commoner name nothing could be concluded

_FIND = """
    SELECT DISTINCT f.name, f.id, t.business_id, twin.id, twin.business_id
    FROM appointments t JOIN officers f ON f.id = t.officer_id
    CROSS JOIN LATERAL (
        SELECT o.id, a.business_id FROM (
            SELECT id FROM officers WHERE name_normalised = f.name_normalised AND id <> f.id LIMIT %(rows)s) o
        JOIN appointments a ON a.officer_id = o.id WHERE a.business_id = ANY(%(sources)s::uuid[])
    ) twin
    WHERE t.business_id = %(target)s AND NOT f.is_corporate AND f.name_normalised <> ''
    ORDER BY 1, 2, 4, 5 LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Namesake:
    """Two rows of one name: an officer of the target, and one of a known company."""

    name: str
    officer: int
    target: UUID
    other_officer: int
    source: UUID

    def as_json(self) -> dict[str, Any]:
        return {name: str(value) for name, value in asdict(self).items()}


def find_namesakes(*, target: UUID, sources: Collection[UUID]) -> list[Namesake]:
    """At most `MAX_NAMESAKES`, by name."""
    if not sources:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_FIND, {"target": target, "sources": list(sources), "rows": MAX_ROWS, "limit": MAX_NAMESAKES})
        return [Namesake(*row) for row in cursor.fetchall()]
