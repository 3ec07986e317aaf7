"""A kind of agent for those who sell to finance departments: whose accounts are due soon."""

from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from agents.base import Kind, Outcome, Params, Subject
from agents.context import ExecutionContext
from agents.references import WatchlistId
from businesses.models import Business, WatchlistEntry


class AccountsDueParams(Params):
    watchlist: Annotated[WatchlistId, Field(title="Watchlist", description="The companies to look at.")]
    days: Annotated[int, Field(title="Days", description="How far ahead to look.", ge=1, le=365)] = 60


class AccountsDue(Kind[AccountsDueParams, Any]):
    slug = "accounts_due"
    title = "Accounts due"
    description = "Finds companies of a watchlist whose accounts are due soon."
    Params = AccountsDueParams

    def run(self, ctx: ExecutionContext[AccountsDueParams, Any]) -> Outcome:
        today = ctx.began_at.date()
        due = ctx.step("find", lambda: self._due(ctx, today), inputs={"from": today.isoformat()})
        ctx.step("remember", lambda: ctx.remember(told={one["id"]: one["on"] for one in due}))
        new = [one for one in due if one["is_new"]]
        return Outcome(
            output={"due": len(due), "new": [one["id"] for one in new]},
            items_processed=len(due),
            subjects=[Subject(UUID(one["id"]), evidence=1, reason=f"accounts due on {one['on']}") for one in new],
            news=[f"{one['name']}: accounts due on {one['on']}" for one in new],
        )

    @staticmethod
    def _due(ctx: ExecutionContext[AccountsDueParams, Any], today: date) -> list[dict[str, Any]]:
        """Whether one is new is decided here, within the step: after it, the agent remembers it."""
        watched = WatchlistEntry.objects.for_org(ctx.org).filter(watchlist=ctx.params.watchlist)
        until, told = today + timedelta(days=ctx.params.days), ctx.agent.state.get("told", {})
        due = Business.objects.filter(pk__in=watched.values("business"), accounts_next_due_on__range=(today, until))
        rows = due.order_by("accounts_next_due_on", "pk").values_list("pk", "name", "accounts_next_due_on")
        found = [{"id": str(pk), "name": name, "on": str(on)} for pk, name, on in rows]
        return [one | {"is_new": told.get(one["id"]) != one["on"]} for one in found]
