"""Admin of users, organisations, members and keys."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.services import issue_api_key, revoke_api_key

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["email", "first_name", "last_name", "is_staff", "is_active", "last_login"]
    list_filter = ["is_staff", "is_superuser", "is_active"]
    search_fields = ["email", "first_name", "last_name"]
    ordering = ["email"]
    fieldsets = [
        (None, {"fields": ["email", "password"]}),
        ("Person", {"fields": ["first_name", "last_name"]}),
        ("Access", {"fields": ["is_active", "is_staff", "is_superuser", "user_permissions"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": ["email", "password1", "password2"]})]
    filter_horizontal = ["user_permissions"]


@admin.register(Organization)
class OrganizationAdmin(ModelAdmin):
    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["created_at"]


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):
    list_display = ["user", "org", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "org"]
    search_fields = ["user__email", "org__name"]
    autocomplete_fields = ["user", "org"]


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys are issued and revoked, never edited."""

    list_display = ["name", "prefix", "org", "scopes", "expires_at", "last_used_at", "revoked_at"]
    list_select_related = ["org"]
    list_filter = ["revoked_at"]
    search_fields = ["name", "prefix", "org__name"]
    autocomplete_fields = ["org"]
    actions = ["revoke"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return ["org", "name", "scopes", "expires_at"]
        shown = ["created_by", "created_at", "expires_at", "last_used_at", "revoked_at"]
        return ["org", "name", "prefix", "scopes", *shown]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else self.get_fields(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: "ModelForm[ApiKey]", change: bool) -> None:
        if change:
            return
        user = request.user if isinstance(request.user, User) else None
        key, secret = issue_api_key(
            org=obj.org, name=obj.name, scopes=obj.scopes, expires_at=obj.expires_at, created_by=user
        )
        obj.pk, obj._state.adding = key.pk, False
        self.message_user(request, f"The key, shown this once: {secret}", messages.WARNING)

    @admin.action(description="Revoke the selected keys")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        keys = list(queryset.select_related("org"))
        for key in keys:
            revoke_api_key(key=key)
        self.message_user(request, f"Revoked {len(keys)} key(s).")
