"""Whether a company has moved to another town, by two addresses as forms of the register write them."""

import pytest

from signals_app.text.places import moved


@pytest.mark.parametrize(
    ("old", "new", "is_move"),
    [
        ("Unit 2 Dock Road, Chatham, Kent, ME4 4SW", "Horizon Park, Ashford, Kent, TN24 0LH", True),
        ("1 Dock Road, Chatham, Kent, England, ME4 4SW", "Horizon Park, Ashford, TN24 0LH, England", True),
        ("1 High Street, Leeds, West Yorkshire, LS1 1AA", "2 Park Row, Leeds, West Yorkshire, LS2 2BB", False),
        ("1 High Street, London, EC1A 1BB", "2 Park Lane, London, England, W1K 1AA", False),
        ("1 High Street, London, Greater London, EC1A 1BB", "2 Park Lane, London, W1K 1AA", False),
        ("Kent", "Surrey", True),
        ("", "2 Park Row, Leeds, LS2 2BB", False),
    ],
)
def test_a_move_is_to_another_town(old: str, new: str, is_move: bool) -> None:
    assert moved(old, new) is is_move
