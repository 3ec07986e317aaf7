"""A kind that does what a test tells it to."""

from typing import Annotated, Any, Literal

from pydantic import Field

from agents.base import Input, Kind, Outcome, Params, Subject
from agents.context import ExecutionContext
from agents.references import BusinessId, WatchlistId
from oppspot.core.errors import PermanentError, RetryableError

Ending = Literal["well", "failure", "permanent", "retryable", "error"]


class ProbeParams(Params):
    watchlist: Annotated[WatchlistId | None, Field(title="Watchlist", description="Whose companies to look at.")] = None
    threshold: Annotated[int, Field(title="Threshold", description="0 to 100.", ge=0, le=100)] = 50


class ProbeInput(Input):
    ending: Ending = "well"
    ends_well_at: int = 99  # the try that ends well whatever `ending` says
    companies: Annotated[list[BusinessId], Field(max_length=50)] = []
    score: float = 80


class Probe(Kind[ProbeParams, ProbeInput]):
    slug = "probe"
    title = "Probe"
    description = "Does what a test tells it to."
    Params = ProbeParams
    Input = ProbeInput
    timeout_s = 20
    retries = 2

    def run(self, ctx: ExecutionContext[ProbeParams, ProbeInput]) -> Outcome:
        given = ctx.input
        seen = ctx.step("look", lambda: {"companies": len(given.companies)}, inputs={"threshold": ctx.params.threshold})
        if ctx.job.attempt < given.ends_well_at:
            self._end(given.ending)
        ctx.step("write", lambda: ctx.remember(runs=ctx.agent.state.get("runs", 0) + 1))
        failed = given.ending == "failure"
        return Outcome(
            output=seen,
            items_processed=seen["companies"],
            subjects=[Subject(pk, score=given.score, evidence=1) for pk in given.companies],
            news=[f"{seen['companies']} companies"] if given.companies else (),
            failure="Nothing came of it." if failed else "",
        )

    @staticmethod
    def _end(ending: Ending) -> None:
        if ending == "permanent":
            raise PermanentError("This cannot work; the key is sk-proj-abcdefgh12345678.")
        if ending == "retryable":
            raise RetryableError("Not now.", retry_after=0)
        if ending == "error":
            raise ValueError("An error in the code.")

    def input_for_subject(self, subject: Subject) -> dict[str, Any]:
        return {"companies": [str(subject.business_id)], "score": subject.score or 0}
