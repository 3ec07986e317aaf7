"""Filters of signals and scores."""

from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet

from businesses.filters import filter_businesses
from businesses.models import Watchlist, WatchlistEntry
from oppspot.core.errors import InvalidInput
from oppspot.core.filters import ComplainingFilterSet
from signals_app.models import STRENGTH_FLOORS, BusinessScore, BuyingSignal, SignalStatus, SignalType, Strength
from signals_app.ranking import in_tier
from signals_app.scoring import Tier, counting


class WatchlistFilter(django_filters.UUIDFilter):
    """Companies on one of the organisation's watchlists; another's reads as one that does not exist."""

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        if value is None:
            return qs
        org = self.parent.request.org
        if not Watchlist.objects.for_org(org).filter(pk=value).exists():
            raise ValidationError("There is no such watchlist.")
        entries = WatchlistEntry.objects.for_org(org).filter(watchlist=value, business=OuterRef("business"))
        return qs.filter(Exists(entries))


class SignalFilter(ComplainingFilterSet):
    business = django_filters.UUIDFilter("business_id", help_text="Id of a company.")
    watchlist = WatchlistFilter(help_text="Id of a watchlist: signals of its companies.")
    signal_type = django_filters.MultipleChoiceFilter(choices=SignalType.choices, help_text="Repeatable.")
    status = django_filters.MultipleChoiceFilter(choices=SignalStatus.choices, help_text="Repeatable.")
    min_strength = django_filters.ChoiceFilter(
        choices=Strength.choices, method="by_strength", help_text="This strong, or stronger."
    )
    min_confidence = django_filters.NumberFilter(
        "confidence_score", "gte", min_value=0, max_value=100, help_text="This sure, or surer: 0 to 100."
    )
    is_negative = django_filters.BooleanFilter("is_negative", help_text="Signs against buying, or for it.")
    needs_review = django_filters.BooleanFilter("needs_review", help_text="Waiting for a person's judgement.")
    source = django_filters.CharFilter("source", "exact", max_length=100, help_text="Where it was first seen.")
    occurred_from = django_filters.DateFilter("occurred_on", "gte", help_text="Happened on or after.")
    occurred_to = django_filters.DateFilter("occurred_on", "lte", help_text="Happened on or before.")

    class Meta:
        model = BuyingSignal
        fields: list[str] = []

    def by_strength(self, queryset: QuerySet[BuyingSignal], name: str, value: str) -> QuerySet[BuyingSignal]:
        floor = STRENGTH_FLOORS[Strength(value)]
        return queryset.filter(signal_strength__in=[one for one, least in STRENGTH_FLOORS.items() if least >= floor])


class ScoreFilter(ComplainingFilterSet):
    tier = django_filters.ChoiceFilter(choices=Tier.choices, method="by_tier", help_text="hot, warm or watching.")
    min_score = django_filters.NumberFilter("score", "gte", min_value=0, max_value=100, help_text="0 to 100.")
    watchlist = WatchlistFilter(help_text="Id of a watchlist.")
    signal_type = django_filters.ChoiceFilter(
        choices=SignalType.choices, method="by_type", help_text="With an active signal of this type."
    )
    sic = django_filters.CharFilter(method="by_company", help_text="SIC codes or their first digits; by commas.")
    town = django_filters.CharFilter(method="by_company", help_text="Post town; several separated by commas.")
    postcode_area = django_filters.CharFilter(method="by_company", help_text="Letters a postcode begins with.")

    class Meta:
        model = BusinessScore
        fields: list[str] = []

    def by_tier(self, queryset: QuerySet[BusinessScore], name: str, value: str) -> QuerySet[BusinessScore]:
        return in_tier(queryset, value)

    def by_type(self, queryset: QuerySet[BusinessScore], name: str, value: str) -> QuerySet[BusinessScore]:
        signals = counting(self.request.org).filter(business=OuterRef("business"), signal_type=value)
        return queryset.filter(Exists(signals))

    def by_company(self, queryset: QuerySet[BusinessScore], name: str, value: str) -> QuerySet[BusinessScore]:
        try:
            companies = filter_businesses({name: value})
        except InvalidInput as error:
            raise ValidationError(error.fields.get(name, [error.message])) from error
        return queryset.filter(Exists(companies.filter(pk=OuterRef("business"))))
