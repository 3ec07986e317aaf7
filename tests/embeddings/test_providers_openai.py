"""The real `openai` client against a local server that misbehaves in every way seen."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest
import stamina
import structlog
from pytest_django import Settings

from embeddings.providers import get_provider
from embeddings.providers.base import InputRejected, InvalidAnswer, UnknownModel
from embeddings.providers.openai import OpenAIProvider, shared_out
from embeddings.providers.openai_client import OpenAIClient
from oppspot.core.errors import PermanentError, RetryableError
from tests.embeddings import stub_openai as stubs
from tests.embeddings.stub_openai import Answer, Behaviour, StubOpenAI, vector_of

TEXTS = ["one", "two words", "three words here", "four", "five"]
KEY = "sk-secret-canary"
MakeProvider = Callable[..., OpenAIProvider]


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as server:
        yield server


@pytest.fixture
def make(stub: StubOpenAI) -> Iterator[MakeProvider]:
    made: list[OpenAIProvider] = []

    def make_provider(model: str = "text-embedding-3-small", *, timeout_s: float = 20, url: str = "") -> OpenAIProvider:
        spec = OpenAIProvider.spec_of(model)
        made.append(OpenAIProvider(model, spec, api_key=KEY, base_url=url or stub.url, timeout_s=timeout_s))
        return made[-1]

    yield make_provider
    for provider in made:
        provider.close()


@pytest.fixture
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


def assert_right(provider: OpenAIProvider, texts: list[str]) -> None:
    """Each vector is that of its own text."""
    vectors = provider.embed_documents(texts).vectors
    for text, vector in zip(texts, vectors, strict=True):
        assert np.allclose(vector, vector_of(text, provider.dimensions), atol=1e-5), text


def test_asks_as_documented(stub: StubOpenAI, make: MakeProvider) -> None:
    assert_right(make(), TEXTS)
    (request,) = stub.requests
    assert request == {
        "input": TEXTS,
        "model": "text-embedding-3-small",
        "encoding_format": "base64",
        "authorization": f"Bearer {KEY}",
    }


def test_the_large_model(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.dimensions = 3072
    provider = make("text-embedding-3-large")
    assert_right(provider, TEXTS)
    assert str(provider.cost_of(1_000_000)) == "0.13"


def test_tokens_are_shared_out_exactly(stub: StubOpenAI, make: MakeProvider) -> None:
    counts = make().embed_documents(TEXTS).token_counts
    assert sum(counts) == sum(len(text.split()) for text in TEXTS)
    assert shared_out(10, [1, 1, 1]) == [3, 3, 4]
    assert shared_out(0, [5, 5]) == [0, 0]


def shuffle(answer: Answer) -> None:
    answer["data"].reverse()


def test_order_is_by_index(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.then(stubs.changed(shuffle))
    assert_right(make(), TEXTS)


def test_plain_lists_are_understood(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.then(stubs.as_lists)
    assert_right(make(), TEXTS)


@pytest.mark.usefixtures("no_waiting")
def test_vectors_are_made_unit_length(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.then(stubs.vectors(lambda vector: vector * 7))
    assert_right(make(), TEXTS)


def drop_one(answer: Answer) -> None:
    answer["data"].pop(1)


def drop_all(answer: Answer) -> None:
    answer["data"] = []


def repeat_an_index(answer: Answer) -> None:
    answer["data"][1]["index"] = 0


def index_out_of_range(answer: Answer) -> None:
    answer["data"][1]["index"] = 99


def no_index(answer: Answer) -> None:
    del answer["data"][1]["index"]


def an_extra(answer: Answer) -> None:
    answer["data"].append(answer["data"][0])


def not_base64(answer: Answer) -> None:
    answer["data"][1]["embedding"] = "&&&"


def base64_of_a_part(answer: Answer) -> None:
    answer["data"][1]["embedding"] = answer["data"][1]["embedding"][:40]


def no_embedding(answer: Answer) -> None:
    answer["data"][1]["embedding"] = None


def an_item_that_failed(answer: Answer) -> None:
    answer["data"][1] = {"object": "error", "message": "content filter"}


def numbers_as_text(answer: Answer) -> None:
    answer["data"][1]["embedding"] = ["0.1"] * 1535 + ["x"]


def not_data(answer: Answer) -> None:
    answer["data"] = "no"


def nan(vector: Any) -> Any:
    vector[3] = np.nan
    return vector


def infinite(vector: Any) -> Any:
    vector[3] = np.inf
    return vector


INVALID: list[Behaviour] = [
    *map(
        stubs.changed,
        [drop_one, drop_all, repeat_an_index, index_out_of_range, no_index, an_extra, not_base64, base64_of_a_part,
         no_embedding, an_item_that_failed, numbers_as_text, not_data],
    ),
    stubs.vectors(nan),
    stubs.vectors(infinite),
    stubs.vectors(lambda vector: vector * 0),
    stubs.vectors(lambda vector: vector[:3]),
    stubs.html,
    stubs.truncated,
    lambda exchange: exchange.send(b""),
    lambda exchange: exchange.send(b"null"),
    lambda exchange: exchange.send(b"[]"),
    lambda exchange: exchange.send(b"[" * 100_000),
    lambda exchange: exchange.send(b"\xff\xfe"),
]  # fmt: skip


@pytest.mark.parametrize("behaviour", INVALID)
@pytest.mark.usefixtures("no_waiting")
def test_an_invalid_answer_is_asked_for_again_once(stub: StubOpenAI, make: MakeProvider, behaviour: Behaviour) -> None:
    stub.then(behaviour)
    assert_right(make(), TEXTS)
    stub.then(behaviour, behaviour)
    with pytest.raises(InvalidAnswer):
        make().embed_documents(TEXTS)
    assert len(stub.requests) == 4


def test_vectors_of_another_model_are_refused(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.then(stubs.changed(lambda answer: answer.update(model="text-embedding-ada-002-v2")))
    with pytest.raises(PermanentError, match="ada-002"):
        make().embed_documents(TEXTS)
    assert len(stub.requests) == 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
@pytest.mark.usefixtures("no_waiting")
def test_what_may_pass_is_tried_again(stub: StubOpenAI, make: MakeProvider, status: int) -> None:
    stub.then(*[stubs.error(status)] * 4)
    assert_right(make(), TEXTS)
    assert len(stub.requests) == 5
    stub.then(*[stubs.error(status)] * 5)
    with pytest.raises(RetryableError, match=str(status)):
        make().embed_documents(TEXTS)
    assert len(stub.requests) == 10


@pytest.mark.usefixtures("no_waiting")
def test_a_connection_that_breaks_is_tried_again(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.then(stubs.hangs_up)
    assert_right(make(), TEXTS)


@pytest.mark.usefixtures("no_waiting")
def test_nobody_listens(make: MakeProvider) -> None:
    with pytest.raises(RetryableError, match="cannot be reached"):
        make(url="http://127.0.0.1:9/v1").embed_documents(TEXTS)


def test_retry_after_is_waited_for(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.then(stubs.error(429, "rate_limit_exceeded", Retry_After="1.2"))
    started = time.monotonic()
    assert_right(make(), TEXTS)
    assert 1.2 <= time.monotonic() - started < 8


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_long_retry_after_is_for_the_caller(stub: StubOpenAI, make: MakeProvider, form: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    stub.then(stubs.error(429, Retry_After="90" if form == "seconds" else date))
    started = time.monotonic()
    with pytest.raises(RetryableError) as caught:
        make().embed_documents(TEXTS)
    assert time.monotonic() - started < 8
    assert caught.value.retry_after is not None
    assert 60 < caught.value.retry_after <= 90
    assert len(stub.requests) == 1


def test_a_query_does_not_wait_long(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.then(stubs.error(429, Retry_After="12"))
    with pytest.raises(RetryableError):
        make(timeout_s=60).embed_query("one")
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (stubs.error(429, "insufficient_quota"), "no credit"),
        (stubs.error(401, "invalid_api_key", f"Incorrect API key provided: {KEY}"), "refuses"),
        (stubs.error(403), "refuses"),
        (stubs.error(404, "model_not_found"), "refuses"),
    ],
    ids=["quota", "401", "403", "404"],
)
def test_what_will_not_pass_is_not_tried_again(
    stub: StubOpenAI, make: MakeProvider, behaviour: Behaviour, says: str
) -> None:
    stub.then(behaviour)
    with pytest.raises(PermanentError, match=says) as caught:
        make().embed_documents(TEXTS)
    assert len(stub.requests) == 1
    assert caught.value.hint
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "behaviour",
    [stubs.silent(10), stubs.trickling(30), stubs.trickling(30, headers=True), stubs.endless],
    ids=["silent", "trickling body", "trickling headers", "endless"],
)
def test_the_deadline_covers_everything(stub: StubOpenAI, make: MakeProvider, behaviour: Behaviour) -> None:
    stub.always = behaviour
    started = time.monotonic()
    with pytest.raises(RetryableError):
        make(timeout_s=1.0).embed_documents(TEXTS)
    assert time.monotonic() - started < 4


def test_a_request_given_up_ends_by_itself(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.always = stubs.trickling(30)
    with pytest.raises(RetryableError):
        make(timeout_s=0.5).embed_documents(TEXTS)
    deadline = time.monotonic() + 3
    while any(thread.name == "openai-request" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_try_that_hangs_leaves_time_for_another(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.then(stubs.silent(5))
    assert_right(make(timeout_s=4.0), TEXTS)
    assert len(stub.requests) == 2


def test_a_body_is_not_read_past_what_it_can_need(stub: StubOpenAI) -> None:
    stub.then(stubs.endless)
    client = OpenAIClient(api_key=KEY, base_url=stub.url, max_numbers=10)
    with pytest.raises(InvalidAnswer, match="larger than"):
        client.embed(TEXTS, model="m", seconds=5)
    client.close()


@pytest.mark.usefixtures("no_waiting")
def test_compressed_bodies_are_refused(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.always = lambda exchange: exchange.send(b"\x1f\x8b", Content_Encoding="gzip")
    with pytest.raises(InvalidAnswer, match="compressed"):
        make().embed_documents(TEXTS)


def test_missing_usage_is_estimated_and_logged(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.then(stubs.changed(lambda answer: answer.pop("usage")))
    provider = make()
    with structlog.testing.capture_logs() as logs:
        counts = provider.embed_documents(TEXTS).token_counts
    assert counts == [provider.estimate_tokens(text) for text in TEXTS]
    assert [entry["event"] for entry in logs] == ["embedding_usage_missing"]


def test_a_request_that_is_too_long_is_split(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.always = stubs.limited(per_text=1_000, per_request=25)
    assert_right(make(), TEXTS)
    assert len(stub.requests) > 2


@pytest.mark.parametrize("message", ["", "Invalid 'input[0]': string too long."])
def test_a_text_that_is_too_long_is_shortened(stub: StubOpenAI, make: MakeProvider, message: str) -> None:
    stub.always = stubs.limited(per_text=9_000, per_request=10**9, message=message)
    texts = ["short", "é" * 100_000, "last"]
    vectors = make().embed_documents(texts).vectors
    sent = [text for text in stub.texts if text.startswith("é") and len(text) <= 9_000]
    assert len(sent) == 1
    assert len(sent[0]) > 6_000
    for text, vector in zip(["short", sent[0], "last"], vectors, strict=True):
        assert np.allclose(vector, vector_of(text, 1536), atol=1e-5)


def test_a_text_that_never_fits_is_rejected_alone(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.always = stubs.limited(per_text=0, per_request=10**9)
    with pytest.raises(InputRejected):
        make().embed_documents(["abcdefgh"])


def test_rejected_input_is_not_tried_again(stub: StubOpenAI, make: MakeProvider) -> None:
    stub.always = stubs.refuses("four")
    with pytest.raises(InputRejected, match="bad input"):
        make().embed_documents(TEXTS)
    assert len(stub.requests) == 1


def test_requests_keep_to_the_limits(stub: StubOpenAI, make: MakeProvider) -> None:
    provider = make()
    texts = [f"{number}" for number in range(2_100)] + ["x" * 20_000 + str(number) for number in range(50)]
    provider.embed_documents(texts)
    assert stub.texts == texts
    for request in stub.requests:
        assert len(request["input"]) <= 2_048
        assert sum(provider.estimate_tokens(text) for text in request["input"]) <= 300_000


def test_a_model_of_another_server_is_described_by_settings(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER, settings.OPENAI_API_KEY = "openai", "sk-test"
    settings.EMBEDDING_MODEL = "nomic-embed-text"
    with pytest.raises(UnknownModel, match="EMBEDDING_DIMENSIONS"):
        get_provider()
    settings.EMBEDDING_DIMENSIONS, settings.EMBEDDING_PRICE_PER_MILLION = 768, 0.01
    provider = get_provider()
    assert (provider.model, provider.dimensions) == ("nomic-embed-text", 768)
    assert provider.cost_of(2_000_000) == Decimal("0.02")
