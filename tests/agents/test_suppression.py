"""Who is not to be contacted: found however they are written, stored as nothing that tells who they are."""

from importlib import import_module
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from agents.models import Suppression
from agents.suppression import (
    DoNotContact,
    ListUnreadable,
    Wish,
    add_suppression,
    add_suppressions,
    check_contact,
    known_key_ids,
    normalise_email,
    remove_suppression,
    suppressed,
)
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from tests.factories import make_business

pytestmark = pytest.mark.django_db


def test_a_company_is_found_by_number_domain_and_address(org_a: Organization, org_b: Organization) -> None:
    business = make_business(company_number="00012345", website="https://www.shop.acme.example/")
    for wish in (
        Wish("company", "12345"),
        Wish("domain", "https://ACME.example/about"),
        Wish("email", "a.b@acme.example"),
    ):
        row, is_new = add_suppression(org=org_a, wish=wish, by="alice")
        assert is_new
        assert add_suppression(org=org_a, wish=wish, by="alice") == (row, False)
        assert suppressed(org=org_a, business=business, emails=["A.B+x@acme.EXAMPLE"])
        assert suppressed(org=org_b, business=business, emails=["a.b@acme.example"]) == ""
        with pytest.raises(DoNotContact):
            check_contact(org=org_a, business=business, emails=["a.b@acme.example"])
        remove_suppression(suppression=row, by="alice")
        assert suppressed(org=org_a, business=business, emails=["a.b@acme.example"]) == ""


def test_what_is_alike_is_not_the_same(org_a: Organization) -> None:
    add_suppressions(
        org=org_a,
        wishes=[Wish("company", "00000001"), Wish("domain", "shop.acme.example"), Wish("email", "ann@acme.example")],
        by="alice",
    )
    business = make_business(company_number="00000002", website="acme.example")
    assert suppressed(org=org_a, business=business, emails=["anne@acme.example", "ann@notacme.example"]) == ""


def test_no_address_is_stored(org_a: Organization, org_b: Organization) -> None:
    for org in (org_a, org_b):
        add_suppressions(org=org, wishes=[Wish("email", "sam@acme.example"), Wish("domain", "acme.example")], by="x")
    rows = list(Suppression.all_orgs.order_by("pk").values_list("value", flat=True))
    assert len(set(rows)) == 4  # the same address is another hash for another organisation
    assert not any("acme" in value or "sam" in value for value in rows)
    for kind, value in (("email", "sam@acme.example"), ("domain", "acme.example"), ("company", "a" * 64)):
        with pytest.raises(IntegrityError, match="suppression_holds_no_address"), transaction.atomic():
            Suppression.objects.for_org(org_a).create(org=org_a, kind=kind, value=value, key_ids=["a"], created_by="x")


def test_the_list_survives_a_new_key(org_a: Organization, settings: Settings) -> None:
    business = make_business(website="acme.example")
    add_suppression(org=org_a, wish=Wish("domain", "acme.example"), by="x")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key that is long enough to be one"
    assert suppressed(org=org_a, business=business)
    assert add_suppression(org=org_a, wish=Wish("domain", "acme.example"), by="x")[1] is False


def replace_key(settings: Settings) -> str:
    """Another SECRET_KEY without the earlier one, which is returned."""
    earlier: str = settings.SECRET_KEY
    settings.SECRET_KEY = "another key that is long enough to be one"
    return earlier


def lost_keys() -> list[CheckMessage]:
    return [one for one in run_checks(databases=["default"]) if one.id == "agents.E004"]


def test_a_list_whose_key_is_lost_is_not_taken_for_an_empty_one(
    org_a: Organization, org_b: Organization, settings: Settings
) -> None:
    business = make_business(company_number="00012345", website="acme.example")
    add_suppression(org=org_a, wish=Wish("email", "sam@other.example"), by="x")
    add_suppression(org=org_b, wish=Wish("company", "00012345"), by="x")
    assert suppressed(org=org_a, business=business) == ""
    assert lost_keys() == []
    earlier = replace_key(settings)
    with pytest.raises(ListUnreadable, match="SECRET_KEY_FALLBACKS"):
        suppressed(org=org_a, business=business)
    with pytest.raises(ListUnreadable):
        check_contact(org=org_a, business=business, emails=["ann@acme.example"])
    assert suppressed(org=org_b, business=business).startswith("The company is on")  # numbers need no key
    (message,) = lost_keys()
    assert "(entries: 1, organisations: 1)" in message.msg
    assert "SECRET_KEY_FALLBACKS" in (message.hint or "")
    add_suppression(org=org_a, wish=Wish("domain", "acme.example"), by="x")
    with pytest.raises(DoNotContact):  # what can be read still says why
        check_contact(org=org_a, business=business)
    settings.SECRET_KEY_FALLBACKS = [earlier]
    assert suppressed(org=org_a, business=make_business()) == ""
    assert lost_keys() == []


