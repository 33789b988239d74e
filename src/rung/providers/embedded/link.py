"""The parent's end of a child: spawn it, talk to it without blocking, end it, say how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from rung.providers.embedded.frames import (
    AnswerFrame,
    BrokenFrame,
    FrameReader,
    Loaded,
    Unloadable,
)

WORKER = Path(__file__).with_name("worker.py")
PASSED_ON = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR"})
WORDS_KEPT = 20
WORD_LIMIT_CHARS = 300
REAP_SECONDS = 1.0
LAST_WORDS_SECONDS = 0.5


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What the child may know of ``environment``: no keys, by an allow-list.

    Waiting threads sleep rather than spin, so that a busy machine stays usable.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name in PASSED_ON or name.startswith("OMP_")
    }
    return {"OMP_WAIT_POLICY": "passive", **kept}


def plain(text: str, limit: int = WORD_LIMIT_CHARS) -> str:
    """``text`` on one line, without control or direction characters, cut to ``limit``."""
    printable = "".join(char if char.isprintable() else " " for char in text[: 4 * limit])
    said = " ".join(printable.split())
    return said if len(said) <= limit else said[: limit - 1] + "…"


class LastWords(asyncio.Protocol):
    """The last lines of the child's stdout and stderr, bounded."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=WORDS_KEPT)
        self._rest = b""
        self.over = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-4 * WORD_LIMIT_CHARS :]
        self._lines.extend(plain(line.decode("utf-8", "replace")) for line in lines[-WORDS_KEPT:])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        self.over.set()

    def forget(self) -> None:
        """Drop what was said so far: it belongs to somebody else's call."""
        self._lines.clear()

    def kept(self) -> list[str]:
        """The newest lines that are not empty, oldest first."""
        rest = plain(self._rest.decode("utf-8", "replace"))
        return [line for line in (*self._lines, rest) if line][-WORDS_KEPT:]


class Link(asyncio.Protocol):
    """A running child.

    ``loaded`` is what came of its load: Loaded, Unloadable, or None when it ended before it could
    tell. ``on_frame`` gets everything after that; ``on_gone`` is called once, when the child's
    socket closes. Both are called on the loop that opened the link.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        on_frame: Callable[[Link, AnswerFrame], None],
        on_gone: Callable[[Link], None],
    ) -> None:
        self._process = process
        self._on_frame = on_frame
        self._on_gone = on_gone
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._words_transport: asyncio.BaseTransport | None = None
        self._broken = ""
        self.gone = False
        self.words = LastWords()
        self.loaded: asyncio.Future[Loaded | Unloadable | None]
        self.loaded = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(
        cls,
        environment: Mapping[str, str],
        on_frame: Callable[[Link, AnswerFrame], None],
        on_gone: Callable[[Link], None],
    ) -> Link:
        """Spawn a child and connect to it.

        One socket carries both directions as the child's stdin; its stdout goes where its stderr
        goes, so that nothing a foreign library prints can end up between frames.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        try:
            link = cls(_spawn(theirs, environment), on_frame, on_gone)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        try:
            link._words_transport, _ = await loop.connect_read_pipe(
                lambda: link.words, link._process.stdout
            )
            await loop.create_connection(lambda: link, sock=ours)
        except BaseException:
            ours.close()
            link.kill()
            await link.reap()
            raise
        return link

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                if isinstance(frame, Loaded | Unloadable):
                    self._settle(frame)
                else:
                    self._on_frame(self, frame)
        except BrokenFrame as error:
            self._broken = plain(str(error))
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        self.gone = True
        self._settle(None)
        self._on_gone(self)

    def _settle(self, outcome: Loaded | Unloadable | None) -> None:
        if not self.loaded.done():
            self.loaded.set_result(outcome)

    def send(self, line: bytes) -> None:
        """Tell the child something; a child that is gone does not hear it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(line)

    def kill(self) -> None:
        """End the child now. It has nothing to save. Any thread, any loop, any number of times."""
        with contextlib.suppress(OSError):
            self._process.kill()

    async def wait(self) -> None:
        """Collect a killed child; at most REAP_SECONDS, on any loop."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, REAP_SECONDS)

    async def reap(self) -> None:
        """Collect a killed child and free what tied us to it."""
        await self.wait()
        for transport in (self._transport, self._words_transport):
            if transport is not None:
                transport.close()

    async def bury(self) -> None:
        """Hear a child out that has left, then make sure that it is gone."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.words.over.wait(), LAST_WORDS_SECONDS)
        self.kill()  # only now, or its own way of ending would be hidden behind ours
        await self.reap()

    def how_it_ended(self) -> str:
        """One line about a buried child: signal or status, and its last words."""
        said = " | ".join(self.words.kept()[-3:])
        ended = self._broken or _exit(self._process.returncode)
        return plain(f"{ended}; it said: {said}" if said else ended, 500)


def _spawn(stdin: socket.socket, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # The kernel ties "die with your parent" to the thread that spawns, so this is the loop's own
    # thread and not one of a pool that may end. It takes 2 ms.
    return subprocess.Popen(  # noqa: S603 - our own file, our own interpreter
        [sys.executable, "-P", str(WORKER), str(os.getpid())],
        stdin=stdin.fileno(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=clean_environment(environment),
        start_new_session=True,
    )


def _exit(returncode: int | None) -> str:
    if returncode is None:
        return "does not end"
    if returncode < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-returncode).name}"
    return f"exit status {returncode}"
