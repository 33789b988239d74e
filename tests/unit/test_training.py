"""From outcomes to a router: the ledger, files, and `rung route train`."""

from __future__ import annotations

import gzip
import json
import random
import sqlite3
from pathlib import Path

import pytest

from rung.cli.route_train import off, show, train
from rung.core.chances import Chances
from rung.core.choosing import Goal
from rung.core.errors import LedgerError, RequestError
from rung.core.skipping import NANO
from rung.core.trials import Past
from rung.ledger import Ledger
from rung.outcome_files import models_of, read, source
from rung.prior import Prior, mark, shipped_prior
from rung.training import from_ledger, trained
from support.routed import TIERS, call, finished, past, world

CONFIG = """
ledger = "ledger.db"
[tiers.tiny]
provider = "embedded"
[tiers.large]
provider = "embedded"
[ladders.default]
tiers = ["tiny", "large"]
[routing]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rung.toml").write_text(CONFIG)
    return tmp_path / "rung.toml"


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Path:
    """A ledger in which a trait tells what the lower tier cannot do."""
    folder = tmp_path_factory.mktemp("lived")
    (folder / "rung.toml").write_text(CONFIG)
    with Ledger.open(folder / "ledger.db") as ledger:
        for one in world(250):
            ledger.append_now(one)
    return folder / "rung.toml"


def told(capsys, command, **options: object):
    command(json=True, **options)
    return json.loads(capsys.readouterr().out)


# ------------------------------------------------------------------ from the ledger


def test_what_a_trait_tells_is_learned_from_the_ledger(capsys, lived: Path) -> None:
    report = told(capsys, train, path=lived, dry_run=True)
    below = report["tiers"][0]
    assert below["quality"]["auroc"] > 0.85
    contest = report["contest"]
    assert contest["chosen"]["cost"] < contest["always"]["tiny"]["cost"]
    assert contest["chosen"]["cost"] < contest["shuffled"]["cost"]
    assert report["stored"] is False


def test_what_is_stored_is_in_force_until_it_is_withdrawn(capsys, lived: Path) -> None:
    report = told(capsys, train, path=lived)
    assert report["stored"] is True
    row = told(capsys, show, path=lived)[0]
    assert row["ladder"] == "default"
    assert row["on"] is report["on"]
    assert row["report"]["outcomes"] == 250
    with Ledger.open(lived.parent / "ledger.db") as ledger:
        assert set(ledger.newest_routers()) == {"default"}
        assert ledger.newest_routers()["default"].tiers == TIERS
    assert told(capsys, off, path=lived) == {"withdrawn": ["default"]}
    assert told(capsys, off, path=lived) == {"withdrawn": []}
    with Ledger.open(lived.parent / "ledger.db") as ledger:
        assert ledger.newest_routers() == {}


@pytest.mark.parametrize(
    "broken",
    ["", "{", '{"version": 9, "router": null}', '{"version": 1, "router": {"tiers": []}}'],
)
def test_a_row_that_cannot_be_read_is_passed_over(lived: Path, broken: str) -> None:
    with Ledger.open(lived.parent / "ledger.db") as ledger:
        made = trained(from_ledger(ledger.pasts(1000), "default", TIERS)).router
        ledger.add_router("default", made, {}, 1.0)
        with sqlite3.connect(lived.parent / "ledger.db") as connection:
            connection.execute("INSERT INTO routers VALUES (NULL, 2, 'default', ?, '{}')", [broken])
        connection.close()
        assert ledger.newest_routers()["default"] == made
        rows = ledger.routers_in_force()
        assert rows[0].unreadable is not None
        ledger.add_router("default", None, {}, 3.0)


def test_a_request_that_began_above_is_fitted_on_and_not_played_through() -> None:
    rows = [past([False, True], traits=(1,)), past([True], traits=(2,))]
    found = from_ledger(rows, "default", TIERS)
    assert [one.complete for one in found.observed] == [True, True]
    assert found.assumed == 1
    above = from_ledger([past([True], traits=(1,))], "default", ("least", *TIERS))
    assert [one.complete for one in above.observed] == [False]
    assert above.left_out["begun above the bottom"] == 1


def test_a_request_that_stopped_before_the_top_is_not_played_through() -> None:
    assert not from_ledger([past([False], traits=(1,))], "default", TIERS).observed[0].complete


def test_a_request_that_was_drawn_stands_for_those_that_were_not() -> None:
    def weights(*propensities: float) -> list[float]:
        rows = [past([True], traits=(1,), propensity=each) for each in propensities]
        return [one.weight for one in from_ledger(rows, "default", TIERS).observed]

    assert weights(0.25, 1.0) == [4.0, 1.0]
    assert weights(0.001, 1.0) == [50.0, 1.0]


def test_a_share_that_all_of_a_ladders_requests_were_drawn_for_gives_none_more_weight() -> None:
    rows = [past([True], traits=(1,), propensity=each) for each in (0.01, 0.01, 0.005)]
    found = from_ledger(rows, "default", TIERS)
    assert [one.weight for one in found.observed] == [1.0, 1.0, 2.0]


def test_what_constants_are_worth_is_what_they_were_worth_without_any_skipping() -> None:
    """Of hard requests, which start above but for a drawn share, too few are played through."""
    draws, share = random.Random(4), 0.1
    truth, pasts = [], []
    for _ in range(20_000):
        hard = draws.random() < 0.5
        below, above = draws.random() < (0.1 if hard else 0.9), draws.random() < 0.95
        truth.append(below or above)
        traits = (7 if hard else 8,)
        if hard and draws.random() >= share:
            pasts.append(Past("default", (call("large"),), 0, above, "", traits, {}, 1 - share))
            continue
        passes = [True] if below else [False, above]
        pasts.append(past(passes, traits=traits, propensity=share if hard else 1.0))
    result = trained(from_ledger(pasts, "default", TIERS)).result
    assert result is not None
    bottom = result.constants[0]
    assert bottom.quality == pytest.approx(sum(truth) / len(truth), abs=0.01)
    # Half pass below by nine in ten, half by one: so half of all calls are followed by another.
    assert bottom.cost == pytest.approx(600 + 0.5 * 1000, rel=0.02)
    assert result.shares[0] == pytest.approx(0.5, abs=0.02)


def test_an_empty_ledger_has_nothing_to_learn_from(capsys, config: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger"):
        train(path=config)
    with Ledger.open(config.parent / "ledger.db") as ledger:
        ledger.append_now(finished("r1", [True]))
    train(path=config)
    said = " ".join(capsys.readouterr().out.split())
    assert "no outcomes to learn from" in said
    assert "1 more left out: without traits" in said
    assert told(capsys, show, path=config) == []


# ------------------------------------------------------------------ from a file


def rows_of(count: int, *, priced: bool = True) -> list[dict[str, object]]:
    draws = random.Random(2)
    rows: list[dict[str, object]] = []
    for number in range(count):
        hard = draws.random() < 0.5
        prompt = f"Prove the theorem {number}" if hard else f"Say hello to guest {number}"
        for model, price in (("small", 0.001), ("big", 0.01)):
            right = model == "big" or draws.random() < (0.1 if hard else 0.95)
            cost = price if priced else None
            one = {"query_id": f"q{number}", "model": model, "correct": int(right)}
            rows.append(one | {"cost_usd": cost, "prompt": prompt if model == "small" else None})
    return rows


def written(folder: Path, rows: list[dict[str, object]], name: str = "o.jsonl") -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["o.jsonl", "o.jsonl.gz"])
@pytest.mark.parametrize("priced", [True, False])
def test_a_file_that_tells_hard_from_easy_makes_a_router_that_is_on(
    capsys, config: Path, name: str, priced: bool
) -> None:
    file = written(config.parent, rows_of(200, priced=priced), name)
    report = told(capsys, train, path=config, outcomes=file, models="small, big")
    assert report["on"] is True
    assert report["stored"] is True
    assert report["goal"] == "quality"
    assert report["apgr"] > 0.7
    assert told(capsys, show, path=config)[0]["decides"] is True


def test_a_report_for_people_names_every_control(capsys, config: Path) -> None:
    file = written(config.parent, rows_of(150))
    train(path=config, outcomes=file, models="small,big", dry_run=True)
    said = " ".join(capsys.readouterr().out.split())
    for words in ("shuffled control", "always tiny", "always large", "oracle", "on by auto"):
        assert words in said
    assert "Nothing is stored" in said


def test_a_file_taken_for_unchecked_answers_on_a_ladder_with_checks_is_doubted(
    capsys, config: Path
) -> None:
    file = written(config.parent, rows_of(150))
    asked = {"path": config, "outcomes": file, "models": "small,big", "dry_run": True}
    assert told(capsys, train, **asked)["doubts"] == []
    checks = 'verify = ["exact"]\n[verifiers.exact]\nkind = "regex"\npattern = "x"\n[routing]'
    config.write_text(CONFIG.replace("[routing]", checks))
    (doubt,) = told(capsys, train, **asked)["doubts"]
    assert "(exact)" in doubt
    assert "--checked" in doubt
    assert told(capsys, train, **asked, checked=True)["doubts"] == []
    train(**asked)  # type: ignore[arg-type]
    assert "give --checked" in " ".join(capsys.readouterr().out.split())


def test_models_are_found_by_the_names_of_tiers_or_said_to_be_missing(config: Path) -> None:
    file = written(config.parent, rows_of(3))
    with pytest.raises(RequestError, match="no outcomes of tiny") as caught:
        train(path=config, outcomes=file)
    assert "--models" in (caught.value.fix or "")
    with pytest.raises(RequestError, match="3 models do not make the 2 tiers"):
        train(path=config, outcomes=file, models="small,big,huge")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 1 is not JSON"),
        ("[1]", "line 1 is no JSON object"),
        ('{"query_id": "q", "correct": 1}', "needs `query_id` and `model`"),
        ('{"query_id": "q", "model": "m"}', "`correct` must be a number from 0 to 1"),
        ('{"query_id": "q", "model": "m", "correct": 2}', "`correct` must be"),
        ('{"query_id": "q", "model": "m", "correct": NaN}', "`correct` must be"),
        ('{"query_id": "q", "model": "m", "correct": 1, "cost_usd": -1}', "`cost_usd` must be"),
        ("", "holds no outcomes"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "o.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(RequestError, match=said):
        read(file)


def test_a_repeated_answer_a_damaged_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    twice = written(tmp_path, [rows_of(1)[0]] * 2)
    with pytest.raises(RequestError, match="line 2 repeats 'q0' of 'small'"):
        read(twice)
    damaged = written(tmp_path, rows_of(50), "o.jsonl.gz")
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(RequestError, match="damaged gzip"):
        read(damaged)
    with pytest.raises(RequestError, match="No such file"):
        read(tmp_path / "none.jsonl")


def test_costs_that_are_there_in_part_are_refused(tmp_path: Path) -> None:
    rows = rows_of(3)
    rows[0]["cost_usd"] = None
    queries = read(written(tmp_path, rows))
    with pytest.raises(RequestError, match="no cost_usd on some lines"):
        source(queries, "default", {"a": "small", "b": "big"}, Goal.QUALITY)


def test_models_are_told_cheapest_first(tmp_path: Path) -> None:
    assert models_of(read(written(tmp_path, rows_of(2))).values()) == ["small", "big"]


def test_without_costs_the_upper_of_two_counts(tmp_path: Path) -> None:
    queries = read(written(tmp_path, rows_of(2, priced=False)))
    found = source(queries, "default", {"a": "small", "b": "big"}, Goal.QUALITY)
    assert found.observed[0].costs == {"a": 0.0, "b": NANO}
    three = {"a": "small", "b": "big", "c": "big"}
    with pytest.raises(RequestError, match="more than two tiers"):
        source(queries, "default", three, Goal.QUALITY)


# ------------------------------------------------------------------ the prior


def test_the_shipped_prior_is_sound() -> None:
    prior = shipped_prior()
    assert len(prior.chances.weights) > 1000
    assert len(prior.seen) > 8000
    assert max(map(abs, prior.chances.weights.values())) < 2


def test_a_prior_is_not_measured_on_what_it_was_fitted_on() -> None:
    found = from_ledger(
        [past([True], traits=(1, number)) for number in range(1302, 1390)], "default", TIERS
    )
    marks = frozenset(mark(one.traits) for one in found.observed[:10])
    made = trained(found, Prior(Chances(0.0, {1: 3.0}), marks))
    assert "fitted on 10 of these" in made.prior
    assert not any(tier.from_prior for tier in made.tiers)
