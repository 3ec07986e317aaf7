"""UK SIC 2007: codes, titles and sections, from the file that also fills the table `sic_codes`."""

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path

SIC_FILE = Path(__file__).parent / "sic_data" / "sic_2007.csv"
MIN_PREFIX, CODE_LENGTH = 2, 5


@cache
def titles() -> dict[str, str]:
    """Title by five-digit code."""
    with SIC_FILE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["title"] for row in csv.DictReader(file)}


def titles_text(codes: Iterable[str]) -> str:
    """The titles of `codes`, joined; codes of other versions have no title here and are left out."""
    known = titles()
    return "; ".join(known[code] for code in codes if code in known)


@cache
def codes_with_prefix(prefix: str) -> tuple[str, ...]:
    """All codes below a division, group or class: `"62"` → `("62011", "62012", …)`. Empty when there is none."""
    return tuple(code for code in titles() if code.startswith(prefix))
