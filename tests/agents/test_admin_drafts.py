"""The admin of drafts: read with what they rest on, approved as they were read, and nothing is sent."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from django.urls import reverse

from agents.drafts import approve_draft, edit_draft
from agents.models import Draft, Feedback
from agents.suppression import Wish, add_suppression
from businesses.models import Business
from oppspot.organizations.models import Organization, User
from tests.agents.draft_cases import make_draft
from tests.agents.test_admin import act, text_of
from tests.factories import make_business, make_user

pytestmark = pytest.mark.django_db
LIST = reverse("admin:agents_draft_changelist")
BY = "olga@example.com (staff)"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture
def client(olga: User) -> Client:
    made = Client()
    made.force_login(olga)
    return made


@pytest.fixture
def draft(org_a: Organization) -> Draft:
    made: Draft = make_draft(org_a, make_business("Acme Ltd", website="acme.example"))
    return made


def page_of(draft: Draft) -> str:
    return reverse("admin:agents_draft_change", args=[draft.pk])


def post(client: Client, draft: Draft, action: str, **values: Any) -> str:
    """What the page says after a form of it was sent."""
    return text_of(client.post(reverse(f"admin:agents_draft_{action}", args=[draft.pk]), values, follow=True))


def test_a_draft_is_read_with_what_it_rests_on(client: Client, draft: Draft) -> None:
    edit_draft(draft=draft, by="bob", body=f"{draft.body}\n\nWe met in Paris.")
    text = text_of(client.get(page_of(draft)))
    for part in ("Alpha", "Acme Ltd", "We met in Paris.", "expansion (new city)", "s1, news_feeds", "unsupported Paris",
                 "1: by execution:", "2: by bob,", "Written last by bob", "not judged"):  # fmt: skip
        assert part in text, part
    listed = text_of(client.get(LIST))
    assert "Alpha E-mail nobody named Draft 1 " in listed  # a warning to look at


def test_the_list_is_filtered(client: Client, draft: Draft, org_b: Organization) -> None:
    make_draft(org_b, make_business("Other Ltd"))

    def names(**asked: Any) -> list[str]:
        text = text_of(client.get(LIST, asked))
        return [name for name in ("Acme Ltd", "Other Ltd") if name in text]

    assert names() == ["Acme Ltd", "Other Ltd"]
    assert names(org__id__exact=str(draft.org_id)) == ["Acme Ltd"]
    assert names(agent=str(draft.agent_id)) == ["Acme Ltd"]
    assert names(status__exact="approved") == []
    assert names(channel__exact="call") == []
    assert len(names(channel__exact="email", status__exact="draft")) == 2


def test_from_draft_to_export(client: Client, draft: Draft) -> None:
    assert "Approved, as it was read." in post(client, draft, "approve", content=draft.content_sha256)
    draft.refresh_from_db()
    assert (draft.status, draft.approved_by, draft.approved_sha256) == ("approved", BY, draft.content_sha256)
    exported = client.post(reverse("admin:agents_draft_export", args=[draft.pk]), {"to": "jane@acme.example"})
    text = text_of(exported)
    for part in ("jane@acme.example", "Nothing was sent", " ".join(draft.body.split())):
        assert part in text
    draft.refresh_from_db()
    assert (draft.status, draft.exported_by) == ("exported", BY)
    assert "Not done. The draft was exported." in post(client, draft, "reject", reason="Late.")
    assert mail.outbox == []
    told = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert told == [f"Approved {draft.content_sha256}.", "Exported."]


def test_only_what_was_read_is_approved(client: Client, draft: Draft) -> None:
    shown = client.get(page_of(draft)).content.decode()
    assert f'name="content" value="{draft.content_sha256}"' in shown
    edit_draft(draft=draft, by="bob", body="Shall we talk?")
    for content in (draft.content_sha256, "", "x\0"):
        assert "was changed since it was read" in post(client, draft, "approve", content=content)
    draft.refresh_from_db()
    assert (draft.status, draft.approved_by) == ("draft", "")
    assert not LogEntry.objects.exists()


def test_a_draft_is_rejected_with_a_reason(client: Client, draft: Draft) -> None:
    assert "characters" in post(client, draft, "reject", reason="x" * 2_001)
    assert "Rejected." in post(client, draft, "reject", reason="Not now.")
    draft.refresh_from_db()
    assert (draft.status, draft.rejected_by, draft.rejection) == ("rejected", BY, "Not now.")
    page = client.get(page_of(draft)).content.decode()
    assert "Not now." in page
    assert "Approve this text" not in page
    assert "is not changed any more" in text_of(
        client.get(reverse("admin:agents_draft_edit", args=[draft.pk]), follow=True)
    )
    assert "Only an approved draft is exported" in post(client, draft, "export")


def test_a_draft_is_edited(client: Client, draft: Draft) -> None:
    approve_draft(draft=draft, content=draft.content_sha256, by="alice")
    read = {"content": draft.content_sha256, "subject": draft.subject}
    assert draft.body.splitlines()[0] in text_of(client.get(reverse("admin:agents_draft_edit", args=[draft.pk])))
    text = post(client, draft, "edit", **read, body="Hello,\r\n\r\nWe met in Paris.")
    assert "It reads so now: version 2." in text
    assert "unsupported Paris" in text
    draft.refresh_from_db()
    assert (draft.body, draft.status, draft.edited_by) == ("Hello,\n\nWe met in Paris.", "draft", BY)
    assert "was changed since it was read" in post(client, draft, "edit", **read, body="Mine, not yours.")
    now = {"content": draft.content_sha256, "subject": draft.subject}
    for values, told in (({"body": "word " * 151}, "151 words of at most 150"), ({"body": " "}, "is required"),
                         ({"body": "Fine.", "subject": ""}, "is empty")):  # fmt: skip
        assert told in post(client, draft, "edit", **now | values)
    assert Draft.objects.for_org(draft.org).get().version == 2


def test_what_services_refuse_is_said(client: Client, draft: Draft) -> None:
    edited = edit_draft(draft=draft, by="bob", body="Hello {name}, shall we talk?")
    assert "placeholder" in post(client, draft, "approve", content=edited.content_sha256)
    edited = edit_draft(draft=draft, by="bob", body="Shall we talk?")
    add_suppression(org=draft.org, wish=Wish("domain", "acme.example"), by="alice")
    assert "do-not-contact list" in text_of(client.get(page_of(draft)))
    assert "Not done. The company's domain" in post(client, draft, "approve", content=edited.content_sha256)
    assert Draft.objects.for_org(draft.org).get().status == "draft"


def test_an_address_is_checked_before_it_is_exported(client: Client, draft: Draft) -> None:
    approve_draft(draft=draft, content=draft.content_sha256, by="alice")
    assert "Not done. This is no e-mail address." in post(client, draft, "export", to="Jane")
    add_suppression(org=draft.org, wish=Wish("email", "jane@acme.example"), by="alice")
    assert "Not done. The e-mail address" in post(client, draft, "export", to="jane@acme.example")
    assert Draft.objects.for_org(draft.org).get().status == "approved"


def test_what_others_wrote_is_text(client: Client, draft: Draft) -> None:
    cited = {"id": "s1", "text": EVIL, "source": EVIL, "url": "javascript:alert(1)", "on": EVIL, "retrieved_at": EVIL,
             "reliability": None}  # fmt: skip
    Draft.objects.for_org(draft.org).filter(pk=draft.pk).update(
        subject=EVIL, body=EVIL, recipient_name=EVIL, rejection=EVIL, warnings=[{"code": EVIL, "detail": EVIL}],
        claims=[{"text": EVIL, "evidence": ["s1", EVIL]}], citations=[cited], template=EVIL, reason=EVIL[:80],
    )  # fmt: skip
    Business.objects.filter(pk=draft.business_id).update(name=EVIL)
    for url in (page_of(draft), LIST, reverse("admin:agents_draft_edit", args=[draft.pk])):
        shown = client.get(url).content.decode()
        assert "&lt;script&gt;alert" in shown
        for unsafe in ("<script>alert", "<img src=x", "javascript:alert"):
            assert unsafe not in shown


@pytest.mark.parametrize("action", ["approve", "reject", "export", "verdict"])
def test_forms_are_posted(client: Client, draft: Draft, action: str) -> None:
    assert client.get(reverse(f"admin:agents_draft_{action}", args=[draft.pk])).status_code == 405
    missing = reverse(f"admin:agents_draft_{action}", args=[draft.business_id])
    assert client.post(missing).status_code == 404


def test_who_may_only_look_changes_nothing(draft: Draft) -> None:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_draft"))
    client = Client()
    client.force_login(clerk)
    page = client.get(page_of(draft)).content.decode()
    assert draft.subject in page
    for form in ("Approve this text", "Why not", "What is it worth?"):
        assert form not in page
    for action in ("approve", "reject", "export", "edit", "verdict"):
        url = reverse(f"admin:agents_draft_{action}", args=[draft.pk])
        assert client.post(url, {"content": draft.content_sha256, "verdict": "useful"}).status_code == 403
    act(client, LIST, "useful", draft)
    draft.refresh_from_db()
    assert draft.status == "draft"
    assert not Feedback.objects.for_org(draft.org).exists()


@pytest.mark.parametrize("rows", [1, 10])
def test_pages_take_the_same_statements(
    client: Client, org_a: Organization, rows: int, django_assert_max_num_queries: Any
) -> None:
    drafts = [make_draft(org_a, make_business()) for _ in range(rows)]
    client.get(LIST)
    with django_assert_max_num_queries(9):
        text_of(client.get(LIST))
    with django_assert_max_num_queries(13):
        text_of(client.get(page_of(drafts[0])))
