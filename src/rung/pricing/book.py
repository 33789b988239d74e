"""The price book: the operator's figures first, then the list, then a refusal with its fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from rung.core.errors import ConfigError, Problem
from rung.core.types import Price
from rung.pricing.fixed import FixedPricer, PriceOverride, Pricer
from rung.pricing.listed import ListedPricer, by_tokens

if TYPE_CHECKING:
    from genai_prices.types import Provider

LONGEST_MODEL_NAME = 200
"""Longer names from callers are no model's: not looked up, not remembered."""

REMEMBERED_NAMES = 1024
"""How many model names from callers are remembered, known or not."""


class PriceBook:
    """All prices: the operator's ``overrides`` by model name, then genai-prices' list.

    ``now`` gives the aware time that decides which dated price is in force.
    """

    def __init__(
        self, overrides: Mapping[str, PriceOverride], *, now: Callable[[], datetime]
    ) -> None:
        self._overrides = dict(overrides)
        self._now = now
        self._requested = lru_cache(maxsize=REMEMBERED_NAMES)(self._look_up)

    def load(self) -> None:
        """Read the list now (0.4 s, safe in a thread) rather than at the first request."""
        _ = self._providers

    def pricer(
        self, provider_id: str | None, model: str, override: PriceOverride | None, local: bool
    ) -> Pricer:
        """The price of ``model`` at ``provider_id`` (the list's name, None to go by the model).

        Raises ConfigError for a model that nobody gave a price.
        """
        given = override or self._overrides.get(model)
        if given is not None:
            return FixedPricer(given.price())
        if local:
            return FixedPricer(Price("local"))
        found = self._listed(provider_id, model)
        if found is None:
            raise self._unknown(provider_id, model)
        return found

    def requested(self, model: str) -> Pricer | None:
        """The price of a model that a caller named, or None. Cheap to repeat, bounded in memory."""
        return self._requested(model) if 0 < len(model) <= LONGEST_MODEL_NAME else None

    def known(self, model: str) -> bool:
        """Whether a model that a caller named has a price, and so can be a baseline."""
        return self.requested(model) is not None

    def _look_up(self, model: str) -> Pricer | None:
        given = self._overrides.get(model)
        return self._listed(None, model) if given is None else FixedPricer(given.price())

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
        near = get_close_matches(name.lower(), sorted(names), n=3, cutoff=0.5)
        known = f" Nearest known: {', '.join(near)}." if near else ""
        missing = provider_id is not None and provider is None
        whose = f"{provider_id} (no such provider in the list)" if missing else provider_id
        where = f" at {whose}" if whose else ""
        problem = Problem(
            place=name if provider_id is None else f"{provider_id}/{name}",
            message=f"no price is known for {name!r}{where}.{known}",
            fix='give the tier a price = { input = "0.15", output = "0.60" } in US dollars per '
            'million tokens, or price = "free" if calls to it cost nothing.',
        )
        return ConfigError([problem])
