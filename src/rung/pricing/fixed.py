"""Prices that never change: the operator's own figures, and local tiers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Protocol

from rung.core.errors import ConfigError, Problem
from rung.core.money import MTOK, NANOUSD, from_usd
from rung.core.types import Price, Usage
from rung.pricing.arithmetic import Rates, counts_of, half_even, scaled_cost, scaled_worst

DEAREST_USD_PER_MTOK = 10_000
"""More than this for a million tokens is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class PriceOverride:
    """The operator's own price of a model, in US dollars as whole numbers or decimal text.

    Token prices are per million tokens; a missing cache price means the input price. Zero for all
    is said with `free`. Raises ConfigError for floats, negative, infinite or too fine amounts.
    """

    input_usd_per_mtok: Decimal | int | str
    output_usd_per_mtok: Decimal | int | str
    cache_read_usd_per_mtok: Decimal | int | str | None = None
    cache_write_usd_per_mtok: Decimal | int | str | None = None
    usd_per_second: Decimal | int | str = 0

    def __post_init__(self) -> None:
        problems = []
        for field in fields(self):
            amount = getattr(self, field.name)
            wrong = None if amount is None else _wrong(amount)
            if wrong is not None:
                problems.append(Problem(f"price.{field.name}", wrong, 'write it as text: "0.15"'))
        if problems:
            raise ConfigError(problems)

    @classmethod
    def free(cls, usd_per_second: Decimal | int | str = 0) -> PriceOverride:
        """No price for tokens, on the operator's word."""
        return cls(0, 0, usd_per_second=usd_per_second)

    def price(self) -> Price:
        """The same in nano-dollars."""
        read, write = self.cache_read_usd_per_mtok, self.cache_write_usd_per_mtok
        price = Price(
            "configured",
            input_nanousd_per_mtok=from_usd(self.input_usd_per_mtok),
            output_nanousd_per_mtok=from_usd(self.output_usd_per_mtok),
            cache_read_nanousd_per_mtok=None if read is None else from_usd(read),
            cache_write_nanousd_per_mtok=None if write is None else from_usd(write),
            nanousd_per_second=from_usd(self.usd_per_second),
        )
        if price == Price("configured"):
            return Price("configured as free")
        return price


def _wrong(amount: object) -> str | None:
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        return f"{amount!r} is not an exact amount of US dollars"
    try:
        value = Decimal(amount)
    except InvalidOperation:
        return f"{amount!r} is not an amount of US dollars"
    if not value.is_finite() or not 0 <= value <= DEAREST_USD_PER_MTOK:
        return f"{amount!r} is not between 0 and {DEAREST_USD_PER_MTOK} US dollars"
    if from_usd(value) != value * NANOUSD:
        return f"{amount!r} is finer than a nano-dollar"
    return None


class Pricer(Protocol):
    """The price of one tier's calls."""

    @property
    def price(self) -> Price:
        """The figures in force now, for the record."""
        ...

    def cost(self, usage: Usage, seconds: float, at: datetime) -> int:
        """Nano-dollars of a call made at ``at`` that used ``usage`` and took ``seconds``."""
        ...

    def worst_cost(
        self, input_tokens: int, output_tokens: int, seconds: float = 0.0, *, hour: bool = True
    ) -> int:
        """The most nano-dollars a call within these counts and this time can cost now.

        ``hour``: it may ask the provider to keep its prompt for an hour, which can cost more.
        """
        ...


@dataclass(frozen=True, slots=True)
class FixedPricer:
    """A price that never changes: the operator's own, or a local tier's."""

    price: Price

    def cost(self, usage: Usage, seconds: float, at: datetime) -> int:  # noqa: ARG002 - the protocol's
        """See `Pricer.cost`."""
        scaled = scaled_cost(self._rates, counts_of(usage))
        return self._with_time(scaled, seconds)

    def worst_cost(
        self, input_tokens: int, output_tokens: int, seconds: float = 0.0, *, hour: bool = True
    ) -> int:
        """See `Pricer.worst_cost`."""
        scaled = scaled_worst(self._rates, input_tokens, output_tokens, hour=hour)
        return self._with_time(scaled, seconds)

    @property
    def _rates(self) -> Rates:
        price = self.price
        read, write = price.cache_read_nanousd_per_mtok, price.cache_write_nanousd_per_mtok
        base = price.input_nanousd_per_mtok
        written = base if write is None else write
        return Rates(
            above=0,
            input=base,
            output=price.output_nanousd_per_mtok,
            cache_read=base if read is None else read,
            cache_write=written,
            cache_write_1h=written,
        )

    def _with_time(self, scaled: int, seconds: float) -> int:
        if not self.price.nanousd_per_second:
            return half_even(scaled, MTOK)
        time = Fraction(max(seconds, 0.0)) * self.price.nanousd_per_second
        return round(Fraction(scaled, MTOK) + time)
