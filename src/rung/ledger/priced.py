"""What a call was billed by, to columns and back: its price by an id, and counters that few have.

A price is stored once and named by its id. Rows of older versions have it themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import msgspec

from rung.core.types import Price, Usage

MORE_COUNTS: Final = (
    *("audio_tokens", "audio_output_tokens", "image_output_tokens"),
    "file_searches",
)
"""Counters that few calls have: kept together, where there are any."""

MOST_COUNT: Final = 10**12

_prices = msgspec.json.Decoder(Price)
_counts = msgspec.json.Decoder(dict[str, int])


@lru_cache(maxsize=256)
def priced(price: Price, encode: Callable[[object], str]) -> tuple[str, Mapping[str, Any]]:
    """A price's id, equal for equal prices in every ledger, and its row but for when it began."""
    told = encode(price)
    price_id = sha256(told.encode()).hexdigest()[:16]
    return price_id, {"id": price_id, "price_json": told}


@lru_cache(maxsize=256)
def price_of(told: str | None) -> Price | None:
    """The price that a call was billed by. Raises ValueError for what is none."""
    return None if told is None else _prices.decode(told)


def more_counts(usage: Usage, encode: Callable[[object], str]) -> str | None:
    """The counters that few calls have, ``None`` where there are none."""
    told = {name: getattr(usage, name) for name in MORE_COUNTS}
    if not any(told.values()):
        return None
    return encode({name: min(count, MOST_COUNT) for name, count in told.items() if count > 0})


def counts_of(told: str | None) -> Mapping[str, int]:
    """The same back. Those of a newer version are passed over."""
    found = {} if told is None else _counts.decode(told)
    return {name: found[name] for name in MORE_COUNTS if name in found}
