"""A synthetic company register in the layout of BasicCompanyDataAsOneFile: `python -m benchmarks.register_file PATH`.

Deterministic for a seed. The proportions (statuses, categories, accounts, charges, previous names, missing addresses)
were counted on a real sample of 4,537 companies of May 2020; the names, streets and people are made up.
"""

import argparse
import csv
import os
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oppspot.settings")
django.setup()

from businesses.sic import titles  # noqa: E402  Django must be set up first
from businesses.sources.companies_house_bulk import COLUMNS  # noqa: E402

# The official header has spaces before these names, and no quotes.
SPACED = {"CompanyNumber", "RegAddress.AddressLine2", "ConfStmtLastMadeUpDate", "PreviousName_2.CONDATE"} | {
    f"PreviousName_{n}.CompanyName" for n in range(1, 11)
}
SNAPSHOT = date(2026, 11, 1)
FIRST, DAYS = date(1975, 1, 1), (date(2026, 10, 31) - date(1975, 1, 1)).days
MISSHAPEN_EVERY = 250_000  # rows between two rows with a fifth SIC code, which shifts the columns

WORDS = (
    "ALBION", "ANCHOR", "APEX", "ARBOUR", "ASTON", "ATLAS", "AURORA", "AVALON", "BEACON", "BIRCH", "BLUE", "BRIAR",
    "BRIDGE", "BRIGHT", "CALDER", "CASTLE", "CEDAR", "CLEAR", "CLIFTON", "COASTAL", "COBALT", "CORNER", "CROWN", "DALE",
    "DIGITAL", "DRAGON", "EAGLE", "EASTERN", "ECHO", "EMBER", "EVER", "FALCON", "FERN", "FIRST", "FLINT", "FOREST",
    "FOX", "GLEN", "GLOBAL", "GOLDEN", "GRANGE", "GREEN", "HARBOUR", "HAWTHORN", "HEATHER", "HIGHLAND", "HORIZON",
    "IMPERIAL", "INNOVATE", "IRON", "IVY", "JADE", "JUNIPER", "KESTREL", "KINGS", "LAKE", "LANTERN", "LAUREL",
    "LIBERTY", "LION", "LUNAR", "MAPLE", "MARBLE", "MEADOW", "MERIDIAN", "METRO", "MILL", "MODERN", "MOOR", "NEXUS",
    "NOBLE", "NORTHERN", "NOVA", "OAK", "OCEAN", "OLIVE", "OMEGA", "ORCHARD", "OTTER", "PARK", "PEARL", "PENNINE",
    "PHOENIX", "PILLAR", "PINE", "PIONEER", "PRIME", "QUARRY", "QUEST", "RAVEN", "RED", "RIVER", "ROCK", "ROSE",
    "ROWAN", "ROYAL", "SAFFRON", "SAPPHIRE", "SILVER", "SOLAR", "SPRING", "STAR", "STERLING", "STONE", "SUMMIT",
    "SWIFT", "TERRA", "THISTLE", "TIDAL", "TOWER", "TRINITY", "TUDOR", "UNITY", "URBAN", "VALLEY", "VANTAGE", "VERTEX",
    "VICTORIA", "WALNUT", "WATER", "WEST", "WHITE", "WILLOW", "WINDSOR", "WREN", "YORK", "ZENITH", "ZEPHYR", "ŁÓDŹ",
    "CAFÉ", "MÜLLER",
)  # fmt: skip
TRADES = (
    "ACCOUNTANCY", "ADVISORY", "ASSETS", "AUTOMOTIVE", "BAKERY", "BUILDERS", "CAPITAL", "CARE SERVICES", "CATERING",
    "CLEANING", "COMMUNICATIONS", "CONSTRUCTION", "CONSULTANCY", "CONSULTING", "CREATIVE", "DENTAL", "DESIGN",
    "DEVELOPMENTS", "ELECTRICAL", "ENERGY", "ENGINEERING", "ENTERPRISES", "ESTATES", "EVENTS", "FARMS", "FINANCE",
    "FITNESS", "FOODS", "FREIGHT", "GROUP", "HEALTHCARE", "HEATING & PLUMBING", "HOLDINGS", "HOMES", "INTERIORS",
    "INVESTMENTS", "JOINERY", "LANDSCAPES", "LETTINGS", "LOGISTICS", "MANAGEMENT COMPANY", "MARINE", "MEDIA", "MOTORS",
    "PACKAGING", "PARTNERS", "PHARMA", "PHOTOGRAPHY", "PRINT", "PROPERTIES", "PROPERTY MANAGEMENT", "RECRUITMENT",
    "RESTAURANTS", "ROBOTICS", "SCAFFOLDING", "SECURITY", "SOFTWARE", "SOLUTIONS", "SYSTEMS", "TECHNOLOGIES",
    "TEXTILES", "TRADING", "TRAINING", "TRANSPORT", "VENTURES", "WELLBEING",
)  # fmt: skip
STREETS = (
    "HIGH STREET", "STATION ROAD", "CHURCH LANE", "VICTORIA ROAD", "LONDON ROAD", "PARK AVENUE", "MILL LANE",
    "KINGSWAY", "QUEEN STREET", "THE GREEN", "GREAT PORTLAND STREET", "CITY ROAD", "NORTH STREET", "MANOR WAY",
    "GROVE ROAD", "CHAPEL STREET", "BRIDGE STREET", "CASTLE STREET",
)  # fmt: skip
BUILDINGS = (
    "REGUS HOUSE", "KEMP HOUSE", "UNIT {n}", "FLAT {n}", "SUITE {n}", "FIRST FLOOR", "INTERNATIONAL HOUSE",
    "THE OLD BARN",
)  # fmt: skip
TOWNS = (
    ("LONDON", "", "EC1V", 36), ("MANCHESTER", "", "M2", 5), ("BIRMINGHAM", "WEST MIDLANDS", "B3", 5),
    ("GLASGOW", "", "G2", 3), ("EDINBURGH", "", "EH2", 3), ("LEEDS", "WEST YORKSHIRE", "LS1", 3),
    ("BRISTOL", "", "BS1", 3),
    ("LIVERPOOL", "MERSEYSIDE", "L2", 2), ("LEICESTER", "LEICESTERSHIRE", "LE1", 2), ("CARDIFF", "", "CF10", 2),
    ("NOTTINGHAM", "", "NG1", 2), ("SHEFFIELD", "SOUTH YORKSHIRE", "S1", 2), ("BELFAST", "", "BT1", 2),
    ("BRIGHTON", "EAST SUSSEX", "BN1", 2), ("READING", "BERKSHIRE", "RG1", 2), ("MILTON KEYNES", "", "MK9", 2),
    ("CAMBRIDGE", "CAMBRIDGESHIRE", "CB2", 1), ("OXFORD", "OXFORDSHIRE", "OX1", 1), ("HARROW", "MIDDLESEX", "HA1", 2),
    ("CROYDON", "SURREY", "CR0", 2), ("ST. ALBANS", "HERTFORDSHIRE", "AL3", 1), ("NORWICH", "NORFOLK", "NR2", 1),
    ("PLYMOUTH", "DEVON", "PL1", 1), ("YORK", "", "YO1", 1), ("ABERDEEN", "", "AB10", 1), ("SWANSEA", "", "SA1", 1),
)  # fmt: skip
CATEGORIES = (
    ("Private Limited Company", 9250),
    ("PRI/LTD BY GUAR/NSC (Private, limited by guarantee, no share capital)", 240),
    ("PRI/LBG/NSC (Private, Limited by guarantee, no share capital, use of 'Limited' exemption)", 100),
    ("Limited Partnership", 120), ("Limited Liability Partnership", 95), ("Community Interest Company", 45),
    ("Charitable Incorporated Organisation", 40), ("Other company type", 40), ("Registered Society", 35),
    ("Public Limited Company", 14), ("Private Unlimited Company", 11), ("Overseas Entity", 10),
)  # fmt: skip
STATUSES = (("Active", 9330), ("Active - Proposal to Strike off", 430), ("Liquidation", 220), ("In Administration", 10),
            ("Live but Receiver Manager on at least one charge", 5), ("Voluntary Arrangement", 5))  # fmt: skip
