"""The price book: the operator's figures first, then the list, then a refusal with its fix."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING

from rung.core.errors import ConfigError, Problem
from rung.core.nearest import closest
from rung.core.types import Price
from rung.pricing.fixed import FixedPricer, PriceOverride, Pricer
from rung.pricing.listed import ListedPricer, by_tokens

if TYPE_CHECKING:
    from genai_prices.types import Provider

LONGEST_MODEL_NAME = 200
"""Longer names from callers are no model's: not looked up, not remembered."""

REMEMBERED_NAMES = 1024
"""How many model names from callers are remembered, known or not."""


EXAMPLE_PRICE = "price = { input_usd_per_mtok = 0.15, output_usd_per_mtok = 0.60 }"


class PriceBook:
    """All prices. ``now`` gives the aware time that decides which dated price is in force."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._requested = lru_cache(maxsize=REMEMBERED_NAMES)(partial(self._listed, None))

    def load(self) -> None:
        """Read the list now (0.4 s, safe in a thread) rather than at the first request."""
        _ = self._providers

    def pricer(
        self, provider_id: str | None, model: str, override: PriceOverride | None, local: bool
    ) -> Pricer:
        """The price of ``model`` at ``provider_id`` (the list's name, None to go by the model).

        Raises ConfigError for a model that nobody gave a price.
        """
        if override is not None:
            return FixedPricer(override.price())
        if local:
            return FixedPricer(Price("local"))
        found = self._listed(provider_id, model)
        if found is None:
            raise self._unknown(provider_id, model)
        return found

    def requested(self, model: str) -> Pricer | None:
        """The price of a model that a caller named, or None. Cheap to repeat, bounded in memory."""
        return self._requested(model) if 0 < len(model) <= LONGEST_MODEL_NAME else None

    def listed(self, provider_id: str, model: str) -> Pricer | None:
        """The list's price of a model by its provider's and its own name there, or None."""
        return self._listed(provider_id, model)

    def _listed(self, provider_id: str | None, model: str) -> ListedPricer | None:
        # The library's own look-up remembers every name it missed, without bound.
        provider = self._provider(provider_id, model.lower())
        if provider is None:
            return None
        found = provider.find_model(model.lower(), all_providers=self._providers)
        if found is None or not by_tokens(found.get_prices(self._now())):
            return None
        return ListedPricer(provider, found, self._version, self._now)

    def _provider(self, provider_id: str | None, model: str) -> Provider | None:
        from genai_prices.data_snapshot import find_provider_by_id

        if provider_id is not None:
            return find_provider_by_id(self._providers, provider_id)
        for provider in self._providers:
            if provider.model_match is not None and provider.model_match.is_match(model):
                return provider
        return None

    @cached_property
    def _providers(self) -> list[Provider]:
        from genai_prices.data_snapshot import get_snapshot

        return get_snapshot().providers

    @cached_property
    def _version(self) -> str:
        from importlib.metadata import version

        return version("genai-prices")

    def _unknown(self, provider_id: str | None, model: str) -> ConfigError:
        provider = None if provider_id is None else self._provider(provider_id, model.lower())
        among = self._providers if provider is None else [provider]
        names = {found.id for place in among for found in place.models}
        name = model[:LONGEST_MODEL_NAME]
        near = closest(name, sorted(names))
        known = f" The nearest known is {near}." if near else ""
        missing = provider_id is not None and provider is None
        whose = f"{provider_id} (no such provider in the list)" if missing else provider_id
        where = f" at {whose}" if whose else ""
        problem = Problem(
            place=name if provider_id is None else f"{provider_id}/{name}",
            message=f"no price is known for {name!r}{where}.{known}",
            fix=f'give the tier `{EXAMPLE_PRICE}`, or `price = "free"` if calls to it cost nothing',
        )
        return ConfigError([problem])
