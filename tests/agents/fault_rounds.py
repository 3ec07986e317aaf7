"""Rounds of executions in a database that is not the tests' own: for a process that is told what to do line by line.

A round is one execution of each kind and one tree of hand-offs, each of an organisation of its own. The first round is
the one that nothing happens to.
"""

from agents.models import AgentExecution, ExecutionStep
from agents.trees import tree_of
from tests.agents.fault_cases import assert_steps_once, findings, kinds, start, start_tree

_rounds: list[dict[str, AgentExecution]] = []


def start_round() -> list[str]:
    """What it is made of, by name."""
    made = {slug: start(slug) for slug in kinds()} | {"tree": start_tree()}
    _rounds.append(made)
    return list(made)


def steps_done() -> int:
    return ExecutionStep.all_orgs.count()


def differing() -> list[str]:
    """What of later rounds did not come out as in the first."""
    first, *later = _rounds
    expected = {name: (findings(one.org), len(tree_of(one).nodes)) for name, one in first.items()}
    for made in _rounds:
        for one in made.values():
            assert_steps_once(one.org)
    return [
        f"{name} of round {number}"
        for number, made in enumerate(later, 2)
        for name, one in made.items()
        if (findings(one.org), len(tree_of(one).nodes)) != expected[name]
    ]
