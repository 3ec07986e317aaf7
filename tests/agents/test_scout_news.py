"""News that a language model reads: what it says must stand in the text, and waits for a person."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from agents.llm.contract import LLM, Answer, LLMFailed
from agents.models import AgentExecution
from agents.scout_news import Article, NewsReading, checked, is_quoted
from businesses.models import Business, BusinessEvent, Watchlist, WatchlistEntry
from oppspot.core.errors import RetryableError
from oppspot.organizations.models import Organization
from signals_app.models import BusinessScore, BuyingSignal
from tests.agents.factories import execute, make_agent
from tests.factories import make_business
from tests.signals_app.factories import make_event

pytestmark = pytest.mark.django_db
# The detectors' grammar finds no claim in it, the hints find "facility".
TEXT = "Inside Acme Robotics, where a £3m facility is in place, says founder Ada Byron."
READING = {
    "type": "funding_round",
    "is_about_company": True,
    "quote": "a £3m facility is in place",
    "amount": "£3m",
    "person": "Ada Byron",
    "title": "chief executive",
}


class FakeLLM(LLM):
    """Answers what the test says, and keeps what it was asked."""

    answer: Any = READING
    asked: list[tuple[str, Any, Any]] = []

    @property
    def is_configured(self) -> bool:
        return True

    def ask(self, prompt: str, schema: Any, *, facts: Any = None, untrusted: Any = (), **_: Any) -> Any:
        self.asked.append((prompt, facts, untrusted))
        if isinstance(self.answer, Exception):
            raise self.answer
        return Answer(schema.model_validate(self.answer), uuid4(), is_cached=False)


@pytest.fixture
def llm(monkeypatch: Any) -> type[FakeLLM]:
    monkeypatch.setattr("agents.llm.LLM", FakeLLM, raising=False)
    monkeypatch.setattr(FakeLLM, "asked", [])
    monkeypatch.setattr(FakeLLM, "answer", READING)
    return FakeLLM


@pytest.fixture
def acme(org_a: Organization) -> Business:
    business = make_business("Acme Robotics Ltd")
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="Mine")
    WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=watchlist, business=business)
    return business


def news(business: Business, title: str = TEXT, **fields: Any) -> BusinessEvent:
    return make_event(business, payload={"title": title}, **fields)


def scout(org: Organization, **configuration: Any) -> AgentExecution:
    execution = execute(make_agent(org, "scout_agent", configuration=configuration))
    assert (execution.status, execution.error_message) == ("completed", "")
    return execution


def test_what_is_read_waits_for_review_with_its_quote(
    org_a: Organization, acme: Business, llm: type[FakeLLM], settings: Any
) -> None:
    settings.LLM_MODEL = "model-x"
    event = news(acme)
    execution = scout(org_a)
    assert execution.mode == "llm"
    assert execution.output_data
    assert execution.output_data["news_read"] == {
        "asked": 1, "found": 1, "new": 1, "dropped": {}, "failed": 0, "failure": ""
    }  # fmt: skip
    signal = BuyingSignal.objects.for_org(org_a).get()
    assert (signal.signal_type, signal.needs_review, signal.confidence_score) == ("funding_round", True, 60)
    assert signal.detected_by == "scout_agent:model-x"
    assert signal.signal_data == {"amount": "£3m", "person": "Ada Byron"}  # the title stands nowhere
    assert (signal.evidence[0]["quote"], signal.event_id) == (READING["quote"], event.pk)
    assert not BusinessScore.objects.for_org(org_a).exists()
    (prompt, facts, untrusted) = llm.asked[0]
    assert (prompt, facts["company"], untrusted[0].text) == ("scout_news", "Acme Robotics Ltd", TEXT)


def test_an_article_is_one_signal_whatever_it_is_read_as(
    org_a: Organization, acme: Business, llm: type[FakeLLM], monkeypatch: Any
) -> None:
    news(acme)
    scout(org_a)
    monkeypatch.setattr(llm, "answer", READING | {"type": "expansion", "quote": "facility is in place"})
    scout(org_a)  # another agent
    assert BuyingSignal.objects.for_org(org_a).count() == 1
    assert len(llm.asked) == 1  # a signal rests on it already


def test_only_news_that_a_hint_makes_worth_it_is_asked_about(
    org_a: Organization, acme: Business, llm: type[FakeLLM]
) -> None:
    news(acme, "Acme Robotics Ltd raises £5m in Series A round led by Northern Ventures")  # the rules read it
    news(acme, "Acme Robotics celebrates its tenth birthday")  # no hint
    news(acme, "Another company has a £3m facility in place")  # another company
    news(acme, TEXT, days_ago=400)
    execution = scout(org_a)
    assert (llm.asked, execution.mode) == ([], "deterministic")
    for number in range(3):
        news(acme, f"{TEXT} {number}")
    scout(org_a, max_news=2)
    assert len(llm.asked) == 2


def article(text: str = TEXT) -> Article:
    business = Business(name="Acme Robotics Ltd")
    return Article("event:1", business, uuid4(), timezone.now().date() - timedelta(days=1), "feed", "", text)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "none"}, "nothing in it"),
        ({"is_about_company": False}, "not about the company"),
        ({"quote": "a £4m facility is in place"}, "quote not in the text"),
        ({"quote": ""}, "quote not in the text"),
        ({"quote": "says founder"}, "quote does not say so"),
        ({"type": "expansion"}, "quote does not say so"),
    ],
)
def test_what_does_not_rest_on_the_text_is_dropped(changes: dict[str, Any], reason: str) -> None:
    assert checked(article(), NewsReading.model_validate(READING | changes)) == {"dropped": reason}


def test_a_quote_that_names_the_company_is_surer_but_never_sure() -> None:
    text = "Acme Robotics has a new plant."
    reading = NewsReading.model_validate(
        {"type": "expansion", "is_about_company": True, "quote": "Acme Robotics has a new\nplant"}
    )
    assert checked(article(text), reading)["finding"]["confidence"] == 70
    assert checked(article("Nobody is named: a new plant"), reading) == {"dropped": "not about the company"}
    assert is_quoted("a  b", "x a\nb y")
    assert not is_quoted("  ", "x")


def test_a_model_that_fails_is_asked_no_more_and_the_result_says_so(
    org_a: Organization, acme: Business, llm: type[FakeLLM], monkeypatch: Any
) -> None:
    for number in range(5):
        news(acme, f"{TEXT} {number}")
    news(acme, "Acme Robotics Ltd appoints Jane Doe as chief executive")
    monkeypatch.setattr(llm, "answer", LLMFailed("The model refused."))
    execution = scout(org_a)
    assert execution.mode == "llm_fallback"
    assert execution.output_data
    assert execution.output_data["news_read"]["failure"] == "The model refused."
    assert (len(llm.asked), execution.output_data["new"]) == (3, 1)


def test_what_may_go_better_later_is_tried_again(
    org_a: Organization, acme: Business, llm: type[FakeLLM], monkeypatch: Any
) -> None:
    news(acme)

    def flaky(self: FakeLLM, prompt: str, schema: Any, **_: Any) -> Any:
        llm.asked.append((prompt, None, None))
        if len(llm.asked) == 1:
            raise RetryableError("Too many requests.", retry_after=0)
        return Answer(schema.model_validate(READING), uuid4(), is_cached=False)

    monkeypatch.setattr(llm, "ask", flaky)
    execution = scout(org_a)
    assert (execution.mode, BuyingSignal.objects.for_org(org_a).count()) == ("llm", 1)
