"""Sending a message once, and what came of it: an answer, never an exception."""

import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parseaddr
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone

from oppspot.core.errors import NotConfigured, OutsideCallError
from oppspot.core.http import RefusedAnswer, RefusedForNow, TooLarge, guarded_client
from oppspot.jobs.redaction import redacted
from signals_app.alerts.messages import MAX_SUBJECT, one_line
from signals_app.alerts.models import Channel, ChannelKind, Delivery, Result
from signals_app.alerts.secrets import signed_headers, signing_secrets

SECONDS = 15.0  # for one try, names and all bytes included
MAX_EXCERPT = 500  # characters
TELLING = 12  # characters from which on a part of a URL may be what makes it a secret
MAX_ANSWER_BYTES = 20_000
NO_EMAIL = "django.core.mail.backends.dummy.EmailBackend"


@dataclass(frozen=True)
class Sent:
    """What came of a try. `is_gone`: the other side says that nobody is there, for good."""

    result: Result
    status_code: int | None = None
    answer: str = ""
    retry_after: float | None = None  # seconds
    is_gone: bool = False
    is_hopeless: bool = False  # this message will not get through; others may


def send(delivery: Delivery) -> Sent:
    """One try of `delivery`, whose channel is loaded."""
    return TRANSPORTS[ChannelKind(delivery.channel.kind)](delivery)


def check_email_is_configured() -> None:
    """Raise `NotConfigured` unless e-mail can be sent."""
    if settings.EMAIL_BACKEND == NO_EMAIL:
        hint = "Set EMAIL_URL, for example smtp+tls://user:password@host:587, and DEFAULT_FROM_EMAIL."
        raise NotConfigured("E-mail is not configured.", hint=hint)


def send_email(*, to: str, subject: str, body: str, message_id: str) -> None:
    """`message_id` is the same for each try, so that a mailbox may know one it has. Raises what `smtplib` raises."""
    check_email_is_configured()
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    headers = {"Message-ID": f"<{message_id}@{domain}>", "Auto-Submitted": "auto-generated"}
    EmailMessage(one_line(subject, MAX_SUBJECT), body, to=[to], headers=headers).send()


def _by_email(delivery: Delivery) -> Sent:
    try:
        send_email(
            to=delivery.channel.address, subject=delivery.subject, body=delivery.body, message_id=delivery.message_id
        )
    except NotConfigured as error:
        return Sent(Result.UNREACHED, answer=str(error))
    except smtplib.SMTPRecipientsRefused as error:
        said = "; ".join(f"{code} {_text(text)}" for code, text in error.recipients.values())
        is_final = all(code >= HTTPStatus.INTERNAL_SERVER_ERROR for code, _ in error.recipients.values())
        return Sent(Result.REFUSED, answer=_excerpt(said), is_hopeless=is_final)  # 5yz: for good, as in RFC 5321
    except smtplib.SMTPResponseException as error:
        return Sent(Result.REFUSED, answer=_excerpt(f"{error.smtp_code} {_text(error.smtp_error)}"))
    except (OSError, smtplib.SMTPException) as error:
        return Sent(Result.UNREACHED, answer=_excerpt(f"{type(error).__name__}: {error}"))
    return Sent(Result.DELIVERED)


def _by_slack(delivery: Delivery) -> Sent:
    return _post(delivery.channel, delivery.body, {})


def _by_webhook(delivery: Delivery) -> Sent:
    headers = signed_headers(delivery.channel, message_id=delivery.message_id, body=delivery.body, at=timezone.now())
    return _post(delivery.channel, delivery.body, headers)


def _post(channel: Channel, body: str, headers: dict[str, str]) -> Sent:
    try:
        answer = guarded_client().post(
            channel.address,
            body.encode(),
            content_type="application/json",
            headers=headers,
            max_bytes=MAX_ANSWER_BYTES,
            seconds=SECONDS,
        )
    except TooLarge:  # said after the status was found to be a success; the body does not matter
        return Sent(Result.DELIVERED, answer="The answer was too large to be kept.")
    except RefusedAnswer as error:
        return Sent(
            Result.REFUSED,
            status_code=error.answer_status,
            answer=" ".join(filter(None, [error.message, _kept(channel, error.excerpt)])),
            retry_after=error.retry_after if isinstance(error, RefusedForNow) else None,
            is_gone=error.answer_status == HTTPStatus.GONE,
        )
    except OutsideCallError as error:
        return Sent(Result.UNREACHED, answer=_excerpt(error.message))
    if answer.is_unchanged:
        return Sent(Result.REFUSED, status_code=answer.status, answer="An answer to another question.")
    return Sent(Result.DELIVERED, status_code=answer.status, answer=_kept(channel, answer.text()))


def _kept(channel: Channel, body: str) -> str:
    """What the log keeps of an answer: servers quote what they were sent, and some of that is secret."""
    url = urlsplit(channel.address)
    parts = {*url.path.split("/"), *(value for _, value in parse_qsl(url.query))}
    secrets = {channel.address, *signing_secrets(channel), *(part for part in parts if len(part) >= TELLING)}
    for secret in sorted(secrets, key=len, reverse=True):
        body = body.replace(secret, "[secret]")
    return _excerpt(redacted(body))


def _excerpt(text: str) -> str:
    return one_line(text, MAX_EXCERPT)


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said


TRANSPORTS: dict[ChannelKind, Callable[[Delivery], Sent]] = {
    ChannelKind.EMAIL: _by_email,
    ChannelKind.SLACK: _by_slack,
    ChannelKind.WEBHOOK: _by_webhook,
}
