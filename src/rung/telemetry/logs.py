"""Logs for machines and for people, of what rung itself says: an allow-list, not a filter.

A line holds the fields of `FIELDS` and no others, whatever a record carries. The words of rung's
own messages are told without control characters and without keys; of other libraries' messages,
and of exceptions, only the kind and the place: their words may quote a request or a key.

Who logs needs nothing of this module: ``logger.warning("...", extra={"request_id": ...})``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Any, Final

import msgspec

from rung.providers.faults import clean, without_secrets
from rung.telemetry.series import plain

OWN: Final = "rung"
"""The root of rung's own loggers."""

FIELDS: Final[Mapping[str, type | tuple[type, ...]]] = MappingProxyType(
    {
        "event": str,
        "request_id": str,
        "conversation": str,
        "ladder": str,
        "lane": str,
        "project": str,
        "key": str,
        "tier": str,
        "attempts": int,
        "result": str,
        "verified": str,
        "fault": str,
        "ended_by": str,
        "phase": str,
        "cost_nanousd": int,
        "input_tokens": int,
        "output_tokens": int,
        "seconds": (float, int),
        "method": str,
        "route": str,
        "status": int,
        "count": int,
        "budget": str,
        "spent_nanousd": int,
        "held_nanousd": int,
        "cap_nanousd": int,
        "place": str,
        "trace_id": str,
        "version": str,
    }
)
"""What a line may hold beside time, level, logger and message, and of which type each has to be."""

IDS: Final = frozenset({"request_id", "trace_id"})
"""Fields that rung makes up itself, anew each time."""

LONGEST: Final = 200
MOST_KNOWN: Final = 1_000
"""Cleaned values that are remembered: names of tiers, ladders and routes come again and again."""

MOST_WAITING: Final = 10_000
"""Lines that may wait for whoever reads them; further ones are dropped and counted."""

LAST_SECONDS: Final = 2.0


class Lines(logging.Handler):
    """Writes records as lines to a file descriptor, by a thread of its own.

    A reader that is slow or gone holds up no request.
    """

    def __init__(self, form: Callable[[logging.LogRecord], str], to: int) -> None:
        super().__init__()
        self._form = form
        self._to = to
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="rung-logs", daemon=True)
        self._thread.start()
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Form the line now, write it soon. Never raises."""
        if self._queue.qsize() >= MOST_WAITING:
            self.dropped += 1
            return
        try:
            self._queue.put(self._form(record))
        except Exception:  # noqa: BLE001 boundary: what cannot be logged stops nothing
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, for a while at most."""
        self._queue.put(None)
        self._thread.join(LAST_SECONDS)
        super().close()

    def _write(self) -> None:
        going = True
        while going:
            lines, going = self._waiting()
            data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
            with contextlib.suppress(OSError):  # nobody reads any more
                while data:
                    data = data[os.write(self._to, data) :]

    def _waiting(self) -> tuple[list[str], bool]:
        """All lines that wait, at least one; False with the last."""
        line = self._queue.get()
        lines: list[str] = []
        while line is not None:
            lines.append(line)
            try:
                line = self._queue.get_nowait()
            except Empty:
                return lines, True
        return lines, False


class Formed:
    """Makes lines of records; ``secrets`` are the keys that this process knows."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets
        self._known = lru_cache(MOST_KNOWN)(self._clean)

    def json(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        told |= self.words(record)
        told |= self.fields(record)
        return msgspec.json.encode(told).decode()

    def text(self, record: logging.LogRecord) -> str:
        """One line for people."""
        said = self.words(record).values()
        return f"{record.levelname.lower()}: {', '.join(said)}"

    def words(self, record: logging.LogRecord) -> dict[str, str]:
        """What a record says in words, as far as it may be told."""
        told: dict[str, str] = {}
        if record.name == OWN or record.name.startswith(f"{OWN}."):
            told["message"] = self._clean(record.getMessage())
        elif not record.exc_info:
            at = f"{Path(record.pathname).name}:{record.lineno}"
            told["message"] = f"{record.name} says something at {at}"
        if record.exc_info and record.exc_info[1] is not None:
            told["exception"] = raised(record.exc_info[1])
        return told

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """What a record carries of the allowed fields."""
        told: dict[str, Any] = {}
        carried = record.__dict__
        for name, kind in FIELDS.items():
            value = carried.get(name)
            if value is None or isinstance(value, bool) or not isinstance(value, kind):
                continue
            told[name] = self._field(name, value) if isinstance(value, str) else value
        return told

    def _field(self, name: str, value: str) -> str:
        return plain(value) if name in IDS else self._known(value)[:LONGEST]

    def _clean(self, text: str) -> str:
        return clean(without_secrets(text, self._secrets), None)


def raised(error: BaseException) -> str:
    """An exception's kind and place, without its words."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
    return f"{type(error).__name__} at {places}" if places else type(error).__name__


class Logs:
    """The process's logging while it is the gateway's. Close it to give back what was before."""

    def __init__(self, *, json: bool, secrets: tuple[str, ...] = (), to: int | None = None) -> None:
        formed = Formed(secrets)
        self.handler = Lines(formed.json if json else formed.text, _stderr() if to is None else to)
        self._root, self._own = logging.getLogger(), logging.getLogger(OWN)
        self._before = (self._root.handlers[:], self._root.level, self._own.level)
        self._hooks = sys.excepthook, threading.excepthook
        self._root.handlers[:] = [self.handler]
        self._root.setLevel(logging.WARNING)
        self._own.setLevel(logging.INFO if json else logging.WARNING)
        threading.excepthook = _thread_ended

    def close(self) -> None:
        """Write what waits, and let go."""
        self._root.handlers[:], level, own = self._before
        self._root.setLevel(level)
        self._own.setLevel(own)
        _, threading.excepthook = self._hooks
        self.handler.close()


def _stderr() -> int:
    return sys.__stderr__.fileno() if sys.__stderr__ is not None else 2


def _thread_ended(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        logging.getLogger(OWN).error("a thread ended by an error", exc_info=args.exc_value)
