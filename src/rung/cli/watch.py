"""Telling a person what a running request does, one line an action."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console

from rung.assemble import Assembly
from rung.cli.output import SIGN, one_line, seconds
from rung.core.engine import Accept, Action, Call, Exhausted, Verify
from rung.core.growth import Delta
from rung.core.types import Attempt, History, Kind
from rung.core.verdicts import Status

WHY = {
    Kind.FIRST: "asking",
    Kind.RETRY: "trying again",
    Kind.REPAIR: "asking it to put that right",
    Kind.SAMPLE: "drawing another answer",
}


class Watcher:
    """A sink that shows each call and what came of it, one line a call."""

    def __init__(self, parts: Assembly, to: Console, *, quiet: bool) -> None:
        self._parts = parts
        self._quiet = quiet
        self._console = to
        self._status = to.status("")
        self._told = 0

    def __enter__(self) -> Self:
        if not self._quiet:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    async def release(self, tier: str, delta: Delta) -> None:
        """Nothing streams here: the answer is printed whole."""

    def watch(self, action: Action, history: History) -> None:
        """Show what the last call came to, once it is judged, and what is done next."""
        if self._quiet:
            return
        if not isinstance(action, Verify):
            for attempt in history[self._told :]:
                self._console.print(f"  {_line(attempt)}")
            self._told = len(history)
        match action:
            case Call(tier=tier, kind=kind):
                model = self._parts.tiers[tier].model
                self._status.update(f"{one_line(tier)} ({one_line(model)}): {WHY[kind]} ...")
            case Verify(check=check):
                self._status.update(f"checking: {one_line(check.name)} ...")
            case Accept() | Exhausted():
                self._status.update("")


def _line(attempt: Attempt) -> str:
    """One attempt: whether its checks let it through, and the first reason why not."""
    took = f"[dim]{seconds(attempt.seconds)}[/]"
    if attempt.failure is not None:
        said = one_line(attempt.failure.message, 110)
        return f"[red]![/] {one_line(attempt.tier)} {took} no answer: {said}"
    gates = [v for v in attempt.verdicts if v.score is None]
    for status in (Status.FAILED, Status.ABSTAINED):
        for verdict in gates:
            if verdict.status is status and (status is Status.FAILED or verdict is gates[-1]):
                said = f"{one_line(verdict.verifier)}: {one_line(verdict.reason, 110)}"
                return f"{SIGN[status]} {one_line(attempt.tier)} {took} {said}"
    passed = ", ".join(one_line(v.verifier) for v in gates if v.status is Status.PASSED)
    return f"{SIGN[Status.PASSED]} {one_line(attempt.tier)} {took} [dim]passed {passed}[/]"
