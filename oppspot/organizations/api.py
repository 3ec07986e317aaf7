"""API of the organisation itself, and the base classes that every other API builds on."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from oppspot.core.pagination import StablePagination
from oppspot.organizations.models import ApiKey, Membership, Organization
from oppspot.organizations.scopes import GRANTABLE_SCOPES, Role, Scope
from oppspot.organizations.services import change_role, issue_api_key, remove_member, revoke_api_key


class StrictSerializerMixin:
    """Refuses unknown keys: a misspelt or forbidden field is an error, not silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            fields: dict[str, serializers.Field[Any, Any, Any, Any]] = self.fields  # type: ignore[attr-defined]
            writable = {name for name, field in fields.items() if not field.read_only}
            if unknown := sorted(set(data) - writable):
                raise serializers.ValidationError({name: ["Unknown or read-only field."] for name in unknown})
        return super().to_internal_value(data)  # type: ignore[misc]


class StrictSerializer(StrictSerializerMixin, serializers.Serializer[Any]):
    """A plain serializer that refuses unknown keys."""


class StrictModelSerializer(StrictSerializerMixin, serializers.ModelSerializer[Any]):
    """A model serializer that refuses unknown keys."""


class OrgRelatedField(serializers.PrimaryKeyRelatedField[Any]):
    """A foreign key to an org-owned model: another organisation's key reads as one that does not exist.

    DRF's own field reads the model's default manager and would accept it.
    """

    def __init__(self, model: type[Any], **kwargs: Any) -> None:
        self.model = model
        if not kwargs.get("read_only"):
            kwargs["queryset"] = model.all_orgs.none()  # DRF wants one; get_queryset below decides
        super().__init__(**kwargs)

    def get_queryset(self) -> QuerySet[Any]:
        scoped: QuerySet[Any] = self.model.objects.for_org(self.context["request"].org)
        return scoped


class OrgViewSet(viewsets.GenericViewSet[Any]):
    """Base of viewsets over an org-owned `model`: the queryset is the organisation's, and nothing else."""

    model: type[Any]
    pagination_class = StablePagination
    ordering_fields: tuple[str, ...] = ("-created_at",)

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            empty: QuerySet[Any] = self.model.all_orgs.none()
            return empty
        scoped: QuerySet[Any] = self.model.objects.for_org(self.request.org)  # type: ignore[attr-defined]
        return scoped


ORGANIZATION = {
    "id": "019ab0f2-7a55-7c1e-9d6e-0c1d2e3f4a5b",
    "name": "Northern Growth Partners",
    "slug": "northern-growth",
    "created_at": "2025-01-05T10:00:00Z",
    "scopes": ["read", "write"],
}
MEMBER = {
    "id": "019ab0f2-7a56-7b3c-8f00-5e6f708192a3",
    "email": "sam@northern-growth.example",
    "role": "member",
    "created_at": "2025-01-05T10:00:00Z",
}
API_KEY = {
    "id": "019ab0f2-7a57-7d10-a4b5-c6d7e8f90a1b",
    "name": "CRM sync",
    "prefix": "Zk3vQ0xN",
    "scopes": ["read"],
    "created_at": "2025-01-05T10:00:00Z",
    "expires_at": "2026-01-05T10:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
}


@extend_schema_serializer(examples=[OpenApiExample("An organisation", value=ORGANIZATION, response_only=True)])
class OrganizationSerializer(serializers.ModelSerializer[Organization]):
    scopes = serializers.SerializerMethodField(help_text="What the credential in use may do.")

    class Meta:
        model = Organization
        fields = ["id", "name", "slug", "created_at", "scopes"]

    def get_scopes(self, org: Organization) -> list[str]:
        return sorted(self.context["request"].actor.scopes)


class OrganizationView(APIView):
    """The organisation that the credential acts for."""

    @extend_schema(
        operation_id="organization_retrieve",
        summary="The organisation in use",
        responses=OrganizationSerializer,
        tags=["organization"],
    )
    def get(self, request: Request) -> Response:
        return Response(OrganizationSerializer(request.org, context={"request": request}).data)  # type: ignore[attr-defined]


