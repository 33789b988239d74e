"""Server-sent events: bytes to events and back.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rung.wire.errors import WireError

MAX_EVENT_BYTES = 1024 * 1024
"""Longest event that is read, its field names included."""

COMMENT = b": keep-alive\n\n"
"""A heartbeat that every reader skips."""

CONTENT_TYPE = b"text/event-stream; charset=utf-8"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")


class SseEvent(NamedTuple):
    """One event. ``data`` is its lines joined by LF: reading them is the dialect's part."""

    event: str
    data: bytes


class Parser:
    """Turns a stream's bytes, cut anywhere, into events. An event that never ends is dropped."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._tail = bytearray()
        self._started = False
        self._after_cr = False
        self._data: list[bytes] = []
        self._event = ""
        self._size = 0

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that ``chunk`` completes. Raises WireError for an event over the limit."""
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        if end == 0:
            self._tail += chunk
            self._bound(len(self._tail))
            return []
        lines = bytes(self._tail) + chunk[:end]
        self._tail = bytearray(chunk[end:])
        self._after_cr = end == len(chunk) and chunk.endswith(b"\r")
        events: list[SseEvent] = []
        for line in lines.splitlines():
            self._line(line, events)
        self._bound(len(self._tail))
        return events

    def _line(self, line: bytes, events: list[SseEvent]) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            if self._data:
                events.append(SseEvent(self._event, b"\n".join(self._data)))
            self._data, self._event, self._size = [], "", 0
            return
        self._size += len(line)
        self._bound(0)
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._event = value.removeprefix(b" ").decode("utf-8", "replace")

    def _bound(self, waiting: int) -> None:
        if self._size + waiting > self._limit:
            raise WireError(f"an event of the stream is longer than {self._limit} bytes")


def encode(data: bytes, event: str | None = None) -> bytes:
    """One event. ``data`` may hold line ends; ``event`` may not."""
    if event is not None and ("\n" in event or "\r" in event):
        raise ValueError("the name of an event cannot hold a line end")
    head = b"" if event is None else b"event: %b\n" % event.encode()
    return head + b"".join(b"data: %b\n" % line for line in _LINE_END.split(data)) + b"\n"
