"""Telling on stderr what is being done, once that takes long enough to wonder."""

from __future__ import annotations

from threading import Timer
from types import TracebackType
from typing import Self

from rung.cli.output import console, plain

PATIENCE_SECONDS = 1.0


class Progress:
    """A line that moves, after a second of work; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        self._to = console(err=True)
        self._status = self._to.status("")
        self._timer = Timer(PATIENCE_SECONDS, self._status.start)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if self._to.is_terminal:
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._timer.is_alive():
            self._timer.join()
        self._status.stop()

    def tell(self, what: str) -> None:
        """What is done from now on."""
        self._status.update(f"{plain(what)} ...")
