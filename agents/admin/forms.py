"""Forms of agents: who for and what kind first, then the kind's own fields."""

from typing import Any

from django import forms
from unfold import widgets

from agents.admin.configuration import Made, collected, field_for, fields_of, value_at
from agents.base import Kind
from agents.models import Agent
from agents.registry import all_kinds
from agents.services import check_agent
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization

CONFIGURATION = "configuration"
INPUT = "input"
OWN_FIELDS = ("name", "description", "schedule_cron", "time_zone", "run_cost_cap")


class ChooseForm(forms.Form):
    """The first page of a new agent."""

    org = forms.ModelChoiceField(
        Organization.objects.order_by("name"), label="Organisation", widget=widgets.UnfoldAdminSelectWidget
    )
    agent_type = forms.ChoiceField(label="Kind", widget=widgets.UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds: Any = self.fields["agent_type"]
        kinds.choices = [(slug, kind.title) for slug, kind in all_kinds().items()]


class AgentForm(forms.ModelForm[Agent]):
    """Of one organisation and kind; see `agent_form`."""

    made: list[Made] = []
    org: Organization
    kind_slug: str = ""

    class Meta:
        model = Agent
        fields = list(OWN_FIELDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for one in self.made:
            known = value_at(self.instance.configuration, one.path)
            if known is not None:
                self.initial[one.name] = known

    def clean(self) -> dict[str, Any]:
        """Say next to each field what the service would refuse."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        wanted = {name: cleaned[name] for name in OWN_FIELDS if name in cleaned}
        agent = Agent(
            pk=self.instance.pk, org=self.org, agent_type=self.kind_slug, **wanted,
            configuration=collected(self.made, cleaned),
        )  # fmt: skip
        others = Agent.objects.for_org(self.org).filter(name__iexact=agent.name.strip())
        if others.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "The organisation has an agent of this name.")
        try:
            check_agent(agent)
        except InvalidInput as error:
            add_errors(self, error, self.made)
        cleaned[CONFIGURATION] = agent.configuration
        return cleaned


def agent_form(org: Organization, slug: str, kind: Kind[Any, Any] | None) -> type[AgentForm]:
    """The form of agents of this organisation and kind; without the kind's fields if this code no longer has it."""
    made = fields_of(kind.Params, org, prefix=CONFIGURATION) if kind else []
    parts: dict[str, Any] = {"made": made, "org": org, "kind_slug": slug}
    if kind:
        defaults = kind.Params.model_construct().model_dump(mode="json") if _has_defaults(kind) else {}
        for one in made:
            one.field.initial = value_at(defaults, one.path)
    return type("AgentForm", (AgentForm,), parts | {one.name: one.field for one in made})


def _has_defaults(kind: Kind[Any, Any]) -> bool:
    return not any(info.is_required() for info in kind.Params.model_fields.values())


class RunForm(forms.Form):
    """What one execution is given; see `run_form`."""

    made: list[Made] = []


def run_form(agent: Agent, kind: Kind[Any, Any]) -> type[RunForm]:
    """The form of an execution's input."""
    made = fields_of(kind.Input, agent.org, prefix=INPUT)
    for one in made:
        info = kind.Input.model_fields[one.path[0]]
        if len(one.path) == 1 and not info.is_required():
            one.field.initial = info.get_default(call_default_factory=True)
    return type("RunForm", (RunForm,), {"made": made} | {one.name: one.field for one in made})


def add_errors(form: forms.BaseForm, error: InvalidInput, made: list[Made]) -> None:
    """The messages of a refused write, each next to its field."""
    if not error.fields:
        form.add_error(None, error.message)
    for path, messages in error.fields.items():
        name = field_for(path, made) or (path if path in form.fields else None)
        for message in messages:
            form.add_error(name, message if name else f"{path}: {message}")
