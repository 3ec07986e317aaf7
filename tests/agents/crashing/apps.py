"""Wraps the steps of jobs and the sending of questions, in processes that were given a plan."""

import os
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from django.apps import AppConfig

from tests.agents.crashing.plan import AFTER, ASKED, BEFORE, VARIABLE, WITHIN, Plan


class CrashingConfig(AppConfig):
    name = "tests.agents.crashing"
    label = "agents_crashing"

    def ready(self) -> None:
        if folder := os.environ.get(VARIABLE):
            wrap(Plan(Path(folder)))


def wrap(plan: Plan) -> None:
    """Have this process die where the plan says."""
    asking: Any = import_module("agents.llm.asking")
    context: Any = import_module("oppspot.jobs.context").Context
    places = plan.read()
    step, send = context.step, asking.send
    about_to_die: list[str] = []  # the run that is to die with an answer in hand

    def crashing_step(self: Any, name: str, body: Callable[[], Any], **options: Any) -> Any:
        run = str(self.run_id)
        place = places.get(run)
        if place is None or place.step != name or plan.is_over(run):
            return step(self, name, body, **options)

        def fatal_body() -> Any:
            if place.when == BEFORE:
                die(plan, run)
            about_to_die.extend([run] if place.when == ASKED else [])
            output = body()
            return die(plan, run) if place.when == WITHIN else output

        output = step(self, name, fatal_body, **options)
        return die(plan, run) if place.when == AFTER else output

    def crashing_send(*args: Any, **options: Any) -> Any:
        reply = send(*args, **options)
        return die(plan, about_to_die.pop(), read=reply.tokens_in, written=reply.tokens_out) if about_to_die else reply

    context.step = crashing_step
    asking.send = crashing_send


def die(plan: Plan, run: str, **lost: Any) -> NoReturn:
    plan.note(run, **lost)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a dead process goes on")
