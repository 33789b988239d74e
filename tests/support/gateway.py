"""`rung` as people run it: a process of its own, a folder of its own, nothing of our environment.

    with Gateway(tmp_path, toml) as gateway:
        ...  # speak HTTP to gateway.url
    assert gateway.status == 0

Leaving the context sends SIGTERM, as a service manager does, and waits.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rung.callers import NOBODY
from rung.ledger import Ledger
from rung.rates import UNCOUNTED
from rung.server.access import CALLER, VISIT
from support.openai_server import Call, OpenAIServer, Step
from support.openai_server import Reply as Script

RUNG = Path(sys.executable).with_name("rung")
LISTENS = re.compile(r"rung listens at (http://[^\s\"]+)[\s\"]")
PATIENCE_SECONDS = 30.0

# ------------------------------------------------------------------ surroundings


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process gets: no key, no proxy, no configuration but what is in ``folder``."""
    homes = {
        "HOME": folder / "home",
        "XDG_DATA_HOME": folder / "data",
        "XDG_CONFIG_HOME": folder / "config",
    }
    for home in homes.values():
        home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        **{name: str(home) for name, home in homes.items()},
        **(more or {}),
    }


def toml(
    *bases: str,
    ladder: str = "",
    tier: str = "",
    more: str = "",
    embedded: bool = False,
    breakers: str = "off = true",
) -> str:
    """A rung.toml whose tiers a, b, ... are these addresses, cheap to dear, unpriced.

    Nothing is retried or repaired unless ``tier`` says so.
    ``ladder`` and ``tier`` are further lines of each such table, ``more`` goes to the end.
    ``embedded`` puts the embedded model on top. ``breakers`` are off, so that each of many failures
    in a row is seen, unless it says otherwise.
    """
    names = [chr(ord("a") + place) for place in range(len(bases))]
    lines = []
    for name, base in zip(names, bases, strict=True):
        lines.append(f'[tiers.{name}]\nprovider = "openai_compatible"\nmodel = "model-{name}"')
        lines.append(f'base_url = "{base}"\nprice = "free"\nretries = 0\n{tier}')
        if "repairs" not in tier:
            lines.append("repairs = 0")
    if embedded:
        names.append("embedded")
        lines.append('[tiers.embedded]\nprovider = "embedded"\nconstrained = true')
    lines.append(f"[ladders.default]\ntiers = {json.dumps(names)}\n{ladder}")
    lines.append(f"[breakers]\n{breakers}")
    return "\n".join([*lines, more, "[server]\nport = 0", ""])


# ------------------------------------------------------------------ commands


