"""The project's sample of companies, with vectors of the model that runs on this machine, for a transaction that is
rolled back: copies of their own, so that nothing that a register holds besides is looked at."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import UUID, uuid4

from django.db import transaction

import businesses
from businesses.models import Business
from businesses.querysets import BusinessQuerySet
from embeddings.providers import EmbeddingProvider
from embeddings.providers.registry import provider_class
from embeddings.services import generate_embeddings
from oppspot.core.errors import OppspotError
from oppspot.organizations.models import Organization

FILE = Path(businesses.__file__).resolve().parent / "sample_data" / "uk_companies.csv"
SOURCE = "evaluation"


class NoVectors(OppspotError):
    """The companies of the sample have no vectors."""

    code = "no_vectors"


@dataclass(frozen=True)
class Sample:
    """`ids` by name, and `org`, which knows nothing of any company."""

    org: Organization
    provider: EmbeddingProvider
    ids: dict[str, UUID]

    @property
    def names(self) -> dict[UUID, str]:
        return {pk: name for name, pk in self.ids.items()}

    @property
    def companies(self) -> BusinessQuerySet:
        return Business.objects.filter(pk__in=list(self.ids.values()))


@cache
def local_provider() -> EmbeddingProvider:
    """The model on this machine, whatever is configured: no key, no cost, the same figures everywhere. Raises
    `NotConfigured` where its files are missing."""
    return provider_class("local").from_settings("")


@contextmanager
def sample_of(provider: EmbeddingProvider) -> Iterator[Sample]:
    """The sample while the context lasts; nothing is left behind. Raises `NoVectors`."""
    with transaction.atomic():
        org = Organization.objects.create(name="Evaluation", slug=f"evaluation-{uuid4().hex}")
        ids = {row["name"]: _company(row).pk for row in _rows()}
        sample = Sample(org, provider, ids)
        report = generate_embeddings(provider=provider, queryset=sample.companies)
        if report.embedded != len(ids):
            raise NoVectors(report.error.message if report.error else f"{report.embedded} of {len(ids)} have one.")
        yield sample
        transaction.set_rollback(True)


def _rows() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _company(row: dict[str, str]) -> Business:
    company = Business(
        name=row["name"],
        town=row["town"],
        sic_codes=_list(row["sic_codes"]),
        categories=_list(row["categories"]),
        website=row["website"],
        founded_year=int(row["founded_year"]) if row["founded_year"] else None,
        description=row["description"],
        source=SOURCE,
    )
    company.save(force_insert=True)
    return company


def _list(text: str) -> list[str]:
    return [value for value in text.split(";") if value]
