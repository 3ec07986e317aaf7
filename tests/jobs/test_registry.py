"""Events and functions: what may be registered, and what data may be emitted."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from oppspot.core.errors import InvalidInput
from oppspot.jobs import registry
from oppspot.jobs.registry import Backoff, InvalidEventData, UnknownEvent, event, function, get_event, get_function
from tests.jobs.sample.events import Work


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_events", dict(registry._events))
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))
    listeners = get_event("sample/work.do").listeners
    before = list(listeners)
    yield
    listeners[:] = before


def test_an_unknown_event_names_those_there_are() -> None:
    with pytest.raises(UnknownEvent, match="sample/work"):
        get_event("sample/work.don")


def test_bad_data_names_the_field() -> None:
    with pytest.raises(InvalidEventData, match="steps") as caught:
        get_event("sample/work.do").validated({"steps": "many"})
    assert list(caught.value.fields) == ["steps"]
    assert isinstance(caught.value, InvalidInput)


@pytest.mark.parametrize("name", ["work", "Sample/work.do", "sample/", "sample/work do", "/work"])
def test_names_of_events_have_one_form(name: str) -> None:
    with pytest.raises(ValueError, match="app/noun"):
        event(name)(Work)


def test_an_event_has_one_schema() -> None:
    class Other(BaseModel):
        pass

    with pytest.raises(ValueError, match="registered twice"):
        event("sample/work.do")(Other)


def test_a_function_listens_to_an_event_that_exists() -> None:
    with pytest.raises(ValueError, match="not registered"):
        function(on="sample/nothing.happens")(lambda ctx, data: None)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"retries": -1}, "retries"),
        ({"timeout": 0}, "timeout"),
        ({"concurrency": ("org", 0)}, "concurrency"),
        ({"rate_limit": ("org", 5, 0)}, "rate_limit"),
        ({"debounce": ("key", 1.0), "batch": ("key", 5, 1.0)}, "exclude each other"),
        ({"batch": ("key", 1, 1.0)}, "batch"),
        ({"batch": ("key", 5, 1.0), "idempotency": "key"}, "idempotency"),
    ],
)
def test_terms_that_cannot_be_meant_are_refused(terms: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(on=Work, name="sample.refused", **terms)(lambda ctx, data: None)  # type: ignore[arg-type]
    assert get_function("sample.refused") is None


def test_two_functions_do_not_share_a_name() -> None:
    with pytest.raises(ValueError, match="two functions"):
        function(on=Work, name="sample.work")(lambda ctx, data: None)


def test_backoff_doubles_up_to_its_longest_with_jitter() -> None:
    backoff = Backoff(first=2, longest=60)
    for attempt, full in ((1, 2), (2, 4), (3, 8), (10, 60), (10_000, 60)):
        delays = [backoff.delay(attempt) for _ in range(50)]
        assert all(full / 2 <= delay <= full for delay in delays)
        assert len(set(delays)) > 1
