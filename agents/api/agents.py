"""Agents: setting them up, running, pausing, and how they do."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.executions import ExecutionDetailSerializer, execution_accepted
from agents.api.fields import CostField
from agents.dry_runs import request_dry_run
from agents.handoffs import GATES, MAX_HANDOFFS, HandoffSpec, handoffs_of
from agents.models import Agent, AgentTrigger, Handoff, Trigger
from agents.services import delete_agent, start_execution, update_agent
from agents.triggers import TRIGGERING, TriggerSpec, triggers_of
from agents.wiring import create_wired_agent, update_wired_agent
from oppspot.jobs.api import JobDetailSerializer, NothingSerializer, job_accepted
from oppspot.jobs.cron import describe
from oppspot.organizations.api import OrgRelatedField, OrgViewSet, StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost

MAX_DESCRIPTION = 2_000  # characters
WIRES = ("triggers", "handoffs")

AGENT = {
    "id": "019ab0f2-7a70-7c3d-8e4f-506172839a4b",
    "name": "Watch the brewers",
    "agent_type": "scout_agent",
    "description": "Signs of growth among breweries of the North.",
    "configuration": {"notify": [], "watchlist": "019ab0f2-7a62-7a1b-8c2d-3e4f50617283", "min_confidence": 60},
    "is_active": True,
    "schedule_cron": "30 7 * * mon-fri",
    "time_zone": "Europe/London",
    "schedule": "At 07:30, Monday through Friday, Europe/London",
    "next_run_at": "2025-11-03T07:30:00Z",
    "last_run_at": "2025-10-31T07:30:04Z",
    "run_cost_cap": "0.5",
    "triggers": [{"event_name": "signals/buying_signal.detected", "where": {"signal_type": ["funding_round"]}}],
    "handoffs": [
        {
            "target": "019ab0f2-7a71-7b2c-9d3e-4f5061728394",
            "target_name": "Score them",
            "min_score": 0,
            "min_evidence": 2,
            "max_subjects": 5,
        }
    ],
    "created_by": "ospt_Zk3vQ0xN",
    "created_at": "2025-10-01T10:00:00Z",
    "updated_at": "2025-10-31T07:30:04Z",
}
WRITTEN = ("name", "agent_type", "description", "configuration", "is_active", "schedule_cron", "time_zone")
NEW: dict[str, Any] = {name: AGENT[name] for name in (*WRITTEN, "run_cost_cap", "triggers")} | {
    "handoffs": [{"target": "019ab0f2-7a71-7b2c-9d3e-4f5061728394", "min_evidence": 2}]
}


class TriggerSerializer(StrictSerializer):
    """An event that starts the agent."""

    event_name = serializers.ChoiceField(choices=TRIGGERING, help_text="See `agents/kinds/` for their fields.")
    where = serializers.DictField(
        child=serializers.ListField(),
        default=dict,
        help_text="Fields of the event, each with the values that start the agent; empty: every such event does.",
    )


class HandoffSerializer(serializers.ModelSerializer[Handoff]):
    """An agent that is given what this one found, and the gate before it."""

    target: Any = serializers.PrimaryKeyRelatedField(read_only=True)
    target_name = serializers.CharField(source="target.name")

    class Meta:
        model = Handoff
        fields: ClassVar[list[str]] = ["target", "target_name", *GATES]
        read_only_fields = fields


class HandoffWriteSerializer(StrictSerializer):
    target = OrgRelatedField(Agent, help_text="An agent.")
    min_score = serializers.IntegerField(
        default=0, min_value=0, max_value=100, help_text="What has no score passes only at 0."
    )
    min_evidence = serializers.IntegerField(
        default=0, min_value=0, max_value=1_000, help_text="Pieces of evidence that a company needs."
    )
    max_subjects = serializers.IntegerField(
        default=5, min_value=1, max_value=20, help_text="Companies of one execution, the best first."
    )


@extend_schema_serializer(examples=[OpenApiExample("An agent", value=AGENT, response_only=True)])
class AgentSerializer(serializers.ModelSerializer[Agent]):
    """Work of one kind, set up for the organisation. Its triggers and hand-offs come by the context, for all shown."""

    configuration: Any = serializers.DictField(help_text="As the kind's `configuration_schema` has it.")
    schedule = serializers.SerializerMethodField(help_text="In words; empty without one.")
    run_cost_cap = CostField(read_only=True, allow_null=True, help_text="US dollars; null: the organisation's.")
    triggers = serializers.SerializerMethodField()
    handoffs = serializers.SerializerMethodField()

    class Meta:
        model = Agent
        fields: ClassVar[list[str]] = list(AGENT)
        read_only_fields = fields

    def get_schedule(self, agent: Agent) -> str:
        return describe(agent.schedule_cron, agent.time_zone) if agent.schedule_cron else ""

    @extend_schema_field(TriggerSerializer(many=True))
    def get_triggers(self, agent: Agent) -> Any:
        rows: list[AgentTrigger] = self.context["triggers"].get(agent.pk, [])
        return [{"event_name": row.event_name, "where": row.where} for row in rows]

    @extend_schema_field(HandoffSerializer(many=True))
    def get_handoffs(self, agent: Agent) -> Any:
        return HandoffSerializer(self.context["handoffs"].get(agent.pk, []), many=True).data


def shown(agents: list[Agent]) -> Any:
    """As the API has them; two queries for all."""
    context = {"triggers": triggers_of(agents), "handoffs": handoffs_of(agents)}
    return AgentSerializer(agents, many=True, context=context).data


class AgentEditSerializer(StrictSerializer):
    """What may be changed. `triggers` and `handoffs` replace those that there are."""

    name = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True, default="")
    configuration = serializers.DictField(
        default=dict, help_text="As the `configuration_schema` of its kind has it, all of it; see `agents/kinds/`."
    )
    is_active = serializers.BooleanField(default=True, help_text="False: paused.")
    schedule_cron = serializers.CharField(
        max_length=100, allow_blank=True, default="", help_text="Minute, hour, day, month, weekday; empty: no schedule."
    )
    time_zone = serializers.CharField(max_length=60, default="Europe/London", help_text="E.g. Europe/London.")
    run_cost_cap = CostField(
        allow_null=True, default=None, help_text="US dollars an execution may cost; null: the organisation's."
    )
    # The stubs do not know what `many` takes.
    triggers = TriggerSerializer(many=True, required=False, max_length=len(TRIGGERING))  # type: ignore[call-arg]
    handoffs = HandoffWriteSerializer(many=True, required=False, max_length=MAX_HANDOFFS)  # type: ignore[call-arg]


@extend_schema_serializer(examples=[OpenApiExample("An agent", value=NEW, request_only=True)])
class AgentCreateSerializer(AgentEditSerializer):
    agent_type = serializers.CharField(max_length=40, help_text="The kind; see `agents/kinds/`.")


@extend_schema_serializer(
    examples=[OpenApiExample("Each morning", value={"schedule_cron": "0 8 * * *"}, request_only=True)]
)
class AgentPatchSerializer(AgentEditSerializer):
    pass


@extend_schema_serializer(examples=[OpenApiExample("For a company", value={"input": {}}, request_only=True)])
class RunSerializer(StrictSerializer):
    input = serializers.DictField(default=dict, help_text="As the `input_schema` of its kind has it.")


class AgentFilter(django_filters.FilterSet):
    agent_type = django_filters.CharFilter("agent_type", "exact", help_text="The kind, e.g. scout_agent.")
    is_active = django_filters.BooleanFilter("is_active", help_text="Whether it is at work: not paused.")

    class Meta:
        model = Agent
        fields: ClassVar[list[str]] = []


@extend_schema(tags=["agents"])
class AgentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, IdempotentPost,
                   OrgViewSet):  # fmt: skip
    """Agents of the organisation."""

    model = Agent
    serializer_class = AgentSerializer
    filterset_class = AgentFilter
    ordering_fields = ("-id", "name", "agent_type")

    def get_queryset(self) -> QuerySet[Agent]:
        return super().get_queryset().select_related("org")

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    @extend_schema(summary="List agents")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(shown(list(page or [])))

    @extend_schema(summary="One agent")
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._answer(self.get_object())

    @extend_schema(summary="Set up an agent", request=AgentCreateSerializer, responses={201: AgentSerializer})
    def create(self, request: Request) -> Response:
        """What is wrong with the configuration is named `configuration.<field>`. A schedule that is due while nobody
        works is made up for once."""
        values = self._valid(AgentCreateSerializer)
        actor = request.actor  # type: ignore[attr-defined]
        wires = {name: values.pop(name) or () for name in WIRES}
        agent = create_wired_agent(org=actor.org, values=values, created_by=actor.label, **wires)
        return self._answer(agent, status.HTTP_201_CREATED)

    @extend_schema(summary="Change an agent", request=AgentPatchSerializer, responses=AgentSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """The configuration is replaced as a whole, and so are triggers and hand-offs."""
        agent: Agent = self.get_object()
        values = self._valid(AgentPatchSerializer, partial=True)
        wires = {name: values.pop(name) for name in WIRES}
        return self._answer(update_wired_agent(agent=agent, changes=values, **wires))

    @extend_schema(summary="Delete an agent, with its executions")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What it found, and what it cost, stays. One at work is a conflict (409, `wrong_state`)."""
        delete_agent(agent=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Run an agent",
        request=RunSerializer,
        responses={202: ExecutionDetailSerializer},
    )
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """The execution is found at `Location`. It may spend money on language models, within the caps. A paused agent
        runs, too: pausing keeps the clock and events from starting it, not people."""
        agent: Agent = self.get_object()
        given = self._data(RunSerializer)["input"]
        label = request.actor.label  # type: ignore[attr-defined]
        execution, _ = start_execution(agent=agent, trigger=Trigger.API, given=given, requested_by=label)
        return execution_accepted(execution)

    @extend_schema(summary="Show what an execution would come to", request=RunSerializer,
                   responses={202: JobDetailSerializer})  # fmt: skip
    @action(detail=True, methods=["post"], url_path="dry-run")
    def dry_run(self, request: Request, pk: str) -> Response:
        """A job, whose `output` is what an execution would write, tell and hand on, what it would ask language models
        and what that may cost at most, against the caps. Nobody outside is asked, and none of it stays. It fails if it
        takes longer than a minute, as others wait for what it looks at."""
        agent: Agent = self.get_object()
        given = self._data(RunSerializer)["input"]
        label = request.actor.label  # type: ignore[attr-defined]
        run = request_dry_run(agent=agent, given=given, requested_by=label)
        return job_accepted(run, JobDetailSerializer(run).data)

    @extend_schema(summary="Pause an agent", request=None, responses=AgentSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """The clock, events and hand-offs start it no more; what is at work goes on."""
        return self._switch(is_active=False)

    @extend_schema(summary="Resume an agent", request=None, responses=AgentSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """It is due next at the first time of its schedule from now on."""
        return self._switch(is_active=True)

    def _switch(self, *, is_active: bool) -> Response:
        agent: Agent = self.get_object()
        self._data(NothingSerializer)
        return self._answer(update_agent(agent=agent, changes={"is_active": is_active}))

    def _data(self, serializer_class: type[StrictSerializer], *, partial: bool = False) -> dict[str, Any]:
        context = self.get_serializer_context()
        serializer = serializer_class(data=self.request.data, partial=partial, context=context)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values

    def _valid(self, serializer_class: type[AgentEditSerializer], *, partial: bool = False) -> dict[str, Any]:
        """The values, with `triggers` and `handoffs` as the services take them; None where they are not given."""
        values = dict(self._data(serializer_class, partial=partial))
        triggers, handoffs = values.pop("triggers", None), values.pop("handoffs", None)
        values["triggers"] = None if triggers is None else [TriggerSpec(**each) for each in triggers]
        values["handoffs"] = (
            None if handoffs is None else [HandoffSpec(**each | {"target": each["target"].pk}) for each in handoffs]
        )
        return values

    @staticmethod
    def _answer(agent: Agent, status_code: int = status.HTTP_200_OK) -> Response:
        return Response(shown([agent])[0], status_code)
