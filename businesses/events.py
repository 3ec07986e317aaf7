"""Events about companies that functions act on."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, field_validator

from businesses.sources.registry import UnknownSource, source_class
from oppspot.jobs.registry import event


@event("company/embedding.generate")
class EmbeddingGenerate(BaseModel):
    """A company's text has changed: it needs another vector."""

    company_id: UUID
    priority: Literal["high", "normal", "low"] = "normal"


@event("source/pull.run")
class SourcePullRun(BaseModel):
    """A source is to be asked for news about what is watched, or about one watchlist of one organisation."""

    source: str
    watchlist_id: UUID | None = None
    limit: int | None = Field(default=None, ge=1)

    @field_validator("source")
    @classmethod
    def known(cls, name: str) -> str:
        try:
            source_class(name)
        except UnknownSource as error:
            raise ValueError(error.message) from None
        return name


@event("source/pulls.tidy")
class SourcePullsTidy(BaseModel):
    """The accounts of pulls are to be tidied: old ones deleted, those of dead processes closed, and
    hosts that are no longer visited forgotten."""
