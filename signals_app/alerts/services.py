"""What may be done with channels, rules and deliveries; and `notify`, for messages of any other origin."""

import smtplib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import structlog
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from oppspot.core.errors import InvalidInput, NotConfigured, OppspotError, PermanentError
from oppspot.core.http import guarded_client
from oppspot.core.http.urls import vetted_url
from oppspot.core.ids import uuid7
from oppspot.organizations.models import Membership, Organization
from oppspot.organizations.scopes import Role
from signals_app.alerts.delivering import disable_channel, make_deliveries, wake
from signals_app.alerts.events import AlertChannelDisabled
from signals_app.alerts.messages import MAX_LINE, one_line, plain_message
from signals_app.alerts.models import (
    AlertRule,
    Channel,
    ChannelKind,
    Delivery,
    Purpose,
    RuleChannel,
    State,
)
from signals_app.alerts.secrets import secret_of
from signals_app.alerts.times import next_digest
from signals_app.alerts.transports import check_email_is_configured, send_email

MAX_KEY = 150  # characters of a `dedupe_key` of others
ADMINS = (Role.OWNER, Role.ADMIN)

logger = structlog.get_logger(__name__)


class NotNow(OppspotError):
    """The delivery or its channel is not in a state for that."""

    code = "wrong_state"
    status = 409


def create_channel(*, org: Organization, name: str, kind: str, address: str, created_by: str) -> tuple[Channel, str]:
    """Make a channel; returns it with the secret of a webhook, else "". Raises `InvalidInput` and `NotConfigured`."""
    check_address(kind, address)
    channel = Channel(org=org, name=name, kind=kind, address=address, created_by=created_by)
    with _unique_name():
        channel.save(force_insert=True)
    logger.info("alert_channel_created", channel=str(channel.pk), kind=kind)
    return channel, secret_of(channel.pk, 1) if kind == ChannelKind.WEBHOOK else ""


def update_channel(*, channel: Channel, changes: Mapping[str, Any], by: str) -> Channel:
    """Change `name`, `address` or `is_enabled`; the last two forget failures. Raises `InvalidInput`."""
    values = dict(changes)
    if "address" in values:
        check_address(channel.kind, values["address"])
        values["failing_since"] = None  # it was another address that failed
    is_enabled = values.pop("is_enabled", None)
    if is_enabled:
        values |= {"is_enabled": True, "failing_since": None, "disabled_at": None, "disabled_reason": ""}
    org, channels = channel.org, Channel.objects.for_org(channel.org).filter(pk=channel.pk)
    with _unique_name():
        channels.update(**values, updated_at=timezone.now())
        if is_enabled is False:
            disable_channel(org=org, channel_id=channel.pk, reason=f"Disabled by {by}.", is_told=False)
    logger.info("alert_channel_changed", channel=str(channel.pk), changed=sorted(changes))
    changed: Channel = channels.get()
    return changed


def check_address(kind: str, address: str) -> None:
    """Raise `InvalidInput` for an address that messages cannot go to, `NotConfigured` where no e-mail is sent."""
    if kind == ChannelKind.EMAIL:
        check_email_is_configured()
        try:
            validate_email(address)
        except ValidationError:
            raise _invalid("address", "This is not an e-mail address.") from None
        return
    policy = guarded_client().policy
    try:
        url = vetted_url(address, policy)
    except PermanentError as error:
        raise _invalid("address", error.message) from None
    if url.scheme != "https" and not policy.local_names:  # nothing is eavesdropped on the way to this very machine
        raise _invalid("address", "The URL must begin with https://.")


def rotate_secret(*, channel: Channel) -> tuple[Channel, str]:
    """A new secret, which is shown this once; the one before signs along for a day. Raises `InvalidInput`."""
    if channel.kind != ChannelKind.WEBHOOK:
        raise InvalidInput("Only signed webhooks have a secret.")
    with transaction.atomic():
        locked: Channel = Channel.objects.for_org(channel.org).select_for_update().get(pk=channel.pk)
        locked.secret_generation += 1
        locked.secret_rotated_at = timezone.now()
        locked.save(update_fields=["secret_generation", "secret_rotated_at", "updated_at"])
    logger.info("alert_channel_secret_rotated", channel=str(locked.pk), generation=locked.secret_generation)
    return locked, secret_of(locked.pk, locked.secret_generation)


def send_test(*, channel: Channel, by: str) -> Delivery:
    """A test message, tried once; through a disabled channel, too, so that it can be tried before it is enabled."""
    lines = [f"This is a test of the alert channel {channel.name}, sent by {by}.", "Nothing happened to any company."]
    message = plain_message(subject="Test of oppSpot alerts", lines=lines, kind="alert.test")
    [delivery] = make_deliveries(
        org=channel.org,
        channels=[channel],
        message=message,
        purpose=Purpose.TEST,
        key=f"test:{uuid7()}",
        first_try_at=timezone.now(),
    )
    return delivery


