"""Events about companies that functions act on."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from oppspot.jobs.registry import event


@event("company/embedding.generate")
class EmbeddingGenerate(BaseModel):
    """A company's text has changed: it needs another vector."""

    company_id: UUID
    priority: Literal["high", "normal", "low"] = "normal"
