"""Drafts: approval is of an exact text, and nothing leaves without it."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.drafts import (
    NotFit,
    approve_draft,
    content_sha256,
    edit_draft,
    export_draft,
    reject_draft,
)
from agents.models import Draft, DraftVersion, Mode
from agents.suppression import DoNotContact, Wish, add_suppression
from agents.writing.facts import Recipient
from agents.writing.reading import officer_of
from businesses.models import Appointment, Business, Officer
from businesses.models.register import Status
from oppspot.core.errors import InvalidInput
from oppspot.jobs.services import WrongState
from oppspot.organizations.models import Organization
from tests.agents.draft_cases import make_draft, save
from tests.agents.factories import make_agent, queue_execution
from tests.factories import make_business
from tests.signals_app.factories import make_signal

pytestmark = pytest.mark.django_db


def approve(draft: Draft) -> Draft:
    return approve_draft(draft=draft, content=draft.content_sha256, by="alice")


def versions(draft: Draft) -> list[tuple[int, str]]:
    rows = DraftVersion.objects.for_org(draft.org).filter(draft=draft).order_by("number")
    return list(rows.values_list("number", "made_by"))


def test_from_draft_to_export(org_a: Organization) -> None:
    draft = make_draft(org_a)
    assert (draft.status, draft.version, draft.content_sha256) == ("draft", 1, content_sha256(draft))
    with pytest.raises(WrongState):
        export_draft(draft=draft, by="alice")
    approved = approve(draft)
    assert (approved.status, approved.approved_sha256, approved.approved_by) == (
        "approved", draft.content_sha256, "alice",
    )  # fmt: skip
    exported = export_draft(draft=draft, by="bob", to="jane@acme.example")
    assert (exported.subject, exported.body, exported.to) == (draft.subject, draft.body, "jane@acme.example")
    assert {one["id"] for one in exported.citations} >= {"f1", "s1"}
    again = export_draft(draft=draft, by="carol")
    assert (again.draft.status, again.draft.exported_by) == ("exported", "bob")
    with pytest.raises(WrongState):
        approve(draft)
    with pytest.raises(WrongState):
        reject_draft(draft=draft, by="x")
    with pytest.raises(WrongState):
        edit_draft(draft=draft, by="x", body="Other")


def test_an_edit_asks_for_approval_anew(org_a: Organization) -> None:
    draft = make_draft(org_a)
    seen = draft.content_sha256
    approve(draft)
    edited = edit_draft(draft=draft, by="bob", body=f"{draft.body}\n\nWe met in Paris.")
    assert (edited.status, edited.approved_sha256, edited.approved_by, edited.version) == ("draft", "", "", 2)
    assert {one["detail"] for one in edited.warnings} == {"Paris"}
    assert [name for _, name in versions(draft)] == [f"execution:{draft.execution_id}", "bob"]
    with pytest.raises(WrongState):
        export_draft(draft=draft, by="alice")
    with pytest.raises(WrongState, match="changed since"):
        approve_draft(draft=draft, content=seen, by="alice")
    with pytest.raises(WrongState, match="changed since"):
        edit_draft(draft=draft, by="carol", body="Mine, not Bob's.", content=seen)
    assert approve(edited).status == "approved"
    assert edit_draft(draft=edited, by="bob", body=edited.body).status == "approved"  # nothing was changed


def test_what_was_not_approved_cannot_look_approved(org_a: Organization) -> None:
    draft = approve(make_draft(org_a))
    drafts = Draft.objects.for_org(org_a).filter(pk=draft.pk)
    for change in ({"content_sha256": "0" * 64}, {"approved_by": ""}, {"approved_at": None}, {"status": "exported"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            drafts.update(**change)
    drafts.update(body="Pay here")  # past the service: the hash tells
    with pytest.raises(WrongState, match="not what was approved"):
        export_draft(draft=draft, by="alice")


@pytest.mark.parametrize("body", ["Hello {name}, shall we talk?", "As discussed, we offer the cheapest anvils."])
def test_what_no_draft_may_say_is_not_approved(org_a: Organization, body: str) -> None:
    edited = edit_draft(draft=make_draft(org_a), by="bob", body=body)
    assert edited.warnings
    with pytest.raises(NotFit):
        approve(edited)


def test_an_edit_keeps_to_the_limits(org_a: Organization) -> None:
    draft = make_draft(org_a)
    for subject, body, field in (("x" * 66, None, "subject"), (None, "word " * 151, "body"), ("", None, "subject")):
        with pytest.raises(InvalidInput) as caught:
            edit_draft(draft=draft, by="bob", subject=subject, body=body)
        assert list(caught.value.fields) == [field]
    assert versions(draft) == [(1, f"execution:{draft.execution_id}")]


@pytest.mark.parametrize("state", ["draft", "approved", "exported"])
def test_the_list_and_the_register_are_asked_at_each_step(org_a: Organization, state: str) -> None:
    business = make_business("Acme Ltd", website="acme.example")
    draft = make_draft(org_a, business)
    if state != "draft":
        approve(draft)
    if state == "exported":
        export_draft(draft=draft, by="alice")
    Business.objects.filter(pk=business.pk).update(status=Status.INSOLVENT)
    with pytest.raises(NotFit, match="insolvency"):
        approve(draft) if state == "draft" else export_draft(draft=draft, by="alice")
    add_suppression(org=org_a, wish=Wish("domain", "acme.example"), by="alice")
    with pytest.raises(DoNotContact):
        approve(draft) if state == "draft" else export_draft(draft=draft, by="alice")


@pytest.mark.parametrize("state", ["draft", "approved", "exported"])
def test_who_resigned_or_whose_company_is_gone_is_not_written_to(org_a: Organization, state: str) -> None:
    business = make_business("Acme Ltd")
    officer = Officer.objects.create(external_id="o1", name="SMITH, Jane", name_normalised="smith jane")
    offices = [
        Appointment.objects.create(external_id=f"a{place}", officer=officer, business=business, role=role, source="t")
        for place, role in enumerate(("director", "secretary"))
    ]
    draft = make_draft(org_a, business, recipient=officer_of(business, officer.pk))
    assert draft.recipient_key == f"officer:{officer.pk}"
    if state != "draft":
        approve(draft)
    if state == "exported":
        export_draft(draft=draft, by="alice")

    def refused(match: str) -> None:
        draft.refresh_from_db()
        before = draft.status
        with pytest.raises(NotFit, match=match):
            approve(draft) if state == "draft" else export_draft(draft=draft, by="alice")
        draft.refresh_from_db()
        assert draft.status == before

    resigned = Appointment.objects.filter(pk__in=[office.pk for office in offices])
    resigned.update(resigned_on=date(2026, 3, 3))
    refused("The recipient resigned on 2026-03-03")
    resigned.filter(role="secretary").update(resigned_on=None)
    approve(draft) if state == "draft" else export_draft(draft=draft, by="alice")  # another office is enough
    draft = draft if state != "draft" else edit_draft(draft=draft, by="bob", body="Shall we talk?")
    Business.objects.filter(pk=business.pk).update(dissolved_on=date(2026, 4, 4))
    refused("dissolved on 2026-04-04")
    Business.objects.filter(pk=business.pk).update(dissolved_on=None)
    resigned.delete()
    refused("holds no office at the company any more")


def test_an_address_on_the_list_is_not_written_to(org_a: Organization) -> None:
    draft = approve(make_draft(org_a))
    add_suppression(org=org_a, wish=Wish("email", "jane@acme.example"), by="alice")
    with pytest.raises(DoNotContact):
        export_draft(draft=draft, by="alice", to="Jane+work@acme.example")
    with pytest.raises(InvalidInput):
        export_draft(draft=draft, by="alice", to="Jane")
    assert export_draft(draft=draft, by="alice", to="ann@acme.example").draft.status == "exported"


def test_an_approval_does_not_outlive_its_reason(org_a: Organization) -> None:
    draft = approve(make_draft(org_a))
    with time_machine.travel(timezone.now() + timedelta(days=91), tick=False), pytest.raises(NotFit, match="stale"):
        export_draft(draft=draft, by="alice")


def test_a_sign_of_the_end_stops_it(org_a: Organization, org_b: Organization) -> None:
    draft = make_draft(org_a)
    make_signal(org_b, draft.business, rule="insolvency", is_negative=True)
    make_signal(org_a, draft.business, rule="risk_late_filing", is_negative=True)
    approve(draft)
    make_signal(org_a, draft.business, rule="strike_off", is_negative=True)
    with pytest.raises(NotFit, match="strike off"):
        export_draft(draft=draft, by="alice")


def test_one_open_draft_to_a_recipient(org_a: Organization) -> None:
    agent, business = make_agent(org_a), make_business("Acme Ltd")
    first, second, third = (queue_execution(agent) for _ in range(3))
    new = save(first, business)
    assert (new.result, save(first, business).result, save(second, business).result) == (
        "new", "unchanged", "unchanged",
    )  # fmt: skip
    updated = save(second, business, place="York")
    assert (updated.result, updated.draft.pk, updated.draft.version) == ("updated", new.draft.pk, 2)
    assert versions(new.draft) == [(1, f"execution:{first.pk}"), (2, f"execution:{second.pk}")]
    other = save(second, business, recipient=Recipient("Jane Smith", key="name:jane smith"))
    assert other.draft.pk != new.draft.pk
    approve(updated.draft)
    kept = save(third, business, place="Hull")
    assert (kept.result, kept.note, kept.draft.version) == ("kept", "It is approved.", 2)
    export_draft(draft=updated.draft, by="alice")
    assert save(third, business, place="York").result == "kept"
    assert save(third, business, place="Hull").result == "new"
    copy = Draft.objects.for_org(org_a).get(status="draft", recipient_key="")
    copy.pk = uuid4()
    with pytest.raises(IntegrityError, match="draft_open_once"), transaction.atomic():
        copy.save(force_insert=True)


def test_a_persons_edit_and_a_rejection_stand(org_a: Organization) -> None:
    agent, business = make_agent(org_a), make_business("Acme Ltd")
    draft = save(queue_execution(agent), business).draft
    edit_draft(draft=draft, by="bob", body="Shall we talk?")
    assert save(queue_execution(agent), business, place="York").note == "It was edited by a person."
    rejected = reject_draft(draft=draft, by="bob", reason="Not now.")
    assert (rejected.status, rejected.rejected_by, rejected.rejection) == ("rejected", "bob", "Not now.")
    with pytest.raises(WrongState):
        reject_draft(draft=draft, by="bob")
    assert save(queue_execution(agent), business).note == "It was rejected, and nothing new is known."


def test_words_of_a_language_model_are_not_given_up_for_a_templates(org_a: Organization) -> None:
    execution, business = queue_execution(make_agent(org_a)), make_business("Acme Ltd")
    results = [
        save(execution, business, mode=mode).result
        for mode in (Mode.DETERMINISTIC, Mode.LLM_FALLBACK, Mode.LLM, Mode.DETERMINISTIC, Mode.LLM_FALLBACK, Mode.LLM)
    ]
    assert results == ["new", "updated", "updated", "unchanged", "unchanged", "unchanged"]
    assert save(execution, business, mode=Mode.LLM_FALLBACK, place="York").result == "updated"


def test_nothing_is_saved_for_those_on_the_list(org_a: Organization) -> None:
    business = make_business("Acme Ltd", company_number="00012345")
    add_suppression(org=org_a, wish=Wish("company", "12345"), by="alice")
    with pytest.raises(DoNotContact):
        make_draft(org_a, business)
    assert not Draft.objects.for_org(org_a).exists()
