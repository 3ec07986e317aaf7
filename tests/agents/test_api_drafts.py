"""Drafts and the do-not-contact list over the API."""

import pytest
from rest_framework.test import APIClient

from agents.models import Suppression
from oppspot.organizations.models import IdempotentRequest, Organization
from tests.agents.draft_cases import make_draft
from tests.answers import problem_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db


def test_a_draft_is_edited_approved_and_exported(writer_client: APIClient, org_a: Organization) -> None:
    draft = make_draft(org_a)
    url = f"/api/v1/drafts/{draft.pk}/"
    seen = writer_client.get(url).json()
    edited = writer_client.patch(url, {"body": "Shall we talk?"}, format="json").json()
    assert (edited["body"], edited["version"]) == ("Shall we talk?", 2)
    stale = writer_client.post(f"{url}approve/", {"content_sha256": seen["content_sha256"]}, format="json")
    problem_of(stale, 409, "wrong_state")
    problem_of(writer_client.post(f"{url}export/", {}, format="json"), 409, "wrong_state")
    approved = writer_client.post(f"{url}approve/", {"content_sha256": edited["content_sha256"]}, format="json")
    assert approved.json()["status"] == "approved"
    exported = writer_client.post(f"{url}export/", {"to": "jane@acme.example"}, format="json").json()
    assert (exported["body"], exported["to"]) == ("Shall we talk?", "jane@acme.example")
    rows = writer_client.get("/api/v1/drafts/?status=exported").json()["results"]
    assert [row["status"] for row in rows] == ["exported"]
    problem_of(writer_client.post(f"{url}reject/", {}, format="json"), 409, "wrong_state")


def test_those_on_the_list_are_not_written_to(writer_client: APIClient, org_a: Organization) -> None:
    draft = make_draft(org_a, make_business("Acme Ltd", website="acme.example"))
    answer = writer_client.post("/api/v1/suppressions/", {"kind": "domain", "value": "Acme.example"}, format="json")
    assert answer.status_code == 201
    assert "acme" not in answer.content.decode()
    url = f"/api/v1/drafts/{draft.pk}/approve/"
    problem_of(writer_client.post(url, {"content_sha256": draft.content_sha256}, format="json"), 409, "do_not_contact")
    items = [{"kind": "domain", "value": "acme.example"}, {"kind": "email", "value": "a@b.example"}]
    bulk = writer_client.post("/api/v1/suppressions/bulk/", {"items": items}, format="json")
    assert bulk.json() == {"given": 2, "new": 1}
    assert writer_client.delete(f"/api/v1/suppressions/{answer.json()['id']}/").status_code == 204
    assert Suppression.objects.for_org(org_a).count() == 1
    assert writer_client.post(url, {"content_sha256": draft.content_sha256}, format="json").status_code == 200


def test_an_address_is_answered_again_and_not_stored(writer_client: APIClient, org_a: Organization) -> None:
    draft = make_draft(org_a)
    url = f"/api/v1/drafts/{draft.pk}/"
    writer_client.post(f"{url}approve/", {"content_sha256": draft.content_sha256}, format="json")
    for place, body in enumerate(({"to": " jane@acme.example "}, {"to": ""}, {})):
        headers = {"Idempotency-Key": f"export-{place}"}
        first, again = (writer_client.post(f"{url}export/", body, headers=headers) for _ in range(2))
        assert (first.status_code, first.json()["to"]) == (200, body.get("to", "").strip())
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.content == first.content
    other = writer_client.post(f"{url}export/", {"to": "ann@acme.example"}, headers={"Idempotency-Key": "export-0"})
    problem_of(other, 422, "idempotency_key_reused")
    rows = [str(vars(row)) for row in IdempotentRequest.objects.for_org(org_a)]
    assert len(rows) == 3
    assert not any("jane" in row for row in rows)
