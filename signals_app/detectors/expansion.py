"""Growth in space and size: moves, accounts of a larger company, new premises and markets."""

from collections.abc import Iterator
from datetime import date

from businesses.payloads import Changed, Filing, Insolvency, JobPosted, WebChanged
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import filings, form, grouped, is_new, made, near, read, texts, value
from signals_app.detectors.rules import Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.names import short_names
from signals_app.text.places import Opening, moved, openings_in


class ExpansionRules(RuleTable):
    relocation: Rule
    growth: Rule
    market_entry: Rule
    new_city: Rule
    hiring_in_new_city: Rule
    new_site: Rule


class ExpansionLimits(Strict):
    agent_companies: int
    same_days: int
    accounts_days: int
    founding_days: int
    insolvency_days: int
    city_postings: int
    city_days: int
    news_days: int


class ExpansionWords(Strict):
    agents: tuple[str, ...]


class ExpansionFile(RuleFile):
    rules: ExpansionRules
    limits: ExpansionLimits
    words: ExpansionWords
    tiers: dict[str, int]


FILE = load_rules("expansion", ExpansionFile)
LIMITS = FILE.limits
TYPE = SignalType.EXPANSION
OPEN_STORIES = 8  # reports and sites that a report is compared with
BRANCHES = frozenset({"OSIN01", "OSIN02", "OS IN01", "BR1"})


class Expansion(Detector):
    name = "expansion"
    label = "Expansion"

    def detect(self, history: History) -> Iterator[Detection]:
        yield from _relocations(history)
        yield from _growth(history)
        yield from _branches(history)
        yield from _cities(history)
        yield from _hiring(history)
        yield from _news(history)


def _relocations(history: History) -> Iterator[Detection]:
    """Moves to another town; not to an agent's or a liquidator's address, nor of a company just founded."""
    troubled = sorted(
        [fact.on for fact, _ in read(history, "insolvency", Insolvency)]
        + [
            fact.on
            for fact, filing in filings(history)
            if filing.category == "insolvency" or filing.description.startswith("liquidation")
        ]
    )
    told = [
        (fact, value(filing, "old_address"), value(filing, "new_address"))
        for fact, filing in filings(history)
        if form(filing) == "AD01"
    ]
    told += [
        (fact, _address(change.before), _address(change.after))
        for fact, change in read(history, "address_changed", Changed)
        if _town(change.before) != _town(change.after)
    ]
    groups: list[list[tuple[Fact, str, str]]] = []
    for item in sorted(told, key=lambda item: (item[0].on, item[0].id)):
        if not groups or (item[0].on - groups[-1][0][0].on).days > LIMITS.same_days:
            groups.append([])
        groups[-1].append(item)
    for index, group in enumerate(groups):
        is_latest = index == len(groups) - 1
        if _is_move(history, group, is_latest=is_latest) and not near(group[0][0].on, troubled, LIMITS.insolvency_days):
            yield made(TYPE, FILE.rules.relocation, FILE.version, [(fact, after) for fact, _, after in group],
                       data={"before": group[0][1], "after": group[0][2]})  # fmt: skip


def _is_move(history: History, group: list[tuple[Fact, str, str]], *, is_latest: bool) -> bool:
    if is_new(history, group[0][0], LIMITS.founding_days):
        return False
    if is_latest and (history.address_companies or 0) > LIMITS.agent_companies:
        return False
    if any(word in after.lower() for _, _, after in group for word in FILE.words.agents):
        return False
    return any(
        moved(before, after) if fact.kind == "filing" else bool(before and after) for fact, before, after in group
    )


def _town(address: object) -> str:
    """Of a change, the town alone decides; "" where it did not change."""
    town = address.get("town") if isinstance(address, dict) else None
    return " ".join(town.lower().split())[:200] if isinstance(town, str) else ""


def _address(address: object) -> str:
    if not isinstance(address, dict) or not _town(address):
        return ""
    parts = (address.get(key) for key in ("address_line1", "address_line2", "town", "county", "postcode"))
    return ", ".join(part[:200] for part in parts if isinstance(part, str) and part)


def _growth(history: History) -> Iterator[Detection]:
    """Accounts of a larger kind than before. Exempt subsidiaries', dormant and first accounts say nothing of size."""
    told: list[tuple[Fact, Changed | Filing]] = [
        (fact, change) for fact, change in read(history, "accounts_category_changed", Changed)
        if _is_larger(_tier(change.before), _tier(change.after))
    ]  # fmt: skip
    known: int | None = None
    for fact, filing in filings(history):
        if form(filing) == "AA" and filing.description.startswith("accounts-with-accounts-type-"):
            tier = _tier(filing.description.removeprefix("accounts-with-accounts-type-"))
            if _is_larger(known, tier):
                told.append((fact, filing))
            known = tier or known
    for group in grouped(told, LIMITS.accounts_days):
        evidence = [
            (fact, payload.description if isinstance(payload, Filing) else str(payload.after)[:100])
            for fact, payload in group
        ]
        yield made(TYPE, FILE.rules.growth, FILE.version, evidence)


