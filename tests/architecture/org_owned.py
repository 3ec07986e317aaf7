"""The rules for models that belong to an organisation, as functions that list what breaks them."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db import connection, models

from businesses.models import Business
from oppspot.organizations.scoping import OrgManager, OrgOwned

PROJECT = ("oppspot.", "businesses", "embeddings", "signals_app", "agents")

# Constraints that are unique over all organisations, and why that tells nobody anything.
UNIQUE_EVERYWHERE = {
    "api_key_digest_once": "looked up before the organisation is known; two equal digests are two equal secrets",
}


def project_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model.__module__.startswith(PROJECT)]


def org_owned_models() -> list[type[OrgOwned]]:
    return [model for model in project_models() if issubclass(model, OrgOwned)]


def broken_rules(model: type[models.Model]) -> list[str]:
    """What is wrong with an org-owned model; empty when nothing is."""
    return [*_org(model), *_managers(model), *_unique(model), *_relations(model)]


def _org(model: type[models.Model]) -> Iterable[str]:
    org: Any = model._meta.get_field("org")
    if org.null:
        yield "org may be null"
    if org.remote_field.on_delete is not models.CASCADE:
        yield "org does not cascade"


def _managers(model: type[models.Model]) -> Iterable[str]:
    if [manager.name for manager in model._meta.managers][:1] != ["all_orgs"]:
        yield "all_orgs is not the first manager"
    if not isinstance(getattr(model, "objects", None), OrgManager):
        yield "objects is no OrgManager"


def _unique(model: type[models.Model]) -> Iterable[str]:
    for constraint in model._meta.constraints:
        named = isinstance(constraint, models.UniqueConstraint) and constraint.name not in UNIQUE_EVERYWHERE
        if named and "org" not in _columns(constraint):  # type: ignore[arg-type]
            yield f"{constraint.name} is unique over all organisations"
    for field in model._meta.concrete_fields:
        if field.unique and not field.primary_key and field.name != "org":
            yield f"{field.name} is unique over all organisations"
    for names in model._meta.unique_together:
        if "org" not in names:
            yield f"{names} is unique over all organisations"


def _columns(constraint: models.UniqueConstraint) -> set[str]:
    parts: list[Any] = [part for part in constraint.expressions if isinstance(part, models.F)]
    return {*constraint.fields, *(part.name for part in parts)}


def _relations(model: type[models.Model]) -> Iterable[str]:
    for many in model._meta.many_to_many:
        if not issubclass(many.remote_field.through, OrgOwned):  # type: ignore[arg-type]
            yield f"{many.name} goes through a table without organisation"
    for field in model._meta.concrete_fields:
        remote = field.remote_field
        if remote is None or issubclass(remote.model, OrgOwned):
            continue
        if not remote.hidden:
            yield f"{field.name} can be followed from {remote.model.__name__}: its related_name is not '+'"
        if remote.model is Business and remote.on_delete is not models.PROTECT:
            yield f"{field.name}: deleting a company would delete rows of organisations"


FOREIGN_KEYS = """
    SELECT child.relname, parent.relname, array(
        SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY(conkey))
    FROM pg_constraint JOIN pg_class child ON child.oid = conrelid JOIN pg_class parent ON parent.oid = confrelid
    WHERE contype = 'f' AND child.relname = ANY(%s) AND parent.relname = ANY(%s)
"""


def missing_composite_keys(tables: list[str]) -> list[str]:
    """`child.column` of foreign keys between `tables` that the database does not tie to one organisation."""
    with connection.cursor() as cursor:
        cursor.execute(FOREIGN_KEYS, [tables, tables])
        keys = [(child, parent, frozenset(columns)) for child, parent, columns in cursor.fetchall()]
    found = set(keys)
    return sorted(
        f"{child}.{min(columns)}"
        for child, parent, columns in keys
        if "org_id" not in columns and (child, parent, columns | {"org_id"}) not in found
    )
