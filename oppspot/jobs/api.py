"""API of jobs: what an organisation's runs do, and cancelling and retrying them."""

from datetime import UTC, datetime
from typing import Any, ClassVar

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from oppspot.jobs.models import Attempt, Priority, Run, Status, Step
from oppspot.jobs.querysets import with_progress
from oppspot.jobs.redaction import summary_from
from oppspot.jobs.services import cancel_run, retry_run
from oppspot.organizations.api import OrgViewSet, StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost

POLL_S = 2  # what `Retry-After` suggests to those who wait for a job
SHOWN = 100  # steps and attempts that an answer holds, the latest ones

STEP = {
    "name": "slice-1",
    "started_at": "2025-11-02T04:10:01Z",
    "finished_at": "2025-11-02T04:10:02Z",
    "output": {"companies": 120, "last": None},
}
ATTEMPT = {
    "number": 1,
    "outcome": "suspended",
    "started_at": "2025-11-02T04:10:01Z",
    "finished_at": "2025-11-02T04:10:02Z",
    "error": "",
}
JOB = {
    "id": "019ab0f2-7a58-7a1b-9c2d-3e4f50617283",
    "function": "embeddings.generate_requested",
    "status": "queued",
    "waiting_for": "children",
    "priority": "normal",
    "progress": {"done": 50, "total": 120},
    "attempt": 0,
    "max_attempts": 5,
    "error": "",
    "parent": None,
    "requested_by": "ospt_Zk3vQ0xN",
    "created_at": "2025-11-02T04:10:00Z",
    "started_at": "2025-11-02T04:10:01Z",
    "finished_at": None,
    "cancel_requested_at": None,
}
DETAIL = JOB | {"output": None, "steps": [STEP], "attempts": [ATTEMPT]}


class ProgressSerializer(serializers.Serializer[Run]):
    """How far a job is; one that has caused others is as far as they are together."""

    done = serializers.SerializerMethodField()
    total = serializers.IntegerField(source="progress_total", allow_null=True, help_text="Null: not known.")

    def get_done(self, run: Run) -> int:
        done: int = getattr(run, "done", run.progress_done)  # the first by `with_progress`
        return done


@extend_schema_serializer(examples=[OpenApiExample("A job at work", value=JOB, response_only=True)])
class JobSerializer(serializers.ModelSerializer[Run]):
    """A job: one function's work on one event."""

    progress = ProgressSerializer(source="*", read_only=True)
    priority = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields: ClassVar[list[str]] = list(JOB)
        read_only_fields = fields

    @extend_schema_field({"type": "string", "enum": [priority.name.lower() for priority in Priority]})
    def get_priority(self, run: Run) -> str:
        return Priority(run.priority).name.lower()


class StepSerializer(serializers.ModelSerializer[Step]):
    """Work that is done, and is not done again when the job is started once more."""

    output = serializers.JSONField(allow_null=True)

    class Meta:
        model = Step
        fields: ClassVar[list[str]] = list(STEP)
        read_only_fields = fields


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """A start of the job, and how it ended."""

    number = serializers.IntegerField(help_text="Which try it was; going on after a wait repeats it.")
    error = serializers.SerializerMethodField()

    class Meta:
        model = Attempt
        fields: ClassVar[list[str]] = list(ATTEMPT)
        read_only_fields = fields

    def get_error(self, attempt: Attempt) -> str:
        return summary_from(attempt.error)


@extend_schema_serializer(
    examples=[OpenApiExample("A job", value=DETAIL, response_only=True, status_codes=["200", "202"])]
)
class JobDetailSerializer(JobSerializer):
    """A job with its latest steps and attempts, in the order of time."""

    output = serializers.JSONField(allow_null=True, help_text="What it returned, once completed.")
    steps = serializers.SerializerMethodField(help_text=f"The latest {SHOWN}.")
    attempts = serializers.SerializerMethodField(help_text=f"The latest {SHOWN}.")

    class Meta(JobSerializer.Meta):
        fields: ClassVar[list[str]] = [*JobSerializer.Meta.fields, "output", "steps", "attempts"]

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, run: Run) -> Any:
        return StepSerializer(list(run.steps.order_by("-pk")[:SHOWN])[::-1], many=True).data

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, run: Run) -> Any:
        return AttemptSerializer(list(run.attempts.order_by("-fence")[:SHOWN])[::-1], many=True).data


class UtcField(IsoDateTimeField):
    """Postgres knows no offset of more than 16 hours, and no year before the first."""

    def to_python(self, value: Any) -> datetime | None:
        at: datetime | None = super().to_python(value)
        try:
            return at and at.astimezone(UTC)
        except OverflowError as error:
            raise ValidationError("This is not a date.") from error


class UtcFilter(django_filters.IsoDateTimeFilter):
    field_class = UtcField


class JobFilter(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Status.choices, help_text="Repeatable.")
    function = django_filters.CharFilter("function", "exact", help_text="E.g. embeddings.generate_requested.")
    created_from = UtcFilter("created_at", "gte", help_text="Created at or after this time.")
    created_to = UtcFilter("created_at", "lte", help_text="Created at or before this time.")
    parent = django_filters.UUIDFilter(
        "parent_id", help_text="The jobs that this one caused, instead of those of none."
    )

    class Meta:
        model = Run
        fields: ClassVar[list[str]] = []

    def filter_queryset(self, queryset: QuerySet[Run]) -> QuerySet[Run]:
        found: QuerySet[Run] = super().filter_queryset(queryset)
        return found if self.form.cleaned_data.get("parent") else found.filter(parent=None)


class NothingSerializer(StrictSerializer):
    """An empty object, or no body."""


def job_accepted(run: Run, body: dict[str, Any]) -> Response:
    """202: where the job is found, and when to look."""
    location = reverse("job-detail", args=[run.pk])
    return Response(body, status.HTTP_202_ACCEPTED, headers={"Location": location, "Retry-After": str(POLL_S)})


@extend_schema(tags=["jobs"])
class JobViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, IdempotentPost, OrgViewSet):
    """The organisation's jobs."""

    model = Run
    serializer_class = JobSerializer
    filterset_class = JobFilter
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[Run]:
        runs: QuerySet[Run] = with_progress(super().get_queryset())
        return runs.defer("output") if self.action == "list" else runs

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    @extend_schema(summary="List jobs")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The organisation's jobs, the latest first; without those that were caused by another one (`parent`)."""
        return super().list(request, *args, **kwargs)

    @extend_schema(summary="One job", responses=JobDetailSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(JobDetailSerializer(self.get_object()).data)

    @extend_schema(summary="Cancel a job", request=None, responses=JobDetailSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """One that waits is cancelled at once, and so are those it caused; one at work stops within seconds. What is
        done stays done. One that has ended is a conflict (409, `wrong_state`)."""
        cancel_run(self._run_for(request))
        return Response(JobDetailSerializer(self.get_object()).data)

    @extend_schema(summary="Retry a job", request=None, responses={202: JobDetailSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Put a failed or cancelled job back in line, with those it caused that failed or were cancelled. Completed
        steps are not done again. A job in another state is a conflict (409, `wrong_state`)."""
        run = self._run_for(request)
        retry_run(run)
        return job_accepted(run, JobDetailSerializer(self.get_object()).data)

    def _run_for(self, request: Request) -> Run:
        run: Run = self.get_object()
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        return run
