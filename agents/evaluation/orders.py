"""Orders of the sample's companies for a labelled profile: the bot's, and those of simpler ways to look for them.

A baseline is given the hard filters, and the profile's words or examples. What is wished for besides (industries,
towns, ages) it cannot read, which is what it is a baseline for.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.db import connection
from django.db.models import F

from agents.evaluation.profiles import LabelledProfile
from agents.evaluation.random_companies import DAY
from agents.evaluation.sample import Sample
from agents.kinds.opportunity_bot import OpportunityParams, find_opportunities
from agents.scoring.candidates import eligible
from agents.scoring.meaning import Meaning, meaning_of
from agents.scoring.profile import Filters, Icp
from businesses.querysets import BusinessQuerySet
from embeddings.lexical import LexicalQuery
from embeddings.search import RRF_K
from embeddings.statements import CONFIG, best_worded, condition_of, nearest

MOST = 50  # of an order: as many as a recall is taken of
K1, B = 1.2, 0.75  # of BM25: the usual values


@dataclass(frozen=True)
class Asked:
    """A labelled profile as the agents are given it, with the companies that may be found."""

    sample: Sample
    profile: LabelledProfile

    @cached_property
    def icp(self) -> Icp:
        return Icp.model_validate(self.profile.icp_by_id(self.sample.ids))

    @cached_property
    def filters(self) -> Filters:
        return Filters.model_validate(self.profile.filters)

    @cached_property
    def meaning(self) -> Meaning:
        return meaning_of(self.icp, self.sample.provider)

    @cached_property
    def candidates(self) -> BusinessQuerySet:
        found = eligible(self.filters).filter(pk__in=list(self.sample.ids.values()))
        return found.exclude(pk__in=[*self.icp.examples, *self.icp.counter_examples])

    @cached_property
    def count(self) -> int:
        return self.candidates.count()

    @property
    def words(self) -> str:
        """What to search for; of examples, what they say of themselves."""
        if self.icp.text:
            return self.icp.text
        rows = self.sample.companies.filter(pk__in=self.icp.examples).order_by("name")
        return " ".join(f"{text} {' '.join(labels)}" for text, labels in rows.values_list("description", "categories"))

    def named(self, ids: Sequence[UUID]) -> list[str]:
        return [self.sample.names[pk] for pk in ids]


def by_bot(asked: Asked, *, count: int) -> list[str]:
    """As an execution finds them that looks at the sample only."""
    params = OpportunityParams(icp=asked.icp, filters=asked.filters, max_opportunities=count)
    only = list(asked.sample.ids.values())
    found = find_opportunities(asked.sample.org, params, day=DAY, only=only, meaning=asked.meaning)
    return asked.named([one.business_id for one in found])


def newest(asked: Asked) -> list[str]:
    """The youngest first, those of unknown age last."""
    rows = asked.candidates.order_by(F("founded_year").desc(nulls_last=True), "name")
    return list(rows.values_list("name", flat=True)[:MOST])


def by_vector(asked: Asked) -> list[str]:
    """As search does in its mode `semantic`, without a threshold. Several targets count equally."""
    places: Counter[UUID] = Counter()
    where = condition_of(asked.candidates)
    for target in asked.meaning.targets:
        for row in nearest(target.vector, asked.meaning.model, limit=MOST, where=where, exact=True):
            places[row[0]] += row[-1]
    return asked.named(sorted(places, key=lambda pk: (-places[pk], pk))[:MOST])


def by_words(asked: Asked) -> list[str]:
    """As search does in its mode `lexical`: all words must occur."""
    text = LexicalQuery(asked.words).text
    rows = best_worded(text, None, asked.meaning.model, limit=MOST, where=condition_of(asked.candidates))
    return asked.named([row[0] for row in rows])


def hybrid(asked: Asked) -> list[str]:
    """Both of search's arms, fused as it fuses them."""
    score: dict[str, float] = {}
    for arm in (by_vector(asked), by_words(asked)):
        for place, name in enumerate(arm, start=1):
            score[name] = score.get(name, 0.0) + 1 / (RRF_K + place)
    return sorted(score, key=lambda name: (-score[name], name))[:MOST]


def bm25(asked: Asked) -> list[str]:
    """Okapi BM25 (Robertson et al., TREC-3) over the word stems that full text search has; any word counts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tsvector_to_array(to_tsvector(%s::regconfig, %s))", [CONFIG, asked.words])
        words = cursor.fetchone()[0]
        cursor.execute(
            "SELECT b.id, word.lexeme, coalesce(array_length(word.positions, 1), 1) "
            "FROM businesses b, unnest(b.search_vector) AS word WHERE b.id = ANY(%s)",
            [list(asked.candidates.values_list("pk", flat=True))],
        )
        texts: dict[UUID, dict[str, int]] = {}
        for pk, stem, times in cursor.fetchall():
            texts.setdefault(pk, {})[stem] = times
    return asked.named(best_by_bm25(words, texts)[:MOST])


def best_by_bm25(words: Sequence[str], texts: Mapping[UUID, Mapping[str, int]]) -> list[UUID]:
    """Those of the texts, each as its words with their numbers, that have any of the words, the best first."""
    lengths = {pk: sum(text.values()) for pk, text in texts.items()}
    mean = sum(lengths.values()) / len(lengths) if lengths else 1.0
    scores: dict[UUID, float] = {}
    for word in set(words):
        having = [pk for pk, text in texts.items() if word in text]
        rarity = math.log(1 + (len(texts) - len(having) + 0.5) / (len(having) + 0.5))
        for pk in having:
            times = texts[pk][word]
            norm = times + K1 * (1 - B + B * lengths[pk] / mean)
            scores[pk] = scores.get(pk, 0.0) + rarity * times * (K1 + 1) / norm
    return sorted(scores, key=lambda pk: (-scores[pk], pk))


BASELINES: dict[str, Callable[[Asked], list[str]]] = {
    "filter + newest": newest,
    "all words": by_words,
    "BM25": bm25,
    "vector": by_vector,
    "hybrid": hybrid,
}
