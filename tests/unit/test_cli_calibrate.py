"""`rung calibrate`: what it shows, stores and refuses."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path

import pytest

from rung.cli.calibrate import calibrate, share_of, threshold_in_words, weights_in_words
from rung.core.calibration import Calibration
from rung.core.errors import LedgerError, RequestError
from rung.core.labels import Label, LabelSource
from rung.core.selective import Certificate, Selection
from rung.ledger import Ledger
from support.labelled import attempt, drawn, told, truth

CONFIG = """
ledger = "ledger.db"
[tiers.tiny]
provider = "embedded"
[tiers.large]
provider = "embedded"
[ladders.default]
tiers = ["tiny", "large"]
[ladders.unused]
tiers = ["tiny"]
"""


def made(folder: Path, count: int) -> Path:
    chance = random.Random(3)
    (folder / "rung.toml").write_text(CONFIG)
    with Ledger.open(folder / "ledger.db") as ledger:
        for number in range(count):
            name, scores = f"req-{number:03d}", drawn(chance)
            ledger.append_now(told(name, [attempt(f"{name}.0", "tiny", scores)]))
            right = chance.random() < truth(scores)
            ledger.add_label(Label(name, right, LabelSource.HUMAN, 1.0))
    return folder / "rung.toml"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    """A ledger of 120 labelled answers; what a test puts in force it drops again."""
    return made(tmp_path_factory.mktemp("labelled"), 120)


def shown(capsys, path: Path, **options: object) -> str:
    calibrate(path=path, **options)
    return " ".join(capsys.readouterr().out.split())


def read(capsys, path: Path, **options: object):
    calibrate(path=path, json=True, **options)
    return json.loads(capsys.readouterr().out)


def stored(path: Path) -> int:
    with sqlite3.connect(path.with_name("ledger.db")) as connection:
        return connection.execute("SELECT count(*) FROM calibrations").fetchone()[0]


# ------------------------------------------------------------------ what is shown


def test_a_report_shows_labels_figures_weights_and_changes_nothing(labelled, capsys) -> None:
    text = shown(capsys, labelled)
    for part in ("Ladder default", "tiny", "AUROC", "ECE before", "agreement counts", "said"):
        assert part in text
    assert "Nothing is changed. `rung calibrate --apply` puts it in force." in text
    assert stored(labelled) == 0
    assert "Nothing is in force" in shown(capsys, labelled, show=True)


def test_json_has_every_figure_with_its_interval(labelled, capsys) -> None:
    found = read(capsys, labelled, target_risk="0.3")
    assert found["target_risk"] == 0.3
    assert found["applied"] == []
    ((tier,),) = [each["tiers"] for each in found["ladders"]]
    assert (tier["tier"], tier["labels"], tier["lacking"]) == ("tiny", 120, None)
    assert tier["right"] + tier["wrong"] == tier["served"] == 120
    assert tier["after"]["n"] == 120
    low, high = tier["after"]["auroc_between"]
    assert low < tier["after"]["auroc"] < high
    assert tier["calibration"]["labels"] == 120
    held = tier["threshold"]["held"]
    assert held["worst"] <= 0.3
    assert found["ladders"][0]["min_confidence"] == held["threshold"]


def test_what_is_applied_is_in_force_until_it_is_dropped(labelled, capsys) -> None:
    assert "1 calibration in force" in shown(capsys, labelled, apply=True)
    (row,) = read(capsys, labelled, show=True)
    assert (row["ladder"], row["tier"], row["in_force"]) == ("default", "tiny", True)
    assert row["report"]["labels"] == row["calibration"]["labels"] == 120
    assert "default, tiny: since" in shown(capsys, labelled, show=True)
    assert read(capsys, labelled, show=True, ladder="unused") == []
    assert read(capsys, labelled, drop=True)["dropped"] == [{"ladder": "default", "tier": "tiny"}]
    assert "Nothing is in force" in shown(capsys, labelled, show=True)
    assert read(capsys, labelled, drop=True)["dropped"] == []
    applied = read(capsys, labelled, apply=True)["applied"]
    assert applied == [{"ladder": "default", "tier": "tiny"}]
    calibrate(path=labelled, drop=True, json=True)
    assert stored(labelled) == 4


def test_one_that_cannot_be_read_is_told(tmp_path, capsys) -> None:
    path = made(tmp_path, 1)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute(
            "INSERT INTO calibrations (created_unix, ladder, tier, calibration_json, report_json)"
            """ VALUES (9, '[red]a[/]', 'tiny', '{"version": 9, "calibration": 0}', '{}')"""
        )
    text = shown(capsys, path, show=True)
    assert "[red]a[/], tiny: ignored, it is of version 9, this rung reads 1" in text


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_labels_are_told_with_what_to_do(tmp_path, capsys, count) -> None:
    path = made(tmp_path, count)
    text = shown(capsys, path, apply=True)
    assert "rung label ID right|wrong" in text
    assert 'audit = "2%"' in text
    assert stored(path) == 0
    if count:
        assert f"stays uncalibrated: {30 - count} more labels are needed" in text
        assert "Nothing was put in force." in text
    assert "No labelled answers yet" in shown(capsys, path, ladder="unused")


# ------------------------------------------------------------------ words


def test_weights_are_told_in_plain_words() -> None:
    found = Calibration(("a", "b", "[red]c"), (2.0, 0.0, 1.0), 0, ((1.0, 0.5),), 9, (0.7, 0.1, 0))
    assert list(weights_in_words(found)) == [
        "a counts double (2.00)",
        r"\[red]c counts as much as it says (1.00)",
        "b counts nothing (0.00)",
        "where a gave no score, odds are times 2.0",
        "with steps on top (1), which did better on held-out labels",
    ]


def test_thresholds_are_told_with_what_they_rest_on() -> None:
    held = Selection(0.8, 200, 4, 0.04, 0.6, 0.02)
    assert threshold_in_words(Certificate(0.05, 0.95, held)) == (
        "from 0.800 up at most 5.0% are wrong (95% sure, 4 of 200 were wrong): 60% of its answers"
    )
    assert "about 240 more labels" in threshold_in_words(Certificate(0.05, 0.95, None, None, 231))
    assert "about 12% can be shown now" in threshold_in_words(
        Certificate(0.05, 0.95, None, Selection(0.8, 200, 4, 0.12, 0.6, 0.1), None)
    )


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("text", ["0", "1", "5", "100%", "0%", "-3%", "nan", "inf", "x", "%", ""])
def test_a_risk_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="is no risk to aim at"):
        share_of(text)


def test_a_risk_is_read_as_people_write_it() -> None:
    assert share_of("2%") == share_of("0.02") == 0.02


def test_what_makes_no_sense_is_refused_with_its_fix(labelled, tmp_path) -> None:
    with pytest.raises(RequestError, match="do different things"):
        calibrate(path=labelled, show=True, apply=True)
    with pytest.raises(RequestError, match="no ladder 'defualt'"):
        calibrate(path=labelled, ladder="defualt")
    with pytest.raises(RequestError, match="is no time"):
        calibrate(path=labelled, since="yesterday")
    (tmp_path / "rung.toml").write_text(CONFIG)
    with pytest.raises(LedgerError, match="there is no ledger"):
        calibrate(path=tmp_path / "rung.toml")
