"""Generating vectors: what is selected, written, isolated, counted, and what happens when somebody interferes."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import stamina
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from businesses.models import Business
from embeddings import services
from embeddings.providers.base import InputRejected, InvalidAnswer, ModelSpec
from embeddings.providers.deterministic import DIMENSIONS, DeterministicProvider
from embeddings.providers.openai import OpenAIProvider
from embeddings.services import GenerationReport, generate_embeddings
from embeddings.template import TEMPLATE
from oppspot.core.errors import NotConfigured, PermanentError, RetryableError
from tests.embeddings import stub_openai as stubs
from tests.embeddings.stub_openai import StubOpenAI, vector_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db

POISON = "Poison"


class Recorder(DeterministicProvider):
    """Remembers what it was asked; `before` runs ahead of each answer and may refuse it."""

    def __init__(self, before: Callable[[Sequence[str]], object] = lambda texts: None) -> None:
        super().__init__("recorder", ModelSpec(DIMENSIONS, 1000, 0.5, Decimal("0.02")))
        self.before = before
        self.calls: list[list[str]] = []

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]

    def request(self, texts: Sequence[str]) -> tuple[Any, list[int]]:
        self.calls.append(list(texts))
        self.before(texts)
        return super().request(texts)


def refuse_poison(texts: Sequence[str]) -> None:
    if any(POISON in text for text in texts):
        raise InputRejected("not this one")


def state(business: Business) -> tuple[Any, ...]:
    """The row's version in Postgres, and its embedding columns."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin FROM businesses WHERE id = %s", [business.pk])
        (version,) = cursor.fetchone()
    business.refresh_from_db()
    return version, business.embedding_hash, business.embedding_model, business.embedding_generated_at


def pending() -> set[UUID]:
    return set(Business.objects.needing_embedding("recorder", TEMPLATE).values_list("pk", flat=True))


def test_writes_what_it_was_made_from() -> None:
    business = make_business("Acme Ltd", town="LEEDS", sic_codes=["43220"])
    provider = Recorder()
    report = generate_embeddings(provider=provider)
    business.refresh_from_db()
    assert provider.texts == [f"Acme Ltd. {business.sic_titles.rstrip('.')}. Leeds"]
    assert business.embedding is not None
    assert np.allclose(business.embedding, provider.embed_query(provider.texts[0]), atol=1e-6)
    assert (business.embedding_model, business.embedding_hash) == ("recorder", f"{TEMPLATE}:{business.text_hash}")
    assert business.embedding_token_count == report.tokens > 0
    assert business.embedding_generated_at is not None
    assert (report.selected, report.embedded, report.unchanged, report.remaining) == (1, 1, 0, 0)
    assert report.cost == Decimal("0.02") * report.tokens / 1_000_000


def test_two_texts_make_one_mean_direction() -> None:
    business = make_business("Acme Ltd", description="We fix pipes.", categories=["Plumbing"])
    provider = Recorder()
    generate_embeddings(provider=provider)
    business.refresh_from_db()
    one, two = (provider.embed_query(text) for text in ("Acme Ltd. We fix pipes", "Plumbing"))
    mean = (one + two) / np.linalg.norm(one + two)
    assert business.embedding is not None
    assert np.allclose(business.embedding, mean, atol=1e-6)
    assert business.embedding_token_count == 6


def test_unchanged_text_costs_nothing() -> None:
    businesses = [make_business() for _ in range(3)]
    generate_embeddings(provider=Recorder())
    before = [state(business) for business in businesses]
    provider = Recorder()
    report = generate_embeddings(provider=provider)
    assert provider.calls == []
    assert [state(business) for business in businesses] == before
    assert (report.selected, report.unchanged, report.embedded, report.tokens, report.cost) == (0, 3, 0, 0, Decimal(0))


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({"name": "New name"}, True),
        ({"description": "New"}, True),
        ({"website": "https://new.example"}, True),
        ({"categories": ["New"]}, True),
        ({"sic_codes": ["62012"]}, True),
        ({"town": "York"}, True),
        ({"status": "dissolved", "employee_count": 3, "postcode": "LS1 1AA"}, False),
    ],
    ids=str,
)
def test_an_edit_of_what_is_embedded_makes_it_stale(change: dict[str, Any], stale: bool) -> None:
    business, other = make_business(), make_business()
    generate_embeddings(provider=Recorder())
    business.refresh_from_db()
    for field, value in change.items():
        setattr(business, field, value)
    business.save()
    assert pending() == ({business.pk} if stale else set())
    report = generate_embeddings(provider=Recorder())
    assert report.embedded == int(stale)
    assert not pending()
    assert other.pk not in pending()


