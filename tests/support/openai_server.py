"""A scriptable OpenAI-compatible server on a real socket, in its own thread.

    with OpenAIServer(text("hello"), status(429, headers={"retry-after": "1"})) as server:
        ...  # call server.base_url
    assert server.calls[0].json["model"] == "m"

Each call takes the next reply of the script; the last one repeats. A function of the call may stand
in for the script. Replies are steps: bytes to write, or what to do to the connection.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

# ------------------------------------------------------------------ what was asked


@dataclass
class Call:
    """One request as it arrived. ``left`` is set when the client hung up before its reply ended."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    left: threading.Event = field(default_factory=threading.Event)
    left_at: float | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def streams(self) -> bool:
        try:
            return bool(self.json.get("stream"))
        except (ValueError, AttributeError):
            return False

    @property
    def wants_usage(self) -> bool:
        return bool((self.json.get("stream_options") or {}).get("include_usage"))


# ------------------------------------------------------------------ what is done


@dataclass(frozen=True)
class Pause:
    """Wait before the next step."""

    seconds: float


@dataclass(frozen=True)
class Stall:
    """Do nothing more until the client hangs up."""


@dataclass(frozen=True)
class Cut:
    """Close the connection; ``hard`` resets it."""

    hard: bool = False


Step = bytes | Pause | Stall | Cut
Reply = Callable[[Call], Iterable[Step]]

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
STALL = Stall()
CUT = Cut()
RESET = Cut(hard=True)


def head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Scripted",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(
    status: int,
    body: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> bytes:
    """A complete HTTP answer."""
    told = {"content-type": content_type, "content-length": str(len(body))} | dict(headers or {})
    return head(status, told) + body


