"""Prices that never change: the operator's own figures, and local tiers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Protocol

from rung.core.errors import ConfigError, Problem
from rung.core.features import ANYTHING, Beyond
from rung.core.money import MTOK, NANOUSD, from_usd
from rung.core.types import Price, Usage
from rung.pricing.arithmetic import Rates, counts_of, half_even, rates_of, scaled_cost, scaled_worst

DEAREST_USD_PER_MTOK = 10_000
"""More than this for a million tokens is a slip of the pen."""


Usd = Decimal | int | str


@dataclass(frozen=True, slots=True)
class PriceOverride:
    """The operator's own price of a model, in US dollars as whole numbers or decimal text.

    Token prices are per million tokens, those of searches for each; a missing price of cached
    tokens, pictures or sound means that of other input or output. Zero for all is said with `free`.
    Raises ConfigError for floats, negative, infinite or too fine amounts.
    """

    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd
    cache_read_usd_per_mtok: Usd | None = None
    cache_write_usd_per_mtok: Usd | None = None
    usd_per_second: Usd = 0
    cache_write_1h_usd_per_mtok: Usd | None = None
    image_usd_per_mtok: Usd | None = None
    audio_usd_per_mtok: Usd | None = None
    audio_output_usd_per_mtok: Usd | None = None
    image_output_usd_per_mtok: Usd | None = None
    web_search_usd: Usd = 0
    file_search_usd: Usd = 0

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
    def free(cls, usd_per_second: Usd = 0) -> PriceOverride:
        """No price for tokens, on the operator's word."""
        return cls(0, 0, usd_per_second=usd_per_second)

    def price(self) -> Price:
        """The same in nano-dollars."""
        price = Price(
            "configured",
            input_nanousd_per_mtok=from_usd(self.input_usd_per_mtok),
            output_nanousd_per_mtok=from_usd(self.output_usd_per_mtok),
            cache_read_nanousd_per_mtok=_if_said(self.cache_read_usd_per_mtok),
            cache_write_nanousd_per_mtok=_if_said(self.cache_write_usd_per_mtok),
            nanousd_per_second=from_usd(self.usd_per_second),
            cache_write_1h_nanousd_per_mtok=_if_said(self.cache_write_1h_usd_per_mtok),
            image_nanousd_per_mtok=_if_said(self.image_usd_per_mtok),
            audio_nanousd_per_mtok=_if_said(self.audio_usd_per_mtok),
            audio_output_nanousd_per_mtok=_if_said(self.audio_output_usd_per_mtok),
            image_output_nanousd_per_mtok=_if_said(self.image_output_usd_per_mtok),
            web_search_nanousd=from_usd(self.web_search_usd),
            file_search_nanousd=from_usd(self.file_search_usd),
        )
        if price == Price("configured"):
            return Price("configured as free")
        return price


def _if_said(amount: Usd | None) -> int | None:
    return None if amount is None else from_usd(amount)


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
        self,
        input_tokens: int,
        output_tokens: int,
        seconds: float = 0.0,
        *,
        hour: bool = True,
        beyond: Beyond = ANYTHING,
    ) -> int:
        """The most nano-dollars a call within these counts and this time can cost now.

        ``hour``: it may ask the provider to keep its prompt for an hour, which can cost more.
        ``beyond`` is what of it may be billed otherwise than as words.
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
        self,
        input_tokens: int,
        output_tokens: int,
        seconds: float = 0.0,
        *,
        hour: bool = True,
        beyond: Beyond = ANYTHING,
    ) -> int:
        """See `Pricer.worst_cost`."""
        scaled = scaled_worst(self._rates, input_tokens, output_tokens, hour=hour, beyond=beyond)
        return self._with_time(scaled, seconds)

    @property
    def _rates(self) -> Rates:
        return rates_of(self.price)

    def _with_time(self, scaled: int, seconds: float) -> int:
        if not self.price.nanousd_per_second:
            return half_even(scaled, MTOK)
        time = Fraction(max(seconds, 0.0)) * self.price.nanousd_per_second
        return round(Fraction(scaled, MTOK) + time)
