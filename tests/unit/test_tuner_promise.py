"""The tuner's promise, in small: on populations whose truth is known, by an evaluator of its own.

The long versions are benchmarks/tuner_guarantee.py, adversaries.py and tuner_synthetic.py.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rung.core.plan import OnExhausted, Policy, Rung
from rung.tuner.aims import Errors, Part, Tuned
from rung.tuner.simulate import expected
from rung.tuner.tuning import tune

ROOT = Path(__file__).parent.parent.parent
DATA = Path(os.environ.get("RUNG_TEST_DATA", ""))
NAMES = (
    "adversaries",
    "tuner_cells",
    "tuner_counts",
    "tuner_plants",
    "tuner_populations",
    "tuner_rivals",
    "tuner_synthetic",
    "tuner_trials",
    "tuner_truth",
)
DRAWS = 10
SIZE = 60
TOO_MANY = 6
"""Of 10 draws: by chance one promise of 90% in 6,800 would be broken so often."""


@pytest.fixture(scope="module")
def study() -> Iterator[SimpleNamespace]:
    """The modules of benchmarks/, which is a folder of scripts and no package."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    sys.path.remove(str(ROOT / "benchmarks"))


def _small(study: SimpleNamespace, right, cost, kinds=None):
    return study.tuner_populations.made(np.array(right), np.array(cost), kinds=kinds)


# ------------------------------------------------------------------ the evaluator


def test_the_truth_of_a_ladder_is_what_a_hand_would_reckon(study: SimpleNamespace) -> None:
    outcomes = _small(study, [[1, 1], [0, 1], [0, 0]], [[1, 10], [2, 20], [3, 30]])
    true = study.tuner_truth.truth(outcomes, Tuned(Policy("", (Rung("m000"), Rung("m001")))))
    assert true.quality == pytest.approx(2 / 3)
    assert true.cost == pytest.approx((1 + 22 + 33) / 3)


def test_giving_up_and_reach_leave_requests_to_nobody(study: SimpleNamespace) -> None:
    outcomes = _small(study, [[1, 1], [0, 1], [0, 1]], [[1, 10], [2, 20], [3, 30]])
    top = Rung("m001", most_spent_nanousd=2, reach=0.5)
    true = study.tuner_truth.truth(outcomes, Tuned(Policy("", (Rung("m000"), top))))
    assert true.quality == pytest.approx((1 + 0.5 + 0) / 3)
    assert true.cost == pytest.approx((1 + 2 + 10 + 3) / 3)


def test_a_check_that_errs_serves_wrong_answers_and_drops_right_ones(
    study: SimpleNamespace,
) -> None:
    outcomes = _small(study, [[0, 1]], [[1, 10]])
    ladder = Tuned(Policy("", (Rung("m000"), Rung("m001"))))
    true = study.tuner_truth.truth(outcomes, ladder, Errors(false_accept=0.3, false_reject=0.2))
    assert true.quality == pytest.approx(0.7 * 0.8)
    assert true.cost == pytest.approx(1 + 0.7 * 10)


def test_the_evaluator_and_the_replay_agree_on_every_policy(study: SimpleNamespace) -> None:
    draws = np.random.default_rng(5)
    for case in range(150):
        outcomes = _outcomes(study, draws, case)
        tuned = Tuned(
            _policy(draws, outcomes),
            {name: _policy(draws, outcomes) for name in "012" if draws.random() < 0.3},
            Part(float(draws.random()), _policy(draws, outcomes)) if case % 4 == 0 else None,
        )
        errors = Errors(*((0, 0) if draws.random() < 0.4 else draws.random(2)))
        true = study.tuner_truth.truth(outcomes, tuned, errors)
        played = expected(outcomes, tuned, errors)
        assert true.quality == pytest.approx(played.right.mean(), abs=1e-9), (tuned, errors)
        assert true.cost == pytest.approx(played.cost.mean(), abs=1e-9), (tuned, errors)


