"""A kind's parameters as fields of a form, made from their pydantic model: nobody has to write JSON."""

import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from django import forms
from django.apps import apps
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from unfold import widgets

from agents.references import Refers, reference_of
from oppspot.organizations.models import Organization
from oppspot.organizations.scoping import OrgOwned

LONG = 200  # characters from which a text gets a box instead of a line
OFFERED = 500  # rows of the organisation that a list offers; what there are more of is named by id
SEPARATOR = "__"


class LinesField(forms.CharField):
    """A list, one item a line."""

    widget = widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3})

    def to_python(self, value: Any) -> Any:
        return [line for line in (part.strip() for part in str(value or "").splitlines()) if line]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value


class ReferenceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A row of the organisation, given as its id."""

    def clean(self, value: Any) -> Any:
        found = super().clean(value)
        return str(found.pk) if found is not None else None


class ReferencesField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Rows of the organisation, given as their ids."""

    def clean(self, value: Any) -> Any:
        return [str(row.pk) for row in super().clean(value)]


@dataclass(frozen=True)
class Made:
    """A field of the form, and the place of its value in the configuration."""

    name: str
    path: tuple[str, ...]
    field: forms.Field
    is_optional: bool  # may be None


def fields_of(schema: type[BaseModel], org: Organization, *, prefix: str) -> list[Made]:
    """A field for each of the model's, those of models within it too, in their order."""
    return list(_fields(schema, org, (prefix,), ""))


def _fields(schema: type[BaseModel], org: Organization, path: tuple[str, ...], group: str) -> Iterator[Made]:
    for name, info in schema.model_fields.items():
        inner, is_optional = _unwrapped(info.annotation)
        here = (*path, name)
        title = info.title or name.replace("_", " ").capitalize()
        if isinstance(inner, type) and issubclass(inner, BaseModel) and not is_optional:
            yield from _fields(inner, org, here, title)
            continue
        field = _field(inner, info, org)
        field.required = info.is_required() and not is_optional and not isinstance(field, forms.BooleanField)
        field.label = f"{group}: {title.lower()}" if group else title
        field.help_text = info.description or ""
        yield Made(SEPARATOR.join(here), here[1:], field, is_optional)


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """What a field holds, without `Annotated`, and whether it may be None instead."""
    if get_origin(annotation) is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        inner = [one for one in get_args(annotation) if one is not type(None)]
        is_optional = len(inner) < len(get_args(annotation))
        return (_unwrapped(inner[0])[0] if len(inner) == 1 else Any), is_optional
    return annotation, False


def _field(inner: Any, info: FieldInfo, org: Organization) -> forms.Field:
    is_list = get_origin(inner) is list
    item = _unwrapped(get_args(inner)[0])[0] if is_list else inner
    refers = reference_of(info.annotation, info.metadata)
    if refers is not None:
        return _reference_field(refers, org, is_list=is_list)
    if choices := _choices(item):
        if is_list:
            return forms.MultipleChoiceField(
                choices=choices, widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget, required=False
            )
        return forms.ChoiceField(choices=choices, widget=widgets.UnfoldAdminSelectWidget)
    if is_list:
        return LinesField() if item in {str, int, float, UUID} else _json_field()
    return _scalar_field(inner, info)


def _choices(item: Any) -> list[tuple[str, str]]:
    if get_origin(item) is Literal:
        return [(str(value), str(value).replace("_", " ").capitalize()) for value in get_args(item)]
    if isinstance(item, type) and issubclass(item, Enum):
        return [(str(one.value), str(getattr(one, "label", one.value))) for one in item]
    return []


def _reference_field(refers: Refers, org: Organization, *, is_list: bool) -> forms.Field:
    model: Any = apps.get_model(refers.model)
    if not issubclass(model, OrgOwned):  # the register's: too many to offer
        return LinesField() if is_list else forms.UUIDField(widget=widgets.UnfoldAdminTextInputWidget)
    rows = model.objects.for_org(org)
    if rows.count() > OFFERED:
        return LinesField() if is_list else forms.UUIDField(widget=widgets.UnfoldAdminTextInputWidget)
    if is_list:
        return ReferencesField(rows, widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget, required=False)
    return ReferenceField(rows, widget=widgets.UnfoldAdminSelectWidget)


def _scalar_field(inner: Any, info: FieldInfo) -> forms.Field:
    bounds: dict[str, Any] = {}
    for mark in info.metadata:
        for name, bound in (("min_value", "ge"), ("max_value", "le"), ("max_length", "max_length")):
            if (value := getattr(mark, bound, None)) is not None:
                bounds[name] = value
    length = bounds.pop("max_length", None)
    if inner is str:
        is_pattern = any(getattr(mark, "pattern", None) for mark in info.metadata)
        is_long = not is_pattern and (length is None or length > LONG)
        widget = widgets.UnfoldAdminTextareaWidget(attrs={"rows": 4}) if is_long else widgets.UnfoldAdminTextInputWidget
        return forms.CharField(widget=widget, max_length=length)
    made: dict[Any, Callable[[], forms.Field]] = {
        bool: lambda: forms.BooleanField(widget=widgets.UnfoldBooleanSwitchWidget, required=False),
        int: lambda: forms.IntegerField(widget=widgets.UnfoldAdminIntegerFieldWidget, **bounds),
        float: lambda: forms.FloatField(widget=widgets.UnfoldAdminDecimalFieldWidget, **bounds),
        date: lambda: forms.DateField(widget=widgets.UnfoldAdminSingleDateWidget),
        UUID: lambda: forms.UUIDField(widget=widgets.UnfoldAdminTextInputWidget),
    }
    return made.get(inner, _json_field)()


def _json_field() -> forms.Field:
    return forms.JSONField(widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 4}))


def value_at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """What the configuration holds at a path; None where it ends before."""
    found: Any = values
    for part in path:
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def collected(made: list[Made], cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that the cleaned fields amount to; what was left empty takes its default."""
    values: dict[str, Any] = {}
    for one in made:
        value = cleaned.get(one.name)
        if value in (None, "") and not (one.is_optional or isinstance(one.field, forms.CharField)):
            continue
        if value == "" and one.is_optional:
            value = None
        target = values
        for part in one.path[:-1]:
            target = target.setdefault(part, {})
        target[one.path[-1]] = value
    return values


def field_for(path: str, made: list[Made]) -> str | None:
    """The form's field that an error of `configuration.a.b.0` belongs to; None for the form as a whole."""
    parts = path.split(".")[1:]
    best = [one for one in made if list(one.path) == parts[: len(one.path)]]
    return best[0].name if best else None
