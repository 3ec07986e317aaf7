"""Files of events: each row once, bad ones with their line, and a file that grew from where it ended."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from hypothesis import given, settings
from hypothesis import strategies as st

from businesses.models import BusinessEvent, SourcePull, SourceState
from businesses.pulling import pull_source
from businesses.sources import event_files
from businesses.sources.event_files import EventFiles
from businesses.sources.event_values import event_of
from businesses.sources.pull import Selection
from oppspot.core.errors import InvalidInput
from tests.businesses.sources.websites import reasons
from tests.factories import make_business

pytestmark = pytest.mark.django_db

GOOD = {"number": "1", "kind": "news", "occurred_on": "2026-03-01", "title": "Good"}


def pull(*paths: Path) -> SourcePull:
    return pull_source(EventFiles(), Selection(paths=paths)).pull


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def titles() -> list[str]:
    return sorted(BusinessEvent.objects.values_list("payload__title", flat=True))


def test_rows_name_their_company_by_number_domain_or_name(tmp_path: Path) -> None:
    company = make_business("Acme Widgets Ltd", company_number="00000001", website="https://acme.example")
    path = write(
        tmp_path / "events.jsonl",
        GOOD | {"source": "crm", "source_url": "https://a.example/1", "id": "7"},
        {"domain": "www.acme.example", "kind": "job_posted", "payload": {"title": "Fitter", "locations": ["Leeds"]}},
        {"name": "ACME WIDGETS LIMITED", "kind": "trade_fair", "payload": '{"title": "Fair", "stand": 4}'},
    )
    assert (pull(path).status, BusinessEvent.objects.filter(business=company).count()) == ("completed", 3)
    first = BusinessEvent.objects.get(kind="news")
    assert (first.occurred_on, first.source, first.source_url) == (
        date(2026, 3, 1),
        "event_files",
        "https://a.example/1",
    )
    assert first.payload == {"title": "Good", "source": "crm"}


def test_a_table_puts_further_columns_into_the_payload(tmp_path: Path) -> None:
    make_business(company_number="00000001")
    path = tmp_path / "events.csv"
    path.write_text('\ufeffnumber;kind;occurred_on;title;locations\n1;job_posted;2026-01-02;"Fitter;\nsenior";"[""Leeds""]"\n'
                    "1;news\n1;news;;Only a title;\n")  # fmt: skip
    done = pull(path)
    assert (done.new, done.failed) == (2, 1)
    assert "events.csv:4: 2 columns instead of 5" in reasons(done)
    assert BusinessEvent.objects.get(kind="job_posted").payload == {"title": "Fitter; senior", "locations": ["Leeds"]}


def test_every_bad_line_is_named_and_stops_nothing(tmp_path: Path) -> None:
    make_business(company_number="00000001")
    bad: list[tuple[Any, str]] = [
        ("{broken", "not JSON"),
        ("[" * 5_000 + "]" * 5_000, "not JSON"),
        ('{"a": ' * 900 + "1" + "}" * 900, "no company"),
        (GOOD | {"x": json.loads("[" * 40 + "]" * 40)}, "nested deeper"),
        ("[1]", "not a JSON object"),
        ("x" * 1_100_000, "longer than a megabyte"),
        ({"kind": "news"}, "no company"),
        (GOOD | {"number": "too long a number"}, "not a company number"),
        ({"domain": "no domain", "kind": "news"}, "not a domain"),
        (GOOD | {"kind": "No Kind!"}, "kind: 'no kind!' is none"),
        (GOOD | {"occurred_on": "01/02/2026"}, "write it as 2026-01-31"),
        (GOOD | {"source_url": "javascript:alert(1)"}, "source_url"),
        (GOOD | {"payload": "text"}, "not a JSON object"),
        (GOOD | {"title": ["a"]}, "payload.title"),
    ]
    path = write(tmp_path / "events.jsonl", *(row for row, _ in bad), "", GOOD | {"title": "a\x00b\ud800\u202ec"})
    done = pull(path)
    assert (done.new, done.failed) == (1, len(bad)), reasons(done)
    assert titles() == ["a bc"]
    for place, (_, reason) in enumerate(bad, start=1):
        (told,) = [each["reason"] for each in done.failures if each["where"] == f"events.jsonl:{place}"]
        assert reason in told


def test_the_same_file_again_has_nothing_and_a_grown_one_only_its_end(tmp_path: Path) -> None:
    make_business(company_number="00000001")
    path = write(tmp_path / "events.jsonl", GOOD, "broken")
    assert (pull(path).items, pull(path).items) == (1, 0)
    with path.open("a") as file:
        file.write(json.dumps(GOOD | {"title": "Later"}) + "\nbroken too\n")
    done = pull(path)
    assert (done.items, done.new) == (1, 1)
    assert "events.jsonl:4" in reasons(done)
    assert titles() == ["Good", "Later"]


def test_a_table_that_grew_is_read_by_its_header(tmp_path: Path) -> None:
    make_business(company_number="00000001")
    path = write(tmp_path / "events.csv", "number,kind,title", "1,news,One")
    pull(path)
    with path.open("a") as file:
        file.write("1,news,{braces}\n")
    assert pull(path).items == 1
    assert titles() == ["One", "{braces}"]


def test_a_file_that_was_replaced_is_read_from_its_start_and_nothing_comes_twice(tmp_path: Path) -> None:
    make_business(company_number="00000001")
    path = write(tmp_path / "events.jsonl", GOOD, GOOD | {"title": "Two"})
    pull(path)
    write(path, GOOD | {"title": "Zero"}, GOOD, GOOD | {"title": "Two"})
    done = pull(path)
    assert (done.items, done.new) == (3, 1)


def test_a_line_that_was_not_finished_is_read_again(tmp_path: Path) -> None:
    make_business(company_number="00000001")
    path = write(tmp_path / "events.jsonl", GOOD)
    whole = json.dumps(GOOD | {"title": "Two"})
    for part in (whole[:20], whole[20:]):
        with path.open("a") as file:
            file.write(part)
        done = pull(path)
    assert (done.new, done.failed) == (1, 0)
    assert pull(path).items == 0
    with path.open("a") as file:
        file.write("\n" + json.dumps(GOOD | {"title": "Three"}))
    done = pull(path)
    assert (done.items, done.failed) == (1, 0)
    assert titles() == ["Good", "Three", "Two"]


def test_an_id_makes_a_row_the_same_event_whatever_else_it_says() -> None:
    with_id, corrected = event_of(GOOD | {"id": "7"}), event_of(GOOD | {"id": "7", "title": "Better"})
    assert with_id.fingerprint == corrected.fingerprint
    assert event_of(GOOD).fingerprint != event_of(GOOD | {"title": "Better"}).fingerprint
    assert event_of(GOOD | {"id": "7", "source": "a"}).identity != event_of(GOOD | {"id": "7", "source": "b"}).identity


def test_a_pull_that_is_stopped_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_business(company_number="00000001")
    monkeypatch.setattr(event_files, "EVERY", 2)
    path = write(tmp_path / "events.jsonl", *(GOOD | {"title": str(n)} for n in range(5)))
    asked: list[int] = []
    stop: Callable[[], bool] = lambda: asked.append(1) or len(asked) > 1  # type: ignore[func-returns-value]  # noqa: E731
    pull_source(EventFiles(), Selection(paths=(path,)), should_stop=stop)
    assert titles() == ["0", "1"]
    assert pull(path).items == 3
    assert titles() == ["0", "1", "2", "3", "4"]


def test_files_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    no_table = write(tmp_path / "letters.txt", "Dear Sir, I write to you")
    long = write(tmp_path / "long.csv", "a," * 600_000)
    done = pull(tmp_path / "absent.jsonl", no_table, long, write(tmp_path / "empty.jsonl"))
    for reason in ("absent.jsonl cannot be read: No such file", "no column kind", "longer than a megabyte"):
        assert reason in reasons(done)
    assert (done.targets, done.failed) == (4, 3)
    assert SourceState.objects.get(target__endswith="absent.jsonl").checkpoint == {}


def test_the_command_pulls_the_files_it_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_business(company_number="00000001")
    call_command("pull_source", "event_files", str(write(tmp_path / "a.jsonl", GOOD)))
    assert "1 facts, 1 new events" in capsys.readouterr().out
    with pytest.raises(CommandError, match="1 failures"):
        call_command("pull_source", "event_files", str(write(tmp_path / "b.jsonl", "x")))


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
COLUMNS = st.sampled_from(["number", "domain", "name", "kind", "occurred_on", "source", "id", "payload", "title", "x"])


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(COLUMNS, VALUES, max_size=8))
def test_any_row_is_an_event_or_refused_in_words(row: dict[str, Any]) -> None:
    with suppress(ValueError, InvalidInput):
        event = event_of({"kind": "news", "number": "1"} | row)
        assert "\x00" not in json.dumps(dict(event.payload), ensure_ascii=False)
