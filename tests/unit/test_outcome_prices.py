"""Other prices for recorded outcomes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import RequestError
from rung.core.types import Usage, UsageSource
from rung.pricing import FixedPricer, PriceOverride
from rung.tuner.outcomes import Outcomes
from rung.tuner.pricing_file import repriced
from support.outcomes_made import made

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOML = """
[models."cheap"]
input = 0.15
output = "0.60"
cached = 0.015

[models."dear"]
input_usd_per_mtok = 3
output_usd_per_mtok = 15
"""


def told(correct=((1, 0), (0, 1)), sent=1000.0, said=100.0, **more) -> Outcomes:
    outcomes = made(np.array(correct, dtype=float), models=("cheap", "dear"), **more)
    shape = outcomes.correct.shape
    return replace(outcomes, tokens_in=np.full(shape, sent), tokens_out=np.full(shape, said))


def priced(folder: Path, text: str, outcomes: Outcomes | None = None) -> Outcomes:
    file = folder / "prices"
    file.write_text(text, "utf-8")
    return repriced(outcomes or told(), file)


def refused(folder: Path, text: str, outcomes: Outcomes | None = None) -> str:
    with pytest.raises(RequestError) as caught:
        priced(folder, text, outcomes)
    assert caught.value.fix
    return str(caught.value)


# ------------------------------------------------------------------ a file


def test_costs_are_tokens_times_prices(tmp_path: Path) -> None:
    found = priced(tmp_path, TOML)
    # A thousand tokens in and a hundred out: 0.15 and 0.06 thousandths of a dollar, 3 and 1.5.
    assert found.cost.tolist() == [[210_000, 4_500_000]] * 2
    assert found.correct.tolist() == told().correct.tolist()


def test_cached_tokens_have_their_own_price_or_that_of_others(tmp_path: Path) -> None:
    outcomes = replace(told(), tokens_cached=np.full((2, 2), 800.0))
    found = priced(tmp_path, TOML, outcomes)
    assert found.cost.tolist() == [[30_000 + 12_000 + 60_000, 4_500_000]] * 2


@pytest.mark.parametrize(
    "text",
    [
        '{"models": {"dear": {"input": 3, "output": 15}, "cheap": {"input": 0.15, "output": 0.6}}}',
        '{"cheap": {"input": 0.15, "output": 0.6}, "dear": {"input": "3", "output": 15}}',
        "cheap = {input = 0.15, output = 0.6}\ndear = {input = 3, output = 15}",
        "\ufeff[tiers.cheap]\ninput = 0.15\noutput = 0.6\n[models.dear]\ninput = 3\noutput = 15",
        TOML + "cache_write_usd_per_mtok = 4\n[models.other]\ninput = 1\noutput = 1",
    ],
)
def test_a_file_may_be_toml_or_json_long_or_short(tmp_path: Path, text: str) -> None:
    assert priced(tmp_path, text).cost.tolist() == [[210_000, 4_500_000]] * 2


def test_what_was_not_observed_stays_so_and_needs_no_tokens(tmp_path: Path) -> None:
    outcomes = told([[1, np.nan], [1, 1]])
    outcomes.tokens_in[0, 1] = np.nan
    assert np.isnan(priced(tmp_path, TOML, outcomes).cost).tolist() == [[False, True], [False] * 2]


def test_a_free_model_needs_no_tokens(tmp_path: Path) -> None:
    outcomes = made([[1.0]], models=("local",))
    assert priced(tmp_path, 'models.local = "free"', outcomes).cost.tolist() == [[0.0]]


AMOUNTS = st.decimals(0, 100, places=6)


@given(*[st.integers(0, 10**6)] * 3, st.tuples(AMOUNTS, AMOUNTS, AMOUNTS))
def test_a_call_costs_what_it_costs_on_the_bill(
    tmp_path_factory, sent: int, said: int, cached: int, prices: tuple[Decimal, ...]
) -> None:
    names = ("input", "output", "cached")
    text = json.dumps({"m": {n: str(p) for n, p in zip(names, prices, strict=True)}})
    cached = min(sent, cached)
    outcomes = replace(
        made([[1.0]], models=("m",)),
        tokens_in=np.array([[float(sent)]]),
        tokens_out=np.array([[float(said)]]),
        tokens_cached=np.array([[float(cached)]]),
    )
    usage = Usage(sent, said, cached, source=UsageSource.PROVIDER)
    bill = FixedPricer(PriceOverride(*prices).price()).cost(usage, 0.0, NOW)
    assert priced(tmp_path_factory.mktemp("prices"), text, outcomes).cost.tolist() == [[bill]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cheap = {input = 1, output = 2}", "has no price of 'dear'"),
        ("chep = {input = 1, output = 2}", "the file has 'chep'"),
        ("cheap = {input = -1, output = 2}\ndear = 'free'", "greater than or equal to 0"),
        ("cheap = {input = nan, output = 2}\ndear = 'free'", "finite"),
        ('{"cheap": {"input": NaN, "output": 2}, "dear": "free"}', "finite"),
        ('{"cheap": {"input": 1e400, "output": 2}, "dear": "free"}', "less than or equal to 10000"),
        ("cheap = {input = 20000, output = 2}\ndear = 'free'", "less than or equal to 10000"),
        ("cheap = {input = true, output = 2}\ndear = 'free'", "amount of US dollars"),
        ("cheap = {input = 'x', output = 2}\ndear = 'free'", "valid decimal"),
        ("cheap = {input = 1}\ndear = 'free'", "output: is required"),
        ("cheap = {input = 1, output = 2, inputs = 3}\ndear = 'free'", "inputs: there is no such"),
        ("cheap = 'gratis'\ndear = 'free'", "cheap"),
        ("cheap = 3\ndear = 'free'", "cheap"),
        ("models = 3", "`models` has to be a table"),
        ("models.cheap = 'free'\nversion = 3", "no such key as 'version'"),
        ("", "models"),
        ("{", "is not JSON"),
        ("[[", "is not TOML"),
        ('{"a": ' + "[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_price_is_told(tmp_path: Path, text: str, said: str) -> None:
    found = refused(tmp_path, text)
    assert said in found
    assert len(found) < 1500


def test_outcomes_without_tokens_are_told(tmp_path: Path) -> None:
    assert "have no tokens" in refused(tmp_path, TOML, made([[1, 0]], models=("cheap", "dear")))
    outcomes = told()
    outcomes.tokens_out[1, 1] = np.nan
    said = refused(tmp_path, TOML, outcomes)
    assert "1 of 2 outcomes of 'dear' have no tokens, 'q1' among them" in said
    assert "--models" in said


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="No such file"):
        repriced(told(), tmp_path / "none")
    (tmp_path / "latin").write_bytes(b"\xff = 1")
    with pytest.raises(RequestError, match="not UTF-8"):
        repriced(told(), tmp_path / "latin")


# ------------------------------------------------------------------ the list
