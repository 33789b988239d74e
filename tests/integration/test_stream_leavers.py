"""Callers who leave: their calls end upstream, they are booked, and nothing of them stays.

A gateway as a process, and a server that would go on talking for ever in every dialect.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rung.core.types import EndedBy
from support import anthropic_server as claude
from support import openai_server as openai
from support.gateway import Gateway, fetch, request
from support.openai_server import Call, OpenAIServer, Pause, Step, piece

LEAVERS = 200
AT_ONCE = 40
COMMON_THREADS = 8
LONGEST_STAY_SECONDS = 0.7
PAUSE = Pause(0.05)
SEED = 20_26

FRONTS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "completions": "/v1/completions",
    "ollama": "/api/chat",
}
BACKS = ("chat", "messages", "responses", "ollama")
WAYS = ("alone", "held")

# ------------------------------------------------------------------ a server that never ends


def _event(payload: Any, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return piece(head + b"data: %b\n\n" % json.dumps(payload).encode())


def _talking(back: str) -> Iterator[Step]:
    """One more word at a time, for ever."""
    kind = "application/x-ndjson" if back == "ollama" else "text/event-stream"
    yield openai.head(200, {"content-type": kind, "transfer-encoding": "chunked"})
    yield PAUSE
    if back == "messages":
        for told in (claude.message_start(), claude.block_start(0, {"type": "text", "text": ""})):
            yield _event(told, told["type"])
    if back == "responses":
        told = {"type": "response.created", "response": {"model": "m"}, "sequence_number": 0}
        yield _event(told, told["type"])
    for number in range(1, 10_000):
        yield _word(back, number)
        yield PAUSE


def _word(back: str, number: int) -> bytes:
    word = f"word {number} "
    if back == "ollama":
        told: Any = {"model": "m", "message": {"content": word}, "done": False}
        return piece(json.dumps(told).encode() + b"\n")
    if back == "messages":
        told = claude.block_delta(0, {"type": "text_delta", "text": word})
        return _event(told, told["type"])
    if back == "responses":
        name = "response.output_text.delta"
        return _event({"type": name, "delta": word, "sequence_number": number}, name)
    return _event(openai.chunk({"content": word}))


_LEAVER = re.compile(rb"leaver (\d+)\.")


class Talking(OpenAIServer):
    """Answers every leaver with a stream without an end; ``calls_of`` finds theirs."""

    def _next(self, call: Call) -> openai.Reply:
        back = call.path.split("/")[1]
        if _LEAVER.search(call.body):
            return lambda _: _talking(back)
        told: Any = {"models": [{"name": "m:latest", "context_length": 4096}]}
        if call.path.endswith("/api/chat"):
            told = {"model": "m", "done": True, "done_reason": "load", "message": {"content": ""}}
        body = json.dumps(told | {"capabilities": ["completion"]}).encode()
        return openai.raw(openai.whole(200, body, headers={"connection": "close"}))

    def calls_of(self) -> dict[int, list[Call]]:
        found: dict[int, list[Call]] = {}
        for call in self.requests:
            if named := _LEAVER.search(call.body):
                found.setdefault(int(named[1]), []).append(call)
        return found


_PROVIDERS = {
    "chat": 'provider = "openai_compatible"\nbase_url = "{url}/chat/v1"',
    "messages": 'provider = "anthropic"\nbase_url = "{url}/messages/v1"',
    "responses": 'provider = "openai_compatible"\nbase_url = "{url}/responses/v1"\n'
    "responses = true",
    "ollama": 'provider = "ollama"\nbase_url = "{url}/ollama"',
    "top": 'provider = "openai_compatible"\nbase_url = "{url}/chat/v1"',
}


def _config(url: str) -> str:
    lines = []
    for name, provider in _PROVIDERS.items():
        lines.append(f"[tiers.{name}]\n{provider.format(url=url)}\nmodel = 'm'\nprice = 'free'")
    for back in BACKS:
        lines.append(f"[ladders.{back}_alone]\ntiers = ['{back}']")
        lines.append(f"[ladders.{back}_held]\ntiers = ['{back}', 'top']\nstream = 'hold'")
    return "\n".join([*lines, "[server]\nport = 0", ""])


@pytest.fixture
def stage(tmp_path):
    with Talking() as server:
        url = f"http://127.0.0.1:{server.port}"
        with Gateway(tmp_path, _config(url)) as gateway:
            yield gateway, server


# ------------------------------------------------------------------ the leavers


@dataclass
class Leaver:
    """One caller: where it goes, how long it stays, and how rudely it leaves."""

    number: int
    front: str
    ladder: str
    seconds: float
    rude: bool
    left_at: float = 0.0


def crowd(count: int) -> list[Leaver]:
    """Every front door with every back end, in turn; the rest is drawn."""
    rng = random.Random(SEED)
    ways = [(f, f"{b}_{w}") for f in FRONTS for b in BACKS for w in WAYS]
    rng.shuffle(ways)
    return [
        Leaver(
            number,
            *ways[number % len(ways)],
            rng.uniform(0, LONGEST_STAY_SECONDS),
            rng.random() < 0.5,
        )
        for number in range(count)
    ]


def body(leaver: Leaver) -> bytes:
    told: dict[str, Any] = {"model": f"rung/{leaver.ladder}", "stream": True, "max_tokens": 99}
    said = f"leaver {leaver.number}."
    match leaver.front:
        case "completions":
            told["prompt"] = said
        case "responses":
            told["input"] = said
            told["max_output_tokens"] = told.pop("max_tokens")
        case _:
            told["messages"] = [{"role": "user", "content": said}]
    return json.dumps(told).encode()


async def visit(gateway: Gateway, leaver: Leaver, gate: asyncio.Semaphore) -> None:
    """Ask, listen for a while, and go."""
    async with gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request(path=FRONTS[leaver.front], body=body(leaver)))
        await writer.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(leaver.seconds):
                while await reader.read(4096):
                    pass
        if leaver.rude:
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        leaver.left_at = time.monotonic()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def open_files(gateway: Gateway) -> int:
    return len(list(Path(f"/proc/{gateway.process.child.pid}/fd").iterdir()))


def threads(gateway: Gateway) -> int:
    return len(list(Path(f"/proc/{gateway.process.child.pid}/task").iterdir()))


async def settled(what: Any, most: int, seconds: float = 5.0) -> int:
    """The figure, once it is not above ``most`` any more; as it is after the time."""
    until = time.monotonic() + seconds
    while (now := what()) > most and time.monotonic() < until:  # noqa: ASYNC110 of another process
        await asyncio.sleep(0.05)
    return now


async def come_and_go(gateway: Gateway, count: int) -> list[Leaver]:
    leavers, gate = crowd(count), asyncio.Semaphore(AT_ONCE)
    await asyncio.gather(*(visit(gateway, one, gate) for one in leavers))
    return leavers


async def test_nothing_stays_of_callers_who_leave(stage) -> None:
    gateway, server = stage
    # A pool keeps a thread for each name looked up at one time, and gives them back when idle:
    # what stays of callers who left would be one for each of them.
    most_threads = threads(gateway) + AT_ONCE + COMMON_THREADS
    await come_and_go(gateway, AT_ONCE)  # what is opened once and for all
    gateway.booked(AT_ONCE)
    await asyncio.sleep(0.2)
    server.requests.clear()
    most_files = open_files(gateway)

    leavers = await come_and_go(gateway, LEAVERS)
    outcomes = gateway.booked(AT_ONCE + LEAVERS)

    calls = server.calls_of()
    assert len(calls) > LEAVERS * 0.8
    late = {}
    for leaver in leavers:
        for call in calls.get(leaver.number, ()):
            assert await server.left(call, 2.0), f"{leaver} is still talked to"
            assert call.left_at is not None
            if (took := call.left_at - leaver.left_at) >= 1.0:
                late[leaver.number] = took
    assert late == {}

    assert len(outcomes) == AT_ONCE + LEAVERS
    assert {(one.served, one.ended_by) for one in outcomes} == {(None, EndedBy.CLIENT)}

    assert await settled(lambda: open_files(gateway), most_files) <= most_files
    assert await settled(lambda: threads(gateway), most_threads) <= most_threads
    alive = await fetch(gateway.port, request("GET", "/healthz"))
    assert alive.status == 200
    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < 5
    assert "Traceback" not in gateway.said
    assert "never retrieved" not in gateway.said
