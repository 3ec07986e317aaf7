"""Events that ask for vectors."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from oppspot.jobs.registry import event

MAX_BATCH, DEFAULT_BATCH = 100, 50  # companies
MAX_REQUESTED = 1_000  # companies that a request names one by one


@event("embeddings/batch.generate")
class BatchGenerate(BaseModel):
    """Embed these companies, as far as they need it."""

    company_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_BATCH)]


@event("embeddings/request.generate")
class RequestGenerate(BaseModel):
    """Embed these companies, or all, as far as they need it: `batch_size` at a time, side by side."""

    company_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_REQUESTED)] | None = None
    generate_all: bool = False
    batch_size: Annotated[int, Field(ge=1, le=MAX_BATCH)] = DEFAULT_BATCH

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.generate_all is (self.company_ids is not None):
            raise ValueError("either company_ids or generate_all")
        return self
