"""Asking for vectors by API."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from businesses.models import Business
from embeddings.generation_api import REASON
from embeddings.services import generate_embeddings
from oppspot.jobs.models import Event, Priority, Run
from oppspot.organizations.models import Organization, User
from oppspot.organizations.scopes import Scope
from tests.answers import problem_of
from tests.conftest import client_with
from tests.factories import make_business, make_key
from tests.jobs.steps import output_of, run_of, work_off

pytestmark = pytest.mark.django_db

URL = "/api/v1/embeddings/generate/"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def deterministic(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER = "deterministic"
    settings.EMBEDDING_MODEL = ""


def ids_of(*companies: Business) -> list[str]:
    return [str(company.pk) for company in companies]


def embed_all() -> None:
    from embeddings.providers import get_provider

    generate_embeddings(provider=get_provider())


def test_a_request_is_answered_with_its_job(bob_client: APIClient, bob: User, org_a: Organization) -> None:
    companies, missing = [make_business() for _ in range(3)], str(uuid4())
    response = bob_client.post(
        URL, {"company_ids": [*ids_of(*companies), missing, missing], "batch_size": 2, "priority": "high"}
    )
    assert response.status_code == 202, response.content
    body = response.json()
    assert (body["count"], body["unknown_ids"], body["status"], body["priority"]) == (3, [missing], "queued", "high")
    assert body["requested_by"] == f"user:{bob.pk}"
    assert response["Location"] == f"/api/v1/jobs/{body['id']}/"
    assert response["Retry-After"] == "2"
    run = Run.objects.for_org(org_a).get()
    assert (str(run.pk), run.priority, run.function) == (body["id"], Priority.HIGH, "embeddings.generate_requested")
    assert run.event.data["batch_size"] == 2
    assert bob_client.get(response["Location"]).json()["id"] == body["id"]


@pytest.mark.django_db(transaction=True)
def test_the_job_embeds_and_tells_how_far_it_is(writer_client: APIClient) -> None:
    companies = [make_business() for _ in range(5)]
    answer = writer_client.post(URL, {"company_ids": ids_of(*companies), "batch_size": 2})
    assert answer.json()["progress"] == {"done": 0, "total": None}
    work_off()
    body = writer_client.get(answer["Location"]).json()
    assert (body["status"], body["progress"]) == ("completed", {"done": 5, "total": 5})
    assert (body["output"]["embedded"], body["output"]["batches"]) == (5, {"completed": 3})
    assert writer_client.get(f"/api/v1/businesses/{companies[0].pk}/").json()["embedding"]["is_current"] is True


@pytest.mark.django_db(transaction=True)
def test_an_admin_may_embed_the_register(ada_client: APIClient, org_a: Organization) -> None:
    make_business()
    response = ada_client.post(URL, {"generate_all": True})
    assert response.status_code == 202
    assert (response.json()["count"], response.json()["unknown_ids"]) == (None, [])
    assert run_of(UUID(response.json()["id"])).priority == Priority.NORMAL
    work_off()
    assert output_of(UUID(response.json()["id"]))["embedded"] == 1


def test_the_register_is_for_admins(bob_client: APIClient, writer_client: APIClient) -> None:
    make_business()
    for client in (bob_client, writer_client):
        problem_of(client.post(URL, {"generate_all": True}), 403, "permission_denied")
    assert not Event.all_orgs.exists()


def test_viewers_spend_nothing(vera_client: APIClient, key_client: APIClient) -> None:
    acme = make_business()
    for client in (vera_client, key_client):
        problem_of(client.post(URL, {"company_ids": ids_of(acme)}), 403, "permission_denied")
    assert not Event.all_orgs.exists()


def test_nothing_to_do_is_said(ada_client: APIClient) -> None:
    acme, missing = make_business(), str(uuid4())
    embed_all()
    response = ada_client.post(URL, {"company_ids": [*ids_of(acme), missing]})
    assert (response.status_code, response.json()) == (
        200,
        {"count": 0, "reason": REASON, "unknown_ids": [missing]},
    )
    response = ada_client.post(URL, {"generate_all": True})
    assert (response.status_code, response.json()) == (200, {"count": 0, "reason": REASON, "unknown_ids": []})
    assert not Event.all_orgs.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "company_ids"),
        ({"generate_all": False}, "company_ids"),
        ({"company_ids": [], "batch_size": 5}, "company_ids"),
        ({"company_ids": None}, "company_ids"),
        ({"company_ids": "x"}, "company_ids"),
        ({"company_ids": ["x"]}, "company_ids"),
        ({"company_ids": [NOBODY] * 1001}, "company_ids"),
        ({"company_ids": [NOBODY]}, "company_ids"),  # no company's
        ({"company_ids": [NOBODY], "generate_all": True}, "generate_all"),
        ({"generate_all": "perhaps"}, "generate_all"),
        ({"generate_all": True, "batch_size": 0}, "batch_size"),
        ({"generate_all": True, "batch_size": 101}, "batch_size"),
        ({"generate_all": True, "priority": "soon"}, "priority"),
        ({"generate_all": True, "org": "x"}, "org"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_wrong_is_named(ada_client: APIClient, body: dict[str, Any], field: str) -> None:
    make_business()
    assert list(problem_of(ada_client.post(URL, body), 400)["errors"]) == [field]
    assert not Event.all_orgs.exists()


def test_a_repetition_is_answered_and_not_done_again(writer_client: APIClient) -> None:
    body = {"company_ids": ids_of(make_business())}
    first, second = (writer_client.post(URL, body, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert second["Idempotency-Replayed"] == "true"
    assert (second.status_code, second.json()) == (202, first.json())
    assert (second["Location"], second["Retry-After"]) == (first["Location"], "2")
    assert Run.all_orgs.count() == 1
    other = {"company_ids": ids_of(make_business())}
    problem_of(writer_client.post(URL, other, headers={"Idempotency-Key": "one"}), 422, "idempotency_key_reused")
    assert writer_client.post(URL, body).status_code == 202
    assert Run.all_orgs.count() == 2


def test_another_organisation_has_its_own(writer_client: APIClient, org_b: Organization) -> None:
    body = {"company_ids": ids_of(make_business())}
    theirs = client_with(make_key(org_b, Scope.READ, Scope.WRITE)[1])
    first, second = (client.post(URL, body, headers={"Idempotency-Key": "one"}) for client in (writer_client, theirs))
    assert first.json()["id"] != second.json()["id"]
    problem_of(theirs.get(first["Location"]), 404)


def test_queries_do_not_grow_with_the_companies(
    writer_client: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    writer_client.get("/api/v1/jobs/")  # notes the key's use
    for count in (1, 40):
        companies = [make_business() for _ in range(count)]
        # key with organisation, throttle; known ids, count of pending ones; event, run, notification; the run as it is
        with django_assert_num_queries(8):
            assert writer_client.post(URL, {"company_ids": ids_of(*companies)}).status_code == 202


def test_without_a_provider_it_says_so(ada_client: APIClient, settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER = "openai"
    settings.OPENAI_API_KEY = ""
    make_business()
    problem_of(ada_client.post(URL, {"generate_all": True}), 503, "not_configured")
