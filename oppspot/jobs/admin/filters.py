"""Filters of the lists of jobs: known choices, not what the tables hold, and conditions that have an index."""

import time
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from oppspot.core.admin import ChoiceFilter
from oppspot.jobs.models import Status, WaitingFor
from oppspot.jobs.registry import all_events, all_functions

Rows = QuerySet[Any]
STATES: dict[str, tuple[str, Q]] = {
    "queued": ("Queued", Q(status=Status.QUEUED)),
    "ready": ("Queued: ready", Q(status=Status.QUEUED, waiting_for=WaitingFor.NOTHING)),
    "time": ("Queued: waits for its time", Q(status=Status.QUEUED, waiting_for=WaitingFor.TIME)),
    "slot": ("Queued: waits for a slot", Q(status=Status.QUEUED, waiting_for=WaitingFor.SLOT)),
    "children": ("Queued: waits for children", Q(status=Status.QUEUED, waiting_for=WaitingFor.CHILDREN)),
    "running": ("Running", Q(status=Status.RUNNING)),
    "completed": ("Completed", Q(status=Status.COMPLETED)),
    "dead": ("Dead letters (failed)", Q(status=Status.FAILED)),
    "cancelled": ("Cancelled", Q(status=Status.CANCELLED)),
}
AGES = {"hour": 3_600, "day": 86_400, "week": 604_800}


class StateFilter(ChoiceFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in STATES.items()]

    def narrowed(self, queryset: Rows, value: str) -> Rows:
        return queryset.filter(STATES[value][1])


class FunctionFilter(ChoiceFilter):
    title, parameter_name = "function", "function"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(function.name, function.name) for function in all_functions()]

    def narrowed(self, queryset: Rows, value: str) -> Rows:
        return queryset.filter(function=value)


class EventNameFilter(ChoiceFilter):
    title, parameter_name = "name", "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(event.name, event.name) for event in all_events()]

    def narrowed(self, queryset: Rows, value: str) -> Rows:
        return queryset.filter(name=value)


class AgeFilter(ChoiceFilter):
    """By the id, which begins with the time it was made at and is the order of the list."""

    title, parameter_name = "created", "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"In the last {name}") for name in AGES]

    def narrowed(self, queryset: Rows, value: str) -> Rows:
        return queryset.filter(pk__gte=first_id_since(time.time() - AGES[value]))


def first_id_since(timestamp: float) -> UUID:
    """The lowest id of version 7 made at `timestamp`, seconds since 1970, or later."""
    return UUID(int=int(timestamp * 1000) << 80)


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
