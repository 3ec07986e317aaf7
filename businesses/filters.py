"""The filters of the register: the same for the list API, for search and for commands."""

from collections.abc import Mapping
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.db.models.functions import Upper

from businesses.models import Business, Status
from businesses.normalise import domain_of
from businesses.querysets import BusinessQuerySet
from businesses.sic import CODE_LENGTH, MIN_PREFIX, codes_with_prefix
from oppspot.core.errors import InvalidInput
from oppspot.core.filters import ComplainingFilterSet

MAX_VALUES = 100  # of one comma-separated filter


def _values(text: str) -> list[str]:
    values = [value.strip() for value in text.split(",") if value.strip()]
    if len(values) > MAX_VALUES:
        raise ValidationError(f"At most {MAX_VALUES} values.")
    return values


class BusinessFilter(ComplainingFilterSet):
    """Filters of companies; those given together must all hold, the values of one are alternatives."""

    sic = django_filters.CharFilter(
        method="by_sic", help_text="SIC codes, or their first 2 to 4 digits; several separated by commas."
    )
    # No row is found twice, and search takes no DISTINCT.
    status = django_filters.MultipleChoiceFilter(choices=Status.choices, distinct=False, help_text="Repeatable.")
    town = django_filters.CharFilter(method="by_town", help_text="Post town; several separated by commas.")
    postcode_area = django_filters.CharFilter(
        method="by_postcode_area", help_text="Letters a postcode begins with, e.g. EC; several separated by commas."
    )
    postcode = django_filters.CharFilter(method="by_postcode", help_text="Beginning of a postcode, e.g. EC1V.")
    incorporated_from = django_filters.DateFilter("incorporated_on", "gte", help_text="Incorporated on or after.")
    incorporated_to = django_filters.DateFilter("incorporated_on", "lte", help_text="Incorporated on or before.")
    category = django_filters.CharFilter(method="by_category", help_text="Categories; several separated by commas.")
    company_type = django_filters.CharFilter("company_type", "exact", help_text="Company type, as the register says.")
    company_number = django_filters.CharFilter("company_number", "iexact", help_text="Company number.")
    domain = django_filters.CharFilter(method="by_domain", help_text="Domain of the website.")
    has_embedding = django_filters.BooleanFilter(method="by_embedding", help_text="Whether it has a vector.")

    class Meta:
        model = Business
        fields: list[str] = []

    def by_sic(self, queryset: BusinessQuerySet, name: str, value: str) -> BusinessQuerySet:
        codes: set[str] = set()
        for prefix in _values(value):
            found = codes_with_prefix(prefix) if len(prefix) >= MIN_PREFIX and prefix.isdigit() else ()
            if not found and not (prefix.isdigit() and len(prefix) in {CODE_LENGTH - 1, CODE_LENGTH}):
                raise ValidationError(f"{prefix!r} begins no SIC code.")
            codes.update(found, [prefix])  # older four-digit codes still occur
        return queryset.filter(sic_codes__overlap=sorted(codes))

    def by_town(self, queryset: BusinessQuerySet, name: str, value: str) -> BusinessQuerySet:
        towns = [town.upper() for town in _values(value)]
        return queryset.alias(town_upper=Upper("town")).filter(town_upper__in=towns)

    def by_postcode_area(self, queryset: BusinessQuerySet, name: str, value: str) -> BusinessQuerySet:
        areas = [area.upper() for area in _values(value)]
        if wrong := [area for area in areas if not (area.isalpha() and len(area) <= 2)]:  # noqa: PLR2004  A to ZE
            raise ValidationError(f"{wrong[0]!r} is not a postcode area (one or two letters).")
        return queryset.filter(postcode_area__in=areas)

    def by_postcode(self, queryset: BusinessQuerySet, name: str, value: str) -> BusinessQuerySet:
        return queryset.filter(postcode__startswith=value.strip().upper())

    def by_category(self, queryset: BusinessQuerySet, name: str, value: str) -> BusinessQuerySet:
        return queryset.filter(categories__overlap=_values(value))

    def by_domain(self, queryset: BusinessQuerySet, name: str, value: str) -> BusinessQuerySet:
        domain = domain_of(value)
        if not domain:
            raise ValidationError(f"{value!r} is not a domain.")
        return queryset.filter(domain=domain)

    def by_embedding(self, queryset: BusinessQuerySet, name: str, value: bool) -> BusinessQuerySet:
        return queryset.filter(~Q(embedding_model="") if value else Q(embedding_model=""))


def filter_businesses(values: Mapping[str, Any], queryset: BusinessQuerySet | None = None) -> BusinessQuerySet:
    """Companies that match `values` (as in `BusinessFilter`). Raises `InvalidInput` with messages by field."""
    known = BusinessFilter.base_filters
    if unknown := sorted(set(values) - set(known)):
        message = f"Unknown filter; the filters are {', '.join(known)}."
        raise InvalidInput(f"{unknown[0]}: {message}", fields={name: [message] for name in unknown})
    for name, value in values.items():
        items = value if isinstance(value, list) else [value]
        if not all(item is None or isinstance(item, str | int | float) for item in items):
            raise InvalidInput(f"{name}: Not a value.", fields={name: ["Must be a text, a number or a list of them."]})
    filterset = BusinessFilter(_as_form_data(values), queryset=Business.objects.all() if queryset is None else queryset)
    filtered: BusinessQuerySet = filterset.qs if filterset.is_valid() else Business.objects.none()
    if filterset.errors:
        fields = {name: [str(text) for text in texts] for name, texts in filterset.errors.items()}
        name, texts = next(iter(fields.items()))
        raise InvalidInput(f"{name}: {texts[0]}", fields=fields)
    return filtered


def _as_form_data(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values as a form has them: lists joined by commas, except for the repeatable status."""
    data: dict[str, Any] = {}
    for name, value in values.items():
        if name == "status":
            data[name] = value if isinstance(value, list) else [value]
        elif isinstance(value, list):
            data[name] = ",".join(str(item) for item in value)
        else:
            data[name] = str(value) if value is not None else ""
    return data
