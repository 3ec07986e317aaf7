"""Filtering of list endpoints."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters import FilterSet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError as ApiError
from rest_framework.request import Request
from rest_framework.views import APIView


class ComplainingFilterSet(FilterSet):
    """Each filter may raise a Django `ValidationError`: it becomes that field's error."""

    def filter_queryset(self, queryset: Any) -> Any:
        for name, value in list(self.form.cleaned_data.items()):  # add_error removes from it
            try:
                queryset = self.filters[name].filter(queryset, value)
            except ValidationError as error:
                self.form.add_error(name, error)
        return queryset


class StrictFilterBackend(DjangoFilterBackend):
    """Declared filters only: a parameter that no filter, page or format reads is a 400, not silently all rows."""

    ALWAYS_ALLOWED = frozenset({"cursor", "page_size", "ordering", "format"})

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        filterset_class = self.get_filterset_class(view, queryset)
        known = set(filterset_class.base_filters) if filterset_class else set()
        unknown = set(request.query_params) - known - self.ALWAYS_ALLOWED
        if unknown:
            raise ApiError({name: ["Unknown parameter."] for name in sorted(unknown)})
        for name, values in request.query_params.lists():
            if any("\x00" in value for value in values):
                raise ApiError({name: ["Null characters are not allowed."]})
        filterset = self.get_filterset(request, queryset, view)
        if filterset is None:
            return queryset
        filtered: QuerySet[Any] = filterset.qs if filterset.is_valid() else queryset.none()
        if filterset.errors:  # a filter's method may complain too, while the queryset is built
            problems = filterset.errors.as_data().items()
            raise ApiError({name: [text for problem in found for text in problem.messages] for name, found in problems})
        return filtered
