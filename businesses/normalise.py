"""One spelling for things that are written in many: names, domains, company numbers, postcodes. Pure functions."""

import re
import unicodedata
from functools import lru_cache
from urllib.parse import urlsplit

# Legal forms at the end of a name say nothing about which company it is.
_LEGAL_FORMS = {
    "cic", "co", "company", "corp", "corporation", "cyf", "cyfyngedig", "inc", "incorporated", "limited", "llc",
    "llp", "lp", "ltd", "plc", "public", "unlimited",
}  # fmt: skip
_NOT_WORD = re.compile(r"[^\w]+")
_HOST = re.compile(r"^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$")
_COMPANY_NUMBER = re.compile(r"^[A-Z0-9]{8}$")
COMPANY_NUMBER_LENGTH = 8


def normalise_name(name: str) -> str:
    """`"The Böring Company (UK) Ltd."` → `"the boring company uk"`: accents, punctuation and legal form removed."""
    text = name if name.isascii() else unicodedata.normalize("NFKD", name)
    if not text.isascii():
        text = "".join(char for char in text if not unicodedata.combining(char))
    text = text.lower().replace("&", " and ").replace("'", "")
    if not text.replace(" ", "").isalnum():  # most names have nothing to remove, and this is asked for millions
        text = _NOT_WORD.sub(" ", text)
    words = text.split()
    while len(words) > 1 and words[-1] in _LEGAL_FORMS:
        words.pop()
    return " ".join(words)


def domain_of(website: str) -> str:
    """The host of a website without `www.`, in lower case; `""` when it does not parse as one."""
    text = website.strip()
    if not text:
        return ""
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
        host = host.rstrip(".").removeprefix("www.")
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        return ""
    return host if _HOST.match(host) else ""


def normalise_company_number(text: str) -> str:
    """Eight characters, upper case, digits padded with zeros: `"64"` → `"00000064"`.

    Raises `ValueError` naming the text; a number is never an int (`SC436674`, `00445790`).
    """
    number = text.strip().upper()
    if number.isdigit():
        number = number.zfill(COMPANY_NUMBER_LENGTH)
    if not _COMPANY_NUMBER.match(number):
        raise ValueError(f"{text!r} is not a company number (8 letters or digits)")
    return number


@lru_cache(maxsize=4096)
def slug_of(text: str) -> str:
    """`"Active - Proposal to Strike off"` → `"active-proposal-to-strike-off"`."""
    return _NOT_WORD.sub("-", text.lower()).strip("-")
