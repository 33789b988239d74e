"""`rung replay`: what it shows, and what it refuses with which words."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from rung.cli.replay import replay
from rung.cli.replay_options import Check, Data, Ladder, Limits, Options, Result, policy_of
from rung.core.errors import RequestError
from rung.core.plan import OnExhausted, Rung

COLUMNS = "query_id,category,model,correct,cost_usd,latency_s,confidence,accepted"

# Queries by models, and of each whether it is right, its cost, seconds, confidence, and the check.
ROWS = [
    *[("easy", "small", 1, 0.001, 1, 0.9, 1), ("easy", "large", 1, 0.01, 3, 0.9, 1)],
    *[("hard", "small", 0, 0.001, 1, 0.3, 0), ("hard", "large", 1, 0.02, 5, 0.8, 1)],
    *[("odd", "small", 0, 0.001, 1, 0.6, 1), ("odd", "large", 0, 0.03, 9, 0.4, 0)],
]


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    file = tmp_path / "outcomes.csv"
    with file.open("w", newline="") as to:
        lines = csv.writer(to)
        lines.writerow(COLUMNS.split(","))
        for number in range(20):
            lines.writerows([f"{row[0]}{number}", row[0], *row[1:]] for row in ROWS)
    return file


def options(file: Path, /, **told) -> Options:
    """By the names of the command line, wherever they belong."""
    groups = {"data": Data, "ladder": Ladder, "limits": Limits, "check": Check, "result": Result}
    told = {"outcomes": file} | told
    if "config_ladder" not in told:
        told = {"ladder": "small,large"} | told
    parts = {
        name: kind(**{key: told.pop(key) for key in list(told) if key in kind.__match_args__})
        for name, kind in groups.items()
    }
    assert not told, told
    return Options(**parts)


def shown(capsys, outcomes: Path, **told) -> str:
    replay(options=options(outcomes, **told))
    return " ".join(capsys.readouterr().out.split())


def read(capsys, outcomes: Path, path: Path | None = None, **told):
    replay(options=options(outcomes, **told), path=path, json=True)
    return json.loads(capsys.readouterr().out)


# ------------------------------------------------------------------ what is shown


def test_people_see_the_ladder_its_controls_and_one_sentence_of_meaning(outcomes, capsys) -> None:
    text = shown(capsys, outcomes)
    for part in ("small -> large", "60 queries", "all cheap", "shuffled", "oracle", "escalated"):
        assert part in text
    assert "baseline, all top, best single" in text
    assert "66.7% (54.1-77.3)" in text
    last = text[text.index("The ladder is about as often right as large alone") :]
    assert "dealt out blindly" in last
    assert last.endswith(".")


def test_every_figure_but_counts_has_an_interval(outcomes, capsys) -> None:
    found = read(capsys, outcomes)
    assert found["n"] == 60
    assert found["left_out"] == 0
    for name in ("quality", "cost_usd", "calls", "escalation", "wasted", "seconds_p95"):
        value, low, high = found[name]
        assert low <= value <= high
    assert found["quality"][0] == pytest.approx(2 / 3)
    assert found["cost_usd"][0] == pytest.approx((3 * 0.001 + 0.05) / 3)
    names = [row["name"] for row in found["controls"]]
    assert names == ["baseline", "all cheap", "all top", "best single", "shuffled", "oracle"]
    saved = found["controls"][0]["ladder_has"]["saved"]
    assert saved[0] == pytest.approx(1 - (0.003 + 0.05) / 0.06)


def test_an_erring_check_costs_quality(outcomes, capsys) -> None:
    found = read(capsys, outcomes, false_accept="20%", false_reject="0.2")
    easy, hard = 0.8 + 0.2 * 0.8, 0.8 * 0.8
    assert found["quality"][0] == pytest.approx((easy + hard) / 3)
    assert found["check"] == {
        "kind": "rates",
        "false_accept": 0.2,
        "false_reject": 0.2,
        "labels": 0,
    }


def test_the_check_may_be_that_of_the_file_as_recorded_or_as_measured(outcomes, capsys) -> None:
    recorded = read(capsys, outcomes, check="recorded")
    assert recorded["quality"][0] == pytest.approx(2 / 3)
    assert recorded["cost_usd"][0] == pytest.approx((3 * 0.001 + 0.02) / 3)
    measured = read(capsys, outcomes, check="measured")
    assert measured["check"]["labels"] == 120
    assert measured["check"]["false_accept"] == pytest.approx(1 / 3)


def test_without_a_check_confidence_decides(outcomes, capsys) -> None:
    found = read(capsys, outcomes, check="none", thresholds="0.5")
    assert found["unserved"][0] == 0
    assert found["cost_usd"][0] == pytest.approx((3 * 0.001 + 0.02) / 3)


def test_limits_end_requests_and_say_why(outcomes, capsys) -> None:
    capped = read(capsys, outcomes, max_usd="0.0215", deadline=5.0)
    assert capped["ends"]["cost_cap"] == pytest.approx(1 / 3)
    text = shown(capsys, outcomes, give_up_above="0.0005", on_exhausted=OnExhausted.BEST)
    assert "nothing accepted 66.7%" in text
    late = read(capsys, outcomes, deadline=4.0)
    # Of the hard ones the large model takes five seconds and is cut off after three.
    assert late["ends"]["deadline"] == pytest.approx(2 / 3)
    assert late["seconds_p95"][0] == 4


def test_the_engine_comes_to_the_same_where_nothing_is_drawn(outcomes, capsys) -> None:
    one, other = read(capsys, outcomes), read(capsys, outcomes, engine=True)
    assert (one.pop("engine"), other.pop("engine")) == (False, True)
    assert one == other


def test_a_picture_is_drawn_where_asked(outcomes, capsys, tmp_path) -> None:
    shown(capsys, outcomes, plot=tmp_path / "ladder.svg")
    assert (tmp_path / "ladder.svg").read_text("utf-8").startswith("<svg")


def test_only_one_category_and_another_baseline(outcomes, capsys) -> None:
    found = read(capsys, outcomes, category="odd", baseline="small")
    assert (found["n"], found["quality"][0]) == (20, 0)
    assert found["controls"][0]["of"] == "small"


def test_a_ladder_of_the_configuration_is_played_with_its_own_limits(
    outcomes, capsys, tmp_path
) -> None:
    config = tmp_path / "rung.toml"
    config.write_text(
        """
        [tiers.cheap]
        provider = "openai"
        model = "small"
        [tiers.large]
        provider = "openai"
        model = "something-else"
        [ladders.default]
        tiers = ["cheap", "large"]
        max_usd = 0.0215
        [ladders.default.limits.large]
        reach = 0.5
        """
    )
    found = read(capsys, outcomes, path=config, config_ladder="default")
    assert found["ladder"] == ["small", "large"]
    assert found["policy"]["all"]["most_usd"] == 0.0215
    assert found["policy"]["all"]["rungs"][1]["reach"] == 0.5
    # A repair by default, and no draws recorded.
    assert [each for each in found["warnings"] if "Repairs are left out" in each]
    with pytest.raises(RequestError, match="there is no ladder 'defualt'"):
        read(capsys, outcomes, path=config, config_ladder="defualt")


def test_costs_may_be_reckoned_by_other_prices(tmp_path, capsys) -> None:
    file, prices = tmp_path / "tokens.csv", tmp_path / "prices.toml"
    file.write_text(
        "query_id,model,correct,tokens_in,tokens_out\n"
        "q,small,0,1000000,0\nq,large,1,1000000,1000000\n"
    )
    prices.write_text(
        "[models.small]\ninput = 1\noutput = 2\n[models.large]\ninput = 3\noutput = 4\n"
    )
    assert read(capsys, file, price_file=prices)["cost_usd"][0] == 8.0
    with pytest.raises(RequestError, match="do not tell what small costs"):
        read(capsys, file)


# ------------------------------------------------------------------ policies in words


def test_values_are_for_tiers_in_order(outcomes) -> None:
    asked = options(outcomes, thresholds="0.6,-", draws="3", repairs="-,2", reach="0.5,0.2")
    assert policy_of(["a", "b", "c"], asked).rungs == (
        Rung("a", min_confidence=0.6, samples=3),
        Rung("b", min_confidence=0.0, repairs=2, reach=0.5),
        Rung("c", min_confidence=0.0, reach=0.2),
    )
    one = policy_of(["a", "b", "c"], options(outcomes, give_up_above="$0.10"))
    assert [rung.most_spent_nanousd for rung in one.rungs] == [None, 10**8, 10**8]
    two = policy_of(["a", "b", "c"], options(outcomes, give_up_above="-,0.5"))
    assert [rung.most_spent_nanousd for rung in two.rungs] == [None, None, 5 * 10**8]


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("told", "said", "fix"),
    [
        ({"outcomes": None}, "nothing to play over", "--outcomes FILE"),
        ({"outcomes": Path("/nowhere.csv")}, "nowhere.csv", ""),
        ({"ladder": None}, "there is no ladder to play", "--config-ladder"),
        ({"ladder": " , "}, "names no model", "--ladder cheap,strong"),
        ({"ladder": "small,small"}, "'small' is named twice", "once"),
        ({"ladder": "small,lrage"}, "no model 'lrage'", "did you mean `large`?"),
        ({"ladder": "small", "config_ladder": "x"}, "are two ladders", "one of them"),
        ({"baseline": "huge"}, "no model 'huge'", "small"),
        ({"category": "esay"}, "no category 'esay'", "easy"),
        ({"thresholds": "0.5,0.5,0.5"}, "3 values for 2 tiers", "at most one"),
        ({"thresholds": "nan"}, "is no share of 1", "0.05"),
        ({"draws": "0"}, "is no number of answers", "from 1"),
        ({"draws": "٣"}, "is no number of answers", "from 1"),
        ({"draws": "2"}, "draws up to 2 answers", "fewer"),
        ({"draws": "2", "check": "none"}, "a vote", "one draw"),
        ({"repairs": "9" * 5000}, "is no number of answers", "from 0"),
        ({"repairs": "0" * 5000 + "1"}, "is no number of answers", "from 0"),
        ({"max_usd": "1" * 5000}, "is no amount", "--max-usd 0.25"),
        ({"give_up_above": "-1"}, "is no amount", "0.25"),
        ({"give_up_above": "1", "ladder": "small"}, "has one tier", "leave it out"),
        ({"reach": "120%"}, "is no share of 1", "5%"),
        ({"max_usd": "lots"}, "is no amount", "--max-usd 0.25"),
        ({"deadline": float("nan")}, "is no time", "--deadline 30"),
        ({"deadline": 0.0}, "is no time", "--deadline 30"),
        ({"false_accept": "2"}, "is no share of 1", "5%"),
        ({"false_accept": "2%", "check": "recorded"}, "contradict each other", "one"),
        ({"seed": -1}, "must be 0 or more", "--seed 0"),
        ({"plot": Path("a.png")}, "is no such name", ".svg"),
        ({"plot": Path("/nowhere/a.svg")}, "there is no folder", "make it"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_fix(outcomes, told, said, fix) -> None:
    with pytest.raises(RequestError) as caught:
        replay(options=options(outcomes, **told))
    assert said in caught.value.message
    assert len(str(caught.value)) < 400
    assert fix in (caught.value.fix or "")


def test_what_a_file_does_not_tell_is_asked_for(tmp_path) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("query_id,model,correct,cost_usd\nq,small,0,1\nq,large,1,\nr,small,1,1\n")
    for told, said in (
        ({"thresholds": "0.5"}, "a threshold needs confidences"),
        ({"check": "none"}, "nothing would ever climb"),
        ({"deadline": 3.0}, "a deadline needs latencies"),
        ({"check": "recorded"}, "needs what the check said"),
        ({"check": "measured"}, "needs what the check said"),
    ):
        with pytest.raises(RequestError, match=said):
            replay(options=options(bare, **told))


def test_queries_that_lack_a_call_are_left_out_and_told_of(tmp_path, capsys) -> None:
    gap = tmp_path / "gap.csv"
    gap.write_text(
        "query_id,model,correct,cost_usd\nq,small,0,1\nq,large,1,\nr,small,1,1\n"
        "s,small,0,1\ns,large,1,2\n"
    )
    text = shown(capsys, gap)
    assert "2 queries" in text
    assert "1 of 3 queries are left out" in text
    assert "recorded for fewer queries than the ladder's" in text


def test_names_from_a_file_reach_no_terminal_as_they_are(tmp_path, capsys) -> None:
    hostile = tmp_path / "hostile.csv"
    hostile.write_text(
        "query_id,model,correct,cost_usd\nq,\x1b[31mred[bold],1,1\nq,large,1,2\n", "utf-8"
    )
    text = shown(capsys, hostile, ladder="\x1b[31mred[bold],large")
    assert "\x1b[31m" not in text
    assert re.search(r"red\[bold\] -> large", text)