def _outcomes(study, draws, case):
    shape = (int(draws.integers(3, 30)), int(draws.integers(1, 6)))
    right = draws.random(shape) if case % 3 == 0 else draws.random(shape) < 0.5
    kinds = [str(place) for place in draws.integers(0, 3, shape[0])]
    outcomes = _small(study, right, draws.integers(0, 20, shape), kinds)
    if draws.random() < 0.4:
        return replace(outcomes, draws=draws.random((*shape, 2)).round())
    return replace(outcomes, confidence=draws.random(shape)) if draws.random() < 0.5 else outcomes


def _policy(draws, outcomes) -> Policy:
    def maybe(value):
        return value if draws.random() < 0.4 else None

    chosen = draws.permutation(len(outcomes.models))[: int(draws.integers(1, 5))]
    sure = outcomes.confidence is not None
    return Policy(
        "",
        tuple(
            Rung(
                outcomes.models[column],
                samples=1 if outcomes.draws is None else int(draws.integers(1, 4)),
                min_confidence=maybe(float(draws.random())) if sure else None,
                most_spent_nanousd=maybe(int(draws.integers(0, 40))),
                reach=maybe(float(draws.random())) or 1.0,
            )
            for column in chosen
        ),
        cost_cap_nanousd=maybe(int(draws.integers(5, 50))),
        on_exhausted=OnExhausted.BEST if draws.random() < 0.3 else OnExhausted.INBOX,
    )


def test_sets_are_measured_as_their_cheapest_ladder_is(study: SimpleNamespace) -> None:
    draws = np.random.default_rng(3)
    outcomes = _small(study, draws.random((40, 5)) < 0.5, draws.integers(1, 90, (40, 5)))
    ladders = study.tuner_rivals.Ladders(outcomes)
    rows = draws.integers(40, size=60)
    sample, drawn = ladders.measured(rows), outcomes.rows(rows)
    truth, ladder = study.tuner_truth.truth, study.tuner_rivals.ladder
    for which, chosen in enumerate(ladders.sets):
        every = [
            truth(drawn, ladder([outcomes.models[column] for column in order]))
            for order in permutations(chosen)
        ]
        assert sample.quality[which] == pytest.approx(every[0].quality)
        assert sample.cost[which] == pytest.approx(min(each.cost for each in every))
        picked = truth(drawn, ladders.tuned(which, sample))
        assert picked.cost == pytest.approx(sample.cost[which])


def test_exact_binomial_figures(study: SimpleNamespace) -> None:
    assert study.tuner_counts.upper_tail(6, 10, 0.1) == pytest.approx(0.0001469, abs=1e-6)
    assert study.tuner_counts.upper_tail(0, 10, 0.1) == 1.0
    assert study.tuner_counts.interval(5, 50) == pytest.approx((0.03328, 0.21814), abs=1e-4)
    assert study.tuner_counts.interval(0, 200) == pytest.approx((0.0, 0.01828), abs=1e-4)


# ------------------------------------------------------------------ the promise

TRAPS = (
    "10 near ties, 0.5 points, independent",
    "all sets of 8 below, 0.2 points, independent",
    "30 near ties at 99%",
    "cliff: hidden by a gain",
    "40 rare categories",
    "a check that errs, poor models",
)


def _broken(study: SimpleNamespace, name: str, way: str) -> int:
    question = study.adversaries.question(name)
    trials = [study.tuner_trials.tried(question, way, SIZE, draw) for draw in range(DRAWS)]
    return sum(one.short > study.tuner_trials.ROUNDING for one in trials)


@pytest.mark.parametrize("trap", TRAPS)
def test_the_default_is_not_tricked(study: SimpleNamespace, trap: str) -> None:
    assert _broken(study, trap, "default") < TOO_MANY


@pytest.mark.parametrize("trap", TRAPS[:2])
def test_proof_is_not_tricked(study: SimpleNamespace, trap: str) -> None:
    assert _broken(study, trap, "proof") < TOO_MANY


