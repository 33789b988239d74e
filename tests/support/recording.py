"""Upstreams of each dialect that say what they are told and note what they were asked.

Bodies are written and read here by hand, in the vocabulary of `support.dialects`: nothing of rung
tells these servers what is right. An `Upper` is one back end of a gateway under test.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

from support import anthropic_server, openai_server
from support.dialects import (
    CHAT_FINISH,
    MESSAGES_FINISH,
    SIGNATURE,
    Asked,
    Called,
    Offered,
    Paper,
    Picture,
    Result,
    Said,
    Thought,
    Turn,
    parsed,
)
from support.gateway import Upstream, parse
from support.ollama_server import Model, Ollama, Says, ollama
from support.openai_server import STREAM_END, STREAM_HEAD, Call, Reply, Step, whole


def _reason(table: Mapping[str, str], finish: str) -> str:
    return next(word for word, meaning in table.items() if meaning == finish)


def _halves(told: str) -> tuple[str, str]:
    return told[: len(told) // 2], told[len(told) // 2 :]


def _arguments(call: Called) -> str:
    """As the model wrote them."""
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def _result(call_id: str, told: Any, *, failed: bool = False) -> Result:
    """A result, in one text or in parts, however its dialect says that the tool failed."""
    parts = [{"type": "text", "text": told}] if isinstance(told, str) else told
    text = " ".join(part["text"] for part in parts if "text" in part)
    shown = tuple(_PICTURES[part["type"]](part) for part in parts if "text" not in part)
    marked = text.startswith("Error: ")
    return Result(call_id, text.removeprefix("Error: "), failed or marked, shown)


def _rest(body: Mapping[str, Any], *known: str) -> None:
    unknown = set(body) - {"model", "stream", *known}
    assert not unknown, f"the upstream was sent {sorted(unknown)}"


# ------------------------------------------------------------------ Chat Completions


def chat_says(said: Said) -> Reply:
    """An answer of an OpenAI-compatible server."""
    counted = {
        "prompt_tokens": said.usage.read,
        "completion_tokens": said.usage.said,
        "total_tokens": said.usage.read + said.usage.said,
        "prompt_tokens_details": {
            "cached_tokens": said.usage.cached,
            "cache_write_tokens": said.usage.written,
        },
    }
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": _arguments(call)},
        }
        for call in said.calls
    ]
    # This dialect has words of refusal and then an ordinary end.
    finish = "stop" if said.refusal else _reason(CHAT_FINISH, said.finish)

    def reply(call: Call) -> Iterable[Step]:
        if not call.streams:
            message = {"role": "assistant", "content": said.text or None}
            message |= {"refusal": said.refusal} if said.refusal else {}
            message |= {"reasoning_content": said.thinking} if said.thinking else {}
            message |= {"tool_calls": calls} if calls else {}
            choice = {"index": 0, "message": message, "finish_reason": finish}
            told = {"id": "chatcmpl-7", "object": "chat.completion", "created": 7}
            told |= {"model": "said-by-chat", "choices": [choice], "usage": counted}
            return [whole(200, json.dumps(told).encode())]
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": said.thinking}] if said.thinking else []
        deltas += [{"content": one} for one in said.pieces if one]
        deltas += [{"refusal": said.refusal}] if said.refusal else []
        for index, one in enumerate(calls):
            first, rest = _halves(one["function"]["arguments"])
            begun = one | {"function": {"name": one["function"]["name"], "arguments": first}}
            more = {"index": index, "function": {"arguments": rest}}
            deltas += [{"tool_calls": [{"index": index} | begun]}, {"tool_calls": [more]}]
        chunks = [openai_server.chunk(delta, model="said-by-chat") for delta in deltas]
        chunks.append(openai_server.chunk({}, finish, model="said-by-chat"))
        if call.wants_usage:
            last = openai_server.usage_chunk(counted)
            chunks.append(last | {"model": "said-by-chat"})
        return openai_server.stream(*chunks)(call)

    return reply


def chat_heard(body: Any) -> Asked:
    """What a request to such a server means."""
    _rest(
        body,
        *("messages", "max_tokens", "temperature", "top_p", "top_k", "seed", "stop", "tools"),
        *("tool_choice", "parallel_tool_calls", "reasoning_effort", "response_format"),
        "stream_options",
    )
    choice = body.get("tool_choice")
    schema = body.get("response_format")
    assert bool(body.get("stream")) is ("stream_options" in body)
    if schema is not None:
        assert schema["type"] == "json_schema"
        schema = schema["json_schema"]["schema"]
    return Asked(
        turns=tuple(_chat_turn(message) for message in body["messages"]),
        tools=tuple(_chat_offered(tool) for tool in body.get("tools", ())),
        choice=choice["function"]["name"] if isinstance(choice, dict) else choice,
        parallel=body.get("parallel_tool_calls"),
        limit=body.get("max_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        seed=body.get("seed"),
        stop=tuple(body.get("stop", ())),
        schema=schema,
        effort=body.get("reasoning_effort"),
    )


def _chat_offered(tool: Any) -> Offered:
    assert tool["type"] == "function"
    function = tool["function"]
    return Offered(function["name"], function["description"], function["parameters"])


def _chat_turn(message: Any) -> Turn | Result:
    content = message["content"]
    if message["role"] == "tool":
        return _result(message["tool_call_id"], content)
    pieces: list[Any] = []
    if message.get("reasoning_content"):
        pieces.append(Thought(message["reasoning_content"]))
    if isinstance(content, list):
        pieces += [_chat_piece(part) for part in content]
    elif content:
        pieces.append(content)
    for call in message.get("tool_calls", ()):
        function = call["function"]
        pieces.append(Called(call["id"], function["name"], parsed(function["arguments"])))
    return Turn(message["role"], tuple(pieces))


def _chat_piece(part: Any) -> Any:
    match part["type"]:
        case "text":
            return part["text"]
        case "image_url":
            return _picture(part["image_url"]["url"])
        case "file":
            return _paper(part["file"]["file_data"], part["file"]["filename"])
    raise AssertionError(part)


def _picture(url: str) -> Picture:
    data = url.removeprefix("data:image/png;base64,")
    return Picture(url=url) if data == url else Picture(data)


def _paper(told: str, name: str) -> Paper:
    assert told.startswith("data:application/pdf;base64,")
    return Paper(told.partition(",")[2], name)


# ------------------------------------------------------------------ Responses


def responses_says(said: Said) -> Reply:
    """An answer of a server that speaks Responses."""
    items = list(_responses_items(said))
    reasons = {"length": "max_output_tokens", "refusal": "content_filter"}
    reason = None if said.refusal else reasons.get(said.finish)
    done = {
        "id": "resp_7",
        "object": "response",
        "created_at": 7,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "model": "said-by-responses",
        "output": items,
        "usage": {
            "input_tokens": said.usage.read,
            "input_tokens_details": {
                "cached_tokens": said.usage.cached,
                "cache_write_tokens": said.usage.written,
            },
            "output_tokens": said.usage.said,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": said.usage.read + said.usage.said,
        },
    }

    def reply(call: Call) -> Iterable[Step]:
        if not call.streams:
            return [whole(200, json.dumps(done).encode())]
        begun = done | {"status": "in_progress", "incomplete_details": None}
        begun |= {"output": [], "usage": None}
        found: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
        for index, item in enumerate(items):
            found += _responses_growth(index, item, said)
        found.append({"type": f"response.{done['status']}", "response": done})
        told = [one | {"sequence_number": number} for number, one in enumerate(found)]
        return [STREAM_HEAD, *map(anthropic_server.event, told), STREAM_END]

    return reply


def _responses_items(said: Said) -> Iterator[dict[str, Any]]:
    if said.thinking:
        summary = [{"type": "summary_text", "text": said.thinking}]
        yield {"type": "reasoning", "id": "rs_7", "summary": summary}
    content: list[dict[str, Any]] = []
    if said.text:
        content.append({"type": "output_text", "text": said.text, "annotations": []})
    if said.refusal:
        content.append({"type": "refusal", "refusal": said.refusal})
    if content:
        told = {"type": "message", "id": "msg_7", "role": "assistant", "status": "completed"}
        yield told | {"content": content}
    for number, call in enumerate(said.calls):
        yield {
            "type": "function_call",
            "id": f"fc_{number}",
            "call_id": call.id,
            "name": call.name,
            "arguments": _arguments(call),
            "status": "completed",
        }


def _responses_growth(index: int, item: dict[str, Any], said: Said) -> list[dict[str, Any]]:
    """One item on a stream: it is added, grows, and is done."""
    place = {"item_id": item["id"], "output_index": index}
    found: list[dict[str, Any]] = []

    def grow(kind: str, name: str, told: Iterable[str], **more: Any) -> None:
        pieces = list(told)
        head = {"type": f"response.{kind}.delta", **place, **more}
        found.extend(head | {"delta": one} for one in pieces)
        found.append(head | {"type": f"response.{kind}.done", name: "".join(pieces)})

    match item["type"]:
        case "reasoning":
            empty: dict[str, Any] = {"summary": []}
            grow("reasoning_summary_text", "text", [said.thinking], summary_index=0)
        case "message":
            empty = {"content": [], "status": "in_progress"}
            for at, part in enumerate(item["content"]):
                name = "text" if part["type"] == "output_text" else "refusal"
                told = {"content_index": at, **place}
                kind = {"type": "response.content_part.added"}
                found.append(kind | told | {"part": part | {name: ""}})
                pieces = said.pieces if name == "text" else [said.refusal]
                grown = "output_text" if name == "text" else "refusal"
                grow(grown, name, pieces, content_index=at)
                found.append({"type": "response.content_part.done"} | told | {"part": part})
        case _:
            empty = {"arguments": "", "status": "in_progress"}
            grow("function_call_arguments", "arguments", _halves(item["arguments"]))
    added = {"type": "response.output_item.added", "output_index": index, "item": item | empty}
    done = {"type": "response.output_item.done", "output_index": index, "item": item}
    return [added, *found, done]


def responses_heard(body: Any) -> Asked:
    """What a request to such a server means."""
    _rest(
        body,
        *("input", "instructions", "store", "max_output_tokens", "temperature", "top_p"),
        *("text", "reasoning", "tools", "tool_choice", "parallel_tool_calls"),
    )
    assert body["store"] is False
    choice = body.get("tool_choice")
    turns: list[Turn | Result] = []
    if "instructions" in body:
        turns.append(Turn("system", (body["instructions"],)))
    for item in body["input"]:
        turn = _responses_turn(item)
        last = turns[-1] if turns else None
        said = isinstance(turn, Turn) and turn.role == "assistant"
        if said and isinstance(last, Turn) and last.role == "assistant":
            turns[-1] = Turn("assistant", (*last.pieces, *turn.pieces))
        else:
            turns.append(turn)
    schema = body.get("text", {}).get("format")
    return Asked(
        turns=tuple(turns),
        tools=tuple(
            Offered(tool["name"], tool["description"], tool["parameters"])
            for tool in body.get("tools", ())
        ),
        choice=choice["name"] if isinstance(choice, dict) else choice,
        parallel=body.get("parallel_tool_calls"),
        limit=body.get("max_output_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        schema=None if schema is None else schema["schema"],
        effort=body.get("reasoning", {}).get("effort"),
    )


def _responses_turn(item: Any) -> Any:
    match item.get("type", "message"):
        case "function_call_output":
            return _result(item["call_id"], item["output"])
        case "function_call":
            called = Called(item["call_id"], item["name"], parsed(item["arguments"]))
            return Turn("assistant", (called,))
        case "reasoning":
            words = "".join(part["text"] for part in item["summary"])
            return Turn("assistant", (Thought(words),))
        case "message":
            role = "system" if item["role"] == "developer" else item["role"]
            content = item["content"]
            told = [content] if isinstance(content, str) else map(_responses_piece, content)
            return Turn(role, tuple(told))
    raise AssertionError(item)


def _responses_piece(part: Any) -> Any:
    match part["type"]:
        case "input_text" | "output_text":
            return part["text"]
        case "input_image":
            return _picture(part["image_url"])
        case "input_file":
            return _paper(part["file_data"], part["filename"])
    raise AssertionError(part)


# ------------------------------------------------------------------ Messages


def messages_says(said: Said) -> Reply:
    """An answer of an Anthropic-shaped server."""
    fresh = said.usage.read - said.usage.cached - said.usage.written
    usage = {
        "input_tokens": fresh,
        "cache_read_input_tokens": said.usage.cached,
        "cache_creation_input_tokens": said.usage.written,
        "output_tokens": said.usage.said,
    }
    words = [said.refusal] if said.refusal else [one for one in said.pieces if one]
    blocks: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    if said.thinking:
        block = {"type": "thinking", "thinking": said.thinking, "signature": SIGNATURE}
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = (
            {"type": "thinking_delta", "thinking": said.thinking},
            {"type": "signature_delta", "signature": SIGNATURE},
        )
        found.append(anthropic_server.block_start(0, empty))
        found += [anthropic_server.block_delta(0, delta) for delta in deltas]
        found.append(anthropic_server.block_stop(0))
        blocks.append(block)
    if words:
        found += anthropic_server.text_events(len(blocks), *words)
        blocks.append({"type": "text", "text": "".join(words)})
    for call in said.calls:
        block = {"type": "tool_use", "id": call.id, "name": call.name}
        found += _messages_call(len(blocks), block, _arguments(call))
        blocks.append(block | {"input": call.arguments})
    reason = _reason(MESSAGES_FINISH, said.finish)
    begun = {"id": "msg_7", "type": "message", "role": "assistant", "model": "said-by-messages"}
    begun |= {"stop_reason": None, "stop_sequence": None}

    def reply(call: Call) -> Iterable[Step]:
        if not call.streams:
            told = begun | {"content": blocks, "stop_reason": reason, "usage": usage}
            return [whole(200, json.dumps(told).encode())]
        message = begun | {"content": [], "usage": usage | {"output_tokens": 1}}
        told = [{"type": "message_start", "message": message}, anthropic_server.PING, *found]
        told.append(anthropic_server.message_delta(reason, said.usage.said))
        told.append(anthropic_server.MESSAGE_STOP)
        return [STREAM_HEAD, *map(anthropic_server.event, told), STREAM_END]

    return reply


def _messages_call(index: int, block: dict[str, Any], told: str) -> list[dict[str, Any]]:
    deltas = [{"type": "input_json_delta", "partial_json": one} for one in _halves(told)]
    return [
        anthropic_server.block_start(index, block | {"input": {}}),
        *(anthropic_server.block_delta(index, delta) for delta in deltas),
        anthropic_server.block_stop(index),
    ]


def messages_heard(body: Any) -> Asked:
    """What a request to such a server means."""
    _rest(
        body,
        *("system", "messages", "max_tokens", "temperature", "top_p", "top_k"),
        *("stop_sequences", "tools", "tool_choice", "output_config", "thinking"),
    )
    turns: list[Turn | Result] = []
    told = body.get("system")
    if told is not None:
        words = told if isinstance(told, str) else "\n".join(block["text"] for block in told)
        turns.append(Turn("system", (words,)))
    for message in body["messages"]:
        turns += _messages_turns(message)
    choice = body.get("tool_choice") or {"type": "auto"}
    kinds = {"auto": None, "any": "required", "none": "none", "tool": choice.get("name")}
    alone = choice.get("disable_parallel_tool_use")
    config = body.get("output_config", {})
    schema = config.get("format")
    return Asked(
        turns=tuple(turns),
        tools=tuple(
            Offered(tool["name"], tool["description"], tool["input_schema"])
            for tool in body.get("tools", ())
        ),
        choice=kinds[choice["type"]],
        parallel=None if alone is None else not alone,
        limit=body["max_tokens"],
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop=tuple(body.get("stop_sequences", ())),
        schema=None if schema is None else schema["schema"],
        effort=config.get("effort"),
    )


def _messages_turns(message: Any) -> Iterator[Turn | Result]:
    """Results come first in the user's turn, each as one of its own."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    kinds = [block["type"] == "tool_result" for block in blocks]
    assert kinds == sorted(kinds, reverse=True), "a result comes after something else"
    pieces = []
    for block in blocks:
        if block["type"] != "tool_result":
            pieces.append(_messages_piece(block))
            continue
        yield _result(block["tool_use_id"], block["content"], failed=block.get("is_error", False))
    if pieces:
        yield Turn(message["role"], tuple(pieces))


