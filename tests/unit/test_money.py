"""Money: exact amounts in, exact sums, one place that rounds."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, getcontext, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.money import (
    MOST_USD,
    NANOUSD,
    exact,
    from_usd,
    readable,
    to_usd,
)

AMOUNTS = st.integers(0, MOST_USD * NANOUSD)


@pytest.mark.parametrize(
    ("amount", "nanousd"),
    [
        ("0", 0),
        ("1.25", 1_250_000_000),
        (3, 3_000_000_000),
        (Decimal("0.000000001"), 1),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("0.00000000050000000000000000000000000000000001", 1),
        ("1e-3", 1_000_000),
        (MOST_USD, 10**18),
    ],
)
def test_an_amount_becomes_the_nearest_nano_dollar(amount: str | int, nanousd: int) -> None:
    assert from_usd(amount) == nanousd


@pytest.mark.parametrize(
    "amount", ["-1", "-0.000001", "nan", "inf", "-inf", "sNaN", "", "a dollar", "1,5", "0x10"]
)
def test_what_is_no_amount_is_refused_by_name(amount: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of money"):
        from_usd(amount)


@pytest.mark.parametrize("amount", ["1000000000.01", "1e10", "1e999999", "9" * 10_000])
def test_an_amount_that_no_ledger_could_hold_is_refused_in_few_words(amount: str) -> None:
    with pytest.raises(ValueError, match="it must be from 0 to 1000000000") as refusal:
        from_usd(amount)
    assert len(str(refusal.value)) < 130


def test_a_binary_fraction_is_refused() -> None:
    with pytest.raises(TypeError, match="write the amount as text"):
        from_usd(0.1)  # type: ignore[arg-type]


@given(st.decimals(0, 10**6, places=25))
def test_rounding_is_to_the_nearest_and_does_not_depend_on_the_callers_precision(
    amount: Decimal,
) -> None:
    with localcontext() as context:
        context.prec = 60
        expected = int((amount * NANOUSD).to_integral_value(ROUND_HALF_EVEN))
    assert from_usd(amount) == expected
    assert getcontext().prec == 28


@given(AMOUNTS)
def test_dollars_and_nano_dollars_are_the_same_amount(nanousd: int) -> None:
    assert from_usd(to_usd(nanousd)) == nanousd
    assert from_usd(exact(nanousd)) == nanousd


@given(st.integers(-(10**18), 10**18))
def test_the_exact_form_has_nine_decimals_and_the_sign_in_front(nanousd: int) -> None:
    whole, _, part = exact(nanousd).partition(".")
    assert len(part) == 9
    assert Fraction(exact(nanousd)) == Fraction(nanousd, NANOUSD)
    assert (whole[0] == "-") is (nanousd < 0)


@pytest.mark.parametrize(
    ("nanousd", "shown"),
    [
        (0, "$0"),
        (1, "$0.000000001"),
        (1_234, "$0.00000123"),
        (100_000, "$0.000100"),
        (450_000, "$0.000450"),
        (10_000_000, "$0.0100"),
        (123_456_789, "$0.123"),
        (1_000_000_000, "$1.00"),
        (1_234_567_890_000, "$1,234.57"),
        (-450_000, "-$0.000450"),
        (-2_500_000_000, "-$2.50"),
    ],
)
def test_people_read_as_many_decimals_as_the_amount_needs(nanousd: int, shown: str) -> None:
    assert readable(nanousd) == shown


@given(st.integers(-(10**18), 10**18))
def test_no_amount_is_shown_as_nothing_or_off_by_more_than_one_percent(nanousd: int) -> None:
    shown = Decimal(readable(nanousd).replace("$", "").replace(",", ""))
    assert abs(shown - to_usd(nanousd)) <= abs(to_usd(nanousd)) / 100
