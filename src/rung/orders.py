"""An order: a request with its plan, the tiers and checks that the plan names, and who pays."""
# ruff: noqa: ARG002 - the purse that is none looks at nothing

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from rung.core.features import ANYTHING, Beyond
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
        self,
        input_tokens: int,
        output_tokens: int,
        seconds: float = 0.0,
        *,
        hour: bool = True,
        beyond: Beyond = ANYTHING,
    ) -> int:
        """An upper bound of one call's price; ``hour``: its prompt may be kept for an hour.

        ``beyond`` is what of it may be billed otherwise than as words.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier ready to be called. ``local``: it is on this machine or network.

    ``drains``: its calls are heard to their end though their caller has left.
    """

    name: str
    model: str
    local: bool
    provider: Provider
    pricer: Pricer
    drains: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What a paid call asks for before it is made: the most that it could cost.

    ``id`` is the attempt's. ``wait_seconds`` is how long it may stand in line for money that other
    calls hold. ``about`` is what is to be known of it should this process die, as JSON values.
    """

    id: str
    request: Request
    worst_nanousd: int
    wait_seconds: float = 0.0
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hold:
    """Money that is set aside for one call. Settle it, whatever became of the call."""

    id: str
    amount_nanousd: int


@dataclass(frozen=True, slots=True)
class Refused:
    """No money for a call, and why, with the numbers. Where it passes, when to ask again."""

    message: str
    retry_after_seconds: float | None = None


class Purse:
    """Who pays for calls. This one: somebody who does not count.

    ``spares`` says whether tiers may be left out to save money.
    """

    spares = False

    def output_limit(self, request: Request, *, capped: bool) -> int | None:
        """How many tokens a paid answer may have where the caller sets no limit of its own.

        ``None`` where no cap rests on it; ``capped`` says that one of the request's own does.
        """
        return None

    def passed_over(self, request: Request, tiers: Mapping[str, Tier]) -> Mapping[str, str]:
        """The tiers of a ladder that are left out to save money, and why. Cheap; never raises."""
        return {}

    async def reserve(self, wish: Wish) -> Hold | Refused:
        """Set aside the most that a call could cost, durably, before it is made. Never raises.

        Cancelled, it leaves nothing set aside.
        """
        return Hold(wish.id, wish.worst_nanousd)

    def settle(self, hold: Hold, cost_nanousd: int) -> None:
        """Give back what a call did not cost. Returns at once; a second time changes nothing."""

    def close(self) -> None:
        """Have what is still owed counted."""

    @contextmanager
    def aside(self, request_id: str, cut: Callable[[], int]) -> Iterator[None]:
        """A call that is made for a request beside its own, for as long as it lasts.

        ``cut`` settles it as it stands, and says what it cost so far.
        """
        yield

    def astray(self, request_id: str, cost_nanousd: int) -> None:
        """Remember what was spent for a request beside its calls, with nobody left to be told."""

    def strayed(self, request_id: str) -> int:
        """What that comes to, once, with the calls beside it that have not ended yet."""
        return 0


NO_PURSE = Purse()


def nothing_kept(words: str) -> bool:  # noqa: ARG001 the shape of those that look
    """Where nobody looks for what must not leave."""
    return False


def retried() -> bool:
    """Where nobody counts what is tried again."""
    return True


@dataclass(frozen=True, slots=True)
class Order:
    """A request with its plan and all that the plan names.

    ``input_tokens`` is the estimate that a call is billed by when its provider counts nothing.
    ``secrets`` are the providers' keys, of which no verdict may tell. ``sent`` is the request as
    tiers get it, where that is shorter by ``spared_tokens``. ``traits`` are hashes of what is
    asked, ``warm_tokens`` how much of the prompt a model that had led this conversation alone would
    have in its cache. ``keeps`` says of a local tier's words that they must not leave. ``purse``
    pays for its calls, ``may_retry`` says of each one that is to be tried again whether it may be.
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
    purse: Purse = NO_PURSE
    may_retry: Callable[[], bool] = retried
