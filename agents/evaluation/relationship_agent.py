"""Introduction paths against an exhaustive walk over random registers, which are rolled back."""

from random import Random

from django.db import transaction

from agents.evaluation.base import SEED, Evaluation, Property
from agents.evaluation.path_graphs import DAY, Graph, Oracle, random_graph
from agents.paths.rules import Rules, address_key, load_rules
from agents.paths.search import FoundPath, find_paths

LISTED, LISTED_AT = "listed nominees", "1 Agents' House"
MAX_GRAPHS = 1_000
LIMIT = 50  # paths compared of a graph
NOT_MEASURED = [
    "Entity resolution: two officers of one name are never taken for one person, so that there is nothing to measure.",
    "Whether somebody would make the introduction: cannot be known offline.",
]


def evaluate(cases: int) -> Evaluation:
    """At most a thousand graphs; every path of each, with its strength."""
    chance = Random(SEED)
    exact, ordered = Property("paths are those of an exhaustive walk"), Property("the strongest first, within 0 to 1")
    for number in range(min(cases, MAX_GRAPHS)):
        with transaction.atomic():
            expected, found = paths_of_random_graph(chance, number)
            transaction.set_rollback(True)
        exact.check(found == expected, f"graph {number} of seed {SEED}")
        strengths = [strength for strength, _ in found]
        is_ordered = strengths == sorted(strengths, reverse=True) and all(0 < one <= 1 for one in strengths)
        ordered.check(is_ordered, f"graph {number} of seed {SEED}")
    return Evaluation("relationship_agent", [exact, ordered], not_measured=NOT_MEASURED)


def paths_of_random_graph(chance: Random, number: int) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    """`(strength, key)` of the paths that there are, and of those that are found, in one order."""
    postcode = f"AB{number} 2CD"
    graph = random_graph(chance, listed_name=LISTED, listed_address=LISTED_AT, prefix=f"e{number}", postcode=postcode)
    rules = rules_of(chance, postcode)
    target, *others = chance.sample(graph.companies, k=len(graph.companies))
    sources = others[: chance.randint(0, 3)]
    people = chance.sample(graph.officers, k=chance.randint(0 if sources else 1, 2))
    hops = chance.choice((1, 2, 3, 3, 3))
    expected = Oracle(graph, rules).paths(target, sources, people, hops)
    paths = find_paths(target=target, sources=sources, people=people, day=DAY, max_hops=hops, limit=LIMIT, rules=rules)
    # Of more than are asked for, those that tie at the limit may be any: their strengths are compared.
    is_cut = len(expected) > LIMIT
    found = [(round(path.strength, 9), "" if is_cut else key_in(path, graph, postcode)) for path in paths.found]
    whole = [(round(strength, 9), "" if is_cut else key) for strength, key in expected[:LIMIT]]
    return sorted(whole, key=_best_first), sorted(found, key=_best_first)


def _best_first(path: tuple[float, str]) -> tuple[float, str]:
    return (-path[0], path[1])


def rules_of(chance: Random, postcode: str) -> Rules:
    """The rules with limits that graphs of a few companies reach."""
    given = load_rules().model_dump()
    given["limits"] |= {"officer_companies": chance.randint(3, 8), "address_companies": chance.randint(3, 8)}
    given["names"] = [{"name": LISTED, "reason": "test"}]
    given["addresses"] = [{"line1": LISTED_AT, "postcode": postcode, "companies": 1, "reason": "test"}]
    return Rules.model_validate(given)


def key_in(path: FoundPath, graph: Graph, postcode: str) -> str:
    """The key of a path with addresses as the graph writes them."""
    key = path.key
    for line in set(graph.addresses.values()):
        key = key.replace(f"address:{address_key(line, postcode)}", f"address:{line}")
    return key
