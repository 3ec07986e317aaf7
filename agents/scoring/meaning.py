"""Likeness by meaning: a profile's words and example companies as vectors, and how near companies are to them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt
from pgvector.django import CosineDistance

from agents.scoring.criteria import WEIGHTS, Criterion
from agents.scoring.facts import Facts
from agents.scoring.profile import Icp
from businesses.models import Business
from businesses.querysets import BusinessQuerySet
from embeddings.providers import EmbeddingProvider, get_provider
from embeddings.query_cache import embed_query_cached
from embeddings.search import NEGATIVE_WEIGHT
from embeddings.statements import condition_of, nearest
from oppspot.core.errors import NotConfigured, PermanentError, SkipItemError

FloatArray = npt.NDArray[np.float32]
EMPTY_NORM = 1e-6  # below it, nothing is left of examples less counter-examples


@dataclass(frozen=True)
class Target:
    """What companies are compared with. `full`: the cosine from which on they are as alike as can be asked for."""

    name: str
    vector: FloatArray
    full: float
    text: str

    def criterion(self) -> Criterion:
        """Cosines of different models are not comparable: `full` is of this one."""

        def met(facts: Facts) -> tuple[float | None, str]:
            similarity = facts.similarities.get(self.name)
            if similarity is None:
                return None, f"{self.text}: not compared, as it has no vector"
            return min(1.0, max(0.0, similarity / self.full)), f"{self.text}: similarity {similarity:.2f}"

        return Criterion(self.name, WEIGHTS[self.name], met)


@dataclass(frozen=True)
class Meaning:
    """The targets of a profile, and the model that made them; "" where nothing is compared by meaning.

    `missing` are those that are asked for and have no vector, so that no company can be compared: `notes` say why.
    """

    model: str
    targets: tuple[Target, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def criteria(self) -> list[Criterion]:
        """Those of the targets; what is missing is asked for, and known of no company."""
        unknown = [Criterion(name, WEIGHTS[name], lambda facts: (None, "not compared")) for name in self.missing]
        return [*(target.criterion() for target in self.targets), *unknown]

    def similarities(self, ids: Collection[UUID]) -> dict[UUID, dict[str, float]]:
        """Cosines by company and target, without those that have no vector of the model. One statement a target."""
        found: dict[UUID, dict[str, float]] = {}
        for target in self.targets:
            distance = CosineDistance("embedding", target.vector.tolist())
            rows = Business.objects.with_embedding_of(self.model).filter(pk__in=list(ids))
            for pk, away in rows.annotate(away=distance).values_list("pk", "away"):
                found.setdefault(pk, {})[target.name] = 1 - float(away)
        return found

    def nearest(self, candidates: BusinessQuerySet, *, limit: int, exact: bool) -> list[UUID]:
        """The nearest of the candidates to each target, the nearest first."""
        found: dict[UUID, None] = {}
        where = condition_of(candidates)
        for target in self.targets:
            rows = nearest(target.vector, self.model, limit=limit, where=where, exact=exact)
            found |= dict.fromkeys(row[0] for row in sorted(rows, key=lambda row: (-row[-1], row[0])))
        return list(found)


def meaning_of(icp: Icp, provider: EmbeddingProvider | None = None) -> Meaning:
    """May call the provider: not within a transaction. Examples that have no vector yet are left out.

    Without a provider, or with a text that it does not take, what is asked for is unknown of every company. Raises
    `RetryableError`.
    """
    asked = tuple(name for name, value in (("text", icp.text), ("examples", icp.examples)) if value)
    if not asked:
        return Meaning("", ())
    try:
        provider = provider or get_provider()
    except NotConfigured as error:
        return Meaning("", (), asked, (f"Nothing is compared by meaning: {error.message}",))
    targets: list[Target] = []
    notes: list[str] = []
    if icp.text:
        try:
            vector = embed_query_cached(provider, icp.text)
        except (NotConfigured, PermanentError, SkipItemError) as error:
            notes.append(f"The description is not compared: {error.message}")
        else:
            # The calibrated threshold is the least likeness worth showing. At twice that, the best of most profiles
            # were all full, and in no order; thrice is beyond what is measured of companies that a text means.
            full = min(1.0, 3 * provider.default_threshold)
            targets.append(Target("text", vector, full, "like the description"))
    if icp.examples:
        target = _of_examples(icp.examples, icp.counter_examples, provider.model)
        targets += [target] if target else []
        notes += [] if target else [f"The examples are not compared: none has a vector of {provider.model}."]
    found = {target.name for target in targets}
    return Meaning(provider.model, tuple(targets), tuple(name for name in asked if name not in found), tuple(notes))


def _of_examples(examples: Sequence[UUID], others: Sequence[UUID], model: str) -> Target | None:
    """The mean of the examples less half of the counter-examples'. As alike as the examples are themselves is full."""
    known = Business.objects.with_embedding_of(model).filter(pk__in=[*examples, *others])
    vectors = {pk: np.asarray(vector, dtype=np.float32) for pk, vector in known.values_list("pk", "embedding")}
    liked = [vectors[pk] for pk in sorted(examples) if pk in vectors]
    disliked = [vectors[pk] for pk in sorted(others) if pk in vectors]
    if not liked:
        return None
    vector = np.mean(liked, axis=0, dtype=np.float32)
    if disliked:
        vector = vector - NEGATIVE_WEIGHT * np.mean(disliked, axis=0, dtype=np.float32)
    norm = float(np.linalg.norm(vector))
    if norm < EMPTY_NORM:
        return None
    unit = np.asarray(vector / norm, dtype=np.float32)
    own = float(np.mean([one @ unit / np.linalg.norm(one) for one in liked]))
    return Target("examples", unit, max(own, EMPTY_NORM), f"like {len(liked)} examples")
