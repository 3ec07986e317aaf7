"""What every pull source keeps to, found by the registry: a new one is held to it without a line here."""

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from django.conf import settings

from businesses.models import Business, SourceState
from businesses.sources.pull import PullSource, Selection, Target
from businesses.sources.registry import UnknownSource, source_class, source_names
from oppspot.core.errors import NotConfigured

HOW_TO = Path(settings.BASE_DIR) / "docs" / "how-to" / "add-a-source.md"
MAX_LABEL = 60
each_source = pytest.mark.parametrize("name", source_names())


def module_of(name: str) -> ModuleType:
    return sys.modules[source_class(name).__module__]


def test_there_are_sources() -> None:
    assert "companies_house_api" in source_names()
    with pytest.raises(UnknownSource, match="companies_house_api"):
        source_class("no_such_source")


@each_source
def test_it_is_the_source_of_its_module_and_says_what_it_is(name: str) -> None:
    kind, module = source_class(name), module_of(name)
    assert issubclass(kind, PullSource)
    assert (kind.name, module.__name__) == (name, f"businesses.sources.{name}")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert len(name) <= (SourceState._meta.get_field("source").max_length or 0)
    assert kind.label
    assert kind.label.strip() == kind.label
    assert len(kind.label) <= MAX_LABEL
    assert module.__doc__
    assert len(module.__doc__.strip()) > len(kind.label)


@each_source
def test_labels_tell_sources_apart(name: str) -> None:
    assert [source_class(each).label for each in source_names()].count(source_class(name).label) == 1


@each_source
def test_it_is_made_without_arguments_and_closed_at_any_time(name: str) -> None:
    source = source_class(name)()
    source.close()
    source.close()


@each_source
def test_it_says_what_is_missing_before_it_does_anything(name: str) -> None:
    source = source_class(name)()
    hint = source.missing()
    assert isinstance(hint, str)
    if hint:
        assert hint.endswith(".")
        with pytest.raises(NotConfigured, match=re.escape(hint)):
            source.require()
        for setting in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", hint):
            assert hasattr(settings, setting), f"{name} names {setting}, which is no setting"
    else:
        source.require()


@each_source
def test_it_pulls_as_a_generator_so_that_nothing_happens_before_it_is_asked(name: str) -> None:
    kind = source_class(name)
    assert inspect.isgeneratorfunction(kind.pull)
    assert inspect.isgenerator(kind().pull(Target("no such target")))


@each_source
@pytest.mark.django_db
def test_an_empty_register_and_an_empty_selection_are_nothing_to_pull(name: str) -> None:
    source = source_class(name)()
    targets = list(source.targets(Selection(businesses=Business.objects.none(), limit=0)))
    assert all(isinstance(target, Target) and target.business is None for target in targets)


@each_source
@pytest.mark.django_db
def test_targets_are_named_apart(name: str) -> None:
    keys = [target.key for target in source_class(name)().targets(Selection())]
    assert len(keys) == len(set(keys))


def test_the_how_to_names_modules_and_names_that_there_are() -> None:
    text = HOW_TO.read_text()
    for path in re.findall(r"`((?:businesses|tests|oppspot|docs)/[\w./-]+\.(?:py|md))`", text):
        assert (Path(settings.BASE_DIR) / path).is_file(), path
    from businesses.sources import base, pull

    known = {**vars(base), **vars(pull)}
    for name in re.findall(r"`(Record|Failure|[A-Z][a-z]+[A-Z]\w+|Seen|Office|Profile|Unreadable|Gap|Target)`", text):
        assert name in known or name in OTHER_NAMES, name


OTHER_NAMES = {"CopyRows", "ImportReport", "RetryableError", "PermanentError", "NotConfigured", "SourceState"}
