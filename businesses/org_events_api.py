"""API of an organisation's own events: its systems tell them, and only it reads them."""

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from businesses.models import OrgEvent
from businesses.models.events import MAX_URL
from businesses.org_events import MAX_EVENTS, Recorded, Result, Told, record_events, url_problem
from businesses.sources.pull import CompanyKey
from businesses.watchlist_api import BUSINESS_ID, COMPANY, ListedBusinessSerializer
from oppspot.jobs.api import UtcFilter
from oppspot.organizations.api import OrgViewSet, StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost

MAX_KIND, MAX_SOURCE, MAX_KEY, MAX_NAMED = 60, 100, 200, 300  # characters
MAX_TOLD = 10  # events of which a refusal tells the errors

EVENT_ID = "019ab0f2-7a5d-7b12-8c33-4d5e6f708192"
TOLD = {
    "company": {"number": "01234567"},
    "kind": "meeting_held",
    "occurred_on": "2025-11-02",
    "source": "crm",
    "source_url": "https://crm.example/meetings/4711",
    "payload": {"title": "First call", "with": "the finance director"},
    "dedupe_key": "meeting-4711",
}
LISTED = {
    "id": COMPANY["id"],
    "company_number": COMPANY["number"],
    "name": COMPANY["name"],
    "town": COMPANY["town"],
    "status": COMPANY["status"],
}
EVENT = {
    "id": EVENT_ID,
    "business": LISTED,
    "kind": "meeting_held",
    "occurred_on": "2025-11-02",
    "observed_at": "2025-11-02T16:10:00Z",
    "source": "crm",
    "source_url": "https://crm.example/meetings/4711",
    "payload": {"title": "First call", "with": "the finance director"},
    "created_by": "ospt_Zk3vQ0xN",
}
CREATED = {"result": "created", "id": EVENT_ID, "business": BUSINESS_ID, "errors": {}}
REFUSED = {
    "result": "error",
    "id": None,
    "business": None,
    "errors": {"company.domain": ["No company, or more than one, goes by it."]},
}


@extend_schema_field(
    {
        "type": "object",
        "description": "One of id, number and domain.",
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "number": {"type": "string", "maxLength": MAX_NAMED},
            "domain": {"type": "string", "maxLength": MAX_NAMED},
        },
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
)
class CompanyField(serializers.Field[CompanyKey, Any, Any, Any]):
    """A company as others name it; no row is chosen by it, so that it may hold an id."""

    NAMES = ("id", "number", "domain")

    def to_internal_value(self, data: Any) -> CompanyKey:
        named = list(data.items()) if isinstance(data, dict) else []
        if len(named) != 1 or named[0][0] not in self.NAMES:
            raise serializers.ValidationError("Name the company by id, number or domain: by one of them.")
        by, value = named[0]
        if not isinstance(value, str) or not 0 < len(value) <= MAX_NAMED:
            raise serializers.ValidationError({by: [f"Must be a text of 1 to {MAX_NAMED} characters."]})
        return CompanyKey(by, value)


@extend_schema_serializer(examples=[OpenApiExample("A meeting", value=TOLD, request_only=True)])
class ToldSerializer(StrictSerializer):
    """An event. Of a kind that oppSpot knows (`news`, `job_posted`, …) the payload must have that kind's form."""

    company = CompanyField()
    kind = serializers.RegexField(r"^[a-z][a-z0-9_]*$", max_length=MAX_KIND, help_text="What happened: meeting_held.")
    occurred_on = serializers.DateField(required=False, allow_null=True, default=None)
    source = serializers.CharField(max_length=MAX_SOURCE, help_text="The system that knows it.")  # type: ignore[assignment]
    source_url = serializers.CharField(max_length=MAX_URL, required=False, allow_blank=True, default="")
    payload = serializers.DictField(required=False, default=dict)
    dedupe_key = serializers.CharField(
        max_length=MAX_KEY, required=False, allow_blank=True, default="",
        help_text="The event's name in its source. Told again under it, the event is known; without a key, one of "
        "equal content is.",
    )  # fmt: skip

    def validate_source_url(self, url: str) -> str:
        if problem := url_problem(url):
            raise serializers.ValidationError(problem)
        return url


class RecordedSerializer(serializers.Serializer[Recorded]):
    """What became of an event."""

    result = serializers.ChoiceField(choices=[result.value for result in Result])
    id = serializers.UUIDField(allow_null=True, help_text="The event's; null when it was not taken.")
    business = serializers.UUIDField(allow_null=True)
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()), help_text="Messages by field."
    )


class AllRecordedSerializer(serializers.Serializer[Any]):
    """What became of each event, in the order of the request."""

    created = serializers.IntegerField()
    known = serializers.IntegerField()
    errors = serializers.IntegerField()  # type: ignore[assignment]
    results = RecordedSerializer(many=True)


