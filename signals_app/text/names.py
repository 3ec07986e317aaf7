"""The names by which texts call a company."""

import re
from functools import lru_cache

_LEGAL = frozenset({
    "limited", "ltd", "plc", "llp", "lp", "inc", "incorporated", "corp", "corporation", "co", "company", "gmbh",
    "ag", "sa", "bv", "nv", "srl", "oy", "ab", "as", "cic", "cio", "uk", "gb", "holdings", "holding", "group"
})  # fmt: skip
# What names carry beside the word that people use: "Acme Technologies" is called Acme.
_GENERIC = _LEGAL | frozenset({
    "technologies", "technology", "labs", "laboratories", "systems", "software", "solutions", "services",
    "international", "global", "health", "healthcare", "ai", "analytics", "digital", "media", "studios",
    "consulting", "partners", "foods", "robotics", "energy", "bio", "biosciences", "therapeutics", "networks",
    "engineering", "enterprises", "industries", "logistics", "data", "security", "cyber", "payments"
})  # fmt: skip
ARTICLE_AND_WORD = 2  # a name that begins with "the" and has but one word more is called so in full
MIN_SHORT = 4  # letters of a name that is cut down to one word
MAX_NAME = 200
_WORD = re.compile(r"[\w&'\u2019.+-]+")


def short_names(name: str, domain: str = "") -> tuple[str, ...]:
    """Names in lower case, the longest first: in full, without the legal form, without what is generic."""
    words = [
        word.rstrip(".'\u2019") for word in _WORD.findall(name.lower()[:MAX_NAME].replace("(", " ").replace(")", " "))
    ]
    words = [word for word in words if word]
    if words and words[0] == "the" and len(words) > ARTICLE_AND_WORD:
        words = words[1:]
    names = [" ".join(words)] if words else []
    while len(words) > 1 and words[-1] in _LEGAL:
        words = words[:-1]
        names.append(" ".join(words))
    while len(words) > 1 and words[-1] in _GENERIC:
        words = words[:-1]
        if len(words) > 1 or len(words[0]) >= MIN_SHORT:
            names.append(" ".join(words))
    site = domain.lower().removeprefix("www.").partition(".")[0]
    if words and len(words) > 1 and site and site == words[0] and len(site) >= MIN_SHORT:
        names.append(words[0])
    return tuple(dict.fromkeys(names))


@lru_cache(maxsize=1024)
def pattern_of(names: tuple[str, ...]) -> re.Pattern[str] | None:
    """Finds any of `names` as whole words, whatever the case and the spaces; None when there is no name."""
    forms = [
        r"[\s\u00a0]+".join(map(re.escape, name.split()))
        for name in sorted(names, key=len, reverse=True)
        if name.strip()
    ]
    return re.compile(rf"(?<![\w@/.-])(?:{'|'.join(forms)})(?![\w@]|\.\w)", re.IGNORECASE) if forms else None


def mentions(text: str, names: tuple[str, ...]) -> list[re.Match[str]]:
    """Where a company is named. A name of one word counts only when it is written as a name: "Next", not "next"."""
    pattern = pattern_of(names)
    if pattern is None:
        return []
    return [match for match in pattern.finditer(text) if is_written_as_name(match.group())]


def is_written_as_name(text: str) -> bool:
    return any(letter.isupper() or letter.isdigit() for letter in text)
