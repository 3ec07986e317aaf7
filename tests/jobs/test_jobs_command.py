"""`manage.py jobs`, as an engineer uses it."""

from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from oppspot.jobs.models import Run, RunLog, Status, Worker
from oppspot.jobs.services import emit
from tests.jobs.conftest import Register
from tests.jobs.sample.events import Work
from tests.jobs.steps import work

pytestmark = pytest.mark.django_db


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("jobs", *arguments, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def run(listen: Register) -> Run:
    def fragile(ctx, data):  # type: ignore[no-untyped-def]
        ctx.step("look", lambda: 1)
        ctx.log("looked around", found=3)
        raise ValueError("broke [bold]here[/bold]")

    listen(fragile, name="test.fragile", retries=0)
    return Run.all_orgs.get(pk=emit(Work, Work(key="k")).run_ids[0])


def test_list_shows_state_and_filters(run: Run) -> None:
    assert "queued" in said("list")
    work()
    assert "ValueError: broke [bold]here[/bold]" in said("list", "--status", "failed")
    assert said("list", "--status", "completed").strip() == "no jobs"
    assert said("list", "--org", "nobody").strip() == "no jobs"


def test_show_tells_all(run: Run) -> None:
    work()
    text = said("show", str(run.pk))
    for part in ("failed", "1 of 1", "sample/work.do", "attempt 1: failed", "step look", "looked around", "the system"):
        assert part in text
    assert RunLog.objects.count() == 1


def test_cancel_and_retry(run: Run) -> None:
    assert "cancelled" in said("cancel", str(run.pk))
    with pytest.raises(CommandError, match="1 of 1 were left"):
        said("cancel", str(run.pk))
    assert "queued" in said("retry", str(run.pk))


@pytest.mark.parametrize("bad", ["nonsense", str(UUID(int=7))])
def test_an_id_that_is_none_is_told(bad: str) -> None:
    with pytest.raises(CommandError, match=r"UUID|no job"):
        said("show", bad)


def test_stats_complain_when_nobody_works(run: Run) -> None:
    with pytest.raises(CommandError, match="No worker"):
        said("stats")
    Worker.objects.create(host="h", pid=1, queue="default")
    text = said("stats")
    assert "queued            1" in text
    assert "ready             1" in text
    work()
    assert Run.all_orgs.get().status == Status.FAILED
