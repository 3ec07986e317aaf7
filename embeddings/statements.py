"""The two statements of search, by vector and by words: pure text, so that no search pays for building them.

Django's query compiler takes as long to write them as Postgres takes to answer (2.4 ms of 6, by benchmarks/search.py).
It still writes the filters' condition, when there are any.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import connection

from businesses.models import Business
from businesses.querysets import BusinessQuerySet

TABLE = Business._meta.db_table
SHOWN = {"id", "company_number", "name", "description", "website", "categories", "sic_codes", "sic_titles", "town",
         "status"}  # fmt: skip
# In the order of the model, which `Business.from_db` expects. Both statements return these and the similarity.
LOADED_FIELDS = tuple(column.attname for column in Business._meta.concrete_fields if column.attname in SHOWN)
COLUMNS = ", ".join(f'"{TABLE}"."{name}"' for name in LOADED_FIELDS)
CONFIG = "english"
MAX_RANKED = 5_000  # matches that are ranked; a word that half the register has cannot order it anyway

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Condition:
    """What rows of the register must meet: SQL for a WHERE clause, and its parameters."""

    sql: str = "TRUE"
    params: list[Any] = field(default_factory=list)


def condition_of(candidates: BusinessQuerySet) -> Condition:
    """The condition of a filtered, unordered queryset of the register. Raises `ValueError` if it needs other tables."""
    query = candidates.query
    compiler = query.get_compiler(candidates.db)
    try:
        sql, params = compiler.compile(query.where)
    except FullResultSet:
        return Condition()
    except EmptyResultSet:
        return Condition("FALSE")
    if len(query.alias_map) > 1 or query.is_sliced or query.distinct:
        raise ValueError("Search takes conditions on companies alone.")
    return Condition(f"({sql})", list(params))


def vector_literal(vector: npt.NDArray[np.float32]) -> str:
    """A vector as text, with the nine digits that tell any two 32-bit numbers apart: half of what `repr` would send."""
    return f"[{','.join(['%.9g'] * len(vector))}]" % tuple(vector.tolist())


def nearest(
    vector: npt.NDArray[np.float32], model: str, *, limit: int, where: Condition | None = None, exact: bool = False
) -> list[Row]:
    """The companies nearest to `vector` of `model`: `LOADED_FIELDS` and the cosine similarity, in no exact order.

    Found by the half-precision index, or `exact` by comparing each. The similarity is of the full-precision vector.
    """
    literal = vector_literal(vector)
    where = where or Condition()
    found = f'SELECT {COLUMNS}, 1 - ("embedding" <=> %s) AS similarity FROM "{TABLE}" WHERE "embedding_model" = %s AND '  # noqa: S608  constants
    params = [literal, model, *where.params]
    if exact:
        return _run(f"{found}{where.sql} ORDER BY similarity DESC LIMIT %s", [*params, limit])
    size = f"halfvec({len(vector)})"
    order = f'ORDER BY "embedding"::{size} <=> %s::{size} LIMIT %s'
    return _run(f"{found}{where.sql} {order}", [*params, literal, limit])


def best_worded(
    text: str, vector: npt.NDArray[np.float32] | None, model: str, *, limit: int, where: Condition | None = None
) -> list[Row]:
    """The companies whose words match `text` best: `LOADED_FIELDS`, and the similarity to `vector` if both have one.

    In order of cover density, the name counting most; of more than `MAX_RANKED` matches, some.
    """
    where = where or Condition()
    similarity, params = "NULL::float8", []
    if vector is not None:
        similarity = 'CASE WHEN "embedding_model" = %s THEN 1 - ("embedding" <=> %s) END'
        params = [model, vector_literal(vector)]
    matching = (
        f'SELECT {COLUMNS}, "embedding", "embedding_model", "search_vector", query FROM "{TABLE}", '  # noqa: S608  constants
        f'websearch_to_tsquery(%s, %s) AS query WHERE "search_vector" @@ query AND {where.sql} LIMIT {MAX_RANKED}'
    )
    best = (
        f'SELECT *, ts_rank_cd("search_vector", query, 1) AS rank FROM ({matching}) AS "{TABLE}" '  # noqa: S608
        'ORDER BY rank DESC, "id" LIMIT %s'
    )
    statement = f'SELECT {COLUMNS}, {similarity} AS similarity FROM ({best}) AS "{TABLE}" ORDER BY rank DESC, "id"'  # noqa: S608
    return _run(statement, [*params, CONFIG, text, *where.params, limit])


def _run(statement: str, params: list[Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows: list[Row] = cursor.fetchall()
        return rows