def test_entries_whose_key_is_lost_for_good_can_be_removed(
    org_a: Organization, org_b: Organization, settings: Settings
) -> None:
    for org in (org_a, org_b):
        add_suppressions(org=org, wishes=[Wish("domain", "acme.example"), Wish("company", "12345")], by="x")
    replace_key(settings)
    add_suppression(org=org_a, wish=Wish("domain", "other.example"), by="x")
    out = StringIO()
    for options in (["--dry-run"], []):
        call_command("remove_unreadable_suppressions", "--org", org_a.slug, *options, stdout=out)
    assert out.getvalue().splitlines() == [f"{org_a.slug}: 1 to remove", f"{org_a.slug}: 1 removed"]
    assert sorted(Suppression.objects.for_org(org_a).values_list("kind", flat=True)) == ["company", "domain"]
    assert suppressed(org=org_a, business=make_business()) == ""
    assert Suppression.objects.for_org(org_b).count() == 2


def test_entries_from_before_keys_were_noted_need_all_that_were_known(org_a: Organization, settings: Settings) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE suppressions DROP CONSTRAINT suppression_names_its_key")
    add_suppressions(org=org_a, wishes=[Wish("domain", "acme.example"), Wish("company", "12345")], by="x")
    Suppression.objects.for_org(org_a).update(key_ids=[])
    settings.SECRET_KEY_FALLBACKS = ["the first key of all, which was long enough"]
    editor: Any = SimpleNamespace(execute=connection.cursor().execute)
    import_module("agents.migrations.0008_note_suppression_keys").note(apps, editor)
    rows = Suppression.objects.for_org(org_a)
    assert dict(rows.values_list("kind", "key_ids")) == {"company": [], "domain": known_key_ids()}
    assert len(known_key_ids()) == 2
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(ListUnreadable):
        suppressed(org=org_a, business=make_business())


def test_a_hash_names_its_key(org_a: Organization) -> None:
    with pytest.raises(IntegrityError, match="suppression_names_its_key"), transaction.atomic():
        Suppression.objects.for_org(org_a).create(org=org_a, kind="domain", value="a" * 64, created_by="x")


@pytest.mark.parametrize(
    "wish",
    [Wish("email", value) for value in ("", "sam", "@acme.example", "sam@", "a b@acme.example", "sam@acme", "<a@b.co>")]
    + [Wish("domain", value) for value in ("", "acme", "sam@acme.example", "..")]
    + [Wish("company", value) for value in ("", "123456789", "sam@acme.example")],
)
def test_what_is_no_such_value_is_refused_unrepeated(org_a: Organization, wish: Wish) -> None:
    with pytest.raises(InvalidInput) as caught:
        add_suppression(org=org_a, wish=wish, by="x")
    assert list(caught.value.fields) == ["value"]
    assert not wish.value or wish.value not in str(caught.value)
    assert not Suppression.objects.for_org(org_a).exists()


def test_many_are_all_or_none(org_a: Organization) -> None:
    wishes = [Wish("domain", f"d{place}.example") for place in range(50)] + [Wish("domain", "D1.example")]
    assert add_suppressions(org=org_a, wishes=wishes, by="x") == 50
    assert add_suppressions(org=org_a, wishes=wishes, by="x") == 0
    with pytest.raises(InvalidInput) as caught:
        add_suppressions(org=org_a, wishes=[Wish("domain", "new.example"), Wish("email", "no")], by="x")
    assert list(caught.value.fields) == ["items.1.value"]
    assert Suppression.objects.for_org(org_a).count() == 50


def test_addresses_have_one_spelling() -> None:
    same = {"Sam@Acme.example", " sam+news@acme.EXAMPLE. ", "\uff53\uff41\uff4d@acme.example"}
    assert {normalise_email(one) for one in same} == {"sam@acme.example"}
    assert normalise_email("sam@münchen.example") == normalise_email("sam@xn--mnchen-3ya.example")
