"""Admin of alerts: staff see why a message did not arrive, and send it again. Organisations write their own rules."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from oppspot.core.admin import LargeTableAdmin, ReadOnlyMixin, column
from oppspot.core.errors import OppspotError
from signals_app.alerts.api.channels import shown_target
from signals_app.alerts.models import Alert, AlertRule, Attempt, Channel, Delivery
from signals_app.alerts.services import resend, save_rule, send_test, update_channel

OF_ORG = ("org", AutocompleteSelectFilter)
STATES = {"delivered": "success", "pending": "info", "failed": "danger", "abandoned": "warning"}


def _note(request: HttpRequest, rows: list[Any], text: str) -> None:
    LogEntry.objects.log_actions(str(request.user.pk), rows, CHANGE, text)


class OfOrgAdmin(ReadOnlyMixin, LargeTableAdmin):
    """Rows of organisations; `has_act_permission` is for the actions on them."""

    list_select_related: Any = ["org"]
    sortable_by: list[str] = []
    ordering = ["-id"]

    def has_act_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"signals_app.change_{self.opts.model_name}")


@admin.register(Channel)
class ChannelAdmin(OfOrgAdmin):
    list_display = ["name", "org", "kind", "target", "shown_state", "failing_since", "disabled_reason"]
    list_filter = [OF_ORG, "kind", "is_enabled"]
    search_fields = ["name", "org__name"]
    actions = ["enable", "disable", "test"]
    fields = [
        *("org", "name", "kind", "target", "shown_state", "failing_since", "disabled_at", "disabled_reason"),
        *("secret_generation", "secret_rotated_at", "created_by", "created_at", "updated_at"),
    ]
    readonly_fields = fields

    @column("Target")
    def target(self, channel: Channel) -> str:
        return shown_target(channel)

    @column("State", colours={"enabled": "success", "failing": "warning", "disabled": "danger"})
    def shown_state(self, channel: Channel) -> str:
        if not channel.is_enabled:
            return "disabled"
        return "failing" if channel.failing_since else "enabled"

    @admin.action(description="Enable", permissions=["act"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        self._switch(request, queryset, is_enabled=True)

    @admin.action(description="Disable", permissions=["act"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        self._switch(request, queryset, is_enabled=False)

    @admin.action(description="Send a test message", permissions=["act"])
    def test(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        channels = list(queryset.select_related("org"))
        for channel in channels:
            send_test(channel=channel, by="operations")
        _note(request, channels, "Sent a test message.")
        self.message_user(request, f"{len(channels)} test message(s): see the deliveries.")

    def _switch(self, request: HttpRequest, queryset: QuerySet[Channel], *, is_enabled: bool) -> None:
        channels = list(queryset.select_related("org").filter(is_enabled=not is_enabled))
        for channel in channels:
            update_channel(channel=channel, changes={"is_enabled": is_enabled}, by="operations")
        done = "Enabled" if is_enabled else "Disabled"
        _note(request, channels, f"{done}.")
        self.message_user(request, f"{done} {len(channels)} channel(s).")


@admin.register(AlertRule)
class AlertRuleAdmin(OfOrgAdmin):
    list_display = ["name", "org", "is_active", "frequency", "next_digest_at", "watchlist", "created_by"]
    list_select_related = ["org", "watchlist"]
    list_filter = [OF_ORG, "is_active", "frequency"]
    search_fields = ["name", "org__name"]
    actions = ["pause", "resume"]
    fields = [
        *("org", "name", "is_active", "signal_types", "min_strength", "min_confidence", "min_score"),
        *("include_negative", "watchlist", "channels", "time_zone", "quiet_from", "quiet_until"),
        *("frequency", "digest_at", "next_digest_at", "created_by", "created_at", "updated_at"),
    ]
    readonly_fields = fields

    @admin.action(description="Pause", permissions=["act"])
    def pause(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        self._switch(request, queryset, is_active=False)

    @admin.action(description="Resume", permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        self._switch(request, queryset, is_active=True)

    def _switch(self, request: HttpRequest, queryset: QuerySet[AlertRule], *, is_active: bool) -> None:
        rules = list(queryset.select_related("org").filter(is_active=not is_active))
        for rule in rules:
            rule.is_active = is_active
            save_rule(rule=rule)
        done = "Resumed" if is_active else "Paused"
        _note(request, rules, f"{done}.")
        self.message_user(request, f"{done} {len(rules)} rule(s).")


@admin.register(Alert)
class AlertAdmin(OfOrgAdmin):
    list_display = ["business", "org", "rule", "signal", "day", "created_at", "told_at"]
    list_select_related = ["org", "business", "rule", "signal"]
    list_filter = [OF_ORG, ("told_at", admin.EmptyFieldListFilter)]
    fields = ["org", "business", "rule", "signal", "day", "created_at", "told_at"]
    readonly_fields = fields


class AttemptInline(ReadOnlyMixin, TabularInline):
    model = Attempt
    fields = ["number", "started_at", "result", "status_code", "answer", "duration_ms"]
    readonly_fields = fields
    ordering = ["number"]
    extra = 0
    verbose_name_plural = "tries"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(OfOrgAdmin):
    list_display = [
        *("subject", "org", "channel", "purpose", "shown_state", "alerts_count", "tries", "next_try_at", "created_at")
    ]
    list_select_related = ["org", "channel"]
    list_filter = [OF_ORG, "state", "purpose"]
    actions = ["resend"]
    inlines = [AttemptInline]
    fields = [
        *("org", "channel", "purpose", "subject", "message_id", "shown_state", "reason", "alerts_count", "tries"),
        *("next_try_at", "delivered_at", "created_at", "shown_body"),
    ]
    readonly_fields = fields

    @column("State", colours=STATES)
    def shown_state(self, delivery: Delivery) -> str:
        return delivery.state

    @column("Message id")
    def message_id(self, delivery: Delivery) -> str:
        return delivery.message_id

    @column("Body")
    def shown_body(self, delivery: Delivery) -> str:
        return format_html("<pre>{}</pre>", delivery.body)

    @admin.action(description="Send again", permissions=["act"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        sent = []
        for delivery in queryset.select_related("org", "channel"):
            try:
                sent.append(resend(delivery=delivery))
            except OppspotError as error:
                self.message_user(request, f"{delivery.subject}: {error.message}", messages.WARNING)
        _note(request, sent, "Sent again.")
        self.message_user(request, f"{len(sent)} delivery(s) will be sent again.")
