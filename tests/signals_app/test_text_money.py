from decimal import Decimal

import pytest

from signals_app.text.money import amounts, amounts_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("raises £5m", [("5000000", "GBP")]),
        ("$1.2bn and €500k", [("1200000000", "USD"), ("500000", "EUR")]),
        ("£1,250,000 in all", [("1250000", "GBP")]),
        ("EUR5m, GBP 5 million", [("5000000", "EUR"), ("5000000", "GBP")]),
        ("5 million pounds", [("5000000", "GBP")]),
        ("half a million pounds", [("500000", "GBP")]),
        ("£1-2 million", [("1000000", "GBP"), ("2000000", "GBP")]),
        ("£30,000 - £40,000", [("30000", "GBP"), ("40000", "GBP")]),
        ("£30-40k", [("30000", "GBP"), ("40000", "GBP")]),
        ("€1.500.000", [("1500000", "EUR")]),
        ("1,5 million euros", [("1500000", "EUR")]),
        ("A$3m and US$12.5m", [("3000000", "AUD"), ("12500000", "USD")]),
        ("£0.10 per share", [("0.1", "GBP")]),
        ("raised 5 million in seed funding", [("5000000", "")]),
        ("5 million users", []),
        ("worth 5 million users", []),
        ("in 2019, 3 people", []),
        ("Series A", []),
        ("", []),
    ],
)
def test_amounts(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(money.amount, money.currency) for money in amounts(text)] == [
        (Decimal(amount), currency) for amount, currency in expected
    ]


def test_a_letter_after_the_number_is_no_power() -> None:
    assert [money.amount for money in amounts("£10 minutes away")] == [10]


def test_amounts_stand_where_they_are_said_to() -> None:
    text = "from £2m to $3,000,000 and 4 million euros"
    assert [text[found.start : found.end] for found in amounts_in(text)] == ["£2m", "$3,000,000", "4 million euros"]
