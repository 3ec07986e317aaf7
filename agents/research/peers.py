"""Companies that are like one, by vector."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from agents.research.dossier import Peer
from embeddings.search import NotEmbedded, search
from oppspot.core.errors import InvalidInput, NotConfigured

MAX_PEERS = 5


def peers_of(business: UUID) -> list[dict[str, Any]]:
    """The nearest, as JSON; none without a vector."""
    try:
        found = search(examples=[business], limit=MAX_PEERS)
    except (NotEmbedded, NotConfigured, InvalidInput):
        return []
    return [
        asdict(Peer(str(hit.pk), hit.values["name"], hit.values["company_number"] or "", round(hit.similarity or 0, 4),
                    found.model))
        for hit in found.hits
    ]  # fmt: skip
