"""An event loop in a thread of its own, for callers that have none or have several."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
LAST_WORDS_SECONDS = 5.0
"""How long ctrl-C waits for work that it cancelled to end."""


@dataclass(frozen=True, slots=True)
class Handed(Generic[T]):
    """Work that was handed over. ``future`` may be awaited or waited for from any thread."""

    future: Future[T]
    over: threading.Event

    def result(self) -> T:
        """Block until the work ends. Ctrl-C cancels it and waits for its last words."""
        try:
            return self.future.result()
        except KeyboardInterrupt:
            self.future.cancel()
            self.over.wait(LAST_WORDS_SECONDS)
            raise


class LoopThread:
    """Runs work on one event loop, in a thread that ends with `close`.

    ``at_end`` runs on that loop last, when everything that was handed over has ended.
    """

    def __init__(self, at_end: Callable[[], Awaitable[None]]) -> None:
        self._at_end = at_end
        self._running: set[asyncio.Task[Any]] = set()
        self._stop = asyncio.Event()
        self._ended: Future[None] = Future()
        # The loop is made here, so that work can be handed over before the thread has begun.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._work, name="rung", daemon=True)
        self._thread.start()

    def is_current(self) -> bool:
        """Whether it is this thread that asks."""
        return threading.current_thread() is self._thread

    def submit(self, work: Callable[[], Awaitable[T]]) -> Handed[T]:
        """Hand over ``work``. Not after `close`: the caller sees to that with a lock."""
        over = threading.Event()
        future = asyncio.run_coroutine_threadsafe(self._tracked(work, over), self._loop)
        return Handed(future, over)

    def close(self) -> None:
        """Cancel what runs and wait until all has ended. Raises what ``at_end`` raised."""
        self._loop.call_soon_threadsafe(self._stop.set)
        try:
            self._ended.result()
        finally:
            self._thread.join(LAST_WORDS_SECONDS)

    async def _tracked(self, work: Callable[[], Awaitable[T]], over: threading.Event) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            return await work()
        finally:
            self._running.discard(task)
            over.set()

    def _work(self) -> None:
        try:
            # Leaving the runner cancels what is left over, ends generators and closes the loop.
            with self._runner:
                self._runner.run(self._until_stopped())
        except BaseException as error:  # noqa: BLE001 - boundary: told to the thread that closes
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _until_stopped(self) -> None:
        await self._stop.wait()
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._at_end()
