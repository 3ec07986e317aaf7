"""Hiring: how much, for which departments, how senior, and whether it grows."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from businesses.payloads import JobPosted
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import grouped, made, read
from signals_app.detectors.rules import Percent, Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.people import title_of


class JobRules(RuleTable):
    hiring: Rule
    senior_hiring: Rule
    hiring_surge: Rule


class JobLimits(Strict):
    period_days: int
    several: int
    many: int
    many_weight: Percent
    surge_growth: float
    shown_titles: int


class JobFile(RuleFile):
    rules: JobRules
    limits: JobLimits


FILE = load_rules("job_posting", JobFile)
LIMITS = FILE.limits
SENIOR = frozenset({"c_level", "vp", "head", "director"})
NO_VACANCY = re.compile(
    r"\b(?:no (?:current )?(?:vacanc\w+|openings?|positions?)|not (?:currently )?(?:hiring|recruiting)|"
    r"(?:position|role|vacancy|job) "
    r"(?:has been |is |now )?(?:filled|closed|withdrawn)|speculative|talent (?:pool|community|network)|"
    r"general application|"
    r"future opportunit\w+|test (?:job|posting)|expired)\b",
    re.IGNORECASE,
)
FOR_OTHERS = re.compile(
    r"\b(?:our client|client confidential|on behalf of|acts as an employment agency|"
    r"employment (?:agency|business)|for a client)\b",
    re.IGNORECASE,
)
NO_LEADER = re.compile(
    r"\b(?:course|unpaid|voluntary|volunteer|placement|internship|year \d{1,2}|head of (?:year|house|"
    r"sixth form|maths|english|"
    r"science department|pastoral)|(?:art|funeral|casting|music|film|stage|assistant) director|"
    r"director of photography)\b",
    re.IGNORECASE,
)
MAX_OPEN = 1_000_000
Posting = tuple[Fact, JobPosted]


class JobPosting(Detector):
    name = "job_posting"
    label = "Job posting"

    def detect(self, history: History) -> Iterator[Detection]:
        previous: list[Posting] = []
        for group in grouped(filter(_is_open, read(history, "job_posted", JobPosted)), LIMITS.period_days):
            start = group[0][0].on - timedelta(days=LIMITS.period_days)
            before = _told_before(group)
            if before is None:
                before = _count(posting for posting in previous if posting[0].on >= start) if previous else None
            count = max(_count(group), *(_number(posting, "open_count") or 0 for posting in group))
            previous = group
            yield from _detections(group, count, before)


def _detections(group: list[Posting], count: int, before: int | None) -> Iterator[Detection]:
    """A leader who is sought, and many people who are; a few routine posts are no sign."""
    senior = [posting for posting in group if _is_senior(posting)]
    if senior:
        yield _made(FILE.rules.senior_hiring, senior, count, before)
    others = [posting for posting in group if not _is_senior(posting)]
    if count - _count(senior) < LIMITS.several or not others:
        return
    if before and count >= LIMITS.surge_growth * before:
        yield _made(FILE.rules.hiring_surge, others, count, before)
    else:
        yield _made(FILE.rules.hiring, others, count, before, LIMITS.many_weight if count >= LIMITS.many else None)


def _made(rule: Rule, group: list[Posting], count: int, before: int | None, weight: int | None = None) -> Detection:
    found = [title_of(job.title) for _, job in group]
    departments = Counter(title.department for title in found if title and title.department)
    departments.update(job.department[:60].lower() for (_, job), title in zip(group, found, strict=True)
                       if job.department and not (title and title.department))  # fmt: skip
    data: dict[str, Any] = {
        "count": count,
        "before": before,
        "departments": dict(sorted(departments.items())),
        "seniorities": dict(sorted(Counter(title.seniority for title in found if title).items())),
        "title": list(dict.fromkeys(job.title for _, job in group))[: LIMITS.shown_titles],
    }
    evidence = [(fact, job.title) for fact, job in group]
    return made(SignalType.JOB_POSTING, rule, FILE.version, evidence, data=data, weight=weight)


def _count(postings: Iterable[Posting]) -> int:
    """Vacancies: boards copy each other's advertisements."""
    return len({_key(posting) for posting in postings})


def _key(posting: Posting) -> tuple[str, str]:
    job = posting[1]
    return " ".join(re.findall(r"\w+", job.title.lower())), job.locations[0].lower().strip() if job.locations else ""


def _is_open(posting: Posting) -> bool:
    fact, job = posting
    if not job.title or NO_VACANCY.search(job.title):
        return False
    return job.valid_through is None or job.valid_through >= fact.on


def _is_senior(posting: Posting) -> bool:
    """Whether it is a leader of a function of the company: not of a class or a kitchen, nor sought for a client."""
    job = posting[1]
    title = title_of(job.title)
    if title is None or title.seniority not in SENIOR or NO_LEADER.search(job.title):
        return False
    return not FOR_OTHERS.search(job.title) and not FOR_OTHERS.search(job.description[:2_000])


def _told_before(group: list[Posting]) -> int | None:
    """How many vacancies were open before, where the source says."""
    told = [number for posting in group if (number := _number(posting, "open_before")) is not None]
    return max(told, default=None)


def _number(posting: Posting, name: str) -> int | None:
    number = (posting[1].model_extra or {}).get(name)
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < MAX_OPEN else None
