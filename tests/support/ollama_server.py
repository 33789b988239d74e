"""A fake of Ollama's native API on a real socket, faithful where a client can be hurt by it.

It loads models and reloads them when the context size changes, gives a load up when its client
hangs up, refuses or cuts prompts that do not fit, refuses what a model cannot do and what its Go
types cannot hold, and speaks newline-delimited JSON.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from support.socket_server import Exchange, SocketServer

SECOND = 1_000_000_000
KEPT = 4


@dataclass
class Model:
    """An installed model. ``loading`` holds a load back until it is set.

    ``capabilities`` are what ``/api/show`` tells; ``None`` for a version that does not tell.
    """

    trained: int = 32_768
    capabilities: tuple[str, ...] | None = ("completion", "tools", "vision", "thinking")
    loading: asyncio.Event | None = None
    load_seconds: float = 1.5
    load_error: str | None = None
    remote_host: str = ""


@dataclass
class Says:
    """How one chat request is answered. ``after`` counts the pieces sent before it goes wrong.

    ``calls`` are tool calls as the server writes them: in a stream one a line, after the pieces.
    """

    pieces: tuple[str, ...] = ("Hello", " there")
    thinking: tuple[str, ...] = ()
    calls: tuple[Any, ...] = ()
    done_reason: str | None = "stop"
    prompt_tokens: int | None = None
    status: int = 200
    error: str | None = None
    after: int = 0
    cut: bool = False
    stall: bool = False
    slices: int | None = None
    raw: bytes | None = None
    load_seconds: float = 0.0


@dataclass
class Asked:
    """A request as it arrived."""

    path: str
    body: Any


@dataclass
class Ollama:
    """The server's state: what is installed and loaded, what was asked, what happened."""

    models: dict[str, Model]
    version: str = "0.33.2"
    knows_truncate: bool = True
    tells_context: bool = True
    tells_loaded: bool = True
    most_context: int | None = None
    show_errors: int = 0
    queue: deque[Says] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    loaded: dict[str, int] = field(default_factory=dict)
    loads: list[tuple[str, int]] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    streaming: asyncio.Event = field(default_factory=asyncio.Event)
    load_begun: asyncio.Event = field(default_factory=asyncio.Event)
    load_given_up: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    def say(self, *answers: Says) -> None:
        self.queue.extend(answers)

    @property
    def chats(self) -> list[Any]:
        """The bodies of the chat requests that asked for an answer."""
        return [a.body for a in self.asked if a.path == "/api/chat" and a.body["messages"]]

    @property
    def warm_ups(self) -> list[Any]:
        """The bodies of the chat requests that only loaded."""
        return [a.body for a in self.asked if a.path == "/api/chat" and not a.body["messages"]]

    async def answer(self, exchange: Exchange) -> None:
        self.asked.append(Asked(exchange.path, exchange.json))
        handlers = {
            "/api/chat": self._chat,
            "/api/tags": self._tags,
            "/api/ps": self._ps,
            "/api/show": self._show,
            "/api/version": self._version,
        }
        handler = handlers.get(exchange.path)
        if handler is None:
            await exchange.reply(404, b"404 page not found", "text/plain")
        else:
            await handler(exchange)

    async def _version(self, exchange: Exchange) -> None:
        await exchange.reply(200, {"version": self.version})

    async def _tags(self, exchange: Exchange) -> None:
        listed = [{"name": n, "model": n, "size": 400_000_000} for n in self.models]
        await exchange.reply(200, {"models": listed})

    async def _ps(self, exchange: Exchange) -> None:
        if not self.tells_loaded:
            await exchange.reply(404, b"404 page not found", "text/plain")
            return
        listed = []
        for name, context in self.loaded.items():
            row: dict[str, Any] = {"name": name, "model": name, "size": 1000, "size_vram": 600}
            if self.tells_context:
                row["context_length"] = context
            listed.append(row)
        await exchange.reply(200, {"models": listed})

    async def _show(self, exchange: Exchange) -> None:
        model = self.models.get(_full(exchange.json["model"]))
        if self.show_errors:
            self.show_errors -= 1
            await exchange.reply(500, {"error": "try again"})
            return
        if model is None:
            await exchange.reply(404, {"error": f"model '{exchange.json['model']}' not found"})
            return
        info = {"general.architecture": "qwen2", "qwen2.context_length": model.trained}
        shown: dict[str, Any] = {"model_info": info}
        if model.capabilities is not None:
            shown["capabilities"] = list(model.capabilities)
        if model.remote_host:
            shown["remote_host"] = model.remote_host
        await exchange.reply(200, shown)

    async def _chat(self, exchange: Exchange) -> None:
        body = exchange.json
        name = _full(body["model"])
        model = self.models.get(name)
        if model is None:
            await exchange.reply(404, {"error": f"model '{body['model']}' not found"})
            return
        refused = _refused(body, model)
        if refused is not None:
            await exchange.reply(400, {"error": refused})
            return
        wanted = min(body.get("options", {}).get("num_ctx", 4096), model.trained)
        wanted = min(wanted, self.most_context or wanted)
        took = 0.01
        if self.loaded.get(name) != wanted:
            if not await self._load(exchange, name, wanted):
                return
            took = model.load_seconds
        if not body["messages"]:
            await exchange.reply(200, _final(body["model"], Says(done_reason="load")))
            return
        says = self.queue.popleft() if self.queue else Says()
        await self._answer(exchange, body, replace(says, load_seconds=took))

    async def _load(self, exchange: Exchange, name: str, context: int) -> bool:
        model = self.models[name]
        self.load_begun.set()
        if model.load_error is not None:
            await exchange.reply(500, {"error": model.load_error})
            return False
        if model.loading is not None:
            gone = asyncio.ensure_future(exchange.until_gone())
            ready = asyncio.ensure_future(model.loading.wait())
            try:
                await asyncio.wait({gone, ready}, return_when=asyncio.FIRST_COMPLETED)
                if not ready.done():
                    self.load_given_up.set()
                    return False
            finally:
                for task in (gone, ready):
                    task.cancel()
                await asyncio.gather(gone, ready, return_exceptions=True)
        self.loaded[name] = context
        self.loads.append((name, context))
        return True

    async def _answer(self, exchange: Exchange, body: Any, says: Says) -> None:
        window = self.loaded[_full(body["model"])]
        prompt = sum(len(m["content"].encode()) for m in body["messages"]) // 4
        prompt += len(json.dumps(body.get("tools", ""))) // 4
        if prompt > window:
            if self.knows_truncate and body.get("truncate") is False:
                await exchange.reply(400, {"error": json.dumps(_overflow(prompt, window))})
                return
            prompt = KEPT + (window - KEPT) // 2
        if says.prompt_tokens is not None:
            prompt = says.prompt_tokens
        if says.status != 200:
            await exchange.reply(says.status, {"error": says.error})
        elif body["stream"]:
            await self._stream(exchange, body, says, prompt)
        elif says.stall:
            self.streaming.set()
            await exchange.until_gone()
            self.hung_up.set()
        elif says.raw is not None:
            await exchange.reply(200, says.raw)
        else:
            whole = _final(body["model"], says, prompt)
            whole["message"] = {"role": "assistant", "content": "".join(says.pieces)}
            if says.thinking:
                whole["message"]["thinking"] = "".join(says.thinking)
            if says.calls:
                whole["message"]["tool_calls"] = list(says.calls)
            await exchange.reply(200, whole)

    async def _stream(self, exchange: Exchange, body: Any, says: Says, prompt: int) -> None:
        await exchange.begin("application/x-ndjson")
        lines: list[dict[str, Any]] = [{"thinking": t, "content": ""} for t in says.thinking]
        lines += [{"content": p} for p in says.pieces]
        lines += [{"content": "", "tool_calls": [c]} for c in says.calls]
        wrong = says.cut or says.stall or says.error is not None
        for said in lines[: says.after] if wrong else lines:
            message = {"role": "assistant", **said}
            await _send(
                exchange, {"model": body["model"], "message": message, "done": False}, says.slices
            )
        self.streaming.set()
        if says.stall:
            await exchange.until_gone()
            self.hung_up.set()
        elif says.cut:
            exchange.break_off()
        elif says.error is not None:
            await _send(exchange, {"error": says.error}, says.slices)
            await exchange.finish()
        elif says.raw is not None:
            await exchange.send(says.raw)
            await exchange.finish()
        else:
            done = _final(body["model"], says, prompt)
            await _send(exchange, done, says.slices)
            await exchange.finish()


