"""What the same calls would have cost by other prices: those of another date, or of a table.

Only prices change, not the calls: at other prices other tiers might have been asked. What no other
price is known for keeps the amount that it was billed, and is counted apart.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rung.config import problem
from rung.core.errors import ConfigError, Problem
from rung.core.types import Price, Usage
from rung.file_tables import PriceTable
from rung.pricing.book import PriceBook
from rung.pricing.fixed import FixedPricer, PriceOverride, Pricer

_LISTED = re.compile(r"genai-prices \S+ ([^/ ]+)/(\S+)(?: \(listed as free\))?\Z")
"""How the source of a price names its place in the list."""


@dataclass(frozen=True, slots=True)
class Billed:
    """One call as it was billed. ``at`` is when it was made, ``seconds`` how long it worked.

    ``counted`` says whether its counters are known; what a call was booked at without any (a
    reservation that nobody settled) cannot be reckoned anew.
    """

    tier: str
    model: str
    usage: Usage
    seconds: float
    at: datetime
    cost_nanousd: int
    price: Price | None
    counted: bool = True


class Prices(Protocol):
    """Other prices."""

    @property
    def name(self) -> str:
        """How reports call them."""
        ...

    def cost(self, call: Billed) -> int | str:
        """What a call would have cost, in nano-dollars; or why that is not known."""
        ...

    def unused(self) -> list[str]:
        """What is priced and was never called."""
        ...


@dataclass(slots=True)
class Line:
    """Calls by what they were billed and what they would have been.

    ``kept`` counts those that keep their amount, by the reason; they are inside all other figures.
    """

    calls: int = 0
    billed_nanousd: int = 0
    repriced_nanousd: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    kept_nanousd: int = 0

    @property
    def difference_nanousd(self) -> int:
        """What they would have cost more; negative where less."""
        return self.repriced_nanousd - self.billed_nanousd

    def add(self, call: Billed, cost: int | str) -> None:
        """Count one call."""
        self.calls += 1
        self.billed_nanousd += call.cost_nanousd
        if isinstance(cost, str):
            self.kept[cost] += 1
            self.kept_nanousd += call.cost_nanousd
            cost = call.cost_nanousd
        self.repriced_nanousd += cost


@dataclass(frozen=True, slots=True)
class Repricing:
    """All calls anew, and split by a key."""

    total: Line
    lines: Mapping[str | None, Line]


def reprice(calls: Iterable[tuple[str | None, Billed]], prices: Prices) -> Repricing:
    """Reckon calls anew; each comes with its key."""
    total = Line()
    lines: dict[str | None, Line] = {}
    for key, call in calls:
        cost = prices.cost(call) if call.counted else "it told no usage"
        total.add(call, cost)
        lines.setdefault(key, Line()).add(call, cost)
    return Repricing(total, lines)


# ------------------------------------------------------------------ another date


@dataclass(frozen=True, slots=True)
class AtDate:
    """The list's prices on another day, at each call's own time of day."""

    book: PriceBook
    day: date

    @property
    def name(self) -> str:
        return f"the list's prices of {self.day.isoformat()}"

    def cost(self, call: Billed) -> int | str:
        if call.price is None:
            return "it had no price"
        listed = _LISTED.match(call.price.source)
        if listed is None:
            return f"its price is {call.price.source}"
        pricer = _listed(self.book, listed[1], listed[2])
        if pricer is None:
            return "its model is not on the list any more"
        return pricer.cost(call.usage, call.seconds, self._moment(call.at))

    def unused(self) -> list[str]:
        return []

    def _moment(self, at: datetime) -> datetime:
        return datetime.combine(self.day, at.astimezone(UTC).timetz())


@cache
def _listed(book: PriceBook, provider: str, model: str) -> Pricer | None:
    return book.listed(provider, model)


# ------------------------------------------------------------------ a table


class _PriceFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tiers: dict[str, PriceTable] = Field(default_factory=dict)
    models: dict[str, PriceTable] = Field(default_factory=dict)


class ByTable:
    """The prices of a file: ``[tiers.NAME]`` and ``[models."NAME"]``, a tier's before a model's.

    A model is named as the provider names it in its answers, as the list does, or both with the
    provider before it: ``[models."openai/gpt-6.1-sol"]``.
    """

    def __init__(self, name: str, table: _PriceFile) -> None:
        self.name = f"the prices of {name}"
        self._tiers = {named: _pricer(price) for named, price in table.tiers.items()}
        self._models = {named: _pricer(price) for named, price in table.models.items()}
        self._used: set[str] = set()

    @classmethod
    def parsed(cls, text: str, name: str) -> ByTable:
        """Read a file's text. Raises ConfigError with every fault."""
        try:
            raw = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError([Problem(name, f"is not TOML: {error}.")]) from None
        try:
            table = _PriceFile.model_validate(raw)
        except ValidationError as error:
            told = error.errors(include_url=False)
            raise ConfigError([problem(each) for each in told]) from None
        if not (table.tiers or table.models):
            fix = 'add [models."NAME"] with input_usd_per_mtok and output_usd_per_mtok'
            raise ConfigError([Problem(name, "names no price.", fix)])
        return cls(name, table)

    def cost(self, call: Billed) -> int | str:
        for place, known, named in self._names(call):
            if named in known:
                self._used.add(f"{place}.{named}")
                return known[named].cost(call.usage, call.seconds, call.at)
        return "the file does not name it"

    def unused(self) -> list[str]:
        named = [f"tiers.{each}" for each in self._tiers] + [
            f"models.{each}" for each in self._models
        ]
        return [each for each in named if each not in self._used]

    def _names(self, call: Billed) -> list[tuple[str, Mapping[str, Pricer], str]]:
        found: list[tuple[str, Mapping[str, Pricer], str]] = [("tiers", self._tiers, call.tier)]
        listed = _LISTED.match(call.price.source) if call.price is not None else None
        if listed is not None:
            found.append(("models", self._models, f"{listed[1]}/{listed[2]}"))
        if call.model:
            found.append(("models", self._models, call.model))
        if listed is not None:
            found.append(("models", self._models, listed[2]))
        return found


def _pricer(table: PriceTable) -> Pricer:
    values: dict[str, Any] = table.model_dump()
    return FixedPricer(PriceOverride(**values).price())
