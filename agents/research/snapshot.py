"""What the company is: its profile, as the register and other sources tell it."""

from datetime import date
from typing import Any

from agents.models import SectionName
from agents.research.dossier import Dossier
from agents.research.happenings import payload_in
from agents.research.lines import BETWEEN, CONFLICT, Section, is_said
from businesses.models import EventKind
from businesses.sic import titles

OLD_DAYS = 90  # after which a profile is to be looked up again
_COMPARED = {
    EventKind.NAME_CHANGED: ("name", "name"),
    EventKind.ACCOUNTS_CATEGORY_CHANGED: ("accounts_category", "accounts category"),
    EventKind.STATUS_CHANGED: ("status", "status"),
}


def years_between(start: date, end: date) -> int:
    """Whole years."""
    return end.year - start.year - ((end.month, end.day) < (start.month, start.day))


def snapshot(dossier: Dossier) -> Section:
    section = Section(SectionName.SNAPSHOT, dossier.trust)
    business, where, sources = dossier.business, dossier.profile_source, len(dossier.sources)
    since = business.incorporated_on
    for key, part, text in _told(dossier):
        if is_said(text):
            value = since.isoformat() if key == "age" and since else ""  # the years grow by themselves
            section.state(key, part, text, value=value, **where)
        else:
            section.unknown(key, part, sources)
    section.quote("description", "Description", business.description, **where)
    if not is_said(business.description):
        section.unknown("description", "Description", sources)
    _officers(section, dossier)
    for before in business.previous_names or []:
        until = f" until {before['changed_on']}" if before.get("changed_on") else ""
        name = before.get("name")
        if name and is_said(name):
            section.state(f"was:{name}", "Former name", f"{name}{until}", **where)
    _conflicts(section, dossier)
    for peer in dossier.peers:
        text = f"{peer.name} ({peer.company_number or 'no company number'}), similarity {peer.similarity:.2f}"
        section.state(f"peer:{peer.id}", "Peer", text, value=None, source=f"vectors of {peer.model}", on=dossier.day)
    return section


def _told(dossier: Dossier) -> list[tuple[str, str, str]]:
    """Key, label and text of each line; no text where nothing is known."""
    business, since = dossier.business, dossier.business.incorporated_on
    known = titles()
    age = f"{years_between(since, dossier.day)} years, incorporated on {since.isoformat()}" if since else ""
    address = ", ".join(
        part
        for part in (business.address_line1, business.address_line2, business.town, business.county, business.postcode,
                     business.country)
        if is_said(part)
    )  # fmt: skip
    status = "" if business.status == "unknown" else business.get_status_display()
    raw = business.status_raw
    charges = "" if business.charges_total is None else _charges(business)
    industry = [f"{code} {known.get(code, '')}".strip() for code in business.sic_codes if is_said(code)]
    return [
        ("name", "Name", business.name),
        ("number", "Company number", business.company_number or ""),
        ("status", "Status", f"{status} ({raw})" if status and raw and raw != status else status),
        *([("dissolved", "Dissolved on", business.dissolved_on.isoformat())] if business.dissolved_on else []),
        ("age", "Age", age or (f"founded in {business.founded_year}" if business.founded_year else "")),
        ("type", "Type", business.company_type),
        ("industry", "Industry", "; ".join(industry)),
        ("address", "Address", address),
        ("website", "Website", business.website),
        ("accounts", "Accounts category", business.accounts_category),
        ("employees", "Employees", "" if business.employee_count is None else str(business.employee_count)),
        ("charges", "Charges", charges),
    ]


def _charges(business: Any) -> str:
    outstanding = business.charges_outstanding
    return f"{business.charges_total} registered" + (f", {outstanding} outstanding" if outstanding is not None else "")


def _officers(section: Section, dossier: Dossier) -> None:
    if not dossier.offices:
        section.unknown("officers", "Officers", len(dossier.sources))
        return
    newest = max(dossier.offices, key=lambda office: office.updated_at)
    section.state(
        "officers", "Officers", f"{dossier.offices_total} current", source=newest.source, url=newest.source_url,
        on=newest.updated_at.date(), seen=newest.updated_at.date(),
    )  # fmt: skip


def _conflicts(section: Section, dossier: Dossier) -> None:
    """Where the newest change that a source saw is not what the profile says."""
    seen: set[str] = set()
    changes = dossier.of_kind(*_COMPARED)
    for event in sorted(changes, key=lambda one: (one.occurred_on or one.observed_at.date(), one.pk), reverse=True):
        column, words = _COMPARED[EventKind(event.kind)]
        after, now = payload_in(event).get("after"), getattr(dossier.business, column)
        if event.kind in seen or not isinstance(after, str):
            continue
        seen.add(event.kind)
        if not now or after.casefold() == str(now).casefold():
            continue
        said = section.cite(f"{words}: {now}", **dossier.profile_source)
        other = section.cite(
            f"{words} became {after}", source=event.source, url=event.source_url, on=event.occurred_on,
            seen=event.observed_at.date(),
        )  # fmt: skip
        both = BETWEEN.join((section.fact(said).text, section.fact(other).text))
        section.add(f"conflict:{column}", "Sources disagree", both, [said, other], kind=CONFLICT)
