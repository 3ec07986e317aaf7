from pathlib import Path

import pytest

from signals_app.detectors import funding_round
from signals_app.detectors.rules import InvalidRules, load_rules
from signals_app.text.technologies import vocabulary


def changed(tmp_path: Path, before: str, after: str) -> str:
    """The error for the rules of funding rounds with one change."""
    text = (Path(funding_round.__file__).parent.parent / "rules" / "funding_round.toml").read_text(encoding="utf-8")
    assert before in text
    (tmp_path / "funding_round.toml").write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(InvalidRules) as caught:
        load_rules("funding_round", funding_round.FundingFile, folder=tmp_path)
    return caught.value.message


def test_a_weight_out_of_range_names_file_rule_and_field(tmp_path: Path) -> None:
    message = changed(tmp_path, "equity_round = { weight = 80", "equity_round = { weight = 130")
    assert message.startswith("funding_round.toml: rules.equity_round.weight: ")


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    assert "rules.equity_round.wieght" in changed(tmp_path, "{ weight = 80", "{ wieght = 80")
    assert "rules.equity_rond" in changed(tmp_path, "equity_round =", "equity_rond =")
    assert "limits.backing_dais" in changed(tmp_path, "backing_days", "backing_dais")


def test_a_version_is_needed(tmp_path: Path) -> None:
    assert "version" in changed(tmp_path, 'version = "2026.1"', "")


def test_what_is_no_toml_or_not_there_is_said(tmp_path: Path) -> None:
    assert changed(tmp_path, "[rules]", "[rules").startswith("funding_round.toml: ")
    with pytest.raises(InvalidRules, match=r"nothing\.toml: there is no such file"):
        load_rules("nothing", funding_round.FundingFile, folder=tmp_path)


def test_names_of_technologies_are_unique() -> None:
    known = vocabulary()
    assert len({technology.name for technology in known.by_name.values()}) > 150
    assert all(name.strip() == name for name in known.by_name)
