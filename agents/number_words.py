"""Numbers that are written out in English."""

import re

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {name: value for value, name in enumerate(_ONES.split())} | {
    name: 10 * value for value, name in enumerate(_TENS.split(), 2)
}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NAMES = "|".join(sorted([*_SMALL, *_LARGE, "hundred", "dozen"], key=len, reverse=True))

WORD_NUMBER = re.compile(rf"(?<![\w-])(?P<words>(?:{_NAMES})(?:(?:[ -]|,? and )(?:{_NAMES}))*)(?!\w)", re.IGNORECASE)


def value_of(words: str) -> int | None:
    """The number, of a match of `WORD_NUMBER`; None for a lone "one", which mostly counts nothing."""
    parts = [part for part in re.split(r"[ ,-]+", words.casefold()) if part != "and"]
    if parts == ["one"]:
        return None
    total = current = 0
    for part in parts:
        if part in _SMALL:
            current += _SMALL[part]
        elif part in {"hundred", "dozen"}:
            current = (current or 1) * (100 if part == "hundred" else 12)
        else:
            total += (current or 1) * _LARGE[part]
            current = 0
    return total + current
