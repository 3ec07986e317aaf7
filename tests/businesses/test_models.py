"""What the register's tables guarantee, whoever writes them."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Field

from businesses.embedding_state import EmbeddingState, embedding_state, in_embedding_state
from businesses.models import Business, BusinessEvent, SicCode
from businesses.sic import titles
from tests.factories import embed

pytestmark = pytest.mark.django_db
Make = Callable[..., Business]


def text_hash(business: Business) -> str:
    value: str = Business.objects.values_list("text_hash", flat=True).get(pk=business.pk)
    return value


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""},
        {"company_number": "123"},
        {"company_number": "abcdefgh"},
        {"status": "sleeping"},
        {"description": "x" * 20_001},
        {"embedding_model": "m"},
        {"embedding": [1.0, 2.0]},
        {"embedding": [0.0, 0.0], "embedding_model": "m"},
    ],
)
def test_the_database_refuses(business: Make, values: dict[str, Any]) -> None:
    acme = business()
    with pytest.raises(IntegrityError), transaction.atomic():
        Business.objects.filter(pk=acme.pk).update(**values)


def test_a_company_number_is_there_once_and_may_be_unknown(business: Make) -> None:
    business(company_number=None)
    business(company_number=None)
    business(company_number="01234567")
    with pytest.raises(IntegrityError), transaction.atomic():
        business(company_number="01234567")


@pytest.mark.parametrize(
    ("field", "value", "embedded"),
    [
        ("name", "Other", True),
        ("description", "Other", True),
        ("categories", ["a"], True),
        ("town", "York", True),
        ("website", "https://other.example/page", True),
        ("sic_codes", ["62012"], True),
        ("status", "active", False),
        ("employee_count", 3, False),
        ("postcode", "YO1 7HH", False),
    ],
)
def test_the_text_hash_changes_with_the_embedded_fields_only(
    business: Make, field: str, value: Any, embedded: bool
) -> None:
    acme = business("Acme")
    before = text_hash(acme)
    setattr(acme, field, value)
    acme.save()
    assert (text_hash(acme) != before) is embedded


def test_moving_a_word_between_fields_changes_the_text_hash(business: Make) -> None:
    assert business("A B", description="C").text_hash != business("A", description="B C").text_hash


def test_another_page_of_the_same_site_leaves_the_text_hash(business: Make) -> None:
    first = business("A", website="https://www.acme.example/")
    assert first.text_hash == business("A", website="http://acme.example/contact").text_hash


def test_saving_derives_the_name_the_domain_and_the_titles(business: Make) -> None:
    acme = business("The Böring Company (UK) Ltd.", website="https://www.acme.example/", sic_codes=["62012", "6201"])
    assert acme.name_normalised == "the boring company uk"
    assert acme.domain == "acme.example"
    assert acme.sic_titles == titles()["62012"]
    acme.name, acme.website = "Other Ltd", ""
    acme.save(update_fields=["name", "website"])
    acme.refresh_from_db()
    assert (acme.name_normalised, acme.domain) == ("other", "")


def test_the_postcode_area_is_derived(business: Make) -> None:
    areas = {postcode: business(postcode=postcode).postcode_area for postcode in ("EC1V 2NX", "m1 1ae", "", "123")}
    assert areas == {"EC1V 2NX": "EC", "m1 1ae": "M", "": None, "123": None}


def test_the_state_of_a_vector_is_the_same_in_python_and_sql(business: Make) -> None:
    states = {
        business("none"): EmbeddingState.NONE,
        business("current", vector=[1.0]): EmbeddingState.CURRENT,
        business("outdated", vector=[1.0]): EmbeddingState.OUTDATED,
    }
    Business.objects.filter(name="outdated").update(town="York")
    for company, state in states.items():
        company.refresh_from_db()
        assert embedding_state(company) == state
        assert list(in_embedding_state(Business.objects.all(), state)) == [company]
    outdated = Business.objects.get(name="outdated")
    embed(outdated, [1.0], template="labelled-2")
    assert embedding_state(outdated) == EmbeddingState.CURRENT


def test_an_event_is_there_once(business: Make) -> None:
    acme, fingerprint = business(), uuid.uuid4()
    BusinessEvent.objects.create(business=acme, kind="news", source="test", fingerprint=fingerprint)
    with pytest.raises(IntegrityError), transaction.atomic():
        BusinessEvent.objects.create(business=acme, kind="filing", source="test", fingerprint=fingerprint)


def test_the_sic_codes_are_in_the_database() -> None:
    assert dict(SicCode.objects.values_list("code", "title")) == titles()


def test_each_field_has_a_default_in_the_database_too() -> None:
    """A bulk load names only the columns it knows."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO businesses (name, name_normalised) VALUES ('Raw', 'raw') RETURNING id")
        (identifier,) = cursor.fetchone()
    raw = Business.objects.get(pk=identifier)
    fields: Sequence[Field[Any, Any]] = Business._meta.concrete_fields
    assert [field.name for field in fields if not field.null and getattr(raw, field.attname) is None] == [
        "postcode_area"
    ]


def test_saving_a_stale_company_keeps_the_vector_made_since(business: Make) -> None:
    stale = business("Acme", description="Anvils.")
    embed(Business.objects.get(pk=stale.pk), [1.0, 2.0])
    stale.description = "Anvils and rockets."
    stale.save()
    now = Business.objects.get(pk=stale.pk)
    assert now.embedding_model == "test-model"
    assert now.description == "Anvils and rockets."
    assert embedding_state(now) == EmbeddingState.OUTDATED