def test_another_model_or_template_makes_all_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    make_business()
    generate_embeddings(provider=Recorder())
    monkeypatch.setattr(services, "TEMPLATE", "v0")
    assert generate_embeddings(provider=Recorder()).embedded == 1
    assert generate_embeddings(provider=DeterministicProvider.from_settings("")).embedded == 1


def test_force_renews_each_once() -> None:
    business = make_business()
    generate_embeddings(provider=Recorder())
    before = state(business)
    provider = Recorder()
    report = generate_embeddings(provider=provider, force=True)
    assert (report.selected, report.unchanged, report.embedded, report.remaining) == (1, 0, 1, 0)
    assert len(provider.calls) == 1
    assert state(business)[3] > before[3]


def test_only_the_companies_asked_for() -> None:
    leeds, york = make_business(town="Leeds"), make_business(town="York")
    generate_embeddings(provider=Recorder(), queryset=Business.objects.filter(town="Leeds").order_by("-name"))
    assert pending() == {york.pk}
    assert leeds.pk not in pending()


def test_limit_counts_companies_and_the_next_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "WINDOW", 4)
    for _ in range(10):
        make_business()
    seen: list[tuple[int, int]] = []
    report = generate_embeddings(provider=Recorder(), limit=6, progress=lambda done, total: seen.append((done, total)))
    assert (report.embedded, report.remaining) == (6, 4)
    assert seen[-1] == (6, 6)
    assert generate_embeddings(provider=Recorder()).embedded == 4


def test_a_text_of_many_companies_is_embedded_once() -> None:
    for number in range(5):
        make_business(f"Company {number}", description=f"Does thing {number}.", categories=["Plumbing"])
    provider = Recorder()
    report = generate_embeddings(provider=provider, batch_size=2)
    assert provider.texts.count("Plumbing") == 1
    assert report.texts == len(provider.texts) == 6
    stored = Business.objects.values_list("embedding_token_count", flat=True)
    assert report.tokens == sum(count or 0 for count in stored) - 4, "a company counts the tokens of all its text"


def test_batches_are_of_similar_length_and_size() -> None:
    for number in range(20):
        make_business(f"Company {number}", description="long " * 50 if number % 2 else "")
    provider = Recorder()
    generate_embeddings(provider=provider, batch_size=5)
    assert [len(call) for call in provider.calls] == [5] * 4
    assert all(len({len(text) > 100 for text in call}) == 1 for call in provider.calls)


def test_batches_keep_to_the_tokens_of_a_call() -> None:
    class Narrow(Recorder):
        max_batch_tokens = 100

    for _ in range(6):
        make_business(description="word " * 20)
    provider = Narrow()
    generate_embeddings(provider=provider)
    assert [len(call) for call in provider.calls] == [2, 2, 2]


def test_a_dry_run_changes_nothing_and_estimates() -> None:
    businesses = [make_business(description="word " * 20) for _ in range(3)]
    before = [state(business) for business in businesses]
    provider = Recorder()
    estimate = generate_embeddings(provider=provider, dry_run=True)
    assert provider.calls == []
    assert [state(business) for business in businesses] == before
    real = generate_embeddings(provider=provider)
    assert (estimate.selected, estimate.texts, estimate.remaining) == (3, real.texts, 3)
    assert real.tokens <= estimate.tokens < 4 * real.tokens
    assert estimate.cost == provider.cost_of(estimate.tokens)


@pytest.mark.parametrize("error", [InputRejected, InvalidAnswer])
def test_one_bad_company_does_not_stop_the_others(error: type[Exception]) -> None:
    def refuse(texts: Sequence[str]) -> None:
        if any(POISON in text for text in texts):
            raise error("not this one")

    bad = [make_business(f"{POISON} {number}") for number in range(2)]
    good = [make_business() for _ in range(30)]
    provider = Recorder(refuse)
    report = generate_embeddings(provider=provider)
    assert report.error is None
    assert report.embedded == len(good)
    assert {(failure.business_id, failure.reason) for failure in report.failures} == {
        (business.pk, "not this one") for business in bad
    }
    assert pending() == {business.pk for business in bad}
    assert len(provider.calls) < 25, "halving, not one by one"


def test_a_rejected_company_is_alone_to_blame_even_on_its_own() -> None:
    make_business(POISON)
    report = generate_embeddings(provider=Recorder(refuse_poison))
    assert len(report.failures) == 1
    assert report.error is None


