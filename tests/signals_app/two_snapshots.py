"""Two snapshots of the register for trying signals: the real sample, and the same a month later after known edits.

    python -m tests.signals_app.two_snapshots SAMPLE.csv FOLDER [YYYY-MM-01]

`EDITS` is the list of what happens in that month, and to how many companies: the first in the order of their numbers
that are active, older than two years, and not yet edited. The files bear the names that the importer takes their dates
from. What is invented is invented about real companies' rows: for tests, never for show.
"""

import csv
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

Row = dict[str, str]
FIRST_NEW = 99_000_001  # numbers of the companies that appear in the second month


def moves(row: Row) -> None:
    row |= {"RegAddress.AddressLine1": f"{row['CompanyNumber'][-2:]} QUAY SIDE", "RegAddress.AddressLine2": ""}
    row |= {"RegAddress.PostTown": "NEWTOWN", "RegAddress.County": "", "RegAddress.PostCode": "SY16 2NA"}


def files_full_accounts(row: Row) -> None:
    row["Accounts.AccountCategory"] = "FULL"


def borrows(row: Row) -> None:
    for column in ("Mortgages.NumMortCharges", "Mortgages.NumMortOutstanding"):
        row[column] = str(int(row[column] or 0) + 1)


def repays(row: Row) -> None:
    row["Mortgages.NumMortOutstanding"] = str(int(row["Mortgages.NumMortOutstanding"]) - 1)
    row["Mortgages.NumMortSatisfied"] = str(int(row["Mortgages.NumMortSatisfied"] or 0) + 1)


def is_renamed(row: Row) -> None:
    row["CompanyName"] = f"RENAMED {row['CompanyName']}"


def changes_trade(row: Row) -> None:
    row["SICCode.SicText_1"] = "62012 - Business and domestic software development"
    for place in (2, 3, 4):
        row[f"SICCode.SicText_{place}"] = ""


def fails(row: Row) -> None:
    row["CompanyStatus"] = "Liquidation"


def is_to_be_struck_off(row: Row) -> None:
    row["CompanyStatus"] = "Active - Proposal to Strike off"


def grows_and_moves(row: Row) -> None:
    files_full_accounts(row)
    moves(row)


def _any(row: Row) -> bool:
    return True


def _is_small(row: Row) -> bool:
    return row["Accounts.AccountCategory"] in {"SMALL", "TOTAL EXEMPTION FULL"}


def _has_debt(row: Row) -> bool:
    return (row["Mortgages.NumMortOutstanding"] or "0") != "0"


def _has_trade(row: Row) -> bool:
    """One other than that which `changes_trade` gives; some companies state none."""
    return row["SICCode.SicText_1"][:5].isdigit() and not row["SICCode.SicText_1"].startswith("62012")


# What happens, to how many, and whom it can happen to.
EDITS: list[tuple[Callable[[Row], None], int, Callable[[Row], bool]]] = [
    (grows_and_moves, 2, _is_small),
    (files_full_accounts, 4, _is_small),
    (moves, 4, _any),
    (borrows, 3, _any),
    (repays, 2, _has_debt),
    (is_renamed, 3, _any),
    (changes_trade, 2, _has_trade),
    (fails, 2, _any),
    (is_to_be_struck_off, 2, _any),
]
NEW, GONE = 3, 2


def make_snapshots(sample: Path, folder: Path, *, second: date) -> tuple[Path, Path, dict[str, list[str]]]:
    """The two files, and the numbers of the companies that each edit was done to, by its name."""
    with sample.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        head, rows = list(reader.fieldnames or ()), list(reader)
    first_path = _write(folder, (second - timedelta(days=1)).replace(day=1), head, rows)
    done: dict[str, list[str]] = {}
    candidates = sorted((row for row in rows if _is_established(row)), key=lambda row: row["CompanyNumber"].zfill(8))
    free = [dict(row) for row in candidates]
    changed: dict[str, Row] = {}
    for edit, count, fits in EDITS:
        chosen = [row for row in free if row["CompanyNumber"] not in changed and fits(row)][:count]
        if len(chosen) < count:
            raise ValueError(f"{sample.name} has only {len(chosen)} of {count} companies for {edit.__name__}")
        for row in chosen:
            edit(row)
            changed[row["CompanyNumber"]] = row
        done[edit.__name__] = [row["CompanyNumber"].zfill(8) for row in chosen]
    gone = [row["CompanyNumber"] for row in free if row["CompanyNumber"] not in changed][-GONE:]
    kept = [changed.get(row["CompanyNumber"], row) for row in rows if row["CompanyNumber"] not in gone]
    done["appears"] = [str(FIRST_NEW + place) for place in range(NEW)]
    born = list(_new_companies(rows[0], second))
    return first_path, _write(folder, second, head, [*kept, *born]), done | {"disappears": gone}


def _is_established(row: Row) -> bool:
    year = row["IncorporationDate"][-4:]
    return row["CompanyStatus"] == "Active" and year.isdigit() and int(year) < 2017 and bool(row["RegAddress.PostCode"])


def _new_companies(like: Row, on: date) -> Iterator[Row]:
    for place in range(NEW):
        yield dict.fromkeys(like, "") | {
            "CompanyName": f"INVENTED VENTURES {place + 1} LIMITED",
            "CompanyNumber": str(FIRST_NEW + place),
            "RegAddress.PostTown": "NEWTOWN",
            "RegAddress.PostCode": "SY16 2NA",
            "CompanyCategory": "Private Limited Company",
            "CompanyStatus": "Active",
            "CountryOfOrigin": "United Kingdom",
            "IncorporationDate": f"{on - timedelta(days=10):%d/%m/%Y}",
            "Accounts.AccountCategory": "NO ACCOUNTS FILED",
            "SICCode.SicText_1": "62012 - Business and domestic software development",
            **{name: "0" for name in like if name.startswith(("Mortgages", "LimitedPartnerships"))},
        }


def _write(folder: Path, on: date, head: list[str], rows: list[Row]) -> Path:
    path = folder / f"BasicCompanyDataAsOneFile-{on.isoformat()}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, head)
        writer.writeheader()
        writer.writerows(rows)
    return path


if __name__ == "__main__":
    month = date.fromisoformat(sys.argv[3]) if len(sys.argv) > 3 else date.today().replace(day=1)  # noqa: DTZ011
    *paths, edits = make_snapshots(Path(sys.argv[1]), Path(sys.argv[2]), second=month)
    print(*paths, sep="\n")  # noqa: T201
    for name, numbers in edits.items():
        print(f"{name:20}{' '.join(numbers)}")  # noqa: T201
