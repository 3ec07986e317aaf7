"""Agents and executions for tests, made through the services that people use."""

from itertools import count
from typing import Any

from agents.models import Agent, AgentExecution, Trigger
from agents.services import create_agent, start_execution
from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart
from oppspot.organizations.models import Organization

_numbers = count(1)


def make_agent(org: Organization, agent_type: str = "probe", *, name: str = "", **values: Any) -> Agent:
    return create_agent(org=org, agent_type=agent_type, name=name or f"Agent {next(_numbers)}", **values)


def queue_execution(agent: Agent, **given: Any) -> AgentExecution:
    """An execution that waits for a worker, with the input."""
    return start_execution(agent=agent, trigger=Trigger.COMMAND, given=given)[0]


def work() -> int:
    """Do what is in line, retries that are due at once included; how many starts it took."""
    return drain(Heart("default"))


def execute(agent: Agent, **given: Any) -> AgentExecution:
    """An execution from start to end, with what it caused."""
    execution = queue_execution(agent, **given)
    work()
    execution.refresh_from_db()
    return execution