def rung(
    folder: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    seconds: float = PATIENCE_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, in ``folder``."""
    return subprocess.run(
        [RUNG, *arguments],
        cwd=folder,
        env=environment(folder, env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


class Process:
    """A command that runs on. ``out`` and ``err`` grow as it speaks; ``status`` is its exit's.

    ``under`` is a command that prepares something and becomes it.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
    ) -> None:
        self._said = threading.Condition()
        self.out = ""
        self.err = ""
        self._ended = 0
        self.child = subprocess.Popen(
            [*under, RUNG, *arguments],
            cwd=folder,
            env=environment(folder, env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A group of its own: a terminal's ctrl-C reaches all of it, and only it.
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(name,), daemon=True)
            for name in ("out", "err")
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        pipe = self.child.stdout if name == "out" else self.child.stderr
        assert pipe is not None
        with pipe:
            while data := os.read(pipe.fileno(), 65536):
                with self._said:
                    setattr(self, name, getattr(self, name) + data.decode("utf-8", "replace"))
                    self._said.notify_all()
        with self._said:
            self._ended += 1
            self._said.notify_all()

    @property
    def status(self) -> int | None:
        return self.child.poll()

    def until(self, pattern: re.Pattern[str], seconds: float = PATIENCE_SECONDS) -> re.Match[str]:
        """Wait until it says something on standard error."""
        with self._said:
            self._said.wait_for(lambda: pattern.search(self.err) or self._silent(), seconds)
        found = pattern.search(self.err)
        assert found, f"status {self.status}, said: {self.err}{self.out}"
        return found

    def _silent(self) -> bool:
        return self._ended == len(self._readers)

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends it to the whole group."""
        os.killpg(self.child.pid, signal.SIGINT)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit status, once all that it said has been read."""
        status = self.child.wait(seconds)
        for reader in self._readers:
            reader.join(seconds)
        return status

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
        self.wait()


@contextmanager
def running(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """A command that is gone when the context ends."""
    process = Process(folder, *arguments, env=env)
    try:
        yield process
    finally:
        process.end()


# ------------------------------------------------------------------ upstream


class Upstream(OpenAIServer):
    """A server whose script is given test by test, so that one gateway serves a whole module."""

    def __init__(self) -> None:
        super().__init__(self._play)
        self._replies: list[Script] = []

    def say(self, *replies: Script) -> None:
        """Forget what was asked so far; answer so from now on, the last one for good."""
        self.requests.clear()
        self._replies = list(replies)

    def _play(self, call: Call) -> Iterable[Step]:
        assert self._replies, "a call that the test did not foresee"
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return reply(call)


# ------------------------------------------------------------------ the gateway


class Gateway:
    """`rung serve` on a free port. Entering waits until it listens, leaving ends it by SIGTERM."""

    def __init__(
        self,
        folder: Path,
        config: str,
        *,
        env: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.config = folder / "rung.toml"
        self.config.write_text(config, encoding="utf-8")
        self.ledger = folder / "data" / "rung" / "ledger.db"
        self._env = env
        self._under = under
        self.process: Process
        self.url = ""

    @property
    def base_url(self) -> str:
        """What OpenAI clients are pointed at."""
        return f"{self.url}/v1"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def status(self) -> int | None:
        return self.process.status

    @property
    def said(self) -> str:
        """All that it wrote, to standard error and output."""
        return self.process.err + self.process.out

    def start(self) -> Self:
        self.process = Process(
            self.folder, "serve", "--config", str(self.config), env=self._env, under=self._under
        )
        try:
            self.url = self.process.until(LISTENS)[1]
        except BaseException:
            self.process.end()
            raise
        return self

    def stop(self, seconds: float = PATIENCE_SECONDS) -> int:
        """SIGTERM, then its exit status."""
        if self.process.status is None:
            self.process.child.terminate()
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL: it has no last words."""
        self.process.child.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self.stop()
        finally:
            self.process.end()
        if kind is None:
            assert "Traceback" not in self.said, self.said

    def outcome(self, request_id: str) -> Any:
        """What the ledger holds of one request."""
        with Ledger.open(self.ledger, create=False) as ledger:
            return ledger.find(request_id)

    def outcomes(self) -> list[Any]:
        """All of it, newest first."""
        with Ledger.open(self.ledger, create=False) as ledger:
            return ledger.recent(100_000)

    def booked(self, count: int, seconds: float = 5.0) -> list[Any]:
        """Wait until the ledger holds so many requests: for those whose caller was not answered."""
        until = time.monotonic() + seconds
        while len(found := self.outcomes()) < count:
            assert time.monotonic() < until, f"{len(found)} of {count} requests are booked"
            time.sleep(0.02)
        return found


def let_in() -> dict[str, Any]:
    """The scope of a request that has passed its gate, for doors of this process."""
    return {
        "type": "http",
        "path": "/",
        "headers": [],
        "query_string": b"",
        CALLER: NOBODY,
        VISIT: UNCOUNTED,
    }


# ------------------------------------------------------------------ clients without manners


def chat(prompt: str = "hi", *, stream: bool = False, **more: Any) -> bytes:
    """The body of a small request."""
    body = {"model": "rung", "messages": [{"role": "user", "content": prompt}], **more}
    return json.dumps(body | ({"stream": True} if stream else {})).encode()


@dataclass
class Reply:
    """An HTTP response as it came over the socket."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes = field(repr=False, default=b"")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[bytes]:
        """The payloads of an event stream, comments left out."""
        lines = self.body.split(b"\n")
        return [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]

    @property
    def text(self) -> str:
        """The text of a stream's chunks."""
        chunks = [json.loads(event) for event in self.events if event != b"[DONE]"]
        choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)


def request(
    method: str = "POST",
    path: str = "/v1/chat/completions",
    body: bytes | None = None,
    *,
    headers: Sequence[tuple[str, str]] = (),
    host: str = "127.0.0.1",
) -> bytes:
    """The bytes of a request, closing the connection after it."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Wire:
    """A plain socket to a port of this machine, closed when the context ends."""

    def __init__(self, port: int, seconds: float = PATIENCE_SECONDS) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Self:
        """Send what the other end is willing to take."""
        with suppress(BrokenPipeError, ConnectionResetError):  # it answered and hung up early
            self.socket.sendall(data)
        return self

    def until(self, wanted: bytes) -> bytes:
        """Read until these bytes have come."""
        while wanted not in self.heard:
            data = self.socket.recv(65536)
            assert data, f"closed before {wanted!r}: {self.heard!r}"
            self.heard += data
        return self.heard

    def rest(self) -> bytes:
        """All that comes until the other end hangs up."""
        with suppress(ConnectionResetError):
            while data := self.socket.recv(65536):
                self.heard += data
        return self.heard

    def reset(self) -> None:
        """Hang up without a goodbye."""
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def reply(self) -> Reply:
        """The one response of a connection that is closed after it."""
        return parse(self.rest())


def ask(port: int, data: bytes) -> Reply:
    """Send these bytes on a connection of their own and read the reply to its end."""
    with Wire(port) as wire:
        return wire.send(data).reply()


def parse(raw: bytes) -> Reply:
    head, _, body = raw.partition(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")
    assert start.startswith("HTTP/1."), f"no response: {raw!r}"
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return Reply(int(start.split(" ")[1]), headers, body, raw)


def _unchunked(body: bytes) -> bytes:
    pieces = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16) if size else 0
        pieces.append(body[:length])
        body = body[length + 2 :]
    return b"".join(pieces)


async def fetch(port: int, data: bytes) -> Reply:
    """As `ask`, for many at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        return parse(await reader.read())
    finally:
        writer.close()


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within the time, whoever's child it is."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)