def piece(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


STREAM_HEAD = head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
STREAM_END = b"0\r\n\r\n"


def event(payload: Any) -> bytes:
    """One chunk that holds one event."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return piece(b"data: " + data + b"\n\n")


DONE = event(b"[DONE]")


def chunk(
    delta: Mapping[str, Any] | None = None, finish: str | None = None, model: str = "scripted-1"
) -> dict[str, Any]:
    choice = {"index": 0, "delta": dict(delta or {}), "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": model,
        "choices": [choice],
    }


def usage_chunk(usage: Any) -> dict[str, Any]:
    return chunk() | {"choices": [], "usage": usage}


# ------------------------------------------------------------------ replies


def raw(*steps: Step) -> Reply:
    """Exactly these steps."""
    return lambda _call: steps


def text(
    said: str | Sequence[str],
    *,
    finish: str = "stop",
    usage: Any = USAGE,
    message: Mapping[str, Any] | None = None,
) -> Reply:
    """An answer; a sequence gives the pieces of a stream. Streams where the call asks for it.

    ``usage`` None leaves it out. ``message`` adds fields to the message (or one delta).
    """
    pieces = [said] if isinstance(said, str) else list(said)

    def reply(call: Call) -> list[Step]:
        if not call.streams:
            return [_completion("".join(pieces), finish, usage, message)]
        steps: list[Step] = [STREAM_HEAD, event(chunk({"role": "assistant", "content": ""}))]
        steps += [event(chunk({"content": one})) for one in pieces if one]
        if message:
            steps.append(event(chunk(message)))
        steps.append(event(chunk({}, finish)))
        if usage is not None and call.wants_usage:
            steps.append(event(usage_chunk(usage)))
        return [*steps, DONE, STREAM_END]

    return reply


def _completion(said: str, finish: str, usage: Any, message: Mapping[str, Any] | None) -> bytes:
    told: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": said} | dict(message or {}),
                "finish_reason": finish,
            }
        ],
    }
    return whole(200, json.dumps(told if usage is None else told | {"usage": usage}).encode())


def tool_call(name: str, arguments: Any, *, call_id: str = "call_1") -> Reply:
    """An answer that is one tool call; its arguments come in two pieces on a stream."""
    told = arguments if isinstance(arguments, str) else json.dumps(arguments)
    function = {"name": name, "arguments": told}
    whole_call = {"id": call_id, "type": "function", "function": function}

    def reply(call: Call) -> Iterable[Step]:
        if not call.streams:
            return text(
                "", finish="tool_calls", message={"content": None, "tool_calls": [whole_call]}
            )(call)
        middle = len(told) // 2
        first = whole_call | {"index": 0, "function": {"name": name, "arguments": told[:middle]}}
        rest = {"index": 0, "function": {"arguments": told[middle:]}}
        steps: list[Step] = [STREAM_HEAD, event(chunk({"role": "assistant", "content": None}))]
        steps += [event(chunk({"tool_calls": [one]})) for one in (first, rest)]
        steps.append(event(chunk({}, "tool_calls")))
        if call.wants_usage:
            steps.append(event(usage_chunk(USAGE)))
        return [*steps, DONE, STREAM_END]

    return reply


def status(
    code: int,
    error: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Reply:
    """An error. ``error`` is a message, a whole body as an object, or bytes."""
    if isinstance(error, bytes):
        body = error
    else:
        message = {"error": {"message": error or f"scripted {code}", "type": None, "code": None}}
        body = json.dumps(error if isinstance(error, dict | list) else message).encode()
    return raw(whole(code, body, headers=headers, content_type=content_type))


def stream(*payloads: Any, end: Sequence[Step] = (DONE, STREAM_END)) -> Reply:
    """A stream of these payloads; what is already a step stays one."""
    steps = [one if isinstance(one, Pause | Stall | Cut) else event(one) for one in payloads]
    return raw(STREAM_HEAD, *steps, *end)


def cut_stream(*said: str, hard: bool = False) -> Reply:
    """A stream that breaks off after these pieces of text."""
    return stream(*(chunk({"content": one}) for one in said), end=[Pause(0.02), Cut(hard)])


def slow(seconds: float, reply: Reply) -> Reply:
    """The same reply, later: nothing is sent until then."""
    return lambda call: [Pause(seconds), *reply(call)]


stall = raw(STALL)
"""Takes the request and never answers."""

# ------------------------------------------------------------------ the server


class OpenAIServer:
    """Serves a script while the context lasts.

    ``requests`` holds every request in order of arrival, ``calls`` those that are not GETs.
    ``connections`` counts the connections that were opened.
    """

    def __init__(
        self, *script: Reply, models: Sequence[str] = ("m",), models_reply: Reply | None = None
    ) -> None:
        self.requests: list[Call] = []
        self.connections = 0
        self._script = script or (text("hello"),)
        self._models_reply = models_reply or raw(whole(200, _models(models)))
        self._arrived = threading.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def calls(self) -> list[Call]:
        return [one for one in self.requests if one.method != "GET"]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def wait_for_calls(self, count: int, seconds: float = 5.0) -> list[Call]:
        """Wait until so many calls have arrived."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.calls) >= count, seconds)
        return self.calls

    async def arrived(self, count: int, seconds: float = 5.0) -> list[Call]:
        """As `wait_for_calls`, from a coroutine."""
        return await asyncio.to_thread(self.wait_for_calls, count, seconds)

    async def left(self, call: Call, seconds: float = 5.0) -> bool:
        """Whether the client of ``call`` hangs up within the time."""
        return await asyncio.to_thread(call.left.wait, seconds)

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted connections are closed in the loop's next turn

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._converse(reader, writer, self.connections))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> None:
        first: bytes | None = b""
        try:
            while first is not None:
                call = await _read(first, reader, connection)
                first = await self._exchange(call, reader, writer)
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _exchange(
        self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """Answer one call; the first byte of the next one, ``None`` when there is none."""
        with self._arrived:
            reply = self._next(call)
            self.requests.append(call)
            self._arrived.notify_all()
        # Clients do not pipeline: whatever comes before the reply has ended is a hang-up.
        reading = asyncio.ensure_future(reader.read(1))
        replying = asyncio.ensure_future(self._reply(reply(call), writer))
        try:
            await asyncio.wait({reading, replying}, return_when=asyncio.FIRST_COMPLETED)
            broken = replying.done() and isinstance(replying.exception(), ConnectionError)
            if broken or not replying.done():
                call.left_at = time.monotonic()
                call.left.set()
                return None
            return (await reading or None) if replying.result() else None
        finally:
            reading.cancel()
            replying.cancel()

    def _next(self, call: Call) -> Reply:
        if call.method == "GET":
            return self._models_reply
        return self._script[min(len(self.calls), len(self._script) - 1)]

    async def _reply(self, steps: Iterable[Step], writer: asyncio.StreamWriter) -> bool:
        """Do the steps; whether the connection is still of use."""
        for step in steps:
            match step:
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Stall():
                    await asyncio.Event().wait()
                case Cut(hard):
                    if hard:
                        writer.transport.abort()
                    return False
                case _:
                    writer.write(step)
                    await writer.drain()
        return True


async def _read(first: bytes, reader: asyncio.StreamReader, connection: int) -> Call:
    top = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *lines = top.rstrip().split("\r\n")
    method, path, _ = start.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Call(method, path, headers, body, connection)


def _models(names: Sequence[str]) -> bytes:
    data = [{"id": name, "object": "model", "created": 1, "owned_by": "x"} for name in names]
    return json.dumps({"object": "list", "data": data}).encode()