@pytest.mark.parametrize("trap", [*TRAPS[:3], "cliff: rare, half a point"])
def test_who_takes_what_looks_good_enough_is_tricked(study: SimpleNamespace, trap: str) -> None:
    """The negative control: a trap that catches nobody would prove nothing."""
    question = study.adversaries.question(trap)
    population = question.population
    broken = 0
    for draw in range(DRAWS):
        rows = study.tuner_populations.rows_drawn(trap, SIZE, draw, len(population))
        ladders = study.tuner_rivals.Ladders(population.rows(rows), question.max_tiers)
        sample = ladders.measured()
        target = sample.quality[population.place[question.reference]] - question.margin
        tuned = ladders.tuned(study.tuner_rivals.naive(sample, target), sample)
        broken += question.of(tuned).quality < question.target - study.tuner_trials.ROUNDING
    assert broken >= TOO_MANY


@pytest.mark.parametrize(
    ("name", "most"), [("independent", 0.35), ("useless tiers, margin 3", 0.35)]
)
def test_what_can_be_saved_is_saved(study: SimpleNamespace, name: str, most: float) -> None:
    question = study.tuner_synthetic.question(name)
    found = study.tuner_trials.cell(question, "default", 400, 3)
    assert found["cost"] < most
    assert found["uncertified"] == 0
    best = study.tuner_synthetic.best(question)
    assert best.mixed <= best.plain < most


@pytest.mark.parametrize("trap", ["all equal", "always right", "always wrong", "one model"])
@pytest.mark.parametrize("way", ["default", "proof", "none"])
def test_odd_populations_have_an_answer(study: SimpleNamespace, trap: str, way: str) -> None:
    question = study.adversaries.question(trap)
    trial = study.tuner_trials.tried(question, way, 60, 0)
    assert trial.short <= study.tuner_trials.ROUNDING
    assert trial.cost <= 1 + 1e-9


def test_the_same_seed_gives_the_same_answer(study: SimpleNamespace) -> None:
    question = study.tuner_synthetic.question("what is hard is dear")
    sample = question.population.rows(np.arange(150))
    first, second = (tune(sample, question.aim("default", 4)) for _ in range(2))
    assert repr(replace(first, seconds=0.0)) == repr(replace(second, seconds=0.0))


def test_on_recorded_outcomes_it_is_cheaper_than_the_reference_and_no_worse(
    study: SimpleNamespace,
) -> None:
    name = study.tuner_populations.SWEBENCH
    if not os.environ.get("RUNG_TEST_DATA") or study.tuner_populations.missing(DATA, [name]):
        pytest.skip("RUNG_TEST_DATA names no folder with the recorded outcomes")
    outcomes = study.tuner_populations.population(DATA, name)
    best = study.tuner_populations.best_models(outcomes)[0]
    question = study.tuner_trials.Question(name, outcomes, best)
    found = study.tuner_trials.cell(question, "default", 200, 5)
    assert found["violations"] < 5
    assert found["uncertified"] == 0
    assert found["cost"] < 0.6


# ------------------------------------------------------------------ long runs that resume


def _squared(told):
    return {"is": told["of"] ** 2}


def _never(told):
    raise AssertionError(told)


def test_what_was_finished_is_not_done_again(study: SimpleNamespace, tmp_path: Path) -> None:
    cells = study.tuner_cells
    jobs = [cells.Job(f"square of {n}", {"of": n}) for n in (2, 3)]
    first = cells.done(jobs, _squared, tmp_path, 1)
    assert first == {"square of 2": {"is": 4}, "square of 3": {"is": 9}}
    assert cells.done(jobs, _never, tmp_path, 1) == first


def test_what_was_asked_otherwise_is_done_anew(study: SimpleNamespace, tmp_path: Path) -> None:
    cells = study.tuner_cells
    cells.done([cells.Job("one", {"of": 2})], _squared, tmp_path, 1)
    assert cells.done([cells.Job("one", {"of": 5})], _squared, tmp_path, 1)["one"] == {"is": 25}


def test_what_other_code_made_is_done_anew(
    study: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = study.tuner_cells
    jobs = [cells.Job("one", {"of": 2})]
    cells.done(jobs, _squared, tmp_path, 1)
    monkeypatch.setattr(cells, "code_state", lambda _: "another")
    with pytest.raises(AssertionError):
        cells.done(jobs, _never, tmp_path, 1)
