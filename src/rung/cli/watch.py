"""Telling a person what a running request does, one line an action."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rung.assemble import Assembly
from rung.cli.output import SIGN, console, one_line, seconds
from rung.core.engine import Accept, Action, Call, Exhausted, Verify
from rung.core.types import Attempt, History, Kind
from rung.providers.base import Delta

WHY = {
    Kind.FIRST: "asking",
    Kind.RETRY: "trying again",
    Kind.REPAIR: "asking it to put that right",
    Kind.SAMPLE: "drawing another answer",
}


class Watcher:
    """A sink that shows each call and verdict on standard error as it comes."""

    def __init__(self, parts: Assembly, *, quiet: bool) -> None:
        self._parts = parts
        self._quiet = quiet
        self._console = console(err=True)
        self._status = self._console.status("")
        self._told: set[tuple[str, str]] = set()

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
        """Show what has come of the last action and what the next one is."""
        if self._quiet:
            return
        for attempt in history[-1:]:
            self._verdicts(attempt)
        match action:
            case Call(tier=tier, kind=kind):
                model = self._parts.tiers[tier].model
                self._status.update(f"{one_line(tier)} ({one_line(model)}): {WHY[kind]} ...")
            case Verify(check=check):
                self._status.update(f"checking: {check.name} ...")
            case Accept() | Exhausted():
                self._status.update("")

    def _verdicts(self, attempt: Attempt) -> None:
        if attempt.failure is not None and (attempt.id, "failure") not in self._told:
            self._told.add((attempt.id, "failure"))
            said = one_line(attempt.failure.message, 100)
            self._console.print(f"  [red]![/] {one_line(attempt.tier)}: {said}")
        for verdict in attempt.verdicts:
            if (attempt.id, verdict.verifier) in self._told:
                continue
            self._told.add((attempt.id, verdict.verifier))
            self._console.print(
                f"  {SIGN[verdict.status]} {one_line(attempt.tier)}: {one_line(verdict.verifier)}: "
                f"{one_line(verdict.reason, 100)} [dim]{seconds(verdict.seconds)}[/]"
            )
