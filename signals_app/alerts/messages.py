"""What a message says, and its body for each kind of channel.

Names and links come from outside: they are one line, of limited length, and cannot turn the text around them.
"""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from signals_app.alerts.models import Alert, AlertRule, Channel, ChannelKind

MAX_NAME, MAX_SUBJECT, MAX_LINE, MAX_URL = 200, 200, 1_000, 2_000
MAX_LISTED = 100  # alerts or lines of one message; it says how many there are
# Marks that turn the direction of what follows: letters of either direction do without.
BIDI_CONTROLS = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Message:
    """`lines` are for people, `kind` and `data` for programs."""

    subject: str
    lines: Sequence[str]
    kind: str
    data: dict[str, Any]
    link: str = ""
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def one_line(text: str, limit: int) -> str:
    """`text` without line ends, control characters and marks of direction, and not longer than `limit`."""
    line = " ".join(text.split())
    line = "".join(each for each in line if unicodedata.category(each) != "Cc" and each not in BIDI_CONTROLS)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def body_for(channel: Channel, message: Message) -> str:
    """The body as it is sent, and stored."""
    if channel.kind == ChannelKind.EMAIL:
        return "\n".join(_lines(message)) + "\n"
    if channel.kind == ChannelKind.SLACK:
        return _json({"text": "\n".join(map(escaped_for_slack, [message.subject, "", *_lines(message)]))})
    made_at = message.made_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return _json({"type": message.kind, "timestamp": made_at, "data": message.data})


def escaped_for_slack(text: str) -> str:
    """`<` begins mentions and links there (docs.slack.dev, "Formatting message text")."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def alert_message(rule: AlertRule, alerts: Sequence[Alert], *, is_digest: bool) -> Message:
    """Of `alerts` with their companies and signals; a digest is one of any number."""
    listed = alerts[:MAX_LISTED]
    about = f"{len(alerts)} companies" if is_digest and len(alerts) != 1 else alerts[0].business.name
    return Message(
        subject=one_line(f"{one_line(rule.name, MAX_NAME)}: {about}", MAX_SUBJECT),
        lines=[*map(_line_of, listed), *_rest(len(alerts))],
        kind="signal.alert",
        data={
            "rule": {"id": str(rule.pk), "name": rule.name},
            "is_digest": is_digest,
            "alerts": [_data_of(alert) for alert in listed],
            "total": len(alerts),
        },
    )


def plain_message(*, subject: str, lines: Sequence[str], link: str = "", kind: str = "message.sent") -> Message:
    """A message of somebody's own words. A `link` that is no http(s) URL is left out."""
    subject = one_line(subject, MAX_SUBJECT)
    shown = [one_line(line, MAX_LINE) for line in lines[:MAX_LISTED]]
    link = _link(link)
    return Message(
        subject, [*shown, *_rest(len(lines))], kind, {"subject": subject, "lines": shown, "link": link}, link=link
    )


def _lines(message: Message) -> list[str]:
    return [*message.lines, *(["", message.link] if message.link else [])]


def _rest(total: int) -> list[str]:
    return [f"… and {total - MAX_LISTED} more"] if total > MAX_LISTED else []


def _line_of(alert: Alert) -> str:
    signal, business = alert.signal, alert.business
    number = f" ({business.company_number})" if business.company_number else ""
    sign = "a sign against" if signal.is_negative else signal.get_signal_strength_display().lower()
    words = f"{signal.get_signal_type_display()}, {sign}, on {signal.occurred_on:%d.%m.%Y}"
    link = _link(signal.source_url)
    text = one_line(f"{one_line(business.name, MAX_NAME)}{number}: {words}", MAX_LINE)
    return f"{text} {link}" if link else text


def _data_of(alert: Alert) -> dict[str, Any]:
    signal, business = alert.signal, alert.business
    return {
        "id": str(alert.pk),
        "day": alert.day.isoformat(),
        "business": {
            "id": str(business.pk),
            "company_number": business.company_number,
            "name": one_line(business.name, MAX_NAME),
        },
        "signal": {
            "id": str(signal.pk),
            "signal_type": signal.signal_type,
            "rule": signal.rule,
            "signal_strength": signal.signal_strength,
            "confidence_score": signal.confidence_score,
            "is_negative": signal.is_negative,
            "occurred_on": signal.occurred_on.isoformat(),
            "source_url": _link(signal.source_url),
        },
    }


def _link(url: str) -> str:
    is_link = url.startswith(("https://", "http://")) and len(url) <= MAX_URL
    return url if is_link and one_line(url, MAX_URL) == url and " " not in url else ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
