"""Bodies of messages: faithful, short, and harmless whatever a company is called."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from businesses.models import Business
from signals_app.alerts.messages import MAX_LISTED, alert_message, body_for, escaped_for_slack, one_line, plain_message
from signals_app.alerts.models import Alert, AlertRule, Channel
from signals_app.models import BuyingSignal

RULE = AlertRule(name="Growth")
EMAIL, SLACK, WEBHOOK = Channel(kind="email"), Channel(kind="slack"), Channel(kind="webhook")


def alert(name: str = "ACME LTD", **fields: Any) -> Alert:
    terms = {"signal_type": "funding_round", "signal_strength": "strong", "confidence_score": 80, "rule": "allotment"}
    signal = BuyingSignal(occurred_on=date(2025, 11, 1), **(terms | fields))
    return Alert(business=Business(name=name, company_number="01234567"), signal=signal, day=date(2025, 11, 2))


def test_an_alert_for_people() -> None:
    message = alert_message(RULE, [alert(source_url="https://register.example/1?a=1&b=2")], is_digest=False)
    assert message.subject == "Growth: ACME LTD"
    line = "ACME LTD (01234567): Funding round, strong, on 01.11.2025 https://register.example/1?a=1&b=2"
    assert body_for(EMAIL, message) == line + "\n"
    assert json.loads(body_for(SLACK, message)) == {"text": f"Growth: ACME LTD\n\n{line.replace('&', '&amp;')}"}


def test_an_alert_for_programs() -> None:
    given = alert(is_negative=True)
    message = alert_message(RULE, [given], is_digest=False)
    body = json.loads(body_for(WEBHOOK, message))
    assert body["type"] == "signal.alert"
    assert datetime.fromisoformat(body["timestamp"]) == message.made_at
    assert body["timestamp"].endswith("Z")
    assert body["data"] == {
        "rule": {"id": str(RULE.pk), "name": "Growth"},
        "is_digest": False,
        "alerts": [
            {
                "id": str(given.pk),
                "day": "2025-11-02",
                "business": {"id": str(given.business.pk), "company_number": "01234567", "name": "ACME LTD"},
                "signal": {
                    "id": str(given.signal.pk),
                    "signal_type": "funding_round",
                    "rule": "allotment",
                    "signal_strength": "strong",
                    "confidence_score": 80,
                    "is_negative": True,
                    "occurred_on": "2025-11-01",
                    "source_url": "",
                },
            }
        ],
        "total": 1,
    }


def test_a_sign_against_says_so() -> None:
    assert "a sign against" in body_for(EMAIL, alert_message(RULE, [alert(is_negative=True)], is_digest=False))


def test_a_large_digest_says_how_many_there_are() -> None:
    message = alert_message(RULE, [alert()] * (MAX_LISTED + 3), is_digest=True)
    assert message.subject == "Growth: 103 companies"
    assert body_for(EMAIL, message).splitlines()[MAX_LISTED:] == ["… and 3 more"]
    data = json.loads(body_for(WEBHOOK, message))["data"]
    assert (len(data["alerts"]), data["total"], data["is_digest"]) == (MAX_LISTED, 103, True)
    assert alert_message(RULE, [alert()], is_digest=True).subject == "Growth: ACME LTD"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("A\r\nBcc: victim@example.com", "A Bcc: victim@example.com"),
        ("A\x00\x1b[31m\u2028B", "A[31m B"),
        ("\u202egnp.exe\u2066", "gnp.exe"),
        ("שלום بريد LTD", "שלום بريد LTD"),
        ("x" * 10_000, "x" * 199 + "…"),
        ("<script>alert(1)</script> & <!channel>", "<script>alert(1)</script> & <!channel>"),
    ],
)
def test_hostile_names_are_one_harmless_line(name: str, expected: str) -> None:
    message = alert_message(RULE, [alert(name)], is_digest=False)
    assert len(message.subject) <= 200
    assert message.subject.isprintable()
    assert body_for(EMAIL, message).count("\n") == 1
    assert body_for(EMAIL, message).startswith(f"{expected} (01234567): ")
    slack = json.loads(body_for(SLACK, message))["text"]
    assert "<" not in slack
    assert ">" not in slack
    assert slack.count("\n") == 2
    assert json.loads(body_for(WEBHOOK, message))["data"]["alerts"][0]["business"]["name"] == expected


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a.example/\nx", "https://a.example/ x", "https://a.example/" + "x" * 2_000]
)
def test_links_that_are_none_are_left_out(url: str) -> None:
    assert alert_message(RULE, [alert(source_url=url)], is_digest=False).lines[0].endswith("01.11.2025")
    assert plain_message(subject="A", lines=["b"], link=url).link == ""


def test_somebody_elses_words() -> None:
    message = plain_message(subject="News\n of today", lines=["one", "two <b>"], link="https://a.example/x")
    assert message.subject == "News of today"
    assert body_for(EMAIL, message) == "one\ntwo <b>\n\nhttps://a.example/x\n"
    body = json.loads(body_for(WEBHOOK, message))
    assert body["type"] == "message.sent"
    assert body["data"] == {"subject": "News of today", "lines": ["one", "two <b>"], "link": "https://a.example/x"}
    assert message.made_at.tzinfo == UTC


def test_escaping_for_slack() -> None:
    assert escaped_for_slack("<!channel> & <https://evil.example|here>") == (
        "&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;"
    )


def test_one_line_is_as_long_as_allowed() -> None:
    assert one_line("abcdef", 6) == "abcdef"
    assert one_line("abcdefg", 6) == "abcde…"
