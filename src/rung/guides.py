"""Who has a say in a request's plan. Each class here is the one that says nothing.

The real ones derive from them. All methods but ``recall``, ``look`` and ``refresh`` are cheap and
are called on the event loop; none of them may keep a request from being served by an error of its
own.
"""
# ruff: noqa: ARG002 - what says nothing looks at nothing

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rung.core.breaker import Refusal
from rung.core.budgets import Account
from rung.core.features import Features
from rung.core.guidance import (
    NO_PACE,
    NOTHING_KNOWN,
    NOTHING_TAUGHT,
    Kept,
    Known,
    Paced,
    Shrunk,
    Taught,
)
from rung.core.outcome import Outcome
from rung.core.plan import NO_LEAD, Lead, Policy
from rung.core.tasks import Task
from rung.core.types import Request
from rung.orders import Order
from rung.verifiers.base import Verifier


class Projects:
    """What holds for all requests of a project. This one: nothing."""

    def applied(self, request: Request) -> Request:
        """The request within its project's limits. Raises RequestError beyond them."""
        return request


class Keys:
    """What holds for requests by the virtual keys that they came with. This one: nothing."""

    def applied(self, request: Request) -> Request:
        """The request within its key's rights. Raises RequestError beyond them."""
        return request

    def accounts(self, key: str | None) -> tuple[Account, ...]:
        """Whose caps the requests of a key count on: its own, and those of its makers."""
        return ()

    def note(self, outcome: Outcome) -> None:
        """Count what a finished request took."""


class Bodies:
    """Where what was asked and answered is stored. This one: nowhere."""

    def note(self, outcome: Outcome) -> None:
        """Store the words of a booked request, if they are to be stored; returns at once."""

    async def close(self) -> None:
        """Wait until what waits is stored."""


class Conversations:
    """What went before in a conversation. This one remembers nothing."""

    def named(self, request: Request) -> Request:
        """The request with its conversation's key."""
        return request

    async def recall(self, request: Request) -> None:
        """Read what other processes know of its conversation, where this one knows nothing."""

    def known(self, request: Request) -> Known:
        """What is known of its conversation. Cheap; called on the event loop."""
        return NOTHING_KNOWN

    def lead(self, known: Known, request: Request, policy: Policy, seen: Features) -> Lead:
        """Where this turn should start at the lowest."""
        return NO_LEAD

    def keep_here(self, request: Request) -> None:
        """Remember, as soon as it is known, that nothing of its conversation may leave."""

    def note(self, outcome: Outcome) -> None:
        """Remember a finished turn."""


class Privacy:
    """Which requests must not leave this machine. This one: those that say so."""

    async def look(self, request: Request) -> None:
        """Search a request that `of` is about to be asked about, where that takes long."""

    def of(self, request: Request, known: Known) -> str:
        """The reason why it is private, empty where it is not. Never raises."""
        if request.directions.private:
            return "it says so"
        return "its conversation is private" if known.private else ""

    def keeps(self, text: str) -> bool:
        """Whether a model's words, in a request that may leave, must not. Never raises."""
        return False


class Compression:
    """Shortens new results of tools. This one leaves them."""

    def of(self, request: Request) -> Shrunk:
        """The request as it is to be sent."""
        return Shrunk(request)


class Learned:
    """What outcomes teach. This one learned nothing."""

    def of(
        self,
        policy: Policy,
        request: Request,
        seen: Features,
        task: Callable[[], Task],
        seed: int,
    ) -> Taught:
        """Where to start; ``task`` recognises what is asked for, once."""
        return NOTHING_TAUGHT

    def note(self, outcome: Outcome) -> None:
        """Learn from a finished request."""

    def stale(self) -> bool:
        """Whether it is time to `refresh`; once true, false for a while."""
        return False

    def refresh(self) -> None:
        """Read the ledger. Blocks; raises LedgerError."""


class Pace:
    """How fast tiers are. This one does not know."""

    def of(self, policy: Policy, request: Request, seen: Features, known: Known) -> Paced:
        """What to expect, and which tiers are too slow."""
        return NO_PACE

    def note(self, outcome: Outcome) -> None:
        """Learn from a finished request."""

    def stale(self) -> bool:
        """Whether it is time to `refresh`; once true, false for a while."""
        return False

    def refresh(self) -> None:
        """Read the ledger. Blocks; raises LedgerError."""


class Breakers:
    """Which tiers are left alone because their calls fail. This one lets all be called."""

    def of(self, tiers: Sequence[str]) -> Mapping[str, Refusal]:
        """Those of these tiers that are not to be called now, and why."""
        return {}


class Loops:
    """Whether an agent goes round in circles. This one does not look."""

    def checked(self, request: Request) -> Request:
        """The request, with why it was taken for one turn of a circle if it was.

        Raises RequestError where such requests are turned away.
        """
        return request

    def note(self, outcome: Outcome) -> None:
        """Remember when a turn ended."""


class Answers:
    """Answers that are served again. This one keeps none."""

    def key(self, order: Order, extra: tuple[Verifier, ...]) -> bytes | None:
        """What is the same for requests with the same answer; ``None`` for what is not kept.

        ``extra`` are checks that the caller brought.
        """
        return None

    async def get(self, key: bytes, order: Order) -> Kept | None:
        """The answer that this order accepts; ``None`` too where it wants a fresh one."""
        return None

    def put(self, key: bytes, outcome: Outcome) -> None:
        """Keep the answer, if it is one to keep."""
