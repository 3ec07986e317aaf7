"""What kind of funding a text tells of."""

import re

from signals_app.text.sentences import MAX_TEXT

# Earlier or later rounds that a text only mentions: "ahead of its Series B", "two years after its seed round".
_BESIDE = re.compile(
    r"(?:ahead of|before|prior to|towards?|follow(?:s|ing|ed)|after|since|previous(?:ly)?|earlier|last|plan(?:s|ned)|"
    r"path to|route to|prepar\w+ for|an? eventual|previously raised|building on|not an?|no)"
    r"(?: \S{1,20}){0,4}[ -]?$",
    re.IGNORECASE,
)
_ROUND = r"(?:rounds?|funding|investment|stage|capital|financing|finance|money|extension|raise|tranche|cheque|deal)"
_LOWER_SERIES = rf"series[ -](?P<low>[a-k])(?=[ -](?:{_ROUND})\b)"
_STAGES = (
    ("pre_seed", re.compile(r"\bpre[ -\u2010-\u2014]?seed\b", re.IGNORECASE)),
    (
        "series",
        re.compile(
            rf"\b(?:(?:Series|SERIES|series)[ -](?P<letter>[A-K])(?:[1-9]|\+)?(?![\w'\u2019]|\s(?!Round|Funding|"
            rf"Investment|Extension|Financing|From|Led|To|For|And|In|As|With|By|After|Raise)[A-Z][a-z])|"
            rf"{_LOWER_SERIES})"
        ),
    ),
    (
        "bridge",
        re.compile(rf"\bbridg(?:e|ing) (?:{_ROUND}|loan note|note|convertible)\b|\bbridge loan\b", re.IGNORECASE),
    ),
    (
        "seed",
        re.compile(
            rf"(?<!pre-)(?<!pre )\bseed[ -](?:{_ROUND}|led by|backing|equity|investors?)\b"
            r"|(?:\d ?(?:m|mn|k|bn|million|thousand)|rais(?:e[sd]|ing)|clos(?:e[sd]|ing)|secur(?:e[sd]|ing)|\bin)"
            r"(?: (?:in|of|a|an|its|new|further|additional|oversubscribed|first)){0,3} seed\b"
            r"(?! ?-?(?:potato|drill|data|bank|oil|mix|corn|s\b))",
            re.IGNORECASE,
        ),
    ),
    (
        "growth",
        re.compile(r"\bgrowth[ -](?:round|equity|capital|funding|investment|financing|finance|stage)\b", re.IGNORECASE),
    ),
    (
        "debt",
        re.compile(
            r"\b(?:venture debt|debt (?:funding|financing|finance|facilit\w+|round|package|capital|raise)|in debt\b"
            r"|(?:credit|loan|lending|debt|invoice finance|working capital|asset[- ]based lending) facilit(?:y|ies)"
            r"|revolving credit|term loan|bridging (?:loan|finance)|mezzanine|invoice (?:finance|discounting)"
            r"|asset[- ]based lending|loans? (?:from|of|worth|agreement|package|funding)|(?:million|m|bn|k|"
            r"000) loan|bank loan)",
            re.IGNORECASE,
        ),
    ),
    (
        "grant",
        re.compile(
            r"\bgrants? (?:funding|award|money|support|from|of|worth|by|towards?)\b(?! (?:access|permission))"
            r"|(?:\d ?(?:m|mn|k|million|thousand)?|,\d{3}|Innovate UK|innovation|research|Smart|government|"
            r"council|lottery|"
            r"Horizon \w{4,6}|EU|UKRI|R&D|capital|development|growth|regional) grants?\b(?! thornton)"
            r"|\b(?:wins|won|awarded|receives|received|secures|secured|gets|given) (?:an? |"
            r"the )?(?:\S{1,20} ){0,3}grants?\b"
            r"(?! thornton)",
            re.IGNORECASE,
        ),
    ),
    (
        "ipo",
        re.compile(
            r"\bIPO\b|(?i:\binitial public offering\b|\bflotation\b|\bfloat(?:s|ed)? (?:on|in)\b"
            r"|\b(?:listing|lists|listed|debut|admission|admitted|trading) (?:on|to) (?:the )?"
            r"(?:AIM\b|LSE|London Stock Exchange|Main Market|Nasdaq|NYSE|New York Stock))"
        ),
    ),
)
_NO_IPO = re.compile(r"intellectual property office", re.IGNORECASE)
_VENTURE = 4  # the first stages of the list are rounds by name: they go before what they were raised as


def stage_of(text: str) -> str | None:
    """The stage: pre_seed, seed, series_a to series_k, bridge, growth, debt, grant or ipo; None if there is none.

    A round that is only mentioned beside it ("ahead of its Series B") counts when there is no other.
    """
    text = text[:MAX_TEXT]
    mentions = [
        (_is_beside(text, match.start()), rank >= _VENTURE and rank, match.start(), _named(stage, match))
        for rank, (stage, pattern) in enumerate(_STAGES)
        for match in pattern.finditer(text)
        if stage != "ipo" or not _NO_IPO.search(text)
    ]
    return min(mentions)[3] if mentions else None


def _is_beside(text: str, start: int) -> bool:
    before = text[max(0, start - 60) : start]
    return bool(_BESIDE.search(before[max(before.rfind(mark) for mark in ".;,:") + 1 :]))


def _named(stage: str, match: re.Match[str]) -> str:
    return stage if stage != "series" else f"series_{(match['letter'] or match['low']).lower()}"
