"""What starts an agent and whom it hands on to, as rows below its form."""

from typing import Any

from django import forms
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminSelectWidget

from agents.handoffs import GATES, HandoffSpec
from agents.models import Agent, AgentTrigger, Handoff
from agents.triggers import TRIGGERING, TriggerSpec, valid_triggers
from oppspot.core.errors import InvalidInput


class TriggerFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """Says what the service would refuse."""

    @classmethod
    def get_default_prefix(cls) -> str:
        return "triggers"

    def specs(self) -> list[TriggerSpec]:
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        return [TriggerSpec(row["event_name"], row.get("where") or {}) for row in kept if row.get("event_name")]

    def clean(self) -> None:
        super().clean()
        if not any(self.errors):
            try:
                valid_triggers(self.specs())
            except InvalidInput as error:
                raise forms.ValidationError([text for texts in error.fields.values() for text in texts]) from None


class HandoffFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    @classmethod
    def get_default_prefix(cls) -> str:
        return "handoffs"

    def specs(self) -> list[HandoffSpec]:
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        return [
            HandoffSpec(row["target"].pk, **{name: row[name] for name in GATES}) for row in kept if row.get("target")
        ]

    def clean(self) -> None:
        super().clean()
        if not any(self.errors) and self.instance.pk in {spec.target for spec in self.specs()}:
            raise forms.ValidationError("An agent does not hand on to itself.")


class TriggerInline(TabularInline):
    model = AgentTrigger
    formset = TriggerFormSet
    extra = 0
    fields = ["event_name", "where"]
    verbose_name_plural = "events that start it"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "event_name":
            choices = [(name, name) for name in TRIGGERING]
            return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget)
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class HandoffInline(TabularInline):
    model = Handoff
    formset = HandoffFormSet
    fk_name = "source"
    extra = 0
    fields = ["target", *GATES]
    verbose_name_plural = "agents that it hands what it found to"

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Only agents of the same organisation can be chosen."""
        made = super().get_formset(request, obj, **kwargs)
        made.form.base_fields["target"].queryset = Agent.objects.for_org(obj.org).exclude(pk=obj.pk) if obj else None
        return made
