"""What a verifier is: one check of one attempt, given as data, giving a finding.

The contract: a check that crashes, times out or lacks what it needs abstains. It never passes.
`run` is the one place that keeps this promise, so no verifier has to.

A verifier may also follow an answer while it grows (`Watching`), to say as soon as it is certain
that the answer cannot pass any more. `watch` is the one place that starts such a watch.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import math
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from rung.core.growth import Delta
from rung.core.plan import Step
from rung.core.types import Answer, Attempt, Request
from rung.core.verdicts import Status, Trust, Verdict, Weight

LONGEST_REASON = 500
"""Reasons are shown to people and fed to repairs; hostile output must not flood either."""

LONGEST_SAYS = 200
"""Characters of `Finding.says`: it is a digest."""

LAST_WORDS_SECONDS = 0.25
"""What a check has beyond the request's deadline: one that keeps it can still say what it cost."""

MOST_THREADS = 100
"""Threads of one check that may run at a time: one that hangs cannot be killed, only not
repeated."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked: the request, the answer, and the other answers drawn at the same tier.

    ``step`` is that tier's place on the plan, ``None`` where an answer is checked outside of one.
    ``left_seconds`` and ``left_nanousd`` are what the request's limits leave for the check.
    """

    request: Request
    attempt: Attempt
    answer: Answer
    siblings: tuple[Attempt, ...] = ()
    step: Step | None = None
    left_seconds: float = math.inf
    left_nanousd: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    ``score`` is for signals alone: the chance, 0..1, of being right. ``vacuous`` says that it
    passed because there was nothing to judge. ``says``, ``cost_nanousd`` and ``left`` are a
    verdict's.
    ``trust`` is given where it depends on how the check went; else the verifier's own holds.
    """

    status: Status
    reason: str
    score: float | None = None
    vacuous: bool = False
    says: str | None = None
    cost_nanousd: int = 0
    trust: Trust | None = None
    left: bool = False


class Verifier(Protocol):
    """One check. Stateless between calls and safe to run concurrently.

    A plain ``check`` runs in a thread of its own, an ``async`` one on the event loop. A check that
    is known to end within milliseconds, whatever the answer, may set ``inline = True`` to be called
    on the loop itself; it may still return an awaitable for the rare long case. One that reads
    `Answer.logprobs` sets ``needs_logprobs = True``, so that tiers are asked for them. One that
    sends what it sees beyond this machine sets ``leaves = True``, and does not run on private
    requests.
    """

    @property
    def name(self) -> str: ...
    @property
    def weight(self) -> Weight: ...
    @property
    def trust(self) -> Trust: ...
    @property
    def timeout_seconds(self) -> float: ...

    def check(self, subject: Subject, /) -> Finding | Awaitable[Finding]:
        """Judge one answer. Anything raised becomes an abstention."""
        ...


class Watch(Protocol):
    """Follows one answer while it grows. Made for one attempt, and used for no other."""

    def grow(self, delta: Delta, /) -> str | None:
        """Take what is new; say why the answer can no longer pass, once that is certain.

        Called on the event loop for every few words: work must be in proportion to what is new.
        An answer that the check would pass must never be given up, however it is cut into pieces.
        """
        ...


class Watching(Protocol):
    """What a verifier has that can judge an answer before it is whole."""

    def watch(self, request: Request, /) -> Watch | None:
        """The watch for one answer to ``request``; ``None`` where only a whole one tells."""
        ...


def passed(reason: str, score: float | None = None) -> Finding:
    """The check holds."""
    return Finding(Status.PASSED, reason, score)


def nothing_to_judge(reason: str) -> Finding:
    """The check holds, and proves nothing: the answer has none of what it is about."""
    return Finding(Status.PASSED, reason, vacuous=True)


def failed(reason: str, score: float | None = None) -> Finding:
    """The check found a fault; ``reason`` says which, in words a model could repair it by."""
    return Finding(Status.FAILED, reason, score)


def abstained(reason: str) -> Finding:
    """The check could not judge."""
    return Finding(Status.ABSTAINED, reason)


async def run(
    verifier: Verifier,
    subject: Subject,
    name: str | None = None,
    elapsed: Callable[[], float] | None = None,
) -> Verdict:
    """Run one check within its time; whatever goes wrong inside it is an abstention.

    ``name`` is the plan's for the check, ``elapsed`` gives the seconds since the request began.
    """
    began = time.perf_counter()
    leaves = getattr(verifier, "leaves", False) is not False
    try:
        if leaves and subject.request.directions.private:
            leaves, found = False, abstained("the request is private, and the check would send it")
        else:
            found = _sound(await _found(verifier, subject))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise
    except BaseException as error:  # noqa: BLE001 - boundary: verifiers are other people's code
        found = _crashed(error)
    return Verdict(
        verifier=verifier.name if name is None else name,
        status=found.status,
        reason=shown(found.reason),
        trust=found.trust or verifier.trust,
        score=found.score,
        seconds=time.perf_counter() - began,
        at=0.0 if elapsed is None else elapsed(),
        vacuous=found.vacuous,
        says=found.says,
        cost_nanousd=found.cost_nanousd,
        left=found.left or leaves,
    )


def needs_logprobs(verifier: Verifier) -> bool:
    """Whether the check reads the log-probabilities of tokens, for which tiers have to be asked."""
    return getattr(verifier, "needs_logprobs", False) is True


def watch(verifier: Verifier, request: Request) -> Watch | None:
    """The verifier's watch for one answer, if it has one. Neither this nor the watch raises."""
    try:
        begin: Any = getattr(verifier, "watch", None)
        begun = None if begin is None else begin(request)
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise
    except BaseException:  # noqa: BLE001 - boundary: verifiers are other people's code
        return None
    return None if begun is None else _Guarded(begun)


