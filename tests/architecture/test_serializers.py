"""What every serializer and filter of the API keeps to."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django_filters
import pytest
from django.conf import settings
from rest_framework import serializers

from oppspot.organizations.api import OrgRelatedField, StrictModelSerializer, StrictSerializerMixin
from oppspot.organizations.models import ApiKey
from oppspot.organizations.scoping import OrgOwned
from tests.architecture.org_owned import PROJECT
from tests.architecture.test_source import SOURCES

ROOT = Path(settings.BASE_DIR)
for source in SOURCES:  # a serializer exists once its module is imported
    if source.stem == "api" or source.stem.endswith("_api") or source.parent.name == "api":
        importlib.import_module(".".join(source.relative_to(ROOT).with_suffix("").parts))

# Keys that the server sets, never the client.
NEVER_WRITABLE = {"org", "id", "created_at", "updated_at", "created_by", "digest", "prefix", "text_hash"}


def subclasses(base: type[Any]) -> Iterator[type[Any]]:
    for found in base.__subclasses__():
        yield from subclasses(found)
        if found.__module__.startswith(PROJECT):
            yield found


def fields_of(serializer: type[Any]) -> dict[str, Any]:
    instance = serializer()
    return dict(instance.fields) if hasattr(instance, "fields") else {}


def unscoped_relations(serializer: type[Any]) -> list[str]:
    """Fields through which a client could name another organisation's row."""
    found = []
    for name, field in fields_of(serializer).items():
        relation = getattr(field, "child_relation", field)
        if not isinstance(relation, serializers.RelatedField) or isinstance(relation, OrgRelatedField):
            continue
        queryset = getattr(relation, "queryset", None)
        if not relation.read_only and (queryset is None or issubclass(queryset.model, OrgOwned)):
            found.append(name)
    return found


SERIALIZERS = sorted(
    (found for found in set(subclasses(serializers.Serializer)) if found is not StrictModelSerializer),
    key=lambda found: found.__qualname__,
)
FILTERS = sorted(set(subclasses(django_filters.FilterSet)), key=lambda found: found.__qualname__)


def test_there_are_serializers_and_filters() -> None:
    assert len(SERIALIZERS) > 10
    assert len(FILTERS) >= 4


@pytest.mark.parametrize("serializer", SERIALIZERS, ids=lambda found: found.__qualname__)
def test_relations_to_org_owned_models_are_scoped(serializer: type[Any]) -> None:
    assert unscoped_relations(serializer) == []


@pytest.mark.parametrize("serializer", SERIALIZERS, ids=lambda found: found.__qualname__)
def test_fields_are_named_one_by_one(serializer: type[Any]) -> None:
    assert getattr(getattr(serializer, "Meta", None), "fields", None) != serializers.ALL_FIELDS


@pytest.mark.parametrize("serializer", SERIALIZERS, ids=lambda found: found.__qualname__)
def test_what_is_written_is_strict_and_leaves_the_servers_fields_alone(serializer: type[Any]) -> None:
    writable = {name for name, field in fields_of(serializer).items() if not field.read_only}
    if issubclass(serializer, StrictSerializerMixin):
        assert writable & NEVER_WRITABLE == set()


@pytest.mark.parametrize("filterset", FILTERS, ids=lambda found: found.__qualname__)
def test_filters_do_not_name_org_owned_rows(filterset: type[Any]) -> None:
    for name, declared in filterset.base_filters.items():
        queryset = declared.extra.get("queryset")
        assert queryset is None or not issubclass(queryset.model, OrgOwned), name
        assert declared.lookup_expr not in {"regex", "iregex"}, f"{name}: a pattern from outside can take for ever"


def test_the_rule_finds_a_plain_field() -> None:
    class Wrong(serializers.Serializer[Any]):
        key = serializers.PrimaryKeyRelatedField(queryset=ApiKey.all_orgs.all())
        keys = serializers.PrimaryKeyRelatedField(queryset=ApiKey.all_orgs.all(), many=True)
        shown: Any = serializers.PrimaryKeyRelatedField(read_only=True)
        right = OrgRelatedField(ApiKey)

    assert unscoped_relations(Wrong) == ["key", "keys"]
