"""Prices from genai-prices' dated list.

Integer arithmetic (2 us) where tokens alone decide, context steps included; the list's own
``calc_price`` (75 us) where it has rules beyond that. Both agree to the nano-dollar.

Source of the list: https://github.com/pydantic/genai-prices (imported on first use: 0.4 s).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from rung.core.features import ANYTHING, Beyond
from rung.core.money import MTOK, NANOUSD, from_usd
from rung.core.types import Price, Usage
from rung.pricing.arithmetic import (
    Counts,
    Rates,
    counts_of,
    half_even,
    sane,
    scaled_cost,
    scaled_worst,
)

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

_BEYOND_TOKENS = frozenset({"requests_kcount", "output_reasoning_mtok"})
"""Keys of a price that move the amount of a call although no counter of it shows that."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """One dated entry of the list, made ready. ``rates`` is empty where only calc_price will do."""

    price: Price
    rates: tuple[Rates, ...]


class ListedPricer:
    """A model of genai-prices' list, priced by the date (and hour) of each call."""

    def __init__(
        self, provider: Provider, model: ModelInfo, version: str, now: Callable[[], datetime]
    ) -> None:
        self._provider = provider
        self._model = model
        self._source = f"genai-prices {version} {provider.id}/{model.id}"
        self._now = now
        dated = model.prices if isinstance(model.prices, list) else []
        entries = [entry.prices for entry in dated] or [model.get_prices(now())]
        # Keyed by identity: the list's own price objects live as long as the model does.
        self._listed = {id(entry): _ready(entry, self._source) for entry in entries}

    @property
    def price(self) -> Price:
        """See `Pricer.price`. Of a price with context steps, the lowest step's figures."""
        return self._at(self._now()).price

    def cost(self, usage: Usage, seconds: float, at: datetime) -> int:  # noqa: ARG002 - the protocol's
        """See `Pricer.cost`."""
        counts, rates = counts_of(usage), self._at(at).rates
        if not rates:
            return self._calculated(counts, at)
        step = next(rate for rate in rates if counts.input > rate.above or rate.above == 0)
        return half_even(scaled_cost(step, counts), MTOK)

    def worst_cost(
        self,
        input_tokens: int,
        output_tokens: int,
        seconds: float = 0.0,  # noqa: ARG002 - the protocol's
        *,
        hour: bool = True,
        beyond: Beyond = ANYTHING,
    ) -> int:
        """See `Pricer.worst_cost`."""
        at = self._now()
        rates = self._at(at).rates
        if "-search-" in self._model.id:
            # Some models search with every call, asked to or not.
            beyond = replace(beyond, searches=beyond.searches + 1)
        reached = [rate for rate in rates if input_tokens > rate.above or rate.above == 0]
        if reached:
            sizes = input_tokens, output_tokens
            worst = (scaled_worst(r, *sizes, hour=hour, beyond=beyond) for r in reached)
            return -(-max(worst) // MTOK)
        sent, said = sane(input_tokens), sane(output_tokens)
        shapes = [
            (read, write, think, kept)
            for read in (0, sent)
            for write in (0, sent - read)
            for think in (0, said)
            for kept in ((0, write) if hour else (0,))
        ]
        found = sane(beyond.searches)
        counts = (
            Counts(sent, said, *shape, web_searches=web, file_searches=found - web)
            for shape in shapes
            for web in {0, found}
        )
        return max(self._calculated(each, at) for each in counts)

    def _at(self, at: datetime) -> _Listed:
        return self._listed[id(self._model.get_prices(at))]

    def _calculated(self, counts: Counts, at: datetime) -> int:
        from genai_prices import Usage as ListUsage

        usage = ListUsage(
            input_tokens=counts.input,
            output_tokens=counts.output,
            cache_read_tokens=counts.read,
            cache_write_tokens=counts.write,
            cache_write_1h_tokens=counts.write_1h,
            output_reasoning_tokens=counts.reasoning,
            web_searches=counts.web_searches,
            storage_searches=counts.file_searches,
        )
        priced = self._model.calc_price(usage, self._provider, genai_request_timestamp=at)
        return from_usd(priced.total_price)


def _priced(entry: ModelPrice) -> dict[str, object]:
    return {key: price for key, price in vars(entry).items() if price is not None}


def by_tokens(entry: ModelPrice) -> bool:
    """Whether text costs anything countable here; audio or character prices alone do not help."""
    return not _priced(entry).keys().isdisjoint({"input_mtok", "output_mtok"})


def _ready(entry: ModelPrice, source: str) -> _Listed:
    prices = _priced(entry)
    starts = {0} | {step.start for price in prices.values() for step in getattr(price, "tiers", ())}
    steps = [_step(prices, start) for start in sorted(starts, reverse=True)]
    rates = tuple(step for step in steps if step is not None)
    exact = len(rates) == len(steps) and _BEYOND_TOKENS.isdisjoint(prices)
    base = _figures(prices, 0)
    # A price of nothing is on the list for free models; said, so that nobody takes it for a gap.
    free = not any(any(_figures(prices, start).values()) for start in starts)
    price = Price(
        f"{source} (listed as free)" if free else source,
        input_nanousd_per_mtok=from_usd(base["input_mtok"]),
        output_nanousd_per_mtok=from_usd(base["output_mtok"]),
        cache_read_nanousd_per_mtok=from_usd(base["cache_read_mtok"]),
        cache_write_nanousd_per_mtok=from_usd(base["cache_write_mtok"]),
        tiered=not exact or len(rates) > 1,
        cache_write_1h_nanousd_per_mtok=from_usd(base["cache_write_1h_mtok"]),
        image_nanousd_per_mtok=_said(prices, base, "input_image_mtok"),
        audio_nanousd_per_mtok=_said(prices, base, "input_audio_mtok"),
        audio_output_nanousd_per_mtok=_said(prices, base, "output_audio_mtok"),
        image_output_nanousd_per_mtok=_said(prices, base, "output_image_mtok"),
        web_search_nanousd=from_usd(base["web_search"]),
        file_search_nanousd=from_usd(base["file_search"]),
    )
    return _Listed(price, rates if exact else ())


def _said(prices: Mapping[str, object], base: Mapping[str, Decimal], name: str) -> int | None:
    """A figure that stands in the list itself."""
    return from_usd(base[name]) if name in prices else None


def _step(prices: Mapping[str, object], start: int) -> Rates | None:
    """The rates above ``start`` tokens, or None where one is no whole number of nano-dollars."""
    scaled = [amount * NANOUSD for amount in _figures(prices, start).values()]
    if any(amount != int(amount) for amount in scaled):
        return None
    return Rates(start, *(int(amount) for amount in scaled))


def _figures(prices: Mapping[str, object], start: int) -> dict[str, Decimal]:
    """Dollars per million tokens above ``start`` tokens, or a search, in the order of `Rates`."""
    sent = _figure(prices.get("input_mtok"), start, Decimal(0))
    written = _figure(prices.get("cache_write_mtok"), start, sent)
    said = _figure(prices.get("output_mtok"), start, Decimal(0))
    return {
        "input_mtok": sent,
        "output_mtok": said,
        "cache_read_mtok": _figure(prices.get("cache_read_mtok"), start, sent),
        "cache_write_mtok": written,
        "cache_write_1h_mtok": _figure(prices.get("cache_write_1h_mtok"), start, written),
        "input_image_mtok": _figure(prices.get("input_image_mtok"), start, sent),
        "input_audio_mtok": _figure(prices.get("input_audio_mtok"), start, sent),
        "output_audio_mtok": _figure(prices.get("output_audio_mtok"), start, said),
        "output_image_mtok": _figure(prices.get("output_image_mtok"), start, said),
        "web_search": _figure(prices.get("web_searches_kcount"), start, Decimal(0)) / 1000,
        "file_search": _figure(prices.get("storage_searches_kcount"), start, Decimal(0)) / 1000,
    }


def _figure(price: object, start: int, default: Decimal) -> Decimal:
    from genai_prices.types import TieredPrices

    if isinstance(price, TieredPrices):
        reached = [step.price for step in price.tiers if step.start <= start and start > 0]
        return reached[-1] if reached else price.base
    return price if isinstance(price, Decimal) else default
