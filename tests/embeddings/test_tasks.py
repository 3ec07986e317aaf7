"""Functions that make vectors: steps, bursts, failures, and requests that fan out into batches."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.sites import site
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from businesses.models import Business
from businesses.services import edit_business, save_business
from embeddings import requests, tasks
from embeddings.models import EmbeddingModel
from embeddings.providers.base import InputRejected
from embeddings.template import TEMPLATE
from oppspot.core.errors import PermanentError, RetryableError
from oppspot.jobs.models import Event, Outcome, Priority, Run, Status, Step
from oppspot.jobs.registry import InvalidEventData, get_event
from oppspot.jobs.scheduling import declared
from oppspot.jobs.services import cancel_run, emit, retry_run
from oppspot.organizations.idempotency import LIFETIME
from oppspot.organizations.models import IdempotentRequest, Organization, User
from tests.embeddings.test_generation import Recorder
from tests.factories import make_business
from tests.jobs.steps import output_of, run_of, skip_waiting, work, work_off

pytestmark = pytest.mark.django_db(transaction=True)

ONE, BATCH, REQUEST = "company/embedding.generate", "embeddings/batch.generate", "embeddings/request.generate"
NOBODY = UUID(int=1)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """What every function asks for vectors."""
    made = Recorder()
    for module in (tasks, requests):
        monkeypatch.setattr(module, "get_provider", lambda: made)
    return made


def refuse(error: BaseException, *, of: str = "") -> Callable[[Sequence[str]], None]:
    def before(texts: Sequence[str]) -> None:
        if any(of in text for text in texts):
            raise error

    return before


def runs(function: str) -> list[Run]:
    return list(Run.all_orgs.filter(function=f"embeddings.{function}").order_by("pk"))


def is_current(business: Business) -> bool:
    business.refresh_from_db()
    return business.embedding_hash == f"{TEMPLATE}:{business.text_hash}"


# One company


def test_a_company_gets_its_vector_in_three_steps(provider: Recorder) -> None:
    acme = make_business("Acme", description="We fix pipes.", categories=["Plumbing"])
    (pk,) = emit(ONE, {"company_id": acme.pk}).run_ids
    work_off()
    run = run_of(pk)
    assert (run.status, run.error) == (Status.COMPLETED, "")
    assert output_of(run.pk) == {"result": "embedded", "model": "recorder", "tokens": 5}
    assert list(run.steps.order_by("pk").values_list("name", flat=True)) == ["fetch", "generate", "save"]
    assert is_current(acme)
    assert acme.embedding_token_count == 5


@pytest.mark.parametrize(("stored", "expected"), [(True, "current"), (False, "gone")])
def test_a_company_without_need_ends_the_run(provider: Recorder, stored: bool, expected: str) -> None:
    acme = make_business("Acme")
    emit(ONE, {"company_id": acme.pk})
    work_off()
    if not stored:
        acme.delete()
    (pk,) = emit(ONE, {"company_id": acme.pk or uuid4()}).run_ids
    work_off()
    assert output_of(pk) == {"result": expected}
    assert len(provider.calls) == 1


def test_a_company_edited_meanwhile_is_not_overwritten(provider: Recorder) -> None:
    acme = make_business("Old name")
    provider.before = lambda texts: Business.objects.filter(pk=acme.pk).update(name="New name")
    (pk,) = emit(ONE, {"company_id": acme.pk}).run_ids
    work_off()
    assert output_of(pk) == {"result": "superseded"}
    acme.refresh_from_db()
    assert acme.embedding is None


@pytest.mark.parametrize("name", ["high", "normal", "low"])
def test_the_priority_is_the_events(provider: Recorder, name: str) -> None:
    (pk,) = emit(ONE, {"company_id": uuid4(), "priority": name}).run_ids
    assert run_of(pk).priority == Priority[name.upper()]


@pytest.mark.parametrize("data", [{}, {"company_id": "x"}, {"company_id": str(NOBODY), "priority": "soon"}])
def test_data_that_does_not_fit_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventData):
        emit(ONE, data)


def test_a_limit_of_the_provider_is_waited_out(provider: Recorder) -> None:
    acme = make_business("Acme")
    provider.before = refuse(RetryableError("Slow down.", retry_after=77))
    (pk,) = emit(ONE, {"company_id": acme.pk}).run_ids
    skip_waiting()
    work()
    run = run_of(pk)
    assert (run.status, run.waiting_for, run.attempt) == (Status.QUEUED, "time", 1)
    assert timedelta(seconds=70) < run.run_after - timezone.now() <= timedelta(seconds=77)
    provider.before = lambda texts: None
    work_off()
    run = run_of(pk)
    assert (run.status, run.attempt) == (Status.COMPLETED, 2)
    assert is_current(acme)
    assert run.steps.filter(name="fetch").count() == 1, "what was done is not done again"


def test_a_vector_that_was_paid_for_is_not_paid_for_again(provider: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = make_business("Acme")
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "write_vectors", lambda *_: 1 / 0)
        (pk,) = emit(ONE, {"company_id": acme.pk}).run_ids
        skip_waiting()
        work()
    assert run_of(pk).error == "ZeroDivisionError: division by zero"
    work_off()
    assert is_current(acme)
    assert len(provider.calls) == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermanentError("The key is not valid."), "PermanentError: The key is not valid."),
        (InputRejected("too odd"), "PermanentError: The provider does not take the text of Acme: too odd"),
    ],
)
def test_what_fails_for_good_is_a_dead_letter(provider: Recorder, error: Exception, message: str) -> None:
    acme = make_business("Acme")
    provider.before = refuse(error)
    (pk,) = emit(ONE, {"company_id": acme.pk}).run_ids
    work_off()
    run = run_of(pk)
    assert (run.is_dead_letter, run.attempt, run.error) == (True, 1, message)


# Edits


def test_a_burst_of_edits_is_one_run_with_the_newest_text(provider: Recorder, register_client: APIClient) -> None:
    acme, other = make_business("Acme"), make_business("Other")
    for number in range(5):
        body = {"description": f"Version {number}."}
        assert register_client.patch(f"/api/v1/businesses/{acme.pk}/", body).status_code == 200
    edit_business(business_id=other.pk, changes={"town": "Leeds"}, edited_by="user:1")
    first, second = runs("generate_embedding")
    assert (first.org, second.org, second.requested_by) == (None, None, "user:1")
    assert first.requested_by.startswith("ospt_")
    assert first.event.data == {"company_id": str(acme.pk), "priority": "normal"}
    assert work() == 0, "not before the burst has ended"
    work_off()
    assert provider.calls == [["Acme. Version 4"], ["Other. Leeds"]]
    assert is_current(acme)


@pytest.mark.parametrize("changes", [{"employee_count": 12}, {"town": "Leeds"}, {}])
def test_an_edit_that_leaves_the_text_alone_asks_for_nothing(changes: dict[str, Any]) -> None:
    acme = make_business("Acme", town="Leeds")
    edit_business(business_id=acme.pk, changes=changes, edited_by="user:1")
    assert not Event.all_orgs.exists()


def test_an_edit_that_is_rolled_back_asks_for_nothing() -> None:
    acme = make_business("Acme")
    with transaction.atomic():
        edit_business(business_id=acme.pk, changes={"description": "New."}, edited_by="user:1")
        assert len(runs("generate_embedding")) == 1
        transaction.set_rollback(True)
    assert (Event.all_orgs.count(), Run.all_orgs.count()) == (0, 0)


def test_a_new_company_asks_for_its_first_vector() -> None:
    save_business(Business(name="Acme"), saved_by="user:1")
    assert len(runs("generate_embedding")) == 1


def test_the_admin_asks_for_a_vector(olga: User, client: Client) -> None:
    acme = make_business("Acme")
    client.force_login(olga)
    page = f"/admin/businesses/business/{acme.pk}/change/"
    model_admin = site._registry[Business]
    form = client.get(page).context["adminform"].form
    body = {name: form[name].value() or "" for name in form.fields if name not in model_admin.readonly_fields}
    body |= {"sic_codes": "", "categories": ""}
    assert client.post(page, body | {"employee_count": 3}).status_code == 302
    assert not Event.all_orgs.exists()
    assert client.post(page, body | {"description": "We fix pipes."}).status_code == 302
    (run,) = runs("generate_embedding")
    assert (run.requested_by, run.event.data["company_id"]) == (f"user:{olga.pk}", str(acme.pk))


# A batch


def test_a_batch_says_what_became_of_each_company(provider: Recorder) -> None:
    good, bad = [make_business() for _ in range(3)], make_business("Poison")
    provider.before = refuse(InputRejected("not this one"), of="Poison")
    ids = [business.pk for business in (*good, bad)]
    (pk,) = emit(BATCH, {"company_ids": [*ids, uuid4()]}).run_ids
    work_off()
    run = run_of(pk)
    assert run.status == Status.COMPLETED
    assert (run.progress_done, run.progress_total) == (5, 5)
    assert {name: output_of(run.pk)[name] for name in ("embedded", "failed", "unchanged", "model")} == {
        "embedded": 3,
        "failed": 1,
        "unchanged": 0,
        "model": "recorder",
    }
    assert output_of(run.pk)["failures"] == [{"company_id": str(bad.pk), "name": "Poison", "reason": "not this one"}]


def test_a_batch_goes_on_where_it_was(provider: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "max_batch_inputs", 2)
    companies = [make_business() for _ in range(6)]

    def fail_later(texts: Sequence[str]) -> None:
        if len(provider.calls) == 2:
            raise RetryableError("Slow down.", retry_after=5)

    provider.before = fail_later
    (pk,) = emit(BATCH, {"company_ids": [company.pk for company in companies]}).run_ids
    work()
    run = run_of(pk)
    assert (run.status, run.waiting_for, run.error) == (Status.QUEUED, "time", "RetryableError: Slow down.")
    assert run.progress_done == 2
    work_off()
    run = run_of(pk)
    assert (output_of(run.pk)["embedded"], output_of(run.pk)["unchanged"], run.progress_done) == (4, 2, 6)
    assert len(set(provider.texts)) == 6


def test_a_batch_is_put_back_when_its_worker_stops(provider: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "max_batch_inputs", 2)
    companies = [make_business() for _ in range(6)]
    (pk,) = emit(BATCH, {"company_ids": [company.pk for company in companies]}).run_ids
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "is_stopping", lambda: True)
        work(limit=1)
    run = run_of(pk)
    assert (run.status, run.attempt) == (Status.QUEUED, 0)
    assert run.attempts.get().outcome == Outcome.RELEASED
    assert len(provider.calls) == 1
    work_off()
    assert output_of(pk)["embedded"] == 4


@pytest.mark.parametrize("ids", [[], [str(NOBODY) for _ in range(101)], ["x"], None])
def test_a_batch_has_one_to_a_hundred_companies(ids: Any) -> None:
    with pytest.raises(InvalidEventData, match="company_ids"):
        emit(BATCH, {"company_ids": ids})


# A request


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"generate_all": True, "company_ids": [str(NOBODY)]},
        {"company_ids": []},
        {"generate_all": True, "batch_size": 0},
        {"generate_all": True, "batch_size": 101},
    ],
)
def test_a_request_names_companies_or_all(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventData):
        emit(REQUEST, data)


def test_a_request_becomes_batches_and_adds_them_up(provider: Recorder, org_a: Organization) -> None:
    companies = [make_business() for _ in range(7)]
    make_business("Not asked for")
    bad = make_business("Poison")
    provider.before = refuse(InputRejected("not this one"), of="Poison")
    ids = [company.pk for company in (*companies, bad)]
    emitted = emit(REQUEST, {"company_ids": ids, "batch_size": 3}, org=org_a, priority=Priority.HIGH)
    work(limit=1)
    parent = run_of(emitted.run_ids[0])
    assert (parent.status, parent.waiting_for, parent.progress_total) == (Status.QUEUED, "children", 8)
    batches = runs("generate_batch")
    assert sorted(len(batch.event.data["company_ids"]) for batch in batches) == [2, 3, 3]
    assert {(batch.org_id, batch.parent_id, batch.priority) for batch in batches} == {(org_a.pk, parent.pk, 0)}
    work_off()
    parent.refresh_from_db()
    assert parent.status == Status.COMPLETED
    assert (parent.progress_done, parent.progress_total, parent.attempt) == (8, 8, 1)
    assert output_of(parent.pk)["batches"] == {"completed": 3}
    assert (output_of(parent.pk)["embedded"], output_of(parent.pk)["failed"]) == (7, 1)
    assert [failure["name"] for failure in output_of(parent.pk)["failures"]] == ["Poison"]
    assert float(output_of(parent.pk)["cost"]) == pytest.approx(0.02 * output_of(parent.pk)["tokens"] / 1_000_000)
    assert Business.objects.with_embedding_of("recorder").count() == 7


def test_a_request_that_dies_between_slices_doubles_nothing(
    provider: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "SLICE_BATCHES", 2)
    for _ in range(13):
        make_business()
    ids = requests.Slice.ids
    calls: list[int] = []

    def die_once(self: requests.Slice) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise SystemExit(1)
        return ids(self)

    monkeypatch.setattr(requests.Slice, "ids", die_once)
    (pk,) = emit(REQUEST, {"generate_all": True, "batch_size": 2}).run_ids
    work(limit=1)
    assert len(runs("generate_batch")) == 4
    work_off()
    wanted = [company for batch in runs("generate_batch") for company in batch.event.data["company_ids"]]
    assert len(wanted) == len(set(wanted)) == 13
    assert len(runs("generate_batch")) == 7
    run = run_of(pk)
    assert (run.status, run.attempt, output_of(run.pk)["embedded"]) == (Status.COMPLETED, 2, 13)
    assert Step.objects.filter(run=run, name__startswith="slice-").count() == 4
    assert len(provider.texts) == 13


def test_a_step_that_dies_after_emitting_has_emitted_nothing(
    provider: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_business()
    emit_slice = tasks._emit_slice
    calls: list[int] = []

    def die_once(*args: Any) -> Any:
        emitted = emit_slice(*args)
        calls.append(1)
        if len(calls) == 1:
            raise SystemExit(1)
        return emitted

    monkeypatch.setattr(tasks, "_emit_slice", die_once)
    emit(REQUEST, {"generate_all": True})
    work(limit=1)
    assert runs("generate_batch") == []
    work_off()
    assert [run.status for run in runs("generate_batch")] == [Status.COMPLETED]


def test_a_request_for_all_makes_the_model_searchable(provider: Recorder) -> None:
    make_business()
    (pk,) = emit(REQUEST, {"generate_all": True}).run_ids
    assert run_of(pk).priority == Priority.LOW
    work_off()
    assert run_of(pk).status == Status.COMPLETED
    assert EmbeddingModel.objects.get().name == "recorder"


def test_a_request_without_need_completes_at_once(provider: Recorder) -> None:
    (pk,) = emit(REQUEST, {"generate_all": True}).run_ids
    work_off()
    run = run_of(pk)
    assert (run.status, output_of(run.pk)["batches"], output_of(run.pk)["embedded"]) == (Status.COMPLETED, {}, 0)
    assert output_of(run.pk)["cost"] == "0"


def test_a_request_fails_with_its_batches_and_retries_them(provider: Recorder) -> None:
    companies = [make_business() for _ in range(3)] + [make_business("Poison")]
    provider.before = refuse(PermanentError("The key is not valid."), of="Poison")
    (pk,) = emit(REQUEST, {"company_ids": [company.pk for company in companies], "batch_size": 1}).run_ids
    work_off()
    run = run_of(pk)
    assert run.is_dead_letter
    assert run.error == ("PermanentError: 1 of 4 batches failed. The first: PermanentError: The key is not valid.")
    assert Business.objects.with_embedding_of("recorder").count() == 3
    provider.before = lambda texts: None
    retry_run(run)
    work_off()
    run = run_of(pk)
    assert (run.status, output_of(run.pk)["batches"], output_of(run.pk)["embedded"]) == (
        Status.COMPLETED,
        {"completed": 4},
        4,
    )
    assert len(runs("generate_batch")) == 4


def test_a_cancelled_request_is_retried_with_its_batches(provider: Recorder) -> None:
    companies = [make_business() for _ in range(3)]
    (pk,) = emit(REQUEST, {"company_ids": [company.pk for company in companies], "batch_size": 1}).run_ids
    work(limit=2)  # the request, and one batch
    cancel_run(run_of(pk))
    assert [run.status for run in runs("generate_batch")].count(Status.CANCELLED) == 2
    work_off()
    retry_run(run_of(pk))
    work_off()
    assert (output_of(pk)["batches"], output_of(pk)["embedded"]) == ({"completed": 3}, 3)
    assert len(provider.calls) == 3


# By the clock


def test_what_is_scheduled_fits_its_event(settings: Settings) -> None:
    for one in declared().values():
        assert get_event(one.event).validated(one.data)
        assert get_event(one.event).listeners
    nightly = declared()["nightly embeddings"]
    assert (nightly.cron, nightly.time_zone, nightly.event) == ("30 2 * * *", "Europe/London", REQUEST)


def test_expired_idempotency_keys_are_deleted(org_a: Organization) -> None:
    for key, age in (("old", LIFETIME), ("new", timedelta(0))):
        row = IdempotentRequest.objects.for_org(org_a).create(
            org=org_a, key=key, request_line="POST /", fingerprint="0" * 64, status_code=200, headers={}, body=""
        )
        IdempotentRequest.objects.for_org(org_a).filter(pk=row.pk).update(created_at=timezone.now() - age)
    (pk,) = emit("jobs/idempotent_requests.delete", {}).run_ids
    work_off()
    assert output_of(pk) == {"deleted": 1}
    assert [row.key for row in IdempotentRequest.objects.for_org(org_a)] == ["new"]


def test_a_wish_for_a_report_is_checked_and_stored(org_a: Organization) -> None:
    name, data = "agent/research_gpt.run", {"company_id": NOBODY, "depth": "detailed", "requested_by": "user:1"}
    emitted = emit(name, data, org=org_a)
    assert (len(emitted.run_ids), Event.objects.for_org(org_a).get().name) == (1, name)
    for wrong in ({**data, "company_id": "x"}, {"company_id": data["company_id"]}):
        with pytest.raises(InvalidEventData):
            emit(name, wrong, org=org_a)
