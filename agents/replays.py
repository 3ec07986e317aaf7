"""Doing an execution's work again, as the world is now, and what came out otherwise."""

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from agents.models import AgentExecution, Trigger
from agents.services import start_execution

MISSING = object()


def replay_execution(*, execution: AgentExecution, requested_by: str) -> AgentExecution:
    """A new execution of its agent, with its input. What a language model answered at temperature 0 is used again
    while it is stored. Raises `InvalidInput` where the input has come to be no longer valid."""
    return start_execution(
        agent=execution.agent, trigger=Trigger.COMMAND, given=execution.input_data, requested_by=requested_by
    )[0]


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """What JSON says otherwise than it did, a line each, named by its place: `news_read.asked: 3 → 0`."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys([*before, *now]):
            place = f"{path}.{name}" if path else str(name)
            yield from differences(before.get(name, MISSING), now.get(name, MISSING), place)
    elif isinstance(before, list) and isinstance(now, list):
        for number, (one, other) in enumerate(zip_longest(before, now, fillvalue=MISSING)):
            yield from differences(one, other, f"{path}.{number}" if path else str(number))
    elif before != now or type(before) is not type(now):
        yield f"{path or 'all'}: {_shown(before)} → {_shown(now)}"


def _shown(value: Any) -> str:
    return "nothing" if value is MISSING else json.dumps(value, ensure_ascii=False)