@extend_schema_serializer(examples=[OpenApiExample("A meeting", value=EVENT, response_only=True)])
class OrgEventSerializer(serializers.ModelSerializer[OrgEvent]):
    business = ListedBusinessSerializer()
    payload = serializers.DictField()

    class Meta:
        model = OrgEvent
        fields: ClassVar[list[str]] = list(EVENT)
        read_only_fields = fields


class OrgEventFilter(django_filters.FilterSet):
    business = django_filters.UUIDFilter("business_id", help_text="Events of this company.")
    kind = django_filters.CharFilter("kind", "exact", max_length=MAX_KIND, help_text="Kind of event.")
    since = UtcFilter("observed_at", "gte", help_text="Told at this moment or later.")

    class Meta:
        model = OrgEvent
        fields: ClassVar[list[str]] = []


@extend_schema_view(list=extend_schema(summary="List your own events"))
@extend_schema(tags=["events"])
class OrgEventViewSet(mixins.ListModelMixin, IdempotentPost, OrgViewSet):
    """What the organisation's own systems told about companies, the latest first."""

    model = OrgEvent
    serializer_class = OrgEventSerializer
    filterset_class = OrgEventFilter
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[OrgEvent]:
        events: QuerySet[OrgEvent] = super().get_queryset()
        shown = [f"business__{name}" for name in ("company_number", "name", "town", "status")]
        return events.select_related("business").only(*(name for name in EVENT if name != "business"), *shown)

    @extend_schema(
        summary="Tell events",
        request=PolymorphicProxySerializer(
            "ToldEvents", [ToldSerializer, ToldSerializer(many=True)], resource_type_field_name=None, many=False
        ),
        responses={200: AllRecordedSerializer, 201: AllRecordedSerializer},
        examples=[
            OpenApiExample("An event", request_only=True, value=TOLD),
            OpenApiExample(
                "One taken, one not",
                response_only=True,
                status_codes=["200", "201"],
                value={"created": 1, "known": 0, "errors": 1, "results": [CREATED, REFUSED]},
            ),
            OpenApiExample("Several", request_only=True, value=[TOLD, TOLD | {"company": {"domain": "a.example"}}]),
        ],
    )
    def create(self, request: Request) -> Response:
        """One event, or a list of up to 500: what is right is stored, and what is wrong is told, event by event.
        201 when any event is new, 200 when all that could be taken were known, 400 when none could be taken."""
        items = request.data if isinstance(request.data, list) else [request.data]
        if not 1 <= len(items) <= MAX_EVENTS:
            raise serializers.ValidationError(f"Send an event, or a list of 1 to {MAX_EVENTS} of them.")
        read = [_read(item) for item in items]
        actor = request.actor  # type: ignore[attr-defined]
        told = [one for one in read if isinstance(one, Told)]
        recorded = iter(record_events(org=actor.org, events=told, created_by=actor.label) if told else [])
        results = [next(recorded) if isinstance(one, Told) else one for one in read]
        counts = {result: sum(one.result is result for one in results) for result in Result}
        if counts[Result.ERROR] == len(results):
            raise serializers.ValidationError(_errors_of(results, is_list=isinstance(request.data, list)))
        body = {"created": counts[Result.CREATED], "known": counts[Result.KNOWN], "errors": counts[Result.ERROR]}
        code = status.HTTP_201_CREATED if counts[Result.CREATED] else status.HTTP_200_OK
        return Response(AllRecordedSerializer(body | {"results": results}).data, status=code)


def _read(item: Any) -> Told | Recorded:
    serializer = ToldSerializer(data=item)
    if not serializer.is_valid():
        return Recorded(Result.ERROR, errors=dict(_flat(serializer.errors)))
    return Told(**serializer.validated_data)


def _flat(errors: Mapping[str, Any], prefix: str = "") -> list[tuple[str, list[str]]]:
    """`{"company": {"id": ["Wrong."]}}` as `[("company.id", ["Wrong."])]`."""
    found: list[tuple[str, list[str]]] = []
    for name, value in errors.items():
        path = prefix or name if name == "non_field_errors" else f"{prefix}.{name}".strip(".")
        if isinstance(value, Mapping):
            found += _flat(value, path)
        else:
            found.append((path, [str(text) for text in value]))
    return found


def _errors_of(results: list[Recorded], *, is_list: bool) -> dict[str, Any]:
    """Messages by field; of a list by the place of the event, from 0, and of the first `MAX_TOLD` events only."""
    if not is_list:
        return dict(results[0].errors)
    return {str(place): dict(one.errors) for place, one in enumerate(results[:MAX_TOLD])}
