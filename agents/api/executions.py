"""Executions: what agents did, step by step, and cancelling and retrying them."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from agents.api.fields import CostField, ModeField
from agents.models import AgentExecution, ExecutionStatus, ExecutionStep, Trigger
from agents.services import cancel_execution, retry_execution
from agents.stats import usage_of
from agents.trees import Node, Tree, tree_of
from oppspot.jobs.api import POLL_S, NothingSerializer, UtcFilter
from oppspot.jobs.models import Run
from oppspot.organizations.api import OrgViewSet
from oppspot.organizations.idempotency import IdempotentPost

SHOWN = 100  # steps that an answer holds, the latest ones

EXECUTION: dict[str, Any] = {
    "id": "019ab0f2-7a72-7a1b-8c2d-3e4f50617283",
    "agent": {"id": "019ab0f2-7a70-7c3d-8e4f-506172839a4b", "name": "Watch the brewers", "agent_type": "scout_agent"},
    "status": "completed",
    "trigger": "schedule",
    "mode": "deterministic",
    "error_message": "",
    "parent": None,
    "root_id": "019ab0f2-7a72-7a1b-8c2d-3e4f50617283",
    "depth": 0,
    "event_id": None,
    "job": "019ab0f2-7a58-7a1b-9c2d-3e4f50617283",
    "requested_by": "",
    "created_at": "2025-10-31T07:30:00Z",
    "started_at": "2025-10-31T07:30:01Z",
    "completed_at": "2025-10-31T07:30:04Z",
    "duration_ms": 3_020,
    "items_processed": 120,
    "api_calls": 1,
    "tokens_used": 1_420,
    "cost": "0.000832",
    "cost_cap": "0.5",
}
STEP = {
    "name": "detect-1",
    "inputs": {"companies": 120},
    "output": {"signals": 3},
    "attempt": 1,
    "started_at": "2025-10-31T07:30:01Z",
    "finished_at": "2025-10-31T07:30:03Z",
    "duration_ms": 2_004,
}
CALLS = {
    "model": "gpt-4.1-mini",
    "requests": 1,
    "cached": 0,
    "failed": 0,
    "tokens_in": 1_200,
    "tokens_out": 220,
    "cost": "0.000832",
    "reserved": "0",
}
DETAIL = EXECUTION | {
    "input_data": {},
    "output_data": {"signals": 3},
    "progress": {"done": 120, "total": 120},
    "steps": [STEP],
    "calls": [CALLS],
}
NODE = EXECUTION | {"steps": 4, "children": []}
TREE = {
    "root_id": EXECUTION["root_id"],
    "has_ended": True,
    "executions": 1,
    "failures": 0,
    "wall_ms": 4_000,
    "items_processed": 120,
    "api_calls": 1,
    "tokens_used": 1_420,
    "cost": "0.000832",
    "nodes": [NODE],
}


class ExecutionAgentSerializer(serializers.Serializer[Any]):
    """Whose execution it is."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    agent_type = serializers.CharField()


@extend_schema_serializer(examples=[OpenApiExample("An execution", value=EXECUTION, response_only=True)])
class ExecutionSerializer(serializers.ModelSerializer[AgentExecution]):
    """One piece of work of an agent."""

    agent = ExecutionAgentSerializer(read_only=True)
    parent: Any = serializers.UUIDField(source="parent_id", allow_null=True, help_text="The execution that caused it.")
    job = serializers.UUIDField(source="run_id", allow_null=True, help_text="The job that does it.")
    mode = ModeField()
    cost = CostField(read_only=True, help_text="US dollars, of language models.")
    cost_cap = CostField(read_only=True, allow_null=True, help_text="US dollars that it may cost.")

    class Meta:
        model = AgentExecution
        fields: ClassVar[list[str]] = list(EXECUTION)
        read_only_fields = fields


class ExecutionStepSerializer(serializers.ModelSerializer[ExecutionStep]):
    """A finished step, which a retry does not do again."""

    inputs = serializers.JSONField()
    output = serializers.JSONField(allow_null=True)
    duration_ms = serializers.SerializerMethodField()

    class Meta:
        model = ExecutionStep
        fields: ClassVar[list[str]] = list(STEP)
        read_only_fields = fields

    def get_duration_ms(self, step: ExecutionStep) -> int:
        return max(0, round((step.finished_at - step.started_at).total_seconds() * 1000))


class UsageSerializer(serializers.Serializer[Any]):
    """What was asked of language models, and what it cost."""

    requests = serializers.IntegerField(help_text="That were sent.")
    cached = serializers.IntegerField(help_text="Answers that were taken from the store instead, for nothing.")
    failed = serializers.IntegerField(help_text="Of the requests: refused, or without an answer.")
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    cost = CostField(read_only=True, help_text="US dollars.")
    reserved = CostField(read_only=True, help_text="US dollars, for requests under way.")


class ModelUsageSerializer(UsageSerializer):
    model = serializers.CharField()


class ExecutionProgressSerializer(serializers.Serializer[Any]):
    """How far it is, as far as its kind says so."""

    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)


