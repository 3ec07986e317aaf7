from datetime import date
from decimal import Decimal

import pytest

from signals_app.text.funding import stage_of
from signals_app.text.money import Money
from signals_app.text.names import short_names
from signals_app.text.raising import Raise, raises_in

NAMES = short_names("ACME ROBOTICS LIMITED", "acmerobotics.example")
DAY = date(2026, 5, 1)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("raises £2m seed", "seed"),
        ("closes pre-seed round", "pre_seed"),
        ("$10m Series A1", "series_a"),
        ("series b funding", "series_b"),
        ("bridge round ahead of its Series B", "bridge"),
        ("following its seed round, raised Series A", "series_a"),
        ("Series A and venture debt", "series_a"),
        ("$5m growth equity", "growth"),
        ("a term loan from its bank", "debt"),
        ("awarded a £500k grant from Innovate UK", "grant"),
        ("plans IPO on AIM", "ipo"),
        ("the UK Intellectual Property Office (IPO)", None),
        ("Grant Thornton advised", None),
        ("granted planning permission", None),
        ("seed potatoes", None),
        ("Xbox Series X", None),
        ("the TV series b", None),
        ("", None),
    ],
)
def test_stage(text: str, stage: str | None) -> None:
    assert stage_of(text) == stage


def raised(*pieces: str, on: date = DAY, own: bool = False) -> Raise | None:
    return raises_in(pieces, NAMES, on=on, own=own)


@pytest.mark.parametrize(
    "title",
    [
        "Acme Robotics raises £5m",
        "Acme, the Leeds-based maker of arms, has raised £5m",
        "Leeds fintech Acme bags £5m pre-seed",
        "Beta Ventures invests £5m in Acme",
        "£5m boost for Leeds-based Acme",
        "Acme Robotics Ltd today announced that it has raised £5m",
        "Acme lands £5m growth equity investment",
        "Robot maker Acme nets £5m from BGF",
        "Investors pour £5m into Acme Robotics",
        "£5m raised by Acme",
        "Acme completes £5m crowdfunding round",
        "Acme raises £5m to build what could be the fastest arm",
    ],
)
def test_the_company_raised(title: str) -> None:
    told = raised(title)
    assert told is not None
    assert told.money is not None
    assert told.money == Money(Decimal(5_000_000), "GBP")
    assert told.quote == title


@pytest.mark.parametrize(
    "title",
    [
        "Acme raises awareness of £5m fraud",
        "Acme raises concerns over £5m plan",
        "Acme customer Beta raises $5m",
        "Acme-backed Beta raises £5m",
        "Founder of Acme raises £5m for new startup",
        "Acme Foods raises £5m",
        "Beta raises £5m to take on Acme",
        "Acme in talks to raise £5m",
        "Acme plans to raise £5m",
        "Acme reportedly raised £5m",
        "Acme denies it raised £5m",
        "Acme has not raised £5m",
        "Acme wins £5m contract with NHS",
        "Acme secures £5m order",
        "Acme nets £5m from sale of its headquarters",
        "Acme Robotics reports record £5m turnover",
        "Acme Robotics pays £5m fine",
        "Council approves £5m road next to Acme Robotics",
        "Acme raises £50,000 for charity",
        "Acme raises full-year guidance to £5m",
        "Acme closes £50m fund",
        "Acme invests £5m in new factory",
        "Acme appointed distributor for £5m product range",
        "Acme raised £1m in 2019",
    ],
)
def test_the_company_did_not_raise(title: str) -> None:
    assert raised(title) is None


def test_the_stage_may_stand_in_the_title_and_the_amount_below() -> None:
    told = raised("Acme Robotics closes Series A", "The company raised £4m from two funds.")
    assert told is not None
    assert (told.stage, told.money) == ("series_a", Money(Decimal(4_000_000), "GBP"))


def test_news_that_is_published_again_is_old() -> None:
    assert raised("Acme raises £5m", "This article was first published in 2021.") is None


def test_on_its_own_site_we_is_the_company() -> None:
    assert raised("We have raised £5m.", own=True) is not None
    assert raised("We have raised £5m.") is None