def _tier(category: object) -> int | None:
    if not isinstance(category, str):
        return None
    return FILE.tiers.get("-".join(category.lower().replace("-", " ").split()))


def _is_larger(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def _branches(history: History) -> Iterator[Detection]:
    """A company from abroad that registers an establishment here: by its filing, and by the snapshot that shows it."""
    registered: list[tuple[Fact, Changed | Filing]] = [
        (fact, filing) for fact, filing in filings(history)
        if filing.type.upper() in BRANCHES or filing.description.startswith("registration-of-uk-establishment")
    ]  # fmt: skip
    registered += read(history, "branch_registered", Changed)
    for group in grouped(registered, LIMITS.same_days):
        evidence = [
            (fact, payload.description or payload.type if isinstance(payload, Filing) else _origin(payload.after))
            for fact, payload in group
        ]
        yield made(TYPE, FILE.rules.market_entry, FILE.version, evidence)


def _origin(after: object) -> str:
    country = after.get("country_of_origin") if isinstance(after, dict) else None
    return country[:100] if isinstance(country, str) else ""


def _cities(history: History) -> Iterator[Detection]:
    for fact, change in read(history, "web_changed", WebChanged):
        home = history.company.town.lower().strip()
        cities = [
            city.strip()[:100] for city in change.cities_added[:50] if city.strip() and city.lower().strip() != home
        ]
        if cities:
            yield made(TYPE, FILE.rules.new_city, FILE.version, [(fact, cities[0])], data={"cities": cities})


def _hiring(history: History) -> Iterator[Detection]:
    """Several postings in a town where the company neither sits nor sought anybody before."""
    by_city: dict[str, list[tuple[Fact, JobPosted]]] = {}
    first: date | None = None
    for fact, job in read(history, "job_posted", JobPosted):
        first = first or fact.on
        for city in {_city(location) for location in job.locations[:5]} - {""}:
            by_city.setdefault(city, []).append((fact, job))
    home = _city(history.company.town)
    for city, postings in sorted(by_city.items()):
        group = grouped(postings, LIMITS.city_days)[0]
        is_later = first is not None and (group[0][0].on - first).days > LIMITS.city_days
        if (
            city != home
            and home
            and len({job.title.lower() for _, job in group}) >= LIMITS.city_postings
            and (is_later or first == group[0][0].on)
        ):
            yield made(TYPE, FILE.rules.hiring_in_new_city, FILE.version, [(fact, job.title) for fact, job in group],
                       data={"city": city, "count": len(group)})  # fmt: skip


def _city(location: str) -> str:
    """The town of "Leeds, West Yorkshire, UK"; "" for what is none."""
    city = location.split(",", maxsplit=1)[0].strip().lower()[:100]
    return (
        ""
        if any(word in city for word in ("remote", "anywhere", "hybrid", "united kingdom", "nationwide", "various"))
        else city
    )


def _news(history: History) -> Iterator[Detection]:
    names = short_names(history.company.name, history.company.domain)
    told: list[tuple[Fact, Opening]] = []
    for fact in sorted(history.of("news", "web_changed"), key=lambda fact: (fact.on, fact.id)):
        found = next(openings_in(texts(fact), names, on=fact.on, own=fact.kind == "web_changed"), None)
        if found:
            told.append((fact, found))
    groups: list[list[tuple[Fact, Opening]]] = []
    for fact, opening in told:
        group = next((one for one in groups[-OPEN_STORIES:] if _is_same(one, fact, opening)), None)
        if group is None:
            group = []
            groups.append(group)
        if fact.fingerprint not in {known.fingerprint for known, _ in group[-OPEN_STORIES:]}:
            group.append((fact, opening))
    for group in groups:
        yield made(TYPE, FILE.rules.new_site, FILE.version, [(fact, opening.quote) for fact, opening in group],
                   data={"place": group[0][1].place})  # fmt: skip


def _is_same(group: list[tuple[Fact, Opening]], fact: Fact, opening: Opening) -> bool:
    """Whether a report may be of the same site: near in time, and of no other place."""
    if (fact.on - group[0][0].on).days > LIMITS.news_days:
        return False
    places = {known.place.lower() for _, known in group[-OPEN_STORIES:]} - {""}
    return not opening.place or not places or opening.place.lower() in places