ACCOUNTS = (
    ("", 1255), ("NO ACCOUNTS FILED", 1213), ("TOTAL EXEMPTION FULL", 800), ("MICRO ENTITY", 900), ("DORMANT", 527),
    ("UNAUDITED ABRIDGED", 145), ("FULL", 102), ("SMALL", 68), ("GROUP", 28), ("AUDIT EXEMPTION SUBSIDIARY", 6),
)  # fmt: skip
COUNTRIES = (("", 35), ("ENGLAND", 34), ("UNITED KINGDOM", 27), ("SCOTLAND", 3), ("WALES", 1))
CHARGES = ((0, 860), (1, 55), (2, 31), (3, 17), (5, 20), (14, 17))
SUFFIXES = {"Limited Liability Partnership": "LLP", "Public Limited Company": "PLC", "Limited Partnership": "L.P.",
            "Community Interest Company": "C.I.C."}  # fmt: skip
LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
OLD_SIC = "7499 - Non-trading company", "4531 - Installation electrical wiring etc."


Choices = tuple[tuple[Any, ...], ...]  # rows whose last item is their frequency


class RegisterFile:
    """Rows of the register; `row(i)` depends on the seed and the rows before it only."""

    def __init__(self, *, seed: int = 1) -> None:
        self.random = Random(seed)
        codes = sorted(titles().items())
        self.random.shuffle(codes)
        # A few codes cover most companies: frequency falls with the rank.
        self.sic: Choices = tuple(
            (f"{code} - {title}", 40_000 // (rank + 4)) for rank, (code, title) in enumerate(codes)
        )
        self.weights: dict[int, list[int]] = {}

    def pick(self, rows: Choices) -> tuple[Any, ...]:
        weights = self.weights.get(id(rows)) or [int(row[-1]) for row in rows]
        if id(rows) not in self.weights:
            weights = self.weights[id(rows)] = list(accumulate(weights))
        return self.random.choices(rows, cum_weights=weights)[0]

    def row(self, index: int) -> list[str]:
        """The fields of company `index`, in the order of the official header."""
        random = self.random
        roll = random.random()
        born = FIRST + timedelta(days=int(DAYS * random.random() ** 0.35))  # most companies are young
        prefix, digits = (
            ("", 8)
            if index >= 999_999
            else ("SC", 6)
            if roll < 0.05
            else ("NI", 6)
            if roll < 0.07
            else ("OC", 6)
            if roll < 0.08
            else ("", 8)
        )
        number = f"{prefix}{index + 1:0{digits}d}"
        category = self.pick(CATEGORIES)[0]
        abroad = category in {"Overseas Entity", "Charitable Incorporated Organisation"}
        return [
            self.name(category),
            number,
            *(self.address() if not abroad else [""] * 8),
            category,
            self.pick(STATUSES)[0],
            "United Kingdom" if category != "Overseas Entity" else "GUERNSEY",
            "",
            dmy(born),
            *self.accounts(abroad),
            *self.charges(),
            *self.sic_texts(),
            *(("1", "2") if category == "Limited Partnership" else ("0", "0")),
            f"http://business.data.gov.uk/id/company/{number}",
            *self.previous_names(category, born),
            *(
                ("", "")
                if abroad
                else (
                    dmy(SNAPSHOT + timedelta(random.randrange(365))),
                    dmy(SNAPSHOT - timedelta(random.randrange(365))),
                )
            ),
        ]

    def name(self, category: str) -> str:
        random = self.random
        words = [random.choice(WORDS)] if random.random() < 0.4 else [random.choice(WORDS), random.choice(WORDS)]
        text = f"{' '.join(words)} {random.choice(TRADES)}"
        roll = random.random()
        if roll < 0.004:
            text = f"{random.choice(WORDS)}&#039;S {text}"
        elif roll < 0.005:
            text = text.replace(" & ", "&AMP;")
        elif roll < 0.006:
            text = f'"{words[0]}" {text}'
        elif roll < 0.08:
            text = f"{text} ({random.choice(('UK', 'LONDON', 'NORTH', '2019'))})"
        if category == "Private Limited Company":
            return f"{text} {'LIMITED' if random.random() < 0.6 else 'LTD'}"
        return f"{text} {SUFFIXES.get(category, 'LIMITED')}"

    def address(self) -> list[str]:
        random = self.random
        town, county, area, _ = self.pick(TOWNS)
        street = f"{random.randrange(1, 300)} {random.choice(STREETS)}"
        building = random.choice(BUILDINGS).format(n=random.randrange(1, 80)) if random.random() < 0.45 else ""
        roll = random.random()
        care_of = f"{random.choice(WORDS)} ACCOUNTANTS" if roll < 0.014 else ""
        box = "4385" if roll > 0.998 else ""
        postcode = f"{area} {random.randrange(1, 9)}{random.choice(LETTERS)}{random.choice(LETTERS)}"
        lines = [building, street] if building else [street, ""]
        return [care_of, box, *lines, town, county, self.pick(COUNTRIES)[0], postcode if random.random() > 0.01 else ""]

    def accounts(self, abroad: bool) -> list[str]:
        """Reference day and month, next due, last made up, category, and the dead Returns columns."""
        if abroad:
            return ["", "", "", "", "NO ACCOUNTS FILED", "", ""]
        random = self.random
        category = self.pick(ACCOUNTS)[0]
        month = random.randrange(1, 13)
        made_up = "" if category in {"", "NO ACCOUNTS FILED"} else dmy(date(2025, month, 28))
        returns = dmy(date(2016, month, 14)) if random.random() < 0.3 else ""
        return [str(random.randrange(28, 31)), str(month), dmy(date(2027, month, 28)), made_up, category, returns, ""]

    def charges(self) -> list[str]:
        total = self.pick(CHARGES)[0]
        satisfied = self.random.randrange(total + 1) if total else 0
        return [str(total), str(total - satisfied), "0", str(satisfied)]

    def sic_texts(self) -> list[str]:
        roll = self.random.random()
        if roll < 0.04:
            return ["None Supplied", "", "", ""]
        if roll < 0.043:
            return [self.random.choice(OLD_SIC), "", "", ""]
        count = 1 if roll < 0.75 else 2 if roll < 0.9 else 3 if roll < 0.96 else 4
        chosen = dict.fromkeys(self.pick(self.sic)[0] for _ in range(count))
        return [*chosen, *[""] * (4 - len(chosen))]

    def previous_names(self, category: str, born: date) -> list[str]:
        count = 0 if self.random.random() > 0.11 else 1 if self.random.random() < 0.8 else 2
        names = [item for _ in range(count) for item in (dmy(born + timedelta(400)), self.name(category))]
        return names + [""] * (20 - len(names))


def dmy(day: date) -> str:
    return f"{day.day:02d}/{day.month:02d}/{day.year}"


def header() -> str:
    return ",".join(f" {name}" if name in SPACED else name for name in COLUMNS)


def write_register(path: Path, *, rows: int, seed: int = 1, line_end: str = "\r\n", misshapen: bool = True) -> None:
    """Write `rows` companies; with `misshapen`, every 250,000th is followed by a row that is one column too long."""
    register = RegisterFile(seed=seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(header() + line_end)
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=line_end)
        for index in range(rows):
            row = register.row(index)
            writer.writerow(row)
            if misshapen and (index + 1) % MISSHAPEN_EVERY == 0:
                at = COLUMNS.index("SICCode.SicText_4")
                writer.writerow([*row[:at], "62012 - Business and domestic software development", *row[at:]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write_register(options.path, rows=options.rows, seed=options.seed)


if __name__ == "__main__":
    main()
