"""Cursor pagination: equal cost for the first page and the ten-thousandth, and no count of millions."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

MAX_PAGE = 100


class StablePagination(CursorPagination):
    """Pages by the view's `ordering_fields` (the first is the default), ties broken by primary key."""

    page_size = 25
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE
    ordering = "pk"

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        allowed: tuple[str, ...] = getattr(view, "ordering_fields", ("pk",))
        wanted = request.query_params.get("ordering") or allowed[0]
        if wanted.removeprefix("-") not in {name.removeprefix("-") for name in allowed}:
            choices = ", ".join(name.removeprefix("-") for name in allowed)
            raise ValidationError({"ordering": [f"Choose one of {choices}, with - in front for descending."]})
        return (wanted, "-pk" if wanted.startswith("-") else "pk")

    def get_page_size(self, request: Request) -> int | None:
        raw = request.query_params.get(self.page_size_query_param)
        if raw is not None and not (raw.isascii() and raw.isdigit() and 1 <= int(raw[:9]) <= MAX_PAGE):
            raise ValidationError({"page_size": [f"Must be a whole number from 1 to {MAX_PAGE}."]})
        return super().get_page_size(request)

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        names = [name.removeprefix("-") for name in getattr(view, "ordering_fields", ("pk",))]
        ordering = {
            "name": "ordering",
            "in": "query",
            "required": False,
            "description": "Order of the results; a leading minus turns it round.",
            "schema": {"type": "string", "enum": [sign + name for name in names for sign in ("", "-")]},
        }
        return [*parameters, ordering]
