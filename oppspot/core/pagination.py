"""Keyset pagination: equal cost for the first page and the ten-thousandth, and no count of millions.

DRF's own cursor remembers one value and an offset among the rows that share it: it loses rows among nulls and after
a thousand equal values (encode/django-rest-framework#9381, #4053). This one remembers the value and the primary key.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Field, Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

PAGE, MAX_PAGE = 25, 100
MAX_CURSOR = 2000  # characters


@dataclass(frozen=True)
class Cursor:
    """The row a page begins after; `backwards` walks towards the first page. `value` None: among the unknown."""

    ordering: str
    value: Any
    pk: Any
    backwards: bool = False

    def encode(self) -> str:
        raw = json.dumps([self.ordering, None if self.value is None else str(self.value), str(self.pk), self.backwards])
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


class StablePagination(BasePagination):
    """Pages by the view's `ordering_fields` (the first is the default), ties broken by primary key, unknown last."""

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """One page of `queryset`, which must be a queryset: a list has no keyset."""
        self.url = request.build_absolute_uri()
        self.ordering = self._ordering(request, view)
        self.field = _field(queryset, self.ordering)
        self.pk = queryset.model._meta.pk
        size = self._page_size(request)
        cursor = self._cursor(request)
        backwards = cursor is not None and cursor.backwards
        rows = self._rows_after(queryset, cursor, backwards, size + 1)
        more, rows = len(rows) > size, rows[:size]
        if backwards:
            rows.reverse()
        self.has_next = backwards or more
        self.has_previous = more if backwards else cursor is not None
        self.rows = rows
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._link(-1), "previous": self._link(0), "results": data})

    def _link(self, index: int) -> str | None:
        if not (self.has_previous if index == 0 else self.has_next) or not self.rows:
            return None
        row = self.rows[index]
        value = getattr(row, self.field.attname)
        cursor = Cursor(self.ordering, value, row.pk, backwards=index == 0)
        link: str = replace_query_param(self.url, "cursor", cursor.encode())
        return link

    def _rows_after(self, queryset: QuerySet[Any], cursor: Cursor | None, backwards: bool, count: int) -> list[Any]:
        """Up to `count` rows: the known values first, then the unknown; the other way round when `backwards`."""
        descending = self.ordering.startswith("-") is not backwards
        sign, after = ("-", "lt") if descending else ("", "gt")
        order = [f"{sign}pk"] if self.field.primary_key else [f"{sign}{self.field.name}", f"{sign}pk"]
        parts = [False, True] if self.field.null else [False]  # is the value unknown?
        if backwards:
            parts.reverse()
        if cursor is not None:
            parts = parts[parts.index(cursor.value is None) :]
        rows: list[Any] = []
        for unknown in parts:
            part = queryset.filter(**{f"{self.field.name}__isnull": unknown}) if self.field.null else queryset
            if cursor is not None and (cursor.value is None) is unknown:
                part = part.filter(self._beyond(cursor, after))
            rows += part.order_by(*order[-1 if unknown else 0 :])[: count - len(rows)]
            if len(rows) == count:
                break
        return rows

    def _beyond(self, cursor: Cursor, after: str) -> Q:
        further = Q(**{f"pk__{after}": cursor.pk})
        if cursor.value is None or self.field.primary_key:
            return further
        name = self.field.name  # the first condition is what an index reads; the second sorts out equal values
        return Q(**{f"{name}__{after}e": cursor.value}) & (Q(**{f"{name}__{after}": cursor.value}) | further)

    def _ordering(self, request: Request, view: APIView | None) -> str:
        allowed: tuple[str, ...] = getattr(view, "ordering_fields", ("pk",))
        wanted = request.query_params.get("ordering") or allowed[0]
        if wanted not in _choices(allowed):
            choices = ", ".join(name.removeprefix("-") for name in allowed)
            raise ValidationError({"ordering": [f"Choose one of {choices}, with - in front for descending."]})
        return wanted

    def _page_size(self, request: Request) -> int:
        raw = request.query_params.get("page_size")
        if raw is None:
            return PAGE
        if not (raw.isascii() and raw.isdigit() and len(raw) <= len(str(MAX_PAGE)) and 1 <= int(raw) <= MAX_PAGE):
            raise ValidationError({"page_size": [f"Must be a whole number from 1 to {MAX_PAGE}."]})
        return int(raw)

    def _cursor(self, request: Request) -> Cursor | None:
        raw = request.query_params.get("cursor")
        if not raw:
            return None
        try:
            if len(raw) > MAX_CURSOR:
                raise ValueError("too long")
            text = base64.b64decode(raw + "=" * (-len(raw) % 4), altchars=b"-_", validate=True).decode()
            ordering, value, pk, backwards = json.loads(text)
            if ordering != self.ordering or type(backwards) is not bool or "\\u0000" in text:
                raise ValueError("made for another list")
            value = None if value is None and self.field.null else self.field.to_python(_text(value))
            return Cursor(ordering, value, self.pk.to_python(_text(pk)), backwards)
        except (ValueError, TypeError, RecursionError, DjangoValidationError) as error:
            message = "Not a cursor of this list: take it from `next` or `previous`, and keep the ordering."
            raise ValidationError({"cursor": [message]}) from error

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "nullable": True, "format": "uri"}
        following = "https://oppspot.example/api/v1/businesses/?cursor=WyJuYW1lIiwgIkFDTUUiXQ"
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": link | {"example": following},
                "previous": link | {"example": None},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            _parameter("cursor", "Where the page begins; take it from `next` or `previous`.", {"type": "string"}),
            _parameter(
                "page_size",
                "Rows of a page.",
                {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": PAGE},
            ),
            _parameter(
                "ordering",
                "Order of the results; a leading minus turns it round. Rows where it is unknown come last.",
                {"type": "string", "enum": _choices(getattr(view, "ordering_fields", ("pk",)))},
            ),
        ]


def _field(queryset: QuerySet[Any], ordering: str) -> "Field[Any, Any]":
    name = ordering.removeprefix("-")
    field: Field[Any, Any] = queryset.model._meta.pk if name == "pk" else queryset.model._meta.get_field(name)
    return field


def _choices(allowed: tuple[str, ...]) -> list[str]:
    return [sign + name.removeprefix("-") for name in allowed for sign in ("", "-")]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    value.encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
    return value


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