@extend_schema_serializer(examples=[OpenApiExample("A member", value=MEMBER, response_only=True)])
class MemberSerializer(serializers.ModelSerializer[Membership]):
    email = serializers.EmailField(source="user.email", read_only=True)

    class Meta:
        model = Membership
        fields = ["id", "email", "role", "created_at"]


@extend_schema_serializer(examples=[OpenApiExample("A promotion", value={"role": "admin"}, request_only=True)])
class RoleSerializer(StrictSerializer):
    role = serializers.ChoiceField(choices=Role.choices)


@extend_schema_view(
    list=extend_schema(summary="List members"),
    retrieve=extend_schema(summary="One member"),
    destroy=extend_schema(summary="Remove a member"),
)
@extend_schema(tags=["organization"])
class MemberViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, OrgViewSet):
    """Who belongs to the organisation, and in which role; managed by its admins, owners by owners only.

    There is always an owner: removing or demoting the last one is a conflict (409).
    """

    model = Membership
    serializer_class = MemberSerializer
    scopes = {"partial_update": Scope.ADMIN, "destroy": Scope.ADMIN}

    def get_queryset(self) -> QuerySet[Membership]:
        return super().get_queryset().select_related("org", "user")

    @extend_schema(summary="Change a member's role", request=RoleSerializer, responses=MemberSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        member = self.get_object()
        serializer = RoleSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        change_role(membership=member, role=serializer.validated_data["role"], by_owner=self._by_owner())
        return Response(MemberSerializer(member).data)

    def perform_destroy(self, instance: Membership) -> None:
        remove_member(membership=instance, by_owner=self._by_owner())

    def _by_owner(self) -> bool:
        by_owner: bool = self.request.actor.role == Role.OWNER  # type: ignore[attr-defined]
        return by_owner


@extend_schema_serializer(examples=[OpenApiExample("A key", value=API_KEY, response_only=True)])
class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    class Meta:
        model = ApiKey
        fields = ["id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]


@extend_schema_serializer(
    examples=[OpenApiExample("A reading key", value={"name": "CRM sync", "scopes": ["read"]}, request_only=True)]
)
class ApiKeyCreateSerializer(StrictSerializer):
    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(GRANTABLE_SCOPES)), default=[Scope.READ.value], allow_empty=False
    )
    expires_at = serializers.DateTimeField(required=False, help_text="A year from now at the latest, the default.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A new key",
            value=API_KEY | {"key": "ospt_Zk3vQ0xNw0m3b1YQv7o2p5s8u1x4z7C0F3I6L9O2R5U"},
            response_only=True,
        )
    ]
)
class IssuedApiKeySerializer(ApiKeySerializer):
    key = serializers.CharField(read_only=True, help_text="The secret. Shown this once.")

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]


@extend_schema_view(
    list=extend_schema(summary="List API keys"),
    retrieve=extend_schema(summary="One API key"),
    destroy=extend_schema(summary="Revoke an API key"),
)
@extend_schema(tags=["organization"])
class ApiKeyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, OrgViewSet):
    """API keys of the organisation; managed by its admins."""

    model = ApiKey
    serializer_class = ApiKeySerializer
    scopes = dict.fromkeys(("list", "retrieve", "create", "destroy"), Scope.ADMIN)

    def get_queryset(self) -> QuerySet[ApiKey]:
        return super().get_queryset().select_related("org")

    @extend_schema(summary="Issue an API key", request=ApiKeyCreateSerializer, responses={201: IssuedApiKeySerializer})
    def create(self, request: Request) -> Response:
        """Issue a key; the answer holds its secret, which is shown this once."""
        serializer = ApiKeyCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        expires_at: datetime | None = serializer.validated_data.get("expires_at")
        actor = request.actor  # type: ignore[attr-defined]
        key, secret = issue_api_key(
            org=actor.org,
            name=serializer.validated_data["name"],
            scopes=set(serializer.validated_data["scopes"]),
            expires_at=expires_at,
            created_by=actor.user,
        )
        key.key = secret  # type: ignore[attr-defined]
        return Response(IssuedApiKeySerializer(key).data, status=status.HTTP_201_CREATED)

    def perform_destroy(self, instance: ApiKey) -> None:
        revoke_api_key(key=instance)
