"""Edits of single companies. Bulk writes are the imports' business."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from businesses.events import EmbeddingGenerate
from businesses.models import Business
from oppspot.jobs.services import emit

EDITABLE = frozenset(
    {"description", "website", "categories", "sic_codes", "employee_count", "founded_year", "town"}
)  # what people may correct; names, numbers and dates come from the register alone
logger = structlog.get_logger(__name__)


def edit_business(*, business_id: UUID, changes: Mapping[str, Any], edited_by: str) -> list[str]:
    """Write those of `changes` that differ from what is stored; returns their names, sorted.

    A row that does not change is not written: a new tuple costs an entry in every index.
    Raises `Business.DoesNotExist`, and `ValueError` for a field that is not `EDITABLE`.
    """
    if refused := sorted(set(changes) - EDITABLE):
        raise ValueError(f"not editable: {', '.join(refused)}")
    with transaction.atomic():
        business = Business.objects.select_for_update().defer("embedding", "search_vector").get(pk=business_id)
        changed = sorted(name for name, value in changes.items() if getattr(business, name) != value)
        if changed:
            for name in changed:
                setattr(business, name, changes[name])
            save_business(business, fields=changed, saved_by=edited_by)
    if changed:
        logger.info("business_edited", business=str(business_id), fields=changed, edited_by=edited_by)
    return changed


def save_business(business: Business, *, fields: Collection[str] | None = None, saved_by: str) -> None:
    """Write a company (all of it, or `fields`), and have it embedded again if that changed its text.

    `business.text_hash` is what was read before. The request to embed it exists when the transaction commits.
    """
    before = None if business._state.adding else business.text_hash
    with transaction.atomic():
        business.save(update_fields=fields)
        business.refresh_from_db(fields=["text_hash"])
        if business.text_hash != before:
            emit(EmbeddingGenerate, {"company_id": business.pk}, requested_by=saved_by)
