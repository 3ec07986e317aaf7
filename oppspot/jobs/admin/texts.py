"""How runs and their data are written on the pages."""

import json
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.urls import reverse
from django.utils.html import format_html

from oppspot.core.admin import LINK
from oppspot.jobs.models import Run, Status, WaitingFor

SYSTEM = "the system"  # in place of an organisation
SHOWN_CHARACTERS = 20_000
STATE_COLOURS = {
    "queued": "info",
    "running": "primary",
    "completed": "success",
    "failed": "danger",
    "cancelled": "default",
}


def short_id(run_id: UUID) -> str:
    """The end of an id: the beginning is its time and alike in neighbours."""
    return run_id.hex[-8:]


def run_link(run_id: UUID, text: str = "") -> str:
    url = reverse("admin:jobs_run_change", args=[run_id])
    return format_html('<a class="{}" href="{}">{}</a>', LINK, url, text or short_id(run_id))


def state_of(run: Run) -> tuple[str, str]:
    """A state of `STATE_COLOURS`, and its text; a queued run says what it waits for."""
    if run.status == Status.QUEUED:
        return run.status, f"waits for {WaitingFor(run.waiting_for).label}"
    if run.status == Status.RUNNING and run.cancel_requested_at:
        return run.status, "running, is being cancelled"
    return run.status, run.status


def pretty(value: Any) -> str:
    """JSON laid out for reading, cut off after `SHOWN_CHARACTERS`."""
    return shortened(json.dumps(value, indent=2, ensure_ascii=False, cls=DjangoJSONEncoder))


def shortened(text: str) -> str:
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:SHOWN_CHARACTERS]}\n… {len(text) - SHOWN_CHARACTERS:,} more characters"
