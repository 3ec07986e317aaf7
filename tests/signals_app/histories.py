"""Histories of one company, as detectors are given them."""

from datetime import date
from typing import Any
from uuid import UUID, uuid5

from businesses.payloads import payload_of
from signals_app.detectors.base import Company, Detection, Fact, History, Rival
from signals_app.detectors.registry import detect_all

ACME = Company(
    id=UUID(int=1),
    name="ACME ROBOTICS LIMITED",
    number="01234567",
    status="active",
    company_type="ltd",
    sic_codes=("62012",),
    town="YORK",
    domain="acmerobotics.example",
    incorporated_on=date(2015, 3, 2),
)
NAMES = UUID(int=7)


def fact(kind: str, on: str = "2026-05-01", *, source: str = "test", url: str = "", **payload: Any) -> Fact:
    """A fact whose fingerprint is that of what it says, where and when."""
    fingerprint = uuid5(NAMES, f"{kind}|{on}|{source}|{url}|{sorted(payload.items())}")
    return Fact(
        id=f"event:{fingerprint.int % 10**9}",
        fingerprint=fingerprint,
        kind=kind,
        on=date.fromisoformat(on),
        is_dated=True,
        source=source,
        url=url,
        payload=payload_of(kind, payload),
    )


def filing(form: str, on: str = "2026-05-01", **payload: Any) -> Fact:
    return fact("filing", on, type=form, **payload)


def history(*facts: Fact, company: Company = ACME, rivals: tuple[Rival, ...] = (), **more: Any) -> History:
    return History(company, tuple(sorted(facts, key=lambda one: (one.on, one.id))), rivals, **more)


def detected(*facts: Fact, **more: Any) -> list[Detection]:
    return detect_all(history(*facts, **more))


def rules(*facts: Fact, **more: Any) -> list[str]:
    return [detection.rule for detection in detected(*facts, **more)]


def news(title: str, summary: str = "", on: str = "2026-05-01", source: str = "rss", url: str = "") -> Fact:
    return fact("news", on, source=source, url=url, title=title, summary=summary)
