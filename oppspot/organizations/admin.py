"""Admin of users, organisations, members and keys: staff only, across organisations.

Writes go through the services; Django's log of admin actions says who did what.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSplitDateTimeWidget

from oppspot.core.admin import column
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scopes import Role, Scope
from oppspot.organizations.services import (
    LastOwner,
    change_role,
    check_key_terms,
    is_last_owner,
    issue_api_key,
    remove_member,
    revoke_api_key,
)

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
    readonly_fields = ["last_login", "date_joined"]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": ["email", "password1", "password2"]})]
    filter_horizontal = ["user_permissions"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Only a superuser hands out rights in the admin: others could hand them to themselves."""
        rights = [] if request.user.is_superuser else ["is_staff", "is_superuser", "user_permissions"]
        return [*self.readonly_fields, *rights]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or request.user.is_superuser or not obj.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Users are deactivated: deleting one would take their memberships and what the log says of them."""
        return False


@admin.register(Organization)
class OrganizationAdmin(ModelAdmin):
    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["created_at"]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting an organisation deletes all it owns: one at a time, from its own page."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions


class MembershipForm(forms.ModelForm[Membership]):
    class Meta:
        model = Membership
        fields = ["org", "user", "role"]
        labels = {"org": "Organisation"}

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if role != Role.OWNER and not self.instance._state.adding and is_last_owner(self.instance):
            raise forms.ValidationError(LastOwner().message)
        return role


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):
    form = MembershipForm
    list_display = ["user", "org", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "org"]
    search_fields = ["user__email", "org__name"]
    autocomplete_fields = ["user", "org"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["user", "org"] if obj else []

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One at a time: the last owner stays."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and (obj is None or not is_last_owner(obj))

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if not change:
            obj.save()
        elif "role" in form.changed_data:
            wanted, obj.role = obj.role, form.initial["role"]
            change_role(membership=obj, role=wanted, by_owner=True)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        remove_member(membership=obj, by_owner=True)


class ApiKeyForm(forms.ModelForm[ApiKey]):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, initial=[Scope.READ], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    expires_at = forms.SplitDateTimeField(
        required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="Empty: as late as is allowed."
    )

    class Meta:
        model = ApiKey
        fields = ["org", "name", "scopes", "expires_at"]
        labels = {"org": "Organisation"}

    def clean(self) -> dict[str, Any]:
        """Refuse here what the service would refuse, next to the field it is about."""
        cleaned = super().clean() or {}
        org, name = cleaned.get("org"), cleaned.get("name")
        if org and name and ApiKey.objects.for_org(org).filter(name=name, revoked_at=None).exists():
            self.add_error("name", "An active key of this organisation has this name.")
        try:
            if cleaned.get("scopes") and cleaned.get("expires_at"):
                check_key_terms(scopes=cleaned["scopes"], expires_at=cleaned["expires_at"])
        except InvalidInput as error:
            for field, texts in error.fields.items():
                self.add_error(field, texts)
        return cleaned

    def _post_clean(self) -> None:
        """Set the fields, without validating a row that the service has yet to make."""
        for name in self._meta.fields or []:
            if name in self.cleaned_data:
                setattr(self.instance, name, self.cleaned_data[name])


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys are issued and revoked, never edited."""

    form = ApiKeyForm
    list_display = ["name", "prefix", "org", "shown_scopes", "state", "expires_at", "last_used_at"]
    list_select_related = ["org"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "prefix", "org__name"]
    autocomplete_fields = ["org"]
    ordering = ["-id"]
    actions = ["revoke"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return ["org", "name", "scopes", "expires_at"]
        shown = ["created_by", "created_at", "expires_at", "last_used_at", "revoked_at"]
        return ["org", "name", "prefix", "shown_scopes", *shown]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else self.get_fields(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("organizations.change_apikey")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        user = request.user if isinstance(request.user, User) else None
        key, secret = issue_api_key(
            org=obj.org, name=obj.name, scopes=obj.scopes, expires_at=obj.expires_at, created_by=user
        )
        obj.pk, obj.prefix, obj._state.adding = key.pk, key.prefix, False
        self.message_user(request, f"The key, shown this once: {secret}", messages.WARNING)

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        keys = list(queryset.select_related("org").filter(revoked_at=None))
        for key in keys:
            revoke_api_key(key=key)
        LogEntry.objects.log_actions(str(request.user.pk), keys, CHANGE, "Revoked.")
        self.message_user(request, f"Revoked {len(keys)} key(s).")

    @column("Scopes")
    def shown_scopes(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @column("State", colours={"active": "success", "revoked": "danger", "expired": "warning"})
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "revoked"
        return "active" if key.expires_at > timezone.now() else "expired"