async def _send(exchange: Exchange, line: Any, slices: int | None) -> None:
    raw = json.dumps(line, ensure_ascii=False).encode() + b"\n"
    size = slices or len(raw)
    for start in range(0, len(raw), size):
        await exchange.send(raw[start : start + size])


def _full(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def _refused(body: Any, model: Model) -> str | None:
    """Why the server answers 400, in its words."""
    told, able = body["model"], model.capabilities or ("tools", "vision", "thinking")
    if body.get("tools") and "tools" not in able:
        return f'"registry.ollama.ai/library/{told}" does not support tools'
    if body.get("think") and "thinking" not in able:
        return f'"{told}" does not support thinking'
    if body.get("tools") and "format" in body:
        return "Failed to initialize samplers: failed to parse grammar"
    arguments = [
        call["function"]["arguments"]
        for message in body["messages"]
        for call in message.get("tool_calls", ())
    ]
    if not all(isinstance(each, dict) for each in arguments):
        return "json: cannot unmarshal string into Go value of type api.ToolCallFunctionArguments"
    try:
        for message in body["messages"]:
            for image in message.get("images", ()):
                base64.b64decode(image, validate=True)
    except binascii.Error:
        return "illegal base64 data at input byte 0"
    return None


def _overflow(prompt: int, window: int) -> Any:
    message = f"request ({prompt} tokens) exceeds the available context size ({window} tokens)"
    return {"error": {"code": 400, "message": message, "type": "exceed_context_size_error"}}


def _final(model: str, says: Says, prompt: int | None = None) -> dict[str, Any]:
    done: dict[str, Any] = {
        "model": model,
        "created_at": "2026-11-20T10:00:00.000000001Z",
        "message": {"role": "assistant", "content": ""},
        "done": True,
    }
    if says.done_reason is not None:
        done["done_reason"] = says.done_reason
    if prompt is not None:
        done |= {
            "total_duration": 2 * SECOND,
            "load_duration": int(says.load_seconds * SECOND),
            "prompt_eval_count": prompt,
            "prompt_eval_duration": SECOND // 4,
            "eval_count": len(says.pieces),
            "eval_duration": SECOND,
        }
    return done


@contextlib.asynccontextmanager
async def ollama(**models: Model) -> AsyncIterator[Ollama]:
    """A running server. A keyword ``qwen2`` is the model ``qwen2:latest``."""
    state = Ollama({f"{name}:latest": model for name, model in models.items()})
    async with SocketServer(state.answer) as server:
        state.url = server.url
        yield state
