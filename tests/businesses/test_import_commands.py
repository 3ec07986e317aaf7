"""The import commands as a person uses them: what they print, where, and how they fail."""

import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from businesses.imports import lock
from businesses.imports.lock import import_lock
from businesses.models import Business
from tests.businesses.register_files import companies, company, write

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def other_session() -> Iterator[psycopg.Connection]:
    parameters = connection.get_connection_params()
    names = {"host", "port", "user", "password", "dbname"}
    with psycopg.connect(**{key: value for key, value in parameters.items() if key in names}) as session:
        yield session


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def test_register_prints_its_counts_and_lists_its_rejects() -> None:
    write(Path("BasicCompanyDataAsOneFile-2020-05-01.csv"), [*companies(3), ["short"]])
    out, err = run("import_companies_house", "BasicCompanyDataAsOneFile-2020-05-01.csv")
    path = Path.cwd() / "BasicCompanyDataAsOneFile-2020-05-01.rejects.csv"
    assert out.splitlines() == [
        "snapshot of 2020-05-01",
        "read                 4",
        "inserted             3",
        "changed              0",
        "unchanged            0",
        f"rejected             1  see {path}",
        "events               0",
    ]
    assert err == ""
    assert path.read_text().splitlines() == [
        "line,reason,row,file",
        '5,1 columns instead of 55,"""short""",BasicCompanyDataAsOneFile-2020-05-01.csv',
    ]


def test_register_options() -> None:
    write(Path("a.csv"), [company(), ["short"]])
    out, _ = run(
        "import_companies_house", "a.csv", "--snapshot-date", "2021-02-01", "--rejects", "bad.csv", "--dry-run"
    )
    assert out.splitlines()[0] == "snapshot of 2021-02-01"
    assert out.splitlines()[-1] == "dry run: nothing was written"
    assert Path("bad.csv").exists()
    assert not Business.objects.exists()


def test_an_older_snapshot_warns_and_proceeds() -> None:
    run("import_companies_house", str(write(Path("a.csv"), [company()])), "--snapshot-date", "2021-02-01")
    out, err = run("import_companies_house", "a.csv", "--snapshot-date", "2021-01-01")
    assert err.startswith("The register is of 2021-02-01; this snapshot, of 2021-01-01, is older")
    assert "unchanged            1" in out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "CompanyName,Other\nA,B\n", "not the register's bulk file: no column CompanyNumber"),
        ("a.zip", "not a zip", "a.zip is damaged"),
        ("missing.csv", None, "missing.csv cannot be read: it does not exist"),
    ],
)
@pytest.mark.parametrize("existing", [0, 1])
def test_register_says_why_it_cannot_read_a_file(name: str, content: str | None, message: str, existing: int) -> None:
    if existing:
        run("import_companies_house", str(write(Path("before.csv"), companies(existing))))
    if content is not None:
        Path(name).write_text(content)
    with pytest.raises(CommandError, match=message):
        run("import_companies_house", name)
    assert Business.objects.count() == existing


def test_a_later_part_that_is_missing_stops_all() -> None:
    write(Path("a.csv"), companies(3))
    with pytest.raises(CommandError, match=r"b\.csv cannot be read"):
        run("import_companies_house", "a.csv", "b.csv")
    assert not Business.objects.exists()


def test_encrypted_zip() -> None:
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr("a.csv", "x")
    data = bytearray(Path("a.zip").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    Path("a.zip").write_bytes(data)
    with pytest.raises(CommandError, match=r"is encrypted: a\.csv needs a password"):
        run("import_companies_house", "a.zip")


def test_tabular_prints_its_counts() -> None:
    Path("crm.csv").write_text("name;website;industry\nAcme;https://acme.example;anvils|traps\n;;\n")
    out, err = run("import_businesses", "crm.csv", "--map", "categories=industry", "--source", "CRM")
    assert out.splitlines() == [
        "read                 2",
        "inserted             1",
        "changed              0",
        "unchanged            0",
        f"rejected             1  see {Path.cwd() / 'crm.rejects.csv'}",
    ]
    assert err == ""
    business = Business.objects.get()
    assert (business.source, business.categories) == ("CRM", ["anvils", "traps"])


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("name", "is no mapping; write it as field=column"),
        ("name=", "is no mapping"),
        ("embedding=x", "'embedding' is not a field that a file may set; those are name, company_number"),
        ("name=a,b", "Only categories and description can be made from several columns, not name"),
        ("town=nowhere", "has no column nowhere; it has name, website"),
    ],
)
def test_tabular_says_what_is_wrong_with_a_mapping(mapping: str, message: str) -> None:
    Path("a.csv").write_text("name,website\nAcme,\n")
    with pytest.raises(CommandError, match=message):
        run("import_businesses", "a.csv", "--map", mapping)


@pytest.mark.parametrize("command", ["import_companies_house", "import_businesses"])
def test_one_import_at_a_time(command: str, other_session: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE_S", 0.1)
    other_session.execute("SELECT pg_advisory_lock(%s)", [lock.LOCK])
    write(Path("a.csv"), [company()])
    with pytest.raises(CommandError, match="Another import is running"):
        run(command, "a.csv")
    other_session.execute("SELECT pg_advisory_unlock(%s)", [lock.LOCK])
    other_session.commit()
    if command == "import_companies_house":
        run(command, "a.csv")


def test_the_lock_is_freed_after_an_error(other_session: psycopg.Connection) -> None:
    with pytest.raises(ZeroDivisionError), import_lock():
        raise ZeroDivisionError
    assert other_session.execute("SELECT pg_try_advisory_lock(%s)", [lock.LOCK]).fetchone() == (True,)


def test_an_import_that_was_killed_is_waited_for(other_session: psycopg.Connection) -> None:
    other_session.execute("SELECT pg_advisory_lock(%s)", [lock.LOCK])
    timer = threading.Timer(0.5, other_session.close)
    timer.start()
    with import_lock():
        pass
    timer.join()
