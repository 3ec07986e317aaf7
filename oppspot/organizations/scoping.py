"""The manager that keeps organisations apart: no rows without naming the organisation.

What it does not cover: joins from another table, raw SQL, and forward foreign keys. Composite foreign keys
`(org_id, parent_id)` between org-owned tables cover the last in the schema.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.db import models

from oppspot.core.ids import uuid7

M = TypeVar("M", bound=models.Model)

if TYPE_CHECKING:
    from oppspot.organizations.models import Organization


class OrgRequired(Exception):
    """Rows of an org-owned model were asked for without naming the organisation."""

    def __init__(self, model: type[models.Model]) -> None:
        super().__init__(f"{model.__name__} belongs to organisations: use {model.__name__}.objects.for_org(org).")


class OrgManager(models.Manager[M]):
    """`for_org(org)` is the only way in; everything else raises `OrgRequired`."""

    def for_org(self, org: "Organization | None") -> models.QuerySet[M]:
        if org is None or org.pk is None:
            raise OrgRequired(self.model)
        return super().get_queryset().filter(org=org)

    def get_queryset(self) -> models.QuerySet[M]:
        raise OrgRequired(self.model)


class OrgOwned(models.Model):
    """A row of one organisation.

    The plain manager comes first: Django's own machinery (admin, `full_clean`, prefetch) uses the first one.
    Code uses `objects.for_org(org)`; `all_orgs` is for the few places listed in `tests/architecture`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    org = models.ForeignKey("organizations.Organization", on_delete=models.CASCADE, related_name="+")

    all_orgs: ClassVar[models.Manager[Self]] = models.Manager()
    objects: ClassVar[OrgManager[Any]] = OrgManager()

    class Meta:
        abstract = True
