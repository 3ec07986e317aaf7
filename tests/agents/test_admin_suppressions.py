"""The admin of those not to be contacted: what is added there cannot be read there."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from agents.models import Suppression
from agents.suppression import Wish, add_suppressions, suppressed
from oppspot.organizations.models import Organization, User
from tests.agents.test_admin import act, text_of
from tests.factories import make_business, make_user

pytestmark = pytest.mark.django_db
LIST = reverse("admin:agents_suppression_changelist")
ADD = reverse("admin:agents_suppression_add")


@pytest.fixture
def client(olga: User) -> Client:
    made = Client()
    made.force_login(olga)
    return made


def add(client: Client, org: Organization, values: str, **others: Any) -> str:
    given = {"org": str(org.pk), "kind": "email", "reason": "complaint", "values": values} | others
    return text_of(client.post(ADD, given, follow=True))


def test_many_are_added_and_none_is_readable(client: Client, org_a: Organization, org_b: Organization) -> None:
    assert "Alpha" in text_of(client.get(ADD))
    text = add(client, org_a, "jane@acme.example\r\n\r\n Bob@Acme.example \r\njane+x@acme.example\r\n")
    assert "Not to be contacted by Alpha: 2 new, 1 were on the list already." in text
    assert "acme" not in text.lower()
    rows = Suppression.objects.for_org(org_a)
    assert set(rows.values_list("kind", "reason", "created_by")) == {
        ("email", "complaint", "olga@example.com (staff)")
    }  # fmt: skip
    company = make_business(website="other.example")
    assert "complained" in suppressed(org=org_a, business=company, emails=["jane@acme.example"])
    assert not suppressed(org=org_b, business=company, emails=["jane@acme.example"])
    row = rows.first()
    assert row is not None
    for url in (LIST, reverse("admin:agents_suppression_change", args=[row.pk])):
        shown = client.get(url).content.decode()
        assert f"Not readable (hash {row.value[:8]}…)" in shown
        assert row.value not in shown
    assert "acme" not in str(list(LogEntry.objects.values_list("object_repr", "change_message")))


def test_a_company_is_readable(client: Client, org_a: Organization, org_b: Organization) -> None:
    assert "1 new" in add(client, org_a, "12345", kind="company", reason="customer")
    text = text_of(client.get(LIST, {"kind__exact": "company", "reason__exact": "customer"}))
    assert "Company 00012345" in text
    assert "00012345" not in text_of(client.get(LIST, {"org__id__exact": str(org_b.pk)}))


@pytest.mark.parametrize(
    ("values", "others", "told"),
    [
        ("jane@acme.example\n\nnobody\nnot one", {}, ["Line 3: This is no e-mail address.", "Line 4: This is no e"]),
        ("nobody", {}, ["Line 1: This is no e-mail address."]),
        ("a@b", {"kind": "domain"}, ["Line 1: This is no domain."]),
        ("a\n" * 1_001, {}, ["At most 1000 at once."]),
        ("x\n" * 30, {}, ["Line 20:", "And 10 more."]),
        ("", {}, ["This field is required."]),
        (" \n ", {}, ["This field is required."]),
        ("jane@acme.example", {"reason": "because"}, ["is not one of the available choices"]),
        ("jane@acme.example", {"org": "00000000-0000-0000-0000-000000000000"}, ["not one of the available choices"]),
        ("jane@acme.example\0", {}, ["Null characters are not allowed."]),
    ],
)
def test_all_are_added_or_none(
    client: Client, org_a: Organization, values: str, others: dict[str, str], told: list[str]
) -> None:
    given = {"org": str(org_a.pk), "kind": "email", "reason": "complaint", "values": values}
    text = text_of(client.post(ADD, given | others))
    for part in told:
        assert part in text
    assert not Suppression.objects.for_org(org_a).exists()
    assert not LogEntry.objects.exists()


def test_they_are_removed_one_or_many(client: Client, org_a: Organization) -> None:
    add_suppressions(org=org_a, wishes=[Wish("company", f"1000000{n}") for n in range(3)], by="alice")
    first, *others = Suppression.objects.for_org(org_a).order_by("value")
    url = reverse("admin:agents_suppression_delete", args=[first.pk])
    assert "Are you sure" in text_of(client.get(url))
    client.post(url, {"post": "yes"})
    assert Suppression.objects.for_org(org_a).count() == 2
    selected = {"action": "delete_selected", "_selected_action": [str(row.pk) for row in others], "post": "yes"}
    client.post(LIST, selected)
    assert not Suppression.objects.for_org(org_a).exists()


def test_who_may_only_look_changes_nothing(org_a: Organization) -> None:
    add_suppressions(org=org_a, wishes=[Wish("company", "10000001")], by="alice")
    row = Suppression.objects.for_org(org_a).get()
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_suppression"))
    client = Client()
    client.force_login(clerk)
    assert "Company 10000001" in text_of(client.get(LIST))
    assert client.post(ADD, {}).status_code == 403
    assert client.post(reverse("admin:agents_suppression_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    act(client, LIST, "delete_selected", row)
    assert Suppression.objects.for_org(org_a).exists()


@pytest.mark.parametrize("rows", [1, 30])
def test_the_list_takes_the_same_statements(
    client: Client, org_a: Organization, rows: int, django_assert_max_num_queries: Any
) -> None:
    add_suppressions(org=org_a, wishes=[Wish("company", f"100000{n:02}") for n in range(rows)], by="alice")
    client.get(LIST)
    with django_assert_max_num_queries(9):
        text_of(client.get(LIST))
