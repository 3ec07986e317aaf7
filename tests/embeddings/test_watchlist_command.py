"""`manage.py watchlist`: each action, and that rows which do not match are told and end with an error."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from businesses.models import Business, Watchlist
from businesses.watchlists import create_watchlist, entries_of
from oppspot.organizations.models import Organization
from tests.factories import make_business

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER = "deterministic"
    settings.EMBEDDING_MODEL = ""


@pytest.fixture
def ours(org_a: Organization) -> Watchlist:
    return create_watchlist(org=org_a, name="Ours")


@pytest.fixture
def acme(db: None) -> Business:
    return make_business("Acme Ltd", company_number="00000001", description="craft beer", town="Leeds")


def run(*arguments: str, org: str = "alpha", fails: str = "") -> tuple[str, str]:
    """What was written to the two streams."""
    out, err = StringIO(), StringIO()
    action, *rest = arguments
    command = ["watchlist", action, "--org", org, *rest]
    if fails:
        with pytest.raises(CommandError, match=fails) as caught:
            call_command(*command, stdout=out, stderr=err)
        assert caught.value.returncode == 1
    else:
        call_command(*command, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def names_on(watchlist: Watchlist) -> list[str]:
    entries = entries_of(org=watchlist.org, watchlist_id=watchlist.pk)
    return sorted(entries.values_list("business__name", flat=True))


def test_create_list_show_and_delete(org_a: Organization, acme: Business) -> None:
    assert run("create", "Breweries")[0].startswith("created watchlist Breweries (")
    run("create", "BREWERIES", fails="There is a watchlist named 'BREWERIES' already")
    run("add", "breweries", "--number", "1", "--company", "acme")
    assert run("list")[0].split() == ["Breweries", "1", "companies"]
    assert run("show", "breweries")[0].split() == ["00000001", "Acme", "Ltd", "Leeds", "number"]
    run("delete", "breweries", fails="There are 1 companies on Breweries: say --yes")
    assert "with 1 companies on it" in run("delete", "breweries", "--yes")[0]
    assert run("list")[0] == ""


def test_what_is_removed_is_listed_and_may_come_back(ours: Watchlist, acme: Business) -> None:
    make_business("Gone Ltd", company_number="00000009", description="craft beer")
    fill = ("fill", "ours", "--query", "craft beer", "--mode", "lexical")
    assert run(*fill)[0].startswith("2 new, 0 kept")
    assert run("remove", "ours", "--number", "1", "--company", "gone")[0] == "2 removed, 0 were not on the list\n"
    assert run("removed", "ours")[0].splitlines()[0].split() == ["00000001", "Acme", "Ltd", "Leeds", "manage.py"]
    assert run(*fill)[0] == "0 new, 0 kept, 0 others stay on the list, 2 stay off it\n"
    assert run("allow", "ours", "--number", "1")[0] == "1 may come back, 0 had not been removed\n"
    assert run(*fill)[0].startswith("1 new, 0 kept")
    assert names_on(ours) == ["Acme Ltd"]


@pytest.mark.parametrize("action", ["remove", "allow"])
def test_nothing_is_removed_or_allowed_if_one_is_not_found(ours: Watchlist, acme: Business, action: str) -> None:
    run("add", "ours", "--number", "1")
    _, err = run(action, "ours", "--number", "1", "--number", "2", fails="1 companies were not found; nothing was")
    assert "No company has the number 00000002." in err
    assert names_on(ours) == ["Acme Ltd"]
    run(action, "ours", fails="Name companies by")


def test_a_long_list_is_cut(org_a: Organization, ours: Watchlist) -> None:
    for number in range(3):
        make_business(f"Company {number}", company_number=f"0000001{number}")
    run("add", "ours", *(f"--number=1{number}" for number in range(3)))
    assert run("show", str(ours.pk), "--limit", "2")[0].endswith("and 1 more\n")


def test_rows_that_do_not_match_are_told_and_end_with_one(ours: Watchlist, acme: Business, tmp_path: Path) -> None:
    file, unmatched = tmp_path / "list.csv", tmp_path / "unmatched.csv"
    file.write_text("name,number\nAcme,1\nZenith,\n=1,99\n")
    out, err = run("import", "ours", str(file), "--unmatched", str(unmatched), fails="2 rows did not match")
    assert out == "3 rows: 1 added, 0 on the list already, 2 did not match\n"
    assert err.splitlines() == [
        "line 3: No company is named “Zenith”.",
        "line 4: No company has the number 00000099.",
    ]
    assert names_on(ours) == ["Acme Ltd"]
    assert '"\'=1"' in unmatched.read_text(encoding="utf-8-sig")
    file.write_text("name\nAcme\n")
    assert run("import", "ours", str(file))[0] == "1 rows: 0 added, 1 on the list already, 0 did not match\n"


def test_a_dry_run_adds_nothing(ours: Watchlist, acme: Business) -> None:
    assert "1 would be added" in run("add", "ours", "--number", "1", "--dry-run")[0]
    assert names_on(ours) == []


def test_filling_from_a_search(ours: Watchlist, acme: Business) -> None:
    run("fill", "ours", fails="no saved search")
    run("fill", "ours", "--town", "Leeds", fails="Filters need a --query")
    search = ("--query", "craft beer", "--mode", "lexical", "--town", "leeds", "--status", "unknown,active")
    assert run("fill", "ours", *search, "--dry-run")[0] == "1 would be new, 0 kept, 0 others stay on the list\n"
    assert run("fill", "ours", *search)[0] == "1 new, 0 kept, 0 others stay on the list\n"
    assert run("fill", "ours")[0] == "0 new, 1 kept, 0 others stay on the list\n"
    assert "fills from 'craft beer'" in run("list")[0]


def test_what_is_refused(ours: Watchlist, org_b: Organization, tmp_path: Path) -> None:
    run("list", org="nobody", fails="There is no organisation 'nobody'")
    run("show", "ours", org="beta", fails="Beta has no watchlist 'ours'")
    run("show", str(ours.pk), org="beta", fails="Beta has no watchlist")
    run("add", "ours", fails="Name companies by --number")
    run("import", "ours", str(tmp_path / "missing.csv"), fails="cannot be read: No such file")
    (tmp_path / "empty.csv").touch()
    run("import", "ours", str(tmp_path / "empty.csv"), fails="The file is empty")
