"""Channels, rules and `notify`: what is refused, and what belongs to whom."""

import json
import smtplib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from businesses.models import Watchlist
from oppspot.core.errors import InvalidInput, NotConfigured
from oppspot.jobs.models import Run
from oppspot.organizations.models import Organization, User
from signals_app.alerts.delivering import disable_channel
from signals_app.alerts.events import AlertChannelDisabled
from signals_app.alerts.models import Alert, AlertRule, Channel, Delivery, RuleChannel
from signals_app.alerts.services import (
    NotNow,
    check_address,
    create_channel,
    notify,
    resend,
    rotate_secret,
    save_rule,
    tell_admins_of_disabled_channel,
    update_channel,
)
from tests.factories import make_member
from tests.signals_app.alert_factories import make_alert, make_channel, make_delivery, make_rule, make_signal

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", ["slack", "webhook"])
@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/hook",
        "https://127.0.0.1/hook",
        "https://localhost/hook",
        "https://[::1]/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://user:password@crm.example/",
        "https://crm.example:22/",
        "https://crm.example/\r\nX: y",
        "ftp://crm.example/",
        "javascript:alert(1)",
        "crm.example",
        "",
    ],
)
def test_urls_that_nothing_is_sent_to(kind: str, url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_address(kind, url)
    assert list(raised.value.fields) == ["address"]


@pytest.mark.parametrize(
    "address", ["a", "a@b", "a@b.example\r\nBcc: c@d.example", "a@b.example, c@d.example", "A <a@b.example>", ""]
)
def test_addresses_that_nothing_is_sent_to(address: str) -> None:
    with pytest.raises(InvalidInput):
        check_address("email", address)


def test_email_needs_to_be_configured(org_a: Organization, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    with pytest.raises(NotConfigured, match="Set EMAIL_URL"):
        create_channel(org=org_a, name="Team", kind="email", address="team@alpha.example", created_by="ada")


def test_names_are_unique_in_an_organisation(org_a: Organization, org_b: Organization) -> None:
    terms = {"kind": "webhook", "address": "https://crm.example/hook", "created_by": "ada"}
    first, secret = create_channel(org=org_a, name="CRM", **terms)
    assert secret.startswith("whsec_")
    with pytest.raises(InvalidInput, match="Another one has this name"):
        create_channel(org=org_a, name="crm", **terms)
    other, _ = create_channel(org=org_b, name="CRM", **terms)
    second, _ = create_channel(org=org_a, name="Second", **terms)
    with pytest.raises(InvalidInput, match="Another one has this name"):
        update_channel(channel=second, changes={"name": "CRM"}, by="ada")
    make_rule(org_a, name="Growth")
    with pytest.raises(InvalidInput, match="Another one has this name"):
        make_rule(org_a, name="growth")
    assert first.org != other.org


def test_only_webhooks_have_secrets(org_a: Organization) -> None:
    slack, secret = create_channel(
        org=org_a, name="S", kind="slack", address="https://hooks.slack.example/T/B/x", created_by="ada"
    )
    assert secret == ""
    with pytest.raises(InvalidInput, match="Only signed webhooks"):
        rotate_secret(channel=slack)


def test_another_address_has_not_failed(org_a: Organization) -> None:
    channel = make_channel(org_a, failing_since=timezone.now())
    assert update_channel(channel=channel, changes={"name": "A"}, by="ada").failing_since is not None
    assert update_channel(channel=channel, changes={"address": "https://b.example/"}, by="ada").failing_since is None


def test_disabling_twice_keeps_the_first_reason(org_a: Organization) -> None:
    channel = make_channel(org_a)
    assert disable_channel(org=org_a, channel_id=channel.pk, reason="first")
    assert not disable_channel(org=org_a, channel_id=channel.pk, reason="second")
    channel.refresh_from_db()
    assert channel.disabled_reason == "first"
    assert Run.all_orgs.filter(function="signals_app.alerts.tell_admins").count() == 1


class OneRefuses(EmailBackend):
    """Takes mail for all but Ada."""

    def send_messages(self, messages: Any) -> int:
        if messages[0].to == ["ada@example.com"]:
            raise smtplib.SMTPRecipientsRefused({"ada@example.com": (550, b"no such user")})
        return super().send_messages(messages)


def test_a_mailbox_that_refuses_keeps_no_other_from_being_told(
    org_a: Organization, settings: Settings, mailoutbox: list[mail.EmailMessage]
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.OneRefuses"
    for name, role in (("ada", "admin"), ("olivia", "owner"), ("bob", "member")):
        make_member(name, org_a, role)
    User.objects.filter(pk=make_member("omar", org_a, "owner").pk).update(is_active=False)
    asked: list[str] = []

    def once(name: str, body: Callable[[], bool], *, transactional: bool) -> bool:
        assert not transactional
        asked.append(name)
        return body()

    event = AlertChannelDisabled(channel_id=uuid4(), name="CRM\nBcc: x", reason="It is gone.")
    assert tell_admins_of_disabled_channel(org=org_a, event=event, once=once) == 1
    assert len(asked) == len(set(asked)) == 2
    assert [sent.to for sent in mailoutbox] == [["olivia@example.com"]]
    assert "CRM Bcc: x of Alpha was disabled" in mailoutbox[0].body


# Rules


def test_channels_of_a_rule(org_a: Organization) -> None:
    one, two, three = (make_channel(org_a) for _ in range(3))
    rule = make_rule(org_a, one, two)

    def linked() -> set[Channel]:
        return {link.channel for link in RuleChannel.objects.for_org(org_a).filter(rule=rule)}

    save_rule(rule=rule, channels=[two, three])
    assert linked() == {two, three}
    save_rule(rule=rule)
    assert linked() == {two, three}
    save_rule(rule=rule, channels=[])
    assert linked() == set()


def test_a_rule_goes_with_its_watchlist_and_leaves_the_log(org_a: Organization) -> None:
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="Brewers")
    rule = make_rule(org_a, watchlist=watchlist)
    make_alert(rule)
    make_delivery(make_channel(org_a))
    watchlist.delete()
    assert not AlertRule.objects.for_org(org_a).exists()
    assert not Alert.objects.for_org(org_a).exists()
    assert Delivery.objects.for_org(org_a).count() == 1


def foreign_watchlist(org: Organization, other: Organization) -> None:
    make_rule(org, watchlist=Watchlist.objects.for_org(other).create(org=other, name="Theirs"))


def foreign_channel_of_a_rule(org: Organization, other: Organization) -> None:
    make_rule(org, make_channel(other))


def foreign_signal(org: Organization, other: Organization) -> None:
    make_alert(make_rule(org), signal=make_signal(other))


def foreign_channel_of_a_delivery(org: Organization, other: Organization) -> None:
    delivery = make_delivery(make_channel(org))
    Delivery.objects.for_org(org).filter(pk=delivery.pk).update(channel=make_channel(other))


@pytest.mark.parametrize(
    "wrong", [foreign_watchlist, foreign_channel_of_a_rule, foreign_signal, foreign_channel_of_a_delivery]
)
def test_the_database_refuses_rows_across_organisations(
    org_a: Organization, org_b: Organization, wrong: Callable[[Organization, Organization], None]
) -> None:
    wrong(org_a, org_b)
    with pytest.raises(IntegrityError, match="same_org"), transaction.atomic():
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
    transaction.set_rollback(True)  # what is wrong would be found once more at the end


# Messages of others


def news_for(org: Organization, *channels: Channel, **terms: Any) -> list[Delivery]:
    values = {"subject": "News", "lines": ["one", "two"], "dedupe_key": "report 7"}
    return notify(org=org, channel_ids=[channel.pk for channel in channels], **(values | terms))


def test_a_message_through_several_channels(org_a: Organization) -> None:
    webhook, email = make_channel(org_a), make_channel(org_a, kind="email", address="team@alpha.example")
    made = news_for(org_a, webhook, email, link="https://oppspot.example/report/7")
    bodies = {delivery.channel: delivery.body for delivery in made}
    assert bodies[email] == "one\ntwo\n\nhttps://oppspot.example/report/7\n"
    assert json.loads(bodies[webhook])["type"] == "message.sent"
    assert Run.objects.for_org(org_a).filter(function="signals_app.alerts.deliver").count() == 2


def test_a_message_is_made_once_a_channel(org_a: Organization, org_b: Organization) -> None:
    first, second = make_channel(org_a), make_channel(org_a)
    assert len(news_for(org_a, first)) == 1
    assert [delivery.channel for delivery in news_for(org_a, first, second)] == [second]
    assert news_for(org_a, first, second) == []
    assert len(news_for(org_b, make_channel(org_b))) == 1
    assert Delivery.objects.for_org(org_a).count() == 2


def test_a_message_that_is_rolled_back_never_was(org_a: Organization) -> None:
    channel = make_channel(org_a)
    with transaction.atomic():
        news_for(org_a, channel)
        transaction.set_rollback(True)
    assert not Delivery.objects.for_org(org_a).exists()
    assert not Run.all_orgs.exists()


def test_a_foreign_channel_reads_as_a_missing_one(org_a: Organization, org_b: Organization) -> None:
    foreign, missing = make_channel(org_b), Channel(org=org_a)
    said = []
    for channel in (foreign, missing):
        with pytest.raises(InvalidInput) as raised:
            news_for(org_a, make_channel(org_a), channel)
        said.append(raised.value.message.replace(str(channel.pk), "x"))
    assert said[0] == said[1]
    assert not Delivery.objects.for_org(org_a).exists()


@pytest.mark.parametrize("key", ["", "x" * 151])
def test_a_key_is_needed(org_a: Organization, key: str) -> None:
    with pytest.raises(InvalidInput, match="dedupe_key"):
        news_for(org_a, make_channel(org_a), dedupe_key=key)


def test_what_cannot_be_sent_again(org_a: Organization) -> None:
    channel = make_channel(org_a)
    [pending] = news_for(org_a, channel)
    with pytest.raises(NotNow, match="has not ended"):
        resend(delivery=pending)
    done = make_delivery(channel)
    disable_channel(org=org_a, channel_id=channel.pk, reason="gone")
    done.channel.refresh_from_db()
    with pytest.raises(NotNow, match="enable it first"):
        resend(delivery=done)
