"""The register's vocabulary in ours. Its lists are open: an unknown status is `other`, an unknown type its own slug."""

import re
from datetime import date
from functools import lru_cache

from businesses.models import Status
from businesses.normalise import slug_of
from businesses.sic import titles

NAME = "companies_house_bulk"
COMPANY_URL = "https://find-and-update.company-information.service.gov.uk/company/"

# Company categories by the short form the register's API uses (its enumeration `company_type`).
_TYPES = {
    "private-limited-company": "ltd",
    "public-limited-company": "plc",
    "old-public-company": "old-public-company",
    "limited-liability-partnership": "llp",
    "limited-partnership": "limited-partnership",
    "private-unlimited-company": "private-unlimited",
    "private-unlimited": "private-unlimited-nsc",
    "pri-ltd-by-guar-nsc-private-limited-by-guarantee-no-share-capital": "private-limited-guarant-nsc",
    "pri-lbg-nsc-private-limited-by-guarantee-no-share-capital-use-of-limited-exemption": (
        "private-limited-guarant-nsc-limited-exemption"
    ),
    "priv-ltd-sect-30-private-limited-company-section-30-of-the-companies-act": (
        "private-limited-shares-section-30-exemption"
    ),
    "other-company-type": "other",
    "overseas-entity": "registered-overseas-entity",
    "registered-society": "registered-society-non-jurisdictional",
    "converted-closed": "converted-or-closed",
}
_STATUSES = (  # the first whose pattern is found decides
    (re.compile(r"strike.?off"), Status.STRIKE_OFF_PROPOSED),
    (re.compile(r"liquidation|administrat|receiver|voluntary.arrangement|insolven|sequestration"), Status.INSOLVENT),
    (re.compile(r"dissolved|closed|converted|removed|struck off"), Status.DISSOLVED),
    (re.compile(r"^(active|open|registered)$"), Status.ACTIVE),
)
_SIC = re.compile(r"^([0-9]{4,5})(?:\s*-\s*(.*))?$", re.DOTALL)
_DAY = re.compile(r"^([0-9]{2})/([0-9]{2})/([0-9]{4})$")


@lru_cache(maxsize=1024)
def status_of(text: str) -> Status:
    """`"In Administration/Receiver Manager"` → `insolvent`; no text → `unknown`, a text not known → `other`."""
    lowered = text.strip().lower()
    if not lowered:
        return Status.UNKNOWN
    return next((status for pattern, status in _STATUSES if pattern.search(lowered)), Status.OTHER)


@lru_cache(maxsize=1024)
def company_type_of(text: str) -> str:
    """`"Private Limited Company"` → `"ltd"`; any other text as a slug."""
    slug = slug_of(text)
    return _TYPES.get(slug, slug)


@lru_cache(maxsize=65_536)
def iso_date(text: str) -> str:
    """`"31/12/2024"` → `"2024-12-31"`, `""` → `""`. Raises `ValueError`."""
    if not text:
        return ""
    found = _DAY.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not a date (DD/MM/YYYY)")
    day, month, year = found.groups()
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError as error:
        raise ValueError(f"{text!r} is not a date ({error})") from None


@lru_cache(maxsize=65_536)
def sic_of(*texts: str) -> tuple[tuple[str, ...], str]:
    """Codes and titles of `"62012 - Business and domestic software development"`, `"None Supplied"`, `""`, …

    The title is that of the classification of 2007; a code that it does not know (the four digits of 2003) keeps the
    title it came with. A text without a code says nothing, and is left out.
    """
    found: dict[str, str] = {}
    for text in texts:
        if match := _SIC.match(text):
            found[match[1]] = titles().get(match[1]) or match[2] or ""
    return tuple(found), "; ".join(filter(None, found.values()))
