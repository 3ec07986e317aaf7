"""Whether a company's vector was made from the text that the company has now.

Whether it was made by the *active* model and template is a question for the embeddings app
(`BusinessQuerySet.needing_embedding`).
"""

from django.db.models import F, Q, TextChoices
from django.db.models.functions import Right

from businesses.models import Business
from businesses.querysets import BusinessQuerySet

HASH_LENGTH = 32  # `embedding_hash` is "<template>:<text_hash>", and a text hash 32 hex digits


class EmbeddingState(TextChoices):
    """`OUTDATED`: the company's text has changed since."""

    NONE = "none", "None"
    CURRENT = "current", "Current"
    OUTDATED = "outdated", "Outdated"


def embedding_state(business: Business) -> EmbeddingState:
    """The state of one company's vector."""
    if not business.embedding_model:
        return EmbeddingState.NONE
    same = business.embedding_hash[-HASH_LENGTH:] == business.text_hash
    return EmbeddingState.CURRENT if same else EmbeddingState.OUTDATED


def in_embedding_state(queryset: BusinessQuerySet, state: str) -> BusinessQuerySet:
    """The companies of `queryset` whose vector is in `state`."""
    if state == EmbeddingState.NONE:
        return queryset.filter(embedding_model="")
    same = Q(embedded_text=F("text_hash"))
    embedded = queryset.filter(~Q(embedding_model="")).alias(embedded_text=Right("embedding_hash", HASH_LENGTH))
    return embedded.filter(same if state == EmbeddingState.CURRENT else ~same)