@pytest.mark.parametrize("error", [PermanentError, RetryableError, InvalidAnswer, InputRejected])
def test_an_error_of_the_provider_ends_the_run_and_keeps_what_was_written(error: type[Exception]) -> None:
    for _ in range(10):
        make_business()

    def fail_later(texts: Sequence[str]) -> None:
        if len(provider.calls) > 2:
            raise error("nothing goes any more")

    provider = Recorder(fail_later)
    report = generate_embeddings(provider=provider, batch_size=2)
    assert report.embedded == 4
    assert report.remaining == 6
    assert report.failures == []
    assert "nothing goes any more" in str(report.error)
    assert len(provider.calls) <= 4


def test_a_wrong_configuration_is_raised() -> None:
    def unusable(texts: Sequence[str]) -> None:
        raise NotConfigured("no model")

    make_business()
    with pytest.raises(NotConfigured):
        generate_embeddings(provider=Recorder(unusable))


def test_a_pause_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "POLL_S", 0.01)
    make_business()

    def busy_twice(texts: Sequence[str]) -> None:
        if len(provider.calls) <= 2:
            raise RetryableError("busy", retry_after=0.05)

    provider = Recorder(busy_twice)
    assert generate_embeddings(provider=provider, patience_s=1).embedded == 1
    make_business()
    provider = Recorder(busy_twice)
    report = generate_embeddings(provider=provider, patience_s=0.06)
    assert (report.embedded, str(report.error)) == (0, "busy")


def test_nonsense_from_a_broken_provider_is_waited_out_and_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "POLL_S", 0.01)
    monkeypatch.setattr(services, "PAUSE_S", 0.02)
    for _ in range(8):
        make_business()

    def nonsense_at_first(texts: Sequence[str]) -> None:
        if len(provider.calls) <= 4:
            raise InvalidAnswer("<html>")

    provider = Recorder(nonsense_at_first)
    report = generate_embeddings(provider=provider, patience_s=1)
    assert (report.embedded, report.failures, report.error) == (8, [], None)


def test_a_pause_ends_when_asked_to_stop() -> None:
    def busy(texts: Sequence[str]) -> None:
        raise RetryableError("busy", retry_after=500)

    make_business()
    report = generate_embeddings(provider=Recorder(busy), patience_s=1_000, should_stop=lambda: True)
    assert report.cancelled
    assert report.remaining == 1


def test_stops_after_the_batch_when_asked() -> None:
    for _ in range(10):
        make_business()
    provider = Recorder()
    report = generate_embeddings(provider=provider, batch_size=2, should_stop=lambda: len(provider.calls) >= 2)
    assert (report.cancelled, report.embedded, report.remaining) == (True, 4, 6)
    assert generate_embeddings(provider=Recorder()).embedded == 6


def test_a_company_edited_meanwhile_keeps_its_state_and_is_picked_up_again() -> None:
    edited, gone, other = make_business("Old name"), make_business(), make_business()

    def edit(texts: Sequence[str]) -> None:
        if len(provider.calls) == 1:
            Business.objects.filter(pk=edited.pk).update(name="New name")
            Business.objects.filter(pk=gone.pk).delete()

    provider = Recorder(edit)
    report = generate_embeddings(provider=provider)
    assert (report.embedded, report.superseded) == (1, 2)
    edited.refresh_from_db()
    assert edited.embedding is None
    assert pending() == {edited.pk}
    provider.calls.clear()
    generate_embeddings(provider=Recorder())
    edited.refresh_from_db()
    assert edited.embedding_hash == f"{TEMPLATE}:{edited.text_hash}"
    assert other.pk not in pending()