def save_rule(*, rule: AlertRule, channels: Collection[Channel] | None = None) -> AlertRule:
    """Store a new or changed rule, with `channels` unless that is None. Raises `InvalidInput` for a name in use."""
    org = rule.org
    with _unique_name():
        rule.next_digest_at = next_digest(rule, timezone.now())
        rule.save(force_insert=rule._state.adding)
        if channels is not None:
            links = RuleChannel.objects.for_org(org)
            links.filter(rule=rule).exclude(channel__in=channels).delete()
            links.bulk_create(
                [RuleChannel(org=org, rule=rule, channel=channel) for channel in channels], ignore_conflicts=True
            )
    logger.info("alert_rule_saved", rule=str(rule.pk), active=rule.is_active)
    return rule


def resend(*, delivery: Delivery) -> Delivery:
    """Try an ended delivery anew, under its message id. Raises `NotNow`: not ended, or its channel is disabled."""
    org, now = delivery.org, timezone.now()
    if not delivery.channel.is_enabled and delivery.purpose != Purpose.TEST:
        raise NotNow("The channel is disabled: enable it first.")
    with transaction.atomic():
        found = Delivery.objects.for_org(org).filter(pk=delivery.pk).exclude(state=State.PENDING)
        if not found.update(state=State.PENDING, reason="", tries=0, next_try_at=now):
            raise NotNow("The delivery has not ended: it is still tried.")
        wake(org=org, delivery=delivery, at=now)
    logger.info("alert_delivery_resent", delivery=str(delivery.pk))
    again: Delivery = Delivery.objects.for_org(org).select_related("channel").get(pk=delivery.pk)
    return again


def notify(
    *,
    org: Organization,
    channel_ids: Collection[UUID],
    subject: str,
    lines: Sequence[str],
    link: str = "",
    dedupe_key: str,
) -> list[Delivery]:
    """A message through channels of `org`, with retries and the delivery log; in the caller's transaction.

    A second call with the `dedupe_key` (150 characters at most) sends nothing to the channels that have the message,
    as long as the log holds it (`retention`): the new deliveries come back. Raises `InvalidInput` for a channel that
    is missing or another organisation's.
    """
    if not 1 <= len(dedupe_key) <= MAX_KEY:
        raise InvalidInput(f"dedupe_key: 1 to {MAX_KEY} characters, not {len(dedupe_key)}.")
    wanted = set(channel_ids)
    channels = list(Channel.objects.for_org(org).filter(pk__in=wanted))
    if missing := wanted - {channel.pk for channel in channels}:
        raise _invalid("channel_ids", f"There is no channel {', '.join(sorted(map(str, missing)))}.")
    return make_deliveries(
        org=org,
        channels=channels,
        message=plain_message(subject=subject, lines=lines, link=link),
        purpose=Purpose.MESSAGE,
        key=f"message:{dedupe_key}",
        first_try_at=timezone.now(),
    )


def tell_admins_of_disabled_channel(
    *, org: Organization, event: AlertChannelDisabled, once: Callable[..., bool]
) -> int:
    """An e-mail to each admin and owner, `once(name, body, transactional=False)` each; returns to how many.

    Nobody is told where no e-mail is configured: the reason is in the admin and the API all the same.
    """
    try:
        check_email_is_configured()
    except NotConfigured:
        return 0
    admins = Membership.objects.for_org(org).filter(role__in=ADMINS, user__is_active=True).select_related("user")
    reason = one_line(event.reason, MAX_LINE)
    body = (
        f"The alert channel {one_line(event.name, MAX_LINE)} of {one_line(org.name, MAX_LINE)} was disabled.\n\n"
        f"{reason}\n\nCorrect it and enable it again; deliveries that failed meanwhile can then be sent again.\n"
    )
    told = 0
    for member in admins.order_by("pk"):
        told += once(f"tell {member.pk}", lambda to=member.user.email: _mail(to, body, event), transactional=False)
    return told


def _mail(to: str, body: str, event: AlertChannelDisabled) -> bool:
    """Whether the mailbox took it: one that refuses for good keeps nobody else from being told."""
    try:
        send_email(to=to, subject="An alert channel was disabled", body=body, message_id=f"disabled.{uuid7()}")
    except smtplib.SMTPRecipientsRefused as error:
        logger.warning("admin_not_told", channel=str(event.channel_id), error=type(error).__name__)
        return False
    return True


@contextmanager
def _unique_name() -> Iterator[None]:
    """A transaction in which a name that is in use already is the client's error."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "name_once" not in str(error):
            raise
        raise _invalid("name", "Another one has this name.") from error


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"{field}: {message}", fields={field: [message]})
