"""What people think of results: one verdict of each person on each, and none on what an organisation does not have."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from agents.feedback import SUBJECTS, give_feedback
from agents.models import Feedback, Judged, Opportunity, Scorecard
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from tests.agents.draft_cases import make_draft
from tests.agents.factories import make_agent
from tests.agents.test_path_api import make_path
from tests.agents.test_report_api import make_report
from tests.answers import problem_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db
URL = "/api/v1/feedback/"


def make_result(org: Organization, kind: str) -> Any:
    """A result of each kind that a verdict may be on."""
    if kind in {Judged.OPPORTUNITY, Judged.SCORECARD}:
        common = {"org": org, "agent": make_agent(org), "business": make_business(), "score": 1, "confidence": 1}
        if kind == Judged.SCORECARD:
            return Scorecard.objects.for_org(org).create(icp_hash="0" * 64, **common)
        return Opportunity.objects.for_org(org).create(**common)
    makers: dict[str, Any] = {Judged.INTRO_PATH: make_path, Judged.REPORT: make_report, Judged.DRAFT: make_draft}
    return makers[kind](org)


def test_every_kind_of_result_can_be_judged() -> None:
    assert set(SUBJECTS) == set(Judged)


@pytest.mark.parametrize("kind", Judged.values)
def test_a_verdict_of_each_person(
    writer_client: APIClient, bob_client: APIClient, org_a: Organization, kind: str
) -> None:
    result = make_result(org_a, kind)
    body = {"subject_type": kind, "subject_id": str(result.pk), "verdict": "useful", "note": "Indeed."}
    first = writer_client.post(URL, body)
    assert first.status_code == 201, first.content
    assert {name: first.json()[name] for name in body} == body
    again = writer_client.post(URL, body | {"verdict": "already_known", "note": ""})
    assert (again.status_code, again.json()["id"], again.json()["verdict"]) == (
        200,
        first.json()["id"],
        "already_known",
    )
    assert bob_client.post(URL, body | {"verdict": "wrong"}).status_code == 201  # another person
    found = writer_client.get(URL, {"subject_id": str(result.pk), "subject_type": kind}).json()["results"]
    assert sorted(row["verdict"] for row in found) == ["already_known", "wrong"]
    assert Feedback.objects.for_org(org_a).count() == 2


@pytest.mark.parametrize("kind", Judged.values)
def test_what_another_organisation_has_is_as_good_as_missing(
    writer_client: APIClient, org_a: Organization, org_b: Organization, kind: str
) -> None:
    theirs, missing = make_result(org_b, kind).pk, uuid4()
    body = {"subject_type": kind, "verdict": "useful"}
    answers = [problem_of(writer_client.post(URL, body | {"subject_id": str(pk)}), 400) for pk in (theirs, missing)]
    told = [str(answer["errors"]).replace(str(pk), "…") for answer, pk in zip(answers, (theirs, missing), strict=True)]
    assert told[0] == told[1]
    assert list(answers[0]["errors"]) == ["subject_id"]
    assert not Feedback.objects.for_org(org_a).exists()


def test_what_is_wrong_is_said(writer_client: APIClient, org_a: Organization) -> None:
    draft = make_draft(org_a)
    body = {"subject_type": "draft", "subject_id": str(draft.pk), "verdict": "useful"}
    for wrong, field in [
        ({"subject_type": "report"}, "subject_id"),  # it is there, and is no report
        ({"subject_type": "weather"}, "subject_type"),
        ({"verdict": "great"}, "verdict"),
    ]:
        assert list(problem_of(writer_client.post(URL, body | wrong), 400)["errors"]) == [field]
    problem_of(writer_client.get(URL, {"subject_type": "weather"}), 400)
    with pytest.raises(InvalidInput):
        give_feedback(org=org_a, subject_type="weather", subject_id=draft.pk, verdict="useful", given_by="bob")
    with pytest.raises(IntegrityError, match="feedback_subject_known"), transaction.atomic():
        Feedback.objects.for_org(org_a).create(
            org=org_a, subject_type="weather", subject_id=draft.pk, verdict="useful", given_by="bob"
        )


def test_the_list_is_flat(
    key_client: APIClient, org_a: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key_client.get("/api/v1/organization/")  # its first request notes when the key was used last
    for number in range(3):
        Feedback.objects.for_org(org_a).create(
            org=org_a, subject_type="report", subject_id=uuid4(), verdict="useful", given_by=str(number)
        )
    with django_assert_num_queries(3):  # the key, the limit, the rows
        assert len(key_client.get(URL).json()["results"]) == 3
