"""What is known of the company's means: accounts, charges, shares, jobs, funding. A turnover is never guessed."""

from datetime import timedelta

from agents.models import SectionName
from agents.research.dossier import Dossier
from agents.research.happenings import payload_in, tell_event, where
from agents.research.lines import Section, is_said
from agents.research.signals import said
from businesses.models import EventKind

JOB_DAYS = 90
SHOWN = 10  # events of each sort
_CHANGES = (EventKind.ACCOUNTS_CATEGORY_CHANGED, EventKind.ACCOUNTS_OVERDUE)
_CHARGES = (EventKind.CHARGE_REGISTERED, EventKind.CHARGE_SATISFIED)
_MONEY = ("SH01", "AA", "MR01", "MR04")  # filings: shares allotted, accounts, a charge, its satisfaction


def revenue_signals(dossier: Dossier) -> Section:
    section = Section(SectionName.REVENUE_SIGNALS, dossier.trust)
    business, profile, sources = dossier.business, dossier.profile_source, len(dossier.sources)
    section.unknown("turnover", "Turnover", sources)
    for key, part, value in (
        ("accounts", "Accounts category", business.accounts_category),
        ("made_up", "Accounts made up to", business.accounts_last_made_up_on),
        ("due", "Next accounts due on", business.accounts_next_due_on),
        ("charges", "Charges outstanding", business.charges_outstanding),
    ):
        if value is None or not is_said(str(value)):
            section.unknown(key, part, sources)
        else:
            section.state(key, part, str(value), **profile)
    filings = [event for event in dossier.of_kind(EventKind.FILING) if payload_in(event).get("type") in _MONEY]
    for found in (dossier.of_kind(*_CHANGES), dossier.of_kind(*_CHARGES), filings):
        for event in found[:SHOWN]:
            tell_event(section, event)
    _jobs(section, dossier)
    _funding(section, dossier)
    return section


def _jobs(section: Section, dossier: Dossier) -> None:
    since = dossier.day - timedelta(days=JOB_DAYS)
    jobs = [one for one in dossier.of_kind(EventKind.JOB_POSTED) if one.occurred_on and one.occurred_on >= since]
    if not jobs:
        section.unknown("jobs", f"Jobs advertised in {JOB_DAYS} days", len(dossier.sources))
        return
    text = f"{len(jobs)} advertised since {since.isoformat()}"
    section.state("jobs", "Jobs", text, value=str(jobs[0].pk), **where(jobs[0]))  # the newest: days pass by themselves


def _funding(section: Section, dossier: Dossier) -> None:
    found = False
    for part in dossier.scored.contributions:
        signal = part.signal
        amount, currency = signal.signal_data.get("amount"), signal.signal_data.get("currency")
        if signal.signal_type != "funding_round" or not isinstance(amount, int | float | str):
            continue
        if not amount or not is_said(str(amount)):
            continue
        found = True
        money = f"{amount} {currency}" if isinstance(currency, str) else str(amount)
        section.state(
            f"funding:{signal.pk}", "Funding", f"{money[:60]}, {said(signal)}", source=signal.source,
            url=signal.source_url, on=signal.occurred_on, seen=signal.detected_at.date(),
        )  # fmt: skip
    if not found:
        section.unknown("funding", "Amounts of funding", len(dossier.sources))
