"""The how-to's kind of agent is a file that is run here, and the text shows that file."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from agents.registry import all_kinds
from businesses.models import Business, Watchlist, WatchlistEntry
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent
from tests.factories import make_business

HOW_TO = Path(settings.BASE_DIR) / "docs" / "how-to" / "add-an-agent.md"
EXAMPLE = Path(__file__).with_name("kinds") / "accounts_due.py"


def test_the_text_shows_the_file() -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    assert f"```python\n{EXAMPLE.read_text(encoding='utf-8')}```\n" in text
    assert "accounts_due" in all_kinds()


@pytest.mark.django_db
def test_the_example_finds_what_is_due_and_tells_it_once(org_a: Organization) -> None:
    today = timezone.now().date()
    soon, later = make_business(name="Soon Ltd"), make_business(name="Later Ltd")
    for business, days in [(soon, 30), (later, 90)]:
        Business.objects.filter(pk=business.pk).update(accounts_next_due_on=today + timedelta(days=days))
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="Customers")
    for business in (soon, later):
        WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=watchlist, business=business)
    agent = make_agent(org_a, "accounts_due", configuration={"watchlist": str(watchlist.pk)})
    assert execute(agent).output_data == {"due": 1, "new": [str(soon.pk)]}
    agent.refresh_from_db()
    assert execute(agent).output_data == {"due": 1, "new": []}
