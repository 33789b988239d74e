"""A provider that simulates prompt caches and keeps its own sum, in threads of this process.

A model's cache holds every prefix of the prompts that it has read, message by message, until it has
not been used for so many turns of its conversation: time goes by turns here. What is not read from
it is written to it. Prompts under the minimum are not cached. Tokens are bytes over four. Answers
are whole; the Responses dialect streams where it is asked to.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

BYTES_PER_TOKEN = 4
LEAST_CACHED = 1_024
ANSWER_TOKENS = 1_000
"""What every answer is billed as, whatever it says."""

FAILING = "[[fails at "
"""What a tool result says where the cheap model's next answer is no valid call."""


@dataclass(frozen=True)
class Rates:
    """Nano-dollars a token, from so many tokens of a prompt on (above that number)."""

    above: int
    input: int
    output: int
    read: int
    write: int


MODELS: Mapping[str, tuple[Rates, ...]] = {
    "claude-haiku-5-5": (Rates(100_000, 500, 2_500, 50, 625), Rates(0, 100, 500, 10, 125)),
    "claude-sonnet-5-5": (Rates(0, 2_000, 10_000, 100, 2_500),),
    "gpt-6-luna": (Rates(0, 100, 500, 10, 125),),
    "gpt-6.1-sol": (Rates(0, 2_000, 10_000, 100, 2_500),),
}
"""Written down here a second time, so that rung's bill is held against another reckoning."""


@dataclass
class Cache:
    """One model's: by the hash of a prefix, the turn at which it was last used."""

    used: dict[str, int] = field(default_factory=dict)


@dataclass
class Ledger:
    """What was billed, by project."""

    nanousd: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    read: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sent: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Upstream:
    """The provider. ``cell`` is which project calls now, ``turn`` the clock."""

    def __init__(self, lives_turns: int) -> None:
        self.lives_turns = lives_turns
        self.bill = Ledger()
        self.cell = ""
        self.turn = 0
        self._caches: dict[tuple[str, str], Cache] = defaultdict(Cache)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                kind, raw = outer.answer(self.path, body)
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[str, bytes]:
        messages = path.partition("?")[0].endswith("/messages")
        with self._lock:
            used = self._charged(body["model"], list(_blocks(body)))
        last = json.dumps((body.get("messages") or body["input"])[-1:])
        fails = f"{FAILING}{body['model']}]]" in last
        if messages:
            return "application/json", _message(body["model"], used, fails=fails)
        if body.get("stream"):
            return "text/event-stream", _events(body["model"], used, fails=fails)
        return "application/json", json.dumps(_response(body["model"], used, fails=fails)).encode()

    def _charged(self, model: str, blocks: Sequence[bytes]) -> tuple[int, int]:
        """Tokens read and written, billed."""
        cache = self._caches[self.cell, model].used
        digest, tokens, read = hashlib.blake2b(digest_size=12), 0, 0
        prefixes: list[tuple[str, int]] = []
        for block in blocks:
            digest.update(block)
            tokens += -(-len(block) // BYTES_PER_TOKEN)
            prefixes.append((digest.hexdigest(), tokens))
        for name, size in prefixes:
            fresh = self.turn - cache.get(name, -(10**9)) <= self.lives_turns
            read = size if fresh and size >= LEAST_CACHED else read
        for name, _ in prefixes:
            cache[name] = self.turn
        rates = next(each for each in MODELS[model] if tokens > each.above or each.above == 0)
        written = tokens - read
        cost = read * rates.read + written * rates.write + ANSWER_TOKENS * rates.output
        bill = self.bill
        bill.nanousd[self.cell] += cost
        bill.calls[self.cell] += 1
        bill.read[self.cell] += read
        bill.sent[self.cell] += tokens
        return read, written


def _blocks(body: dict[str, Any]) -> Iterator[bytes]:
    """What a cache looks at, piece by piece, without the marks that only say where to cut."""
    yield _plain([body.get("tools"), body.get("system"), body.get("instructions")])
    for each in body.get("messages") or body["input"]:
        yield _plain(each)


def _plain(value: Any) -> bytes:
    return json.dumps(_unmarked(value), sort_keys=True).encode()


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmarked(each) for key, each in value.items() if key != "cache_control"}
    return [_unmarked(each) for each in value] if isinstance(value, list) else value


# ------------------------------------------------------------------ answers


def _message(model: str, used: tuple[int, int], *, fails: bool) -> bytes:
    told = {} if fails else {"command": "make test", "description": "run the tests"}
    read, written = used
    return json.dumps(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [
                {"type": "text", "text": "Next I run the tests."},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": told},
            ],
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 0,
                "cache_read_input_tokens": read,
                "cache_creation_input_tokens": written,
                "output_tokens": ANSWER_TOKENS,
            },
        }
    ).encode()


def _response(model: str, used: tuple[int, int], *, fails: bool) -> dict[str, Any]:
    read, written = used
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "model": model,
        "output": [_call(fails=fails)],
        "usage": {
            "input_tokens": read + written,
            "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
            "output_tokens": ANSWER_TOKENS,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written + ANSWER_TOKENS,
        },
    }


def _call(*, fails: bool) -> dict[str, Any]:
    told = {} if fails else {"cmd": "make test"}
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "exec_command",
        "arguments": json.dumps(told),
        "status": "completed",
    }


def _events(model: str, used: tuple[int, int], *, fails: bool) -> bytes:
    whole, item = _response(model, used, fails=fails), _call(fails=fails)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    place = {"output_index": 0, "item_id": "fc_1"}
    told: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "arguments": "", "status": "in_progress"},
        },
        {"type": "response.function_call_arguments.delta", "delta": item["arguments"], **place},
        {
            "type": "response.function_call_arguments.done",
            "arguments": item["arguments"],
            "name": item["name"],
            **place,
        },
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    lines = (
        f"event: {each['type']}\ndata: {json.dumps({**each, 'sequence_number': number})}\n\n"
        for number, each in enumerate(told)
    )
    return "".join(lines).encode()
