"""Admin of the register, fast on millions of rows: each look-up, filter and order reads an index."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.postgres.search import SearchQuery
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import TextFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from businesses.embedding_state import EmbeddingState, embedding_state, in_embedding_state
from businesses.filters import filter_businesses
from businesses.models import MAX_DESCRIPTION, Business, BusinessEvent, EventKind, SicCode, Status
from businesses.normalise import normalise_company_number
from businesses.querysets import BusinessQuerySet
from businesses.services import save_business
from oppspot.core.admin import LINK, LargeTableAdmin, ReadOnlyMixin, column
from oppspot.core.errors import InvalidInput

HEAVY = ("embedding", "search_vector")  # kilobytes a row that no page shows
SHOWN_SIC_CODES = 2
STATUS_COLOURS = {
    str(Status.ACTIVE.label): "success",
    str(Status.STRIKE_OFF_PROPOSED.label): "warning",
    str(Status.INSOLVENT.label): "warning",
    str(Status.DISSOLVED.label): "danger",
}


class RegisterFilter(TextFilter):
    """A text box for the filter of `BusinessFilter` that has the same name."""

    def queryset(self, request: HttpRequest, queryset: BusinessQuerySet) -> BusinessQuerySet:
        if not self.value():
            return queryset
        try:
            return filter_businesses({self.parameter_name: self.value()}, queryset)
        except InvalidInput as error:
            messages.warning(request, error.message)
            return queryset.none()


class SicFilter(RegisterFilter):
    title, parameter_name = "SIC code or its first digits", "sic"


class PostcodeAreaFilter(RegisterFilter):
    title, parameter_name = "postcode area", "postcode_area"


class TownFilter(RegisterFilter):
    title, parameter_name = "town", "town"


class EmbeddingStateFilter(admin.SimpleListFilter):
    title, parameter_name = "embedding", "embedding_state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(state.value), str(state.label)) for state in EmbeddingState]

    def queryset(self, request: HttpRequest, queryset: BusinessQuerySet) -> BusinessQuerySet:  # type: ignore[override]
        value = self.value()
        return in_embedding_state(queryset, value) if value in EmbeddingState.values else queryset


class EventKindFilter(admin.SimpleListFilter):
    """The known kinds; listing those that occur would read the whole table."""

    title, parameter_name = "kind", "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(kind.value), str(kind.label)) for kind in EventKind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class BusinessForm(forms.ModelForm[Business]):
    class Meta:
        model = Business
        fields = "__all__"  # noqa: DJ007  the admin's fieldsets name them

    def clean_company_number(self) -> str | None:
        number = self.cleaned_data["company_number"]
        if not number:
            return None
        try:
            return normalise_company_number(number)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


@admin.register(Business)
class BusinessAdmin(LargeTableAdmin):
    form = BusinessForm
    list_display = ["name", "company_number", "shown_status", "shown_town", "industry", "shown_embedding", "updated"]
    list_filter = [
        ("status", admin.ChoicesFieldListFilter),
        EmbeddingStateFilter,
        SicFilter,
        TownFilter,
        PostcodeAreaFilter,
    ]
    search_fields = ["name"]  # shows the box; get_search_results decides
    search_help_text = "A number, the beginning of a name, or words (with quotes, or, -)."
    ordering = ["name", "id"]
    readonly_fields = [
        *("previous_names", "source", "register_snapshot_on", "created_at", "updated_at"),
        *("domain", "sic_titles", "postcode_area", "events_link"),
        *("shown_embedding", "embedding_model", "embedding_generated_at", "embedding_token_count"),
    ]
    fieldsets = [
        (None, {"fields": ["name", "company_number", "status", "description", "website", "domain", "events_link"]}),
        ("Industry", {"fields": ["sic_codes", "sic_titles", "categories", "employee_count", "founded_year"]}),
        (
            "Embedding",
            {
                "fields": [
                    "shown_embedding",
                    "embedding_model",
                    "embedding_generated_at",
                    "embedding_token_count",
                ]
            },
        ),
        (
            "Address",
            {
                "fields": [
                    *("address_line1", "address_line2", "town", "county", "region", "country"),
                    *("postcode", "postcode_area"),
                ]
            },
        ),
        (
            "Register",
            {
                "fields": [
                    *("company_type", "status_raw", "country_of_origin", "incorporated_on", "dissolved_on"),
                    *("accounts_category", "accounts_last_made_up_on", "accounts_next_due_on"),
                    *("confirmation_last_made_up_on", "confirmation_next_due_on"),
                    *("charges_total", "charges_outstanding", "charges_part_satisfied", "charges_satisfied"),
                    "previous_names",
                ]
            },
        ),
        ("Provenance", {"fields": ["source", "register_snapshot_on", "created_at", "updated_at"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Business]:
        queryset: QuerySet[Business] = super().get_queryset(request).defer(*HEAVY)
        return queryset

    def get_search_results(
        self, request: HttpRequest, queryset: BusinessQuerySet, search_term: str
    ) -> tuple[BusinessQuerySet, bool]:
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        words = SearchQuery(term, search_type="websearch", config="english")
        return queryset.matching_text(term) | queryset.filter(search_vector=words), False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Companies are not deleted by the page."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """One line for all texts but the description."""
        if isinstance(db_field, models.TextField) and db_field.name != "description" and not db_field.choices:
            kwargs["widget"] = UnfoldAdminTextInputWidget
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name in {"sic_codes", "categories"}:
            field.widget = UnfoldAdminTextInputWidget()
            field.help_text = "Separated by commas."
            field.show_hidden_initial = False  # Django's way with callable defaults; here it only costs a false change
        if field is not None and db_field.name == "description":
            field.max_length = MAX_DESCRIPTION
            field.validators.append(forms.CharField(max_length=MAX_DESCRIPTION).validators[0])
        return field

    def save_model(self, request: HttpRequest, obj: Business, form: Any, change: bool) -> None:
        """Write what changed, and nothing when nothing did: an update costs an entry in every index."""
        saved_by = f"user:{request.user.pk}"
        if not change:
            obj.source = "admin"
            save_business(obj, saved_by=saved_by)
        elif form.changed_data:
            save_business(obj, fields=form.changed_data, saved_by=saved_by)

    @column("Status", colours=STATUS_COLOURS)
    def shown_status(self, business: Business) -> str:
        return Status(business.status).label

    @column("Town")
    def shown_town(self, business: Business) -> str:
        return business.town

    @column("SIC")
    def industry(self, business: Business) -> str:
        more = len(business.sic_codes) - SHOWN_SIC_CODES
        return ", ".join(business.sic_codes[:SHOWN_SIC_CODES]) + (f" +{more}" if more > 0 else "")

    @column("Embedding", colours={"Current": "success", "Outdated": "warning", "None": "info"})
    def shown_embedding(self, business: Business) -> str:
        return embedding_state(business).label

    @column("Updated")
    def updated(self, business: Business) -> str:
        return f"{business.updated_at:%Y-%m-%d %H:%M}"

    @column("Events")
    def events_link(self, business: Business) -> str:
        if business._state.adding:
            return ""
        url = reverse("admin:businesses_businessevent_changelist", query={"business__id__exact": business.pk})
        return format_html('<a class="{}" href="{}">What changed</a>', LINK, url)


@admin.register(BusinessEvent)
class BusinessEventAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = ["shown_kind", "company", "occurred", "observed", "origin"]
    list_display_links = ["shown_kind"]
    list_filter = [EventKindFilter]
    ordering = ["-id"]
    fields = ["shown_kind", "company", "occurred_on", "observed_at", "source", "source_url", "payload", "fingerprint"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[BusinessEvent]:
        events = super().get_queryset(request).select_related("business")
        narrow: QuerySet[BusinessEvent] = events.only(
            "kind", "occurred_on", "observed_at", "source", "source_url", "payload", "fingerprint", "business__name"
        )
        return narrow

    @column("Kind")
    def shown_kind(self, event: BusinessEvent) -> str:
        return dict(EventKind.choices).get(event.kind, event.kind)

    @column("Company")
    def company(self, event: BusinessEvent) -> str:
        url = reverse("admin:businesses_business_change", args=[event.business_id])
        return format_html('<a class="{}" href="{}">{}</a>', LINK, url, event.business.name)

    @column("Occurred on")
    def occurred(self, event: BusinessEvent) -> str:
        return event.occurred_on.isoformat() if event.occurred_on else ""

    @column("Observed")
    def observed(self, event: BusinessEvent) -> str:
        return f"{event.observed_at:%Y-%m-%d %H:%M}"

    @column("Source")
    def origin(self, event: BusinessEvent) -> str:
        return event.source


@admin.register(SicCode)
class SicCodeAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = ["code", "title"]
    search_fields = ["code__startswith", "title"]
    ordering = ["code"]
