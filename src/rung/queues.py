"""Which calls wait for each other: one set of places for each model that takes only so many."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from rung.providers.base import Ask, Provider
from rung.providers.queueing import Forecast, Slots, queueing


def unknown(tier: str) -> Forecast:  # noqa: ARG001 nobody knows of any
    """How long calls take while nothing measures them."""
    return lambda _: 0.0


class Queues:
    """Puts providers behind their queues.

    ``forecast`` tells how long the calls of a tier should take.
    """

    def __init__(self) -> None:
        self.forecast: Callable[[str], Forecast] = unknown
        self._slots: dict[Hashable, Slots] = {}
        self._by_tier: dict[str, Slots] = {}

    def before(self, tier: str, inner: Provider, places: int, model: Hashable = None) -> Provider:
        """``inner`` behind so many places; tiers that name the same ``model`` share them."""
        slots = self._slots.setdefault(tier if model is None else model, Slots(places))
        self._by_tier[tier] = slots

        def forecast(ask: Ask) -> float:
            return self.forecast(tier)(ask)

        return queueing(inner, slots, forecast)

    def standing(self) -> Mapping[str, Slots]:
        """The queue of each tier that has one."""
        return self._by_tier
