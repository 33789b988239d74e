"""An order: a request with its plan, and the tiers and checks that the plan names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rung.core.plan import Plan
from rung.core.types import Price, Request, Usage
from rung.providers.base import Provider
from rung.verifiers.base import Verifier

Clock = Callable[[], float]


class Pricer(Protocol):
    """What a tier's usage costs, in integer nano-dollars."""

    @property
    def price(self) -> Price:
        """The plain figures, stored with each attempt."""
        ...

    def cost(self, usage: Usage, seconds: float, at: datetime) -> int:
        """The price of one call."""
        ...

    def worst_cost(
        self, input_tokens: int, output_tokens: int, seconds: float = 0.0, *, hour: bool = True
    ) -> int:
        """An upper bound of one call's price; ``hour``: its prompt may be kept for an hour."""
        ...


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier ready to be called. ``local``: it is on this machine or network."""

    name: str
    model: str
    local: bool
    provider: Provider
    pricer: Pricer


def nothing_kept(words: str) -> bool:  # noqa: ARG001 the shape of those that look
    """Where nobody looks for what must not leave."""
    return False


@dataclass(frozen=True, slots=True)
class Order:
    """A request with its plan and all that the plan names.

    ``input_tokens`` is the estimate that a call is billed by when its provider counts nothing.
    ``secrets`` are the providers' keys, of which no verdict may tell. ``sent`` is the request as
    tiers get it, where that is shorter by ``spared_tokens``. ``traits`` are hashes of what is
    asked, ``warm_tokens`` how much of the prompt a model that had led this conversation alone would
    have in its cache. ``keeps`` says of a local tier's words that they must not leave.
    """

    request: Request
    plan: Plan
    input_tokens: int
    tiers: Mapping[str, Tier]
    verifiers: Mapping[str, Verifier]
    secrets: tuple[str, ...] = ()
    sent: Request | None = None
    spared_tokens: int = 0
    traits: tuple[int, ...] = ()
    warm_tokens: int = 0
    keeps: Callable[[str], bool] = nothing_kept
