"""The lexical arm of search: Postgres full text over the register's `search_vector`."""

import re
from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from embeddings.statements import CONFIG

WEIGHT_FIELDS = {"A": "name", "B": "description or categories", "C": "industry", "D": "town"}
_LEGAL_FORMS = re.compile(r"\b(limited|ltd|plc|llp)\b\.?", re.IGNORECASE)


class LexicalQuery:
    """A query in words: all of them must occur (quotes, OR and - work as on the web)."""

    def __init__(self, text: str) -> None:
        stripped = _LEGAL_FORMS.sub(" ", text).strip()
        self.text = stripped or text  # every company has a legal form: it only costs time

    def matches(self, ids: Sequence[UUID]) -> dict[UUID, dict[str, list[str]]]:
        """Which word stems of the query occur in which fields of each of the companies `ids`."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT b.id, word.lexeme, word.weights FROM businesses b, unnest(b.search_vector) AS word "
                "WHERE b.id = ANY(%s) AND word.lexeme = ANY(tsvector_to_array(to_tsvector(%s::regconfig, %s))) "
                "ORDER BY b.id, word.lexeme",
                [list(ids), CONFIG, self.text],
            )
            found: dict[UUID, dict[str, list[str]]] = {}
            for pk, lexeme, weights in cursor.fetchall():
                found.setdefault(pk, {})[lexeme] = [WEIGHT_FIELDS[weight] for weight in sorted(set(weights))]
        return found