def test_queries_do_not_grow_with_the_companies(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    # two counts; ids, claim, rows, release; no more ids; what remains (and a write, by the driver's own cursor)
    for count in (1, 50):
        for number in range(count):
            make_business(description=f"Thing {number}", categories=["One"])
        with django_assert_num_queries(8):
            generate_embeddings(provider=Recorder())


POISONOUS_TEXTS = [
    "\u200b",
    "\u202e" * 100,
    "😀" * 3_000,
    "x" * 20_000,
    "\u0627" * 9_000,
    "'; DROP TABLE --",
    "a\tb\r\nc",
]


@pytest.mark.parametrize("text", POISONOUS_TEXTS, ids=lambda text: ascii(text[:9]))
def test_odd_texts_are_embedded_like_others(text: str) -> None:
    make_business(text, description=text, categories=[text], town=text, website=text)
    report = generate_embeddings(provider=Recorder())
    assert (report.embedded, report.failures) == (1, [])


@pytest.fixture
def openai() -> Iterator[tuple[StubOpenAI, OpenAIProvider]]:
    with StubOpenAI() as stub, stamina.set_testing(True, attempts=3, cap=True):
        model = "text-embedding-3-small"
        spec = OpenAIProvider.spec_of(model)
        provider = OpenAIProvider(model, spec, api_key="sk-test", base_url=stub.url, timeout_s=20)
        yield stub, provider
        provider.close()


def drop_one(answer: stubs.Answer) -> None:
    answer["data"].pop()


@pytest.mark.parametrize(
    "behaviour",
    [
        stubs.error(429),
        stubs.error(500),
        stubs.html,
        stubs.truncated,
        stubs.changed(drop_one),
        stubs.changed(lambda answer: answer["data"].reverse()),
        stubs.vectors(lambda vector: vector * 0),
        stubs.vectors(lambda vector: vector * np.nan),
        stubs.vectors(lambda vector: vector[:8]),
        stubs.limited(per_text=10_000, per_request=100),
    ],
)
def test_no_vector_ends_up_with_another_company(
    openai: tuple[StubOpenAI, OpenAIProvider], behaviour: stubs.Behaviour
) -> None:
    stub, provider = openai
    for number in range(40):
        make_business(f"Company number {number}")
    stub.then(*[behaviour, stubs.well] * 2)
    report = generate_embeddings(provider=provider, batch_size=10)
    assert (report.embedded, report.failures, report.error) == (40, [], None)
    for business in Business.objects.all():
        assert business.embedding is not None
        assert np.allclose(business.embedding, vector_of(business.name, 1536), atol=1e-5)


def test_openai_rejects_one_company(openai: tuple[StubOpenAI, OpenAIProvider]) -> None:
    stub, provider = openai
    stub.always = stubs.refuses(POISON)
    bad = make_business(POISON)
    for _ in range(20):
        make_business()
    report = generate_embeddings(provider=provider)
    assert [failure.business_id for failure in report.failures] == [bad.pk]
    assert "bad input" in report.failures[0].reason
    assert report.embedded == 20


def test_openai_runs_out_of_credit(openai: tuple[StubOpenAI, OpenAIProvider]) -> None:
    stub, provider = openai
    for _ in range(6):
        make_business()
    stub.then(stubs.well)
    stub.always = stubs.error(429, "insufficient_quota")
    report = generate_embeddings(provider=provider, batch_size=3, patience_s=100)
    assert (report.embedded, report.remaining) == (3, 3)
    assert "credit" in str(report.error)
    assert len(stub.requests) == 2


def in_thread(work: Callable[[], GenerationReport]) -> GenerationReport:
    try:
        return work()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_runs_at_the_same_time_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "WINDOW", 16)
    for _ in range(200):
        make_business()
    barrier = threading.Barrier(4)

    def slowly(texts: Sequence[str]) -> None:
        threading.Event().wait(0.005)

    providers = [Recorder(slowly) for _ in range(4)]

    def run(provider: Recorder) -> GenerationReport:
        barrier.wait()
        return in_thread(lambda: generate_embeddings(provider=provider, batch_size=8))

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(run, providers))
    texts = [text for provider in providers for text in provider.texts]
    assert len(texts) == len(set(texts)) == 200, "each was embedded once"
    assert sum(report.embedded for report in reports) == 200
    assert sum(report.superseded for report in reports) == 0
    assert sum(report.embedded > 0 for report in reports) > 1
    assert not pending()
    assert held_locks() == 0


@pytest.mark.django_db(transaction=True)
def test_a_company_another_run_works_on_is_left_to_it() -> None:
    make_business()

    def meanwhile(texts: Sequence[str]) -> None:
        with ThreadPoolExecutor(1) as pool:
            other.append(pool.submit(in_thread, lambda: generate_embeddings(provider=second)).result())

    other: list[GenerationReport] = []
    second = Recorder()
    report = generate_embeddings(provider=Recorder(meanwhile))
    assert (report.embedded, other[0].embedded, other[0].elsewhere) == (1, 0, 1)
    assert second.calls == []
    assert held_locks() == 0


@pytest.mark.django_db(transaction=True)
def test_claims_are_given_back_when_a_run_fails() -> None:
    def crash(texts: Sequence[str]) -> None:
        raise ZeroDivisionError

    make_business()
    with pytest.raises(ZeroDivisionError):
        generate_embeddings(provider=Recorder(crash))
    assert held_locks() == 0


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_provider_works() -> None:
    make_business()
    states: list[str] = []

    def look(texts: Sequence[str]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'RowExclusiveLock'")
            states.append(f"{connection.in_atomic_block} {cursor.fetchone()[0]}")

    generate_embeddings(provider=Recorder(look))
    assert states == ["False 0"]


def held_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return int(cursor.fetchone()[0])