def shown(text: str, longest: int = LONGEST_REASON) -> str:
    """``text`` on one line, at most ``longest`` characters, without control or bidi marks."""
    cut = text[:longest]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else " " if c in "\n\r\t" else "\ufffd" for c in cut)
    return cut if len(text) <= longest else cut[: longest - 1] + "…"


# ------------------------------------------------------------------ running other people's code


@dataclass(slots=True)
class _Guarded:
    """A watch that cannot break the attempt it follows: one that crashes sees nothing any more."""

    inner: Watch | None
    doomed: str | None = None

    def grow(self, delta: Delta) -> str | None:
        if self.inner is None:
            return self.doomed
        try:
            said: object = self.inner.grow(delta)
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise
        except BaseException:  # noqa: BLE001 - boundary: verifiers are other people's code
            self.inner = None
            return None
        if isinstance(said, str) and said:
            self.inner, self.doomed = None, shown(said)
        return self.doomed


async def _found(verifier: Verifier, subject: Subject) -> object:
    """What the check gave, or an abstention when its time is over."""
    pending: object
    if getattr(verifier, "inline", False) or inspect.iscoroutinefunction(verifier.check):
        pending = verifier.check(subject)
    else:
        pending = _in_thread(verifier.name, verifier.check, subject)
    if not inspect.isawaitable(pending):
        return pending
    task = asyncio.ensure_future(_last(pending))
    seconds = min(verifier.timeout_seconds, max(0.0, subject.left_seconds) + LAST_WORDS_SECONDS)
    try:
        # Not wait_for: it would wait on for a check that swallows its cancellation.
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_forget)
    if not task.done():
        return abstained(f"the check did not end within {round(seconds, 2):g} s")
    return abstained("the check cancelled itself") if task.cancelled() else task.result()


async def _last(pending: Awaitable[object]) -> object:
    """Await until something that cannot be awaited comes out."""
    result: object = pending
    try:
        while inspect.isawaitable(result):
            result = await result
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise
    except BaseException as error:  # noqa: BLE001 - boundary: a SystemExit here would end the event loop
        return _crashed(error)
    return result


def _forget(task: asyncio.Future[object]) -> None:
    """Take the result of an abandoned check, so that asyncio does not log it as never retrieved."""
    if not task.cancelled():
        task.exception()


def _in_thread(name: str, call: Callable[..., object], *args: Any) -> Awaitable[object]:
    """Call in a daemon thread: executor threads would keep a hanging check from letting us exit."""
    loop = asyncio.get_running_loop()
    label = f"rung-check {name}"
    if sum(thread.name == label for thread in threading.enumerate()) >= MOST_THREADS:
        raise RuntimeError(f"{MOST_THREADS} earlier runs of it have not ended")
    future: asyncio.Future[object] = loop.create_future()
    context = contextvars.copy_context()

    def deliver(result: object, interrupt: KeyboardInterrupt | None) -> None:
        if future.done():
            return
        if interrupt is not None:
            future.set_exception(interrupt)
        else:
            future.set_result(result)

    def work() -> None:
        result: object = None
        interrupt = None
        try:
            result = context.run(call, *args)
        except KeyboardInterrupt as error:
            interrupt = error
        except BaseException as error:  # noqa: BLE001 - boundary: verifiers are other people's code
            result = _crashed(error)
        with suppress(RuntimeError):  # the loop has closed: nobody waits for this any more
            loop.call_soon_threadsafe(deliver, result, interrupt)

    threading.Thread(target=work, name=label, daemon=True).start()
    return future


def _sound(found: object) -> Finding:
    """``found`` itself, or an abstention where it is not a finding that the engine can rely on."""
    if not isinstance(found, Finding):
        return abstained(f"the check returned {type(found).__name__}, not a finding")
    status: object = found.status
    reason: object = found.reason
    score: object = found.score
    if not isinstance(status, Status) or not isinstance(reason, str):
        return abstained("the check returned a finding whose status or reason is of a wrong type")
    # NaN would compare as confident.
    if score is not None and not (isinstance(score, int | float) and 0 <= score <= 1):
        return abstained(f"the check gave a score of {score!r}, which is not within 0 and 1")
    vacuous: object = found.vacuous
    if vacuous is not False and (vacuous is not True or status is not Status.PASSED):
        return abstained("the check found something, and says that there was nothing to judge")
    return found if _sound_extras(found) else abstained("the check's finding has a wrong type")


def _sound_extras(found: Finding) -> bool:
    says: object = found.says
    cost: object = found.cost_nanousd
    trust: object = found.trust
    left: object = found.left
    # It is kept by the ledger, which cannot hold every text, and compared with what is kept.
    return (
        (
            says is None
            or (isinstance(says, str) and says.isprintable() and 0 < len(says) <= LONGEST_SAYS)
        )
        and (isinstance(cost, int) and cost >= 0)
        and (trust is None or isinstance(trust, Trust))
        and isinstance(left, bool)
    )


def _crashed(error: BaseException) -> Finding:
    try:
        said = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - boundary: str() of other people's errors
        said = type(error).__name__
    return abstained(f"the check crashed: {said}")