def _messages_piece(block: Any) -> Any:
    match block["type"]:
        case "text":
            return block["text"]
        case "image" if block["source"]["type"] == "url":
            return Picture(url=block["source"]["url"])
        case "image":
            assert block["source"]["media_type"] == "image/png"
            return Picture(block["source"]["data"])
        case "document":
            assert block["source"]["media_type"] == "application/pdf"
            return Paper(block["source"]["data"], block["title"])
        case "thinking":
            assert block["signature"] == SIGNATURE
            return Thought(block["thinking"])
        case "tool_use":
            return Called(block["id"], block["name"], block["input"])
    raise AssertionError(block)


_PICTURES: Mapping[str, Callable[[Any], Any]] = {
    "input_image": _responses_piece,
    "image": _messages_piece,
}

# ------------------------------------------------------------------ Ollama


def ollama_says(said: Said, *, stream: bool) -> Says:
    """An answer of Ollama's."""
    calls = [
        {"id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
        for call in said.calls
    ]
    final = {
        "model": "said-by-ollama",
        "created_at": "2026-11-20T10:00:00Z",
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "length" if said.finish == "length" else "stop",
        "prompt_eval_count": said.usage.read,
        "prompt_eval_cached_count": said.usage.cached,
        "eval_count": said.usage.said,
    }
    message = {"role": "assistant", "content": said.text}
    message |= {"thinking": said.thinking} if said.thinking else {}
    message |= {"tool_calls": calls} if calls else {}
    if not stream:
        return Says(raw=json.dumps(final | {"message": message}).encode())
    thinking = (said.thinking,) if said.thinking else ()
    pieces = tuple(one for one in said.pieces if one)
    return Says(pieces, thinking, tuple(calls), raw=json.dumps(final).encode() + b"\n")


EFFORTS = {"low": "low", "medium": "medium", "high": "high"}


def ollama_heard(body: Any) -> Asked:
    """What a request to Ollama means."""
    _rest(body, "messages", "tools", "format", "think", "options", "truncate", "keep_alive")
    options = dict(body["options"])
    assert options.pop("num_ctx") >= 2048
    assert body["truncate"] is False
    asked = Asked(
        turns=tuple(_ollama_turn(message) for message in body["messages"]),
        tools=tuple(_chat_offered(tool) for tool in body.get("tools", ())),
        limit=options.pop("num_predict"),
        temperature=options.pop("temperature", None),
        top_p=options.pop("top_p", None),
        top_k=options.pop("top_k", None),
        seed=options.pop("seed", None),
        stop=tuple(options.pop("stop", ())),
        schema=body.get("format"),
        effort=EFFORTS[body["think"]] if "think" in body else None,
    )
    assert options == {}
    return asked


def _ollama_turn(message: Any) -> Turn | Result:
    content = message["content"]
    if message["role"] == "tool":
        assert message["tool_name"]
        shown = tuple(Picture(data) for data in message.get("images", ()))
        return replace(_result(message["tool_call_id"], content), shown=shown)
    pieces: list[Any] = [content] if content else []
    pieces += [Picture(data) for data in message.get("images", ())]
    for call in message.get("tool_calls", ()):
        function = call["function"]
        pieces.append(Called(call["id"], function["name"], function["arguments"]))
    return Turn(message["role"], tuple(pieces))


# ------------------------------------------------------------------ servers


class Upper(Protocol):
    """One back end. ``takes`` are the dialects in which it is spoken to, the foreign one first."""

    takes: tuple[str, ...]
    counts_writes: bool
    refuses_in_words: bool

    @property
    def tier(self) -> str:
        """The lines of its table in rung.toml, from the provider on."""
        ...

    def say(self, *said: Said, stream: bool) -> None:
        """Forget what was asked so far; answer so from now on, the last one for good."""
        ...

    def bodies(self) -> list[bytes]:
        """What was asked for since then, as it came; Ollama's as written anew."""
        ...

    def answered(self) -> bytes:
        """The body of the last answer, where callers may speak the same dialect."""
        ...

    def read(self, body: bytes) -> Asked:
        """What one of them means."""
        ...


@dataclass
class Spoken:
    """A back end that is an OpenAI-like server: what it says by the path that it is asked at."""

    provider: str
    takes: tuple[str, ...]
    more: str = ""
    server: Upstream = field(default_factory=Upstream)
    counts_writes = True
    refuses_in_words = True

    @property
    def tier(self) -> str:
        return (
            f'provider = "{self.provider}"\nbase_url = "{self.server.base_url}"\n'
            f'price = "free"\nretries = 0\nrepairs = 0\n{self.more}'
        )

    def say(self, *said: Said, stream: bool) -> None:
        self._replies = [_spoken(one) for one in said]
        self.server.say(*self._replies)

    def bodies(self) -> list[bytes]:
        return [call.body for call in self.server.calls]

    def answered(self) -> bytes:
        """The body of the answer to the last request, as it was sent, but for its pings."""
        reply = self._replies[-1](self.server.calls[-1])
        body = parse(b"".join(map(_bytes, reply))).body
        return body.replace(anthropic_server.framed(anthropic_server.PING), b"")

    def read(self, body: bytes) -> Asked:
        path = _place(self.server.calls[0].path)
        return SPOKEN[path][1](json.loads(body))


def _spoken(said: Said) -> Reply:
    """The answer in the dialect in which it is asked for."""
    replies = {path: says(said) for path, (says, _) in SPOKEN.items()}
    return lambda call: replies[_place(call.path)](call)


def _bytes(step: Step) -> bytes:
    assert isinstance(step, bytes)
    return step


def _place(path: str) -> str:
    return path.partition("?")[0].removeprefix("/v1")


SPOKEN: Mapping[str, tuple[Callable[[Said], Reply], Callable[[Any], Asked]]] = {
    "/chat/completions": (chat_says, chat_heard),
    "/responses": (responses_says, responses_heard),
    "/messages": (messages_says, messages_heard),
}


class OllamaThread:
    """The fake Ollama with an event loop of its own, for tests that wait for other things."""

    takes: tuple[str, ...] = ("ollama",)
    counts_writes = False
    refuses_in_words = False

    def __init__(self, *models: str) -> None:
        self._models = models
        self._ready = threading.Event()
        self.state: Ollama

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with ollama(**{name: Model() for name in self._models}) as state:
            self.state = state
            self._ready.set()
            await self._stop.wait()

    @property
    def tier(self) -> str:
        return f'provider = "ollama"\nbase_url = "{self.state.url}"\nretries = 0\nrepairs = 0\n'

    def say(self, *said: Said, stream: bool) -> None:
        self.says(*(ollama_says(one, stream=stream) for one in said))

    def says(self, *answers: Says) -> None:
        """Forget what was asked so far; give each of these answers once, in this order."""
        self.state.asked.clear()
        self.state.queue.clear()
        self.state.say(*answers)

    def answered(self) -> bytes:
        raise NotImplementedError("nobody calls rung in this dialect")

    def bodies(self) -> list[bytes]:
        return [json.dumps(body).encode() for body in self.state.chats]

    def read(self, body: bytes) -> Asked:
        return ollama_heard(json.loads(body))

    def left(self, seconds: float) -> bool:
        """Whether the caller of a stalled answer hangs up within the time."""
        waiting = asyncio.run_coroutine_threadsafe(self.state.hung_up.wait(), self._loop)
        try:
            return waiting.result(seconds)
        except TimeoutError:
            waiting.cancel()
            return False
