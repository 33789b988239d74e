"""Integer nano-dollars (1e-9 USD): exact sums, one place where rounding happens."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

NANOUSD = 1_000_000_000
"""Nano-dollars in one US dollar."""

MTOK = 1_000_000
"""Tokens that prices are quoted for."""

MOST_USD = 1_000_000_000
"""Largest amount that is taken: with it, sums of amounts stay within a database's 64 bits."""

_ONE_NANOUSD = Decimal("1e-9")


def from_usd(amount: Decimal | int | str) -> int:
    """Nano-dollars nearest to ``amount`` dollars (ties to even).

    Raises ValueError for negative, infinite or not-a-number amounts and for those beyond
    ``MOST_USD``; TypeError for floats, which cannot say what was meant.
    """
    if isinstance(amount, float):
        raise TypeError(f"{amount!r} is a binary fraction: write the amount as text")
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise ValueError(f"{_shown(amount)} is not an amount of money") from None
    if not value.is_finite() or not 0 <= value <= MOST_USD:
        raise ValueError(
            f"{_shown(amount)} is not an amount of money: it must be from 0 to {MOST_USD}"
        )
    # Not a product, which would be rounded to 28 digits first and then a second time.
    return int(value.quantize(_ONE_NANOUSD, ROUND_HALF_EVEN).scaleb(9))


def _shown(amount: object) -> str:
    text = repr(amount)
    return text if len(text) <= 40 else text[:37] + "..."


def to_usd(nanousd: int) -> Decimal:
    """The exact dollars of an amount."""
    return Decimal(nanousd) / NANOUSD


def exact(nanousd: int) -> str:
    """Dollars with all nine decimals, for machines and headers: ``0.000450000``."""
    sign = "-" if nanousd < 0 else ""
    whole, rest = divmod(abs(nanousd), NANOUSD)
    return f"{sign}{whole}.{rest:09d}"


def readable(nanousd: int) -> str:
    """Dollars as people read them: cents from a dollar up, three significant figures below."""
    if nanousd == 0:
        return "$0"
    sign, usd = "-" if nanousd < 0 else "", abs(to_usd(nanousd))
    if usd >= 1:
        return f"{sign}${usd:,.2f}"
    return f"{sign}${usd:.{min(2 - usd.adjusted(), 9)}f}"
