"""Waiting for an execution and all that it leads to, and doing the work where no worker runs."""

import time
from collections.abc import Callable

from agents.models import AgentExecution
from agents.trees import Tree, tree_of
from oppspot.jobs import stats
from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart

POLL_S = 0.25


def wait_for(execution: AgentExecution, *, on_own_work: Callable[[], None] = lambda: None) -> Tree:
    """The whole tree, once all of it has ended.

    As long as no worker was seen, this process works on the queue, whatever comes next in it, from the main thread;
    `on_own_work` is called before the first time. A worker that starts meanwhile takes over.
    """
    heart: Heart | None = None
    while not (tree := tree_of(execution)).has_ended:
        if heart is None and not stats.workers_alive():
            on_own_work()
            heart = Heart("default").start()
        if heart is None or not drain(heart, limit=1):
            time.sleep(POLL_S)
    return tree
