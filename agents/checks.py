"""System checks of what is stored: `manage.py check --database default`, and `migrate`, run them."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, transaction
from django.db.models import Count

from agents.models import Suppression
from agents.suppression import RESTORE, unreadable


@register(Tags.database)
def check_suppression_keys(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Every entry of a do-not-contact list was made under a key that is known."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        try:
            with transaction.atomic(using=alias):
                lost = unreadable(Suppression.all_orgs.using(alias)).aggregate(
                    entries=Count("pk"), orgs=Count("org", distinct=True)
                )
        except DatabaseError:  # not migrated yet, or not to be reached, which `oppspot.E001` tells
            continue
        if lost["entries"]:
            message = (
                "Do-not-contact lists have entries made under a SECRET_KEY that is not known, and their organisations "
                f"can contact nobody (entries: {lost['entries']}, organisations: {lost['orgs']})."
            )
            messages.append(Error(message, hint=RESTORE, id="agents.E004"))
    return messages
