"""Asking a breaker before a call leaves, and telling it what came of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol, cast

from rung.core.types import Request
from rung.providers.base import (
    Ask,
    CallError,
    Counting,
    Done,
    Event,
    Health,
    Provider,
    Residing,
    Stay,
)


class Watched(Protocol):
    """One call that was let through. Only the first end that it is told of counts."""

    def spoke(self) -> None:
        """The first of an answer came."""
        ...

    def answered(self) -> None:
        """The answer is complete."""
        ...

    def failed(self, error: CallError) -> None:
        """It failed."""
        ...

    def left(self) -> None:
        """Nobody waits for it any longer."""
        ...


class Switch(Protocol):
    """Lets calls through, or not."""

    def enter(self, ask: Ask) -> Watched:
        """Let a call through. Raises CallError where it must not be made."""
        ...


class Guarded:
    """A provider whose calls go through a breaker. Health and loads do not."""

    def __init__(self, inner: Provider, switch: Switch) -> None:
        self.inner = inner
        self.dialect = inner.dialect
        self._switch = switch

    async def call(self, ask: Ask) -> AsyncGenerator[Event, None]:
        """Answer ``ask`` if its tier is not left alone."""
        watched = self._switch.enter(ask)
        silent = True
        try:
            async with aclosing(cast("AsyncGenerator[Event]", self.inner.call(ask))) as events:
                async for event in events:
                    if isinstance(event, Done):
                        watched.answered()
                    elif silent:
                        silent = False
                        watched.spoke()
                    yield event
        except CallError as error:
            watched.failed(error)
            raise
        finally:
            watched.left()

    async def health(self) -> Health:
        """Look whether a call could work."""
        return await self.inner.health()

    async def warm(self) -> None:
        """Load what has to be loaded."""
        await self.inner.warm()

    async def close(self) -> None:
        """Close the provider."""
        await self.inner.close()


class CountingGuarded(Guarded):
    """The same for a provider that counts tokens."""

    async def count(self, request: Request) -> int:
        """The tokens of a prompt. Raises CallError."""
        assert isinstance(self.inner, Counting)
        return await self.inner.count(request)


class ResidingGuarded(Guarded):
    """The same for a provider whose model has to be in memory."""

    def stay(self) -> Stay:
        """As the provider knows it."""
        assert isinstance(self.inner, Residing)
        return self.inner.stay()

    async def keep(self) -> None:
        """As the provider does it. Raises CallError."""
        assert isinstance(self.inner, Residing)
        await self.inner.keep()


def guarded(inner: Provider, switch: Switch) -> Guarded:
    """``inner`` behind a breaker; it can do all that ``inner`` can."""
    if isinstance(inner, Counting):
        return CountingGuarded(inner, switch)
    return ResidingGuarded(inner, switch) if isinstance(inner, Residing) else Guarded(inner, switch)
