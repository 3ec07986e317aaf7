"""Messages to people: by e-mail, and to Slack-style webhooks."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core import mail
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from oppspot.organizations.models import Organization
from signals_app.alerts.models import State
from tests.signals_app.alert_factories import make_channel
from tests.signals_app.alerts.sending import attempt, attempts_of, message_to, sent_to

pytestmark = pytest.mark.django_db


def test_a_slack_style_webhook(org_a: Organization, receiver: HTTPServer) -> None:
    receiver.expect_request("/services/T/B/canary").respond_with_data("ok")
    channel = make_channel(org_a, kind="slack", address=receiver.url_for("/services/T/B/canary"))
    delivery = message_to(channel)
    assert attempt(delivery) == State.DELIVERED
    [request] = sent_to(receiver)
    assert json.loads(request.get_data()) == {"text": "News\n\nÜnïcode &amp; &lt;b&gt;"}
    assert "webhook-signature" not in request.headers
    assert attempts_of(delivery)[0].answer == "ok"


def test_an_email(org_a: Organization, mailoutbox: list[mail.EmailMessage]) -> None:
    channel = make_channel(org_a, kind="email", address="team@alpha.example")
    delivery = message_to(channel)
    assert attempt(delivery) == State.DELIVERED
    [sent] = mailoutbox
    assert (sent.to, sent.subject, sent.body) == (["team@alpha.example"], "News", "Ünïcode & <b>\n")
    headers = sent.message()
    assert headers["Message-ID"] == f"<{delivery.message_id}@localhost>"
    assert headers["Bcc"] is None


def test_without_email_settings_a_delivery_says_so(org_a: Organization, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    delivery = message_to(make_channel(org_a, kind="email", address="team@alpha.example"))
    assert attempt(delivery) == State.PENDING
    assert "Set EMAIL_URL" in attempts_of(delivery)[0].answer


def test_a_mail_server_that_cannot_be_reached(org_a: Organization, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    delivery = message_to(make_channel(org_a, kind="email", address="team@alpha.example"))
    assert attempt(delivery) == State.PENDING
    assert attempts_of(delivery)[0].result == "unreached"


@contextmanager
def mail_server(recipient_answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server of SMTP (RFC 5321) that answers RCPT so; its port, and what it was sent."""
    said: list[bytes] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 stub\r\n")
            answers = {b"RCPT": recipient_answer, b"DATA": b"354 go on", b"QUIT": b"221 bye"}
            in_message = False
            for line in self.rfile:
                said.append(line)
                in_message = in_message and line != b".\r\n"
                if not in_message:
                    self.wfile.write(answers.get(line[:4].upper(), b"250 fine") + b"\r\n")
                in_message = in_message or line.upper() == b"DATA\r\n"

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1], said
        server.shutdown()


@pytest.mark.parametrize(
    ("answer", "state", "result"),
    [
        (b"250 fine", State.DELIVERED, "delivered"),
        (b"450 busy", State.PENDING, "refused"),
        (b"550 no such user", State.FAILED, "refused"),
    ],
)
def test_a_mail_server_and_what_it_thinks_of_the_recipient(
    org_a: Organization, settings: Settings, answer: bytes, state: str, result: str
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    channel = make_channel(org_a, kind="email", address="team@alpha.example")
    with mail_server(answer) as (port, said):
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        delivery = message_to(channel)
        assert attempt(delivery) == state
    [logged] = attempts_of(delivery)
    assert logged.result == result
    assert b"rcpt TO:<team@alpha.example>\r\n" in said
    if state == State.DELIVERED:
        assert f"Message-ID: <{delivery.message_id}@localhost>\r\n".encode() in said
    else:
        assert answer.decode() in logged.answer