@extend_schema_serializer(
    examples=[OpenApiExample("An execution", value=DETAIL, response_only=True, status_codes=["200", "202"])]
)
class ExecutionDetailSerializer(ExecutionSerializer):
    """An execution with what went in and came out, its latest steps in the order of time, and what it asked."""

    input_data = serializers.JSONField()
    output_data = serializers.JSONField(allow_null=True, help_text="Also of one that failed with some of it done.")
    progress = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField(help_text=f"The latest {SHOWN}.")
    calls = serializers.SerializerMethodField(help_text="By model.")

    class Meta(ExecutionSerializer.Meta):
        fields: ClassVar[list[str]] = list(DETAIL)

    @extend_schema_field(ExecutionProgressSerializer(allow_null=True))
    def get_progress(self, execution: AgentExecution) -> Any:
        runs = Run.objects.for_org(execution.org).filter(pk=execution.run_id)
        found = runs.values_list("progress_done", "progress_total").first()
        return None if found is None else {"done": found[0], "total": found[1]}

    @extend_schema_field(ExecutionStepSerializer(many=True))
    def get_steps(self, execution: AgentExecution) -> Any:
        steps = ExecutionStep.objects.for_org(execution.org).filter(execution=execution).order_by("-pk")
        return ExecutionStepSerializer(list(steps[:SHOWN])[::-1], many=True).data

    @extend_schema_field(ModelUsageSerializer(many=True))
    def get_calls(self, execution: AgentExecution) -> Any:
        return [{"model": model} | dict(UsageSerializer(usage).data) for model, usage in usage_of(execution)]


class NodeSerializer(ExecutionSerializer):
    """An execution in its tree; the node itself comes by the context."""

    steps = serializers.SerializerMethodField(help_text="How many are finished.")
    children = serializers.SerializerMethodField(help_text="The executions that it caused.")

    class Meta(ExecutionSerializer.Meta):
        fields: ClassVar[list[str]] = list(NODE)

    def get_steps(self, execution: AgentExecution) -> int:
        node: Node = self.context["nodes"][execution.pk]
        return node.steps

    @extend_schema_field(serializers.ListField(child=serializers.UUIDField()))
    def get_children(self, execution: AgentExecution) -> Any:
        return [str(pk) for pk in self.context["nodes"][execution.pk].children]


@extend_schema_serializer(examples=[OpenApiExample("A tree", value=TREE, response_only=True)])
class TreeSerializer(serializers.Serializer[Tree]):
    """Everything that one execution led to, and what it came to together."""

    root_id = serializers.UUIDField()
    has_ended = serializers.BooleanField()
    executions = serializers.SerializerMethodField(help_text="How many.")
    failures = serializers.IntegerField()
    wall_ms = serializers.IntegerField(help_text="From the first being asked for to the end of the last, or to now.")
    items_processed = serializers.IntegerField()
    api_calls = serializers.IntegerField()
    tokens_used = serializers.IntegerField()
    cost = CostField(read_only=True, help_text="US dollars.")
    nodes = serializers.SerializerMethodField(help_text="Each before what it caused.")

    def get_executions(self, tree: Tree) -> int:
        return len(tree.nodes)

    @extend_schema_field(NodeSerializer(many=True))
    def get_nodes(self, tree: Tree) -> Any:
        context = {"nodes": {node.execution.pk: node for node in tree.nodes}}
        return NodeSerializer(tree.executions, many=True, context=context).data


class ExecutionFilter(django_filters.FilterSet):
    agent = django_filters.UUIDFilter("agent_id", help_text="Of one agent.")
    kind = django_filters.CharFilter("agent__agent_type", "exact", help_text="Of agents of a kind, e.g. scout_agent.")
    status = django_filters.MultipleChoiceFilter(choices=ExecutionStatus.choices, help_text="Repeatable.")
    trigger = django_filters.MultipleChoiceFilter(choices=Trigger.choices, help_text="Repeatable.")
    root = django_filters.UUIDFilter("root_id", help_text="What one execution led to, itself included.")
    parent = django_filters.UUIDFilter("parent_id", help_text="What one execution caused.")
    since = UtcFilter("created_at", "gte", help_text="Asked for at or after this time.")
    until = UtcFilter("created_at", "lt", help_text="Asked for before this time.")

    class Meta:
        model = AgentExecution
        fields: ClassVar[list[str]] = []


def execution_accepted(execution: AgentExecution) -> Response:
    """202: where the execution is found, and when to look."""
    headers = {"Location": reverse("execution-detail", args=[execution.pk]), "Retry-After": str(POLL_S)}
    return Response(ExecutionDetailSerializer(execution).data, status.HTTP_202_ACCEPTED, headers=headers)


@extend_schema(tags=["agents"])
class ExecutionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, IdempotentPost, OrgViewSet):
    """What the organisation's agents did and do."""

    model = AgentExecution
    serializer_class = ExecutionSerializer
    filterset_class = ExecutionFilter
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[AgentExecution]:
        executions: QuerySet[AgentExecution] = super().get_queryset().select_related("agent", "org")
        return executions.defer("input_data", "output_data") if self.action == "list" else executions

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    @extend_schema(summary="List executions")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The latest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(summary="One execution", responses=ExecutionDetailSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(ExecutionDetailSerializer(self.get_object()).data)

    @extend_schema(summary="What an execution led to", responses=TreeSerializer)
    @action(detail=True, methods=["get"])
    def tree(self, request: Request, pk: str) -> Response:
        """The whole tree that it is part of, with its cost and time; whichever of its executions is asked."""
        return Response(TreeSerializer(tree_of(self.get_object())).data)

    @extend_schema(summary="Cancel an execution", request=None, responses=ExecutionDetailSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """One that waits is cancelled at once, and so are those it caused; one at work stops within seconds. What is
        done stays done, and what it cost stays charged. One that has ended is a conflict (409, `wrong_state`)."""
        cancelled = cancel_execution(execution=self._execution_for(request))
        return Response(ExecutionDetailSerializer(cancelled).data)

    @extend_schema(summary="Retry an execution", request=None, responses={202: ExecutionDetailSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """A failed or cancelled one goes on after its last finished step. One in another state, or whose job is no
        longer kept, is a conflict (409, `wrong_state`)."""
        return execution_accepted(retry_execution(execution=self._execution_for(request)))

    def _execution_for(self, request: Request) -> AgentExecution:
        execution: AgentExecution = self.get_object()
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        return execution
