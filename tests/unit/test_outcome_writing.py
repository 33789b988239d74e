"""Outcomes that are written are read again as they were."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.errors import RequestError
from rung.outcome_files import read
from rung.tuner.outcomes import Outcomes
from rung.tuner.reading import read_outcomes
from rung.tuner.writing import QUERIES_AT_ONCE, write_outcomes
from support.outcomes_made import independent, made, with_gaps

CELLS = ("seconds", "confidence", "accepted", "tokens_in", "tokens_out", "tokens_cached")
TEXTS = st.sampled_from(["a", "null", "é\u2028", " x ", "7", "=1+1", 'q"r,s', "l\nm\r\nn\r", "'"])
NAMES = TEXTS | st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
SHARES = st.floats(0, 1) | st.just(np.nan)
COUNTS = st.integers(0, 10**9).map(float) | st.just(np.nan)
COSTS = st.integers(0, 10**15).map(float) | st.just(np.nan)


def cells(draw, shape, values):
    size = int(np.prod(shape))
    return np.array(draw(st.lists(values, min_size=size, max_size=size))).reshape(shape)


@st.composite
def outcomes(draw) -> Outcomes:
    """Any outcomes that can be: gaps, names, draws, all that may be known or not."""
    models = tuple(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)))
    queries = tuple(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)))
    shape = len(queries), len(models)
    names = tuple(draw(st.lists(NAMES | st.just(""), min_size=1, max_size=2, unique=True)))

    def perhaps(values):
        return cells(draw, shape, values) if draw(st.booleans()) else None

    correct = cells(draw, shape, SHARES)
    correct.flat[draw(st.integers(0, correct.size - 1))] = 1.0
    sent, cached = perhaps(COUNTS), perhaps(COUNTS)
    if sent is not None and cached is not None:
        cached = np.where(np.isnan(sent), cached, np.minimum(cached, sent))
    drawn = draw(st.integers(0, 2))
    return Outcomes(
        models=models,
        queries=queries,
        correct=correct,
        cost=cells(draw, shape, COSTS),
        category=cells(draw, shape[:1], st.integers(0, len(names) - 1)),
        categories=names,
        seconds=perhaps(st.floats(0, 1e7) | st.just(np.nan)),
        confidence=perhaps(SHARES),
        accepted=perhaps(SHARES),
        answers=perhaps(st.integers(-1, 2)),
        draws=cells(draw, (*shape, drawn), SHARES) if drawn else None,
        tokens_in=sent,
        tokens_out=perhaps(COUNTS),
        tokens_cached=cached,
        prompts=tuple(draw(NAMES | st.just("")) for _ in queries) if draw(st.booleans()) else None,
        weight=cells(draw, shape[:1], st.floats(1e-9, 1e9)) if draw(st.booleans()) else None,
    )


def filled(array, shape, empty=np.nan):
    return np.full(shape, empty) if array is None else array


def must_be_the_same(read: Outcomes, written: Outcomes) -> None:
    """Equal, but that numbers of categories and answers may differ where they mean the same."""
    assert (read.models, read.queries) == (written.models, written.queries)
    shape = written.correct.shape
    np.testing.assert_array_equal(read.correct, written.correct)
    np.testing.assert_array_equal(read.cost, written.cost)
    for field in CELLS:
        found, told = (filled(getattr(each, field), shape) for each in (read, written))
        np.testing.assert_array_equal(found, told, field)
    assert [read.categories[place] for place in read.category] == [
        written.categories[place] for place in written.category
    ]
    blank = ("",) * shape[0]
    assert (read.prompts or blank) == (written.prompts or blank)
    np.testing.assert_array_equal(
        filled(read.weight, shape[0], 1.0), filled(written.weight, shape[0], 1.0)
    )
    found, told = (filled(each.answers, shape, -1).ravel() for each in (read, written))
    pairs = set(zip(found.tolist(), told.tolist(), strict=True)) | {(-1, -1)}
    assert len(pairs) == len({pair[0] for pair in pairs}) == len({pair[1] for pair in pairs})
    depth = max((0 if each.draws is None else each.draws.shape[2]) for each in (read, written))
    found, told = (_deep(each.draws, (*shape, depth)) for each in (read, written))
    np.testing.assert_array_equal(found, told)


def _deep(draws, shape):
    whole = np.full(shape, np.nan)
    if draws is not None:
        whole[:, :, : draws.shape[2]] = draws
    return whole


@pytest.mark.parametrize(
    ("name", "examples"),
    [("o.jsonl", 150), ("o.jsonl.gz", 30), ("o.csv", 150), ("o.csv.gz", 30), ("o.parquet", 40)],
)
def test_what_is_written_is_read_again(tmp_path_factory, name: str, examples: int) -> None:
    file = tmp_path_factory.mktemp("round") / name

    @given(outcomes())
    @settings(max_examples=examples)
    def round_trip(told: Outcomes) -> None:
        rows = write_outcomes(told, file, force=True)
        assert rows >= len(told)
        must_be_the_same(read_outcomes(file), told)

    round_trip()


def test_costs_that_are_no_whole_nanodollars_lose_nothing_to_speak_of(tmp_path: Path) -> None:
    told = made(np.ones((500, 2)), np.random.default_rng(3).random((500, 2)) * 1e-6)
    told = replace(told, cost=told.cost * 1.234567)
    write_outcomes(told, tmp_path / "o.jsonl")
    found = read_outcomes(tmp_path / "o.jsonl")
    np.testing.assert_allclose(found.cost, told.cost, rtol=1e-15)


def test_more_queries_than_are_written_at_once_stay_in_order(tmp_path: Path) -> None:
    world = independent([0.5, 0.9])
    told = with_gaps(world.drawn(2 * QUERIES_AT_ONCE + 7, seed=1), 0.4, seed=2)
    write_outcomes(told, tmp_path / "o.csv.gz")
    must_be_the_same(read_outcomes(tmp_path / "o.csv.gz"), told)


def test_a_prompt_is_written_once_and_what_was_not_observed_not_at_all(tmp_path: Path) -> None:
    told = replace(made([[1, 0], [1, np.nan]]), prompts=("first prompt", "second prompt"))
    assert write_outcomes(told, tmp_path / "o.jsonl") == 3
    lines = (tmp_path / "o.jsonl").read_text().splitlines()
    assert [line.count("first prompt") for line in lines] == [1, 0, 0]
    queries = read(tmp_path / "o.jsonl")
    assert queries["q1"].passed == {"m0": 1.0}
    assert queries["q1"].prompt == "second prompt"


def test_half_of_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    told = replace(made([[1.0]]), prompts=("cut \ud83d",))
    for name in ("o.jsonl", "o.csv", "o.parquet"):
        write_outcomes(told, tmp_path / name)
        assert read_outcomes(tmp_path / name).prompts == ("cut ?",)


def test_the_same_outcomes_give_the_same_bytes(tmp_path: Path) -> None:
    told = independent([0.5, 0.9]).drawn(50, seed=1)
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_outcomes(told, tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    told = made([[1.0]])
    broken = replace(told, category=np.array([7]), categories=("a", "b"))
    file = tmp_path / "o.jsonl"
    write_outcomes(told, file)
    before = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(IndexError):
        write_outcomes(broken, file, force=True)
    assert file.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["o.jsonl"]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    told = made([[1.0]])
    file = tmp_path / "o.jsonl"
    write_outcomes(told, file)
    with pytest.raises(RequestError, match="is there already"):
        write_outcomes(told, file)
    for name in ("o", "o.txt", "o.gz", "o.parquet.gz"):
        with pytest.raises(RequestError, match="does not say which format"):
            write_outcomes(told, tmp_path / name)
    with pytest.raises(RequestError, match="cannot be written"):
        write_outcomes(told, tmp_path / "none" / "o.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(RequestError, match="is there already"):
        write_outcomes(told, tmp_path / "folder.jsonl", force=True)
    with pytest.raises(ValueError, match="more than once"):
        write_outcomes(told.rows(np.array([0, 0])), tmp_path / "twice.jsonl")
