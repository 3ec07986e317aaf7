"""Messages for tests of deliveries."""

from datetime import UTC, datetime

from pytest_httpserver import HTTPServer
from werkzeug import Request

from signals_app.alerts.delivering import try_delivery
from signals_app.alerts.models import Attempt, Channel, Delivery
from signals_app.alerts.services import notify

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def message_to(channel: Channel, key: str = "one") -> Delivery:
    [delivery] = notify(
        org=channel.org, channel_ids=[channel.pk], subject="News", lines=["Ünïcode & <b>"], dedupe_key=key
    )
    return delivery


def attempt(delivery: Delivery) -> str:
    fresh = Delivery.objects.for_org(delivery.org).select_related("channel").get(pk=delivery.pk)
    state = try_delivery(org=delivery.org, delivery=fresh)
    delivery.refresh_from_db()
    assert delivery.state == state
    return state


def attempts_of(delivery: Delivery) -> list[Attempt]:
    return list(Attempt.objects.for_org(delivery.org).filter(delivery=delivery).order_by("number"))


def sent_to(receiver: HTTPServer) -> list[Request]:
    return [request for request, _ in receiver.log]
