"""Asking sources about one company, before a report in detailed depth."""

from typing import Any
from uuid import UUID

from businesses.models import Business, PullStatus
from businesses.pulling import pull_source
from businesses.sources.pull import Selection
from businesses.sources.registry import source_class
from oppspot.core.errors import NotConfigured, OppspotError

NOTHING_NEW = {"new": 0, "problem": "", "unset": False}


def refresh_source(name: str, business: UUID) -> dict[str, Any]:
    """Pull the source for the company alone, outside of a transaction; how it went: `new` events, the `problem` in
    words, and whether it is not set up. Never raises what the outside world did: the report is partial then."""
    selection = Selection(businesses=Business.objects.filter(pk=business))
    try:
        pulled = pull_source(source_class(name)(), selection, requested_by="research_gpt")
    except NotConfigured:
        return {"new": 0, "problem": "", "unset": True}
    except OppspotError as error:
        return {"new": 0, "problem": error.message[:300], "unset": False}
    pull = pulled.pull
    problem = ""
    if pulled.stopped or pulled.retry_after is not None or pull.status == PullStatus.FAILED:
        problem = pull.note or "it did not come to its end"
    elif pull.failed:
        problem = str(pull.failures[0]["reason"])[:300] if pull.failures else f"{pull.failed} failures"
    return {"new": pull.new, "problem": problem, "unset": False}
