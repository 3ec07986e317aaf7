"""While nobody is to be asked, nobody is, by whichever way."""

import pytest
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from agents.llm.client import send
from embeddings.providers.openai import OpenAIProvider
from oppspot.core.errors import PermanentError
from oppspot.core.http import NobodyAsked, asking_nobody, check_may_ask, plain_client


def test_every_way_out_is_shut(httpserver: HTTPServer, settings: Settings) -> None:
    httpserver.expect_request("/").respond_with_data("Hello")
    settings.OPENAI_API_KEY = settings.LLM_API_KEY = "key"
    settings.OPENAI_BASE_URL = settings.LLM_BASE_URL = httpserver.url_for("/v1")
    with asking_nobody() as refused:
        for _ in range(2):
            with pytest.raises(NobodyAsked, match=f"and so not {httpserver.host}"):
                plain_client().fetch(httpserver.url_for("/"), tries=3)
        with pytest.raises(NobodyAsked), plain_client().stream_lines(httpserver.url_for("/")):
            pass
        with pytest.raises(NobodyAsked):
            plain_client().post(httpserver.url_for("/"), b"", content_type="text/plain")
        with pytest.raises(NobodyAsked):
            send([], model="gpt-4.1-mini", temperature=0, max_tokens=1, response_format={})
        with pytest.raises(NobodyAsked):
            OpenAIProvider.from_settings("").embed_query("brewers")
    assert refused == [httpserver.host, "the language model", "the provider of embeddings openai"]
    assert httpserver.log == []
    check_may_ask("anybody")
    assert plain_client().fetch(httpserver.url_for("/")).body == b"Hello"


def test_it_ends_with_an_error_and_may_be_nested() -> None:
    with pytest.raises(PermanentError, match="not the second"), asking_nobody() as outer, asking_nobody() as inner:
        check_may_ask("the second")
    assert (outer, inner) == ([], ["the second"])
    check_may_ask("anybody")
