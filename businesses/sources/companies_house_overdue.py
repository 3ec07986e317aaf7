"""Overdue accounts by a company's profile: an event for each due date, the same that the monthly file tells."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from businesses.models import EventKind, Status
from businesses.sources.companies_house_api_fields import mapping_of
from businesses.sources.pull import Profile, Seen

# Others, being wound up, file none.
FILING = {Status.ACTIVE.value, Status.STRIKE_OFF_PROPOSED.value}


def overdue_of(data: Mapping[str, Any], profile: Profile) -> list[Seen]:
    """The event that the register's answer `data`, read as `profile`, tells of: one or none."""
    accounts = mapping_of(data.get("accounts"))
    is_flagged = accounts.get("overdue") is True or mapping_of(accounts.get("next_accounts")).get("overdue") is True
    due_on = profile.values.get("accounts_next_due_on")
    if not is_flagged or due_on is None or due_on >= profile.on or profile.values.get("status") not in FILING:
        return []
    made_up_on = profile.values.get("accounts_last_made_up_on")
    payload = {
        "due_on": due_on.isoformat(),
        "last_made_up_on": made_up_on.isoformat() if made_up_on else None,
        "snapshot_on": profile.on.isoformat(),
    }
    identity = (profile.company.value, due_on.isoformat())
    return [
        Seen(profile.company, EventKind.ACCOUNTS_OVERDUE, due_on + timedelta(days=1), identity, payload, profile.url)
    ]
