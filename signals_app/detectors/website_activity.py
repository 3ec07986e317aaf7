"""Changes of a website that carry weight: a launch, a page of a telling kind, another title or description."""

import re
from collections.abc import Iterator, Sequence

from businesses.payloads import WebChanged
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import grouped, made, read
from signals_app.detectors.rules import Percent, Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.launches import launch_in


class WebsiteRules(RuleTable):
    launch: Rule
    page_added: Rule
    repositioned: Rule


class WebsiteLimits(Strict):
    same_days: int
    similarity: float
    several_weight: Percent
    several: int


class WebsiteFile(RuleFile):
    rules: WebsiteRules
    limits: WebsiteLimits
    pages: dict[str, frozenset[str]]


FILE = load_rules("website_activity", WebsiteFile)
LIMITS = FILE.limits
TYPE = SignalType.WEBSITE_ACTIVITY
HEADINGS = ("title", "description", "h1", "headline")
NAVIGATION = frozenset({
    "home", "homepage", "welcome", "to", "the", "a", "and", "of", "official", "site", "website", "page", "in"
})  # fmt: skip
MAX_PAGES = 200
# What changes by itself: years, counts, the cart.
PASSING = re.compile(r"\b(?:19|20)\d\d\b|\d+|©|\bcopyright\b|\bcart\b|\bbasket\b")
ERROR = re.compile(r"\b(?:404|403|500|not found|error|forbidden|unavailable|maintenance|just a moment|"
                   r"attention required|access denied|"
                   r"coming soon|under construction|parked|for sale|index of|suspended)\b", re.IGNORECASE)  # fmt: skip
Visit = tuple[Fact, WebChanged]


class WebsiteActivity(Detector):
    name = "website_activity"
    label = "Website activity"

    def detect(self, history: History) -> Iterator[Detection]:
        for group in grouped(read(history, "web_changed", WebChanged), LIMITS.same_days):
            if found := _detection(group):
                yield found


def _detection(group: Sequence[Visit]) -> Detection | None:
    """One for all that a visit shows, by the strongest of it."""
    launches = [(fact, quote) for fact, change in group if (quote := _launch(fact, change))]
    pages, kinds = _pages(group)
    headings = _headings(group)
    rules, limits = FILE.rules, FILE.limits
    rule = rules.launch if launches else rules.page_added if pages else rules.repositioned
    once = {fact.fingerprint: (fact, quote) for fact, quote in reversed([*launches, *pages, *headings])}
    if not once:
        return None
    evidence = sorted(once.values(), key=lambda item: (item[0].on, item[0].id))
    weight = limits.several_weight if len(kinds) >= limits.several else None
    data = {"kinds": kinds, "is_retitled": bool(headings)}
    return made(TYPE, rule, FILE.version, evidence, data=data, weight=weight)


def _launch(fact: Fact, change: WebChanged) -> str:
    before = {text.strip().lower() for text in change.text_removed[:MAX_PAGES]}
    texts = (text[:8_000] for text in change.text_added[:MAX_PAGES] if text.strip().lower() not in before)
    return next((quote for text in texts if (quote := launch_in(text, fact.on))), "")


def _pages(group: Sequence[Visit]) -> tuple[list[tuple[Fact, str]], list[str]]:
    """Pages of a telling kind, the first of each visit, and the kinds."""
    found: list[tuple[Fact, str]] = []
    kinds: set[str] = set()
    for fact, change in group:
        told = [(kind, page) for page in change.pages_added[:MAX_PAGES] if (kind := _kind_of(page))]
        found += [(fact, page) for _, page in told[:1]]
        kinds |= {kind for kind, _ in told}
    return found, sorted(kinds)


def _kind_of(page: str) -> str:
    """The kind of a page by the last parts of its path: a post in the blog about prices is none."""
    path = re.sub(r"^https?://[^/]*", "", page[:2_000].lower()).split("?")[0].split("#")[0]
    parts = [re.sub(r"\.\w{2,5}$", "", part).replace("_", "-").replace(" ", "-") for part in path.split("/") if part]
    if not parts or any(
        part in {"blog", "news", "article", "articles", "tag", "category", "press", "events"} for part in parts[:-1]
    ):
        return ""
    return next((kind for kind, words in FILE.pages.items() for part in parts[:2] if part in words), "")


def _headings(group: Sequence[Visit]) -> list[tuple[Fact, str]]:
    found = []
    for fact, change in group:
        for name in HEADINGS:
            before, after = change.before.get(name), change.after.get(name)
            if isinstance(before, str) and isinstance(after, str) and _differs(before[:1_000], after[:1_000]):
                found.append((fact, after[:1_000]))
                break
    return found


def _differs(before: str, after: str) -> bool:
    """Whether most words are others. A page that was or is an error says nothing."""
    was, now = _words(before), _words(after)
    if not was or not now or ERROR.search(before) or ERROR.search(after):
        return False
    return len(was & now) / len(was | now) < LIMITS.similarity


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", PASSING.sub(" ", text.lower()))) - NAVIGATION
