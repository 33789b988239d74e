"""What callers send and get in each dialect, in one vocabulary. It shares no code with rung.

`Asked` is a request and `Said` an answer, whatever dialect they are in. A `Caller` writes the one
and reads the other, as the dialect's own clients do: what they would choke on fails here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"
PAPER = "JVBERi0xLjQK"
SIGNATURE = "c2lnbmVk"
LIMIT = 1000
"""What callers of Messages ask for where a case names no limit: the dialect insists on one."""


class UnsayableError(Exception):
    """A dialect has no word for what a case asks for."""


# ------------------------------------------------------------------ requests


@dataclass(frozen=True)
class Picture:
    """An image: PNG data in base64, or a link."""

    data: str = ""
    url: str = ""


@dataclass(frozen=True)
class Paper:
    """A PDF in base64."""

    data: str
    name: str = "paper.pdf"


@dataclass(frozen=True)
class Called:
    """A tool call. ``arguments`` are an object, or text that was meant to be one."""

    id: str
    name: str
    arguments: Any


@dataclass(frozen=True)
class Thought:
    """What the model thought aside."""

    words: str


@dataclass(frozen=True)
class Offered:
    """A tool."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """What a tool gave back; its own turn of the conversation. ``shown`` are pictures in it."""

    id: str
    text: str
    failed: bool = False
    shown: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Turn:
    """What one side says: the system, the user or the assistant."""

    role: str
    pieces: tuple[Any, ...]


def system(words: str) -> Turn:
    return Turn("system", (words,))


def user(*pieces: Any) -> Turn:
    return Turn("user", pieces)


def assistant(*pieces: Any) -> Turn:
    return Turn("assistant", pieces)


@dataclass(frozen=True)
class Asked:
    """A request. ``choice`` is "required", "none" or a tool's name.

    ``native`` are fields that only the dialects which it names have.
    """

    turns: tuple[Turn | Result, ...] = (user("Hi"),)
    tools: tuple[Offered, ...] = ()
    choice: str | None = None
    parallel: bool | None = None
    limit: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    effort: str | None = None
    native: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


# ------------------------------------------------------------------ answers


@dataclass(frozen=True)
class Counted:
    """Tokens. Those read from a cache and written to one are inside ``read``."""

    read: int = 100
    said: int = 7
    cached: int = 40
    written: int = 10


@dataclass(frozen=True)
class Said:
    """An answer. ``pieces`` is how its text is cut on a stream; ``refusal`` are words of refusal.

    ``finish`` is "stop", "length", "tool_calls" or "refusal".
    """

    pieces: tuple[str, ...] = ("Hello", " there", ".")
    calls: tuple[Called, ...] = ()
    finish: str = "stop"
    refusal: str = ""
    thinking: str = ""
    usage: Counted = field(default_factory=Counted)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True)
class Got:
    """What a caller makes of an answer. ``words`` are its text, or its words of refusal."""

    words: str
    calls: tuple[Called, ...]
    finish: str
    thinking: str
    usage: Counted
    model: str


@dataclass(frozen=True)
class Failed:
    """An error as a caller reads it."""

    kind: str
    message: str
    code: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Caller:
    """One front door's dialect, from outside. ``told`` reads plain answers, ``heard`` streams.

    ``error`` reads an envelope, ``broken`` the error that ends a stream (it checks that there is
    no clean end), ``text`` what a stream has said so far, however it ends.
    """

    dialect: str
    path: str
    write: Callable[[Asked, str, bool], dict[str, Any]]
    told: Callable[[Any], Got]
    heard: Callable[[bytes], Got]
    error: Callable[[Any], Failed]
    broken: Callable[[bytes], Failed]

    def body(self, asked: Asked, model: str, *, stream: bool = False) -> bytes:
        """A request. Raises UnsayableError."""
        told = self.write(asked, model, stream)
        if asked.native:
            if self.dialect not in asked.native:
                raise UnsayableError(self.dialect)
            told |= asked.native[self.dialect]
        return json.dumps(told).encode()


def events(raw: bytes) -> list[tuple[str, bytes]]:
    """The events of a stream as (name, data), comments left out. Each ends with a blank line."""
    assert raw.endswith(b"\n\n"), f"the stream ends inside an event: {raw[-80:]!r}"
    found = []
    for frame in raw.split(b"\n\n")[:-1]:
        fields = [line.partition(b": ") for line in frame.split(b"\n") if line[:1] != b":"]
        told = {name.decode(): value for name, _, value in fields}
        if "data" in told:
            found.append((told.get("event", b"").decode(), told["data"]))
    return found


def parsed(arguments: str) -> Any:
    """A call's arguments as clients take them; text that is no JSON stays what it is."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _unknown(asked: Asked, dialect: str, *names: str) -> None:
    if any(getattr(asked, name) not in {None, ()} for name in names):
        raise UnsayableError(f"{dialect}: {names}")


def failure_text(result: Result) -> str:
    """A result in dialects that have no flag for errors."""
    return f"Error: {result.text}" if result.failed else result.text


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, ())}


# ------------------------------------------------------------------ Chat Completions


def _chat_request(asked: Asked, model: str, stream: bool) -> dict[str, Any]:
    forced = {"type": "function", "function": {"name": asked.choice}}
    told: dict[str, Any] = {
        "messages": [_chat_message(turn) for turn in asked.turns],
        "model": model,
    } | _given(
        max_tokens=asked.limit,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        seed=asked.seed,
        stop=list(asked.stop) or None,
        reasoning_effort=asked.effort,
        parallel_tool_calls=asked.parallel,
        tool_choice=asked.choice if asked.choice in {None, "required", "none"} else forced,
    )
    if asked.tools:
        told["tools"] = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": t.schema},
            }
            for t in asked.tools
        ]
    if asked.schema is not None:
        wanted = {"name": "answer", "schema": asked.schema, "strict": True}
        told["response_format"] = {"type": "json_schema", "json_schema": wanted}
    if stream:
        told |= {"stream": True, "stream_options": {"include_usage": True}}
    return told


def _chat_message(turn: Turn | Result) -> dict[str, Any]:
    if isinstance(turn, Result):
        if turn.shown:
            raise UnsayableError("chat: tools answer with text only")
        return {"role": "tool", "tool_call_id": turn.id, "content": failure_text(turn)}
    told: dict[str, Any] = {"role": turn.role}
    words = [piece for piece in turn.pieces if isinstance(piece, str)]
    if turn.role == "user" and words != list(turn.pieces):
        return told | {"content": [_chat_part(piece) for piece in turn.pieces]}
    told["content"] = "".join(words) or None
    for piece in turn.pieces:
        if isinstance(piece, Thought):
            told["reasoning_content"] = piece.words
        elif isinstance(piece, Called):
            function = {"name": piece.name, "arguments": json.dumps(piece.arguments)}
            call = {"id": piece.id, "type": "function", "function": function}
            told.setdefault("tool_calls", []).append(call)
    return told


def _chat_part(piece: Any) -> dict[str, Any]:
    match piece:
        case str():
            return {"type": "text", "text": piece}
        case Picture(data, url):
            return {"type": "image_url", "image_url": {"url": url or _data("image/png", data)}}
        case Paper(data, name):
            told = {"filename": name, "file_data": _data("application/pdf", data)}
            return {"type": "file", "file": told}
    raise UnsayableError(piece)


def _data(kind: str, data: str) -> str:
    return f"data:{kind};base64,{data}"


CHAT_FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "refusal",
}


def _chat_told(body: Any) -> Got:
    assert body["object"] == "chat.completion"
    assert body["id"]
    [choice] = body["choices"]
    message = choice["message"]
    assert message["role"] == "assistant"
    return _chat_got(message, choice["finish_reason"], body["usage"], body["model"])


def _chat_got(message: Mapping[str, Any], reason: str, usage: Any, model: str) -> Got:
    calls = []
    for call in message.get("tool_calls") or ():
        assert call["type"] == "function"
        arguments = parsed(call["function"]["arguments"])
        calls.append(Called(call["id"], call["function"]["name"], arguments))
    assert len({call.id for call in calls}) == len(calls)
    refusal = message.get("refusal")
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    before = usage["prompt_tokens_details"]
    return Got(
        words=message.get("content") or refusal or "",
        calls=tuple(calls),
        finish="refusal" if refusal else CHAT_FINISH[reason],
        thinking=message.get("reasoning_content") or "",
        usage=Counted(
            usage["prompt_tokens"],
            usage["completion_tokens"],
            before["cached_tokens"],
            before.get("cache_write_tokens", 0),
        ),
        model=model,
    )


def _chat_heard(raw: bytes) -> Got:
    found = [data for _, data in events(raw)]
    assert found[-1] == b"[DONE]", found
    chunks = [json.loads(data) for data in found[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    *chunks, counted = chunks
    assert counted["choices"] == []
    message: dict[str, Any] = {}
    calls: list[dict[str, Any]] = []
    reason = None
    for chunk in chunks:
        [choice] = chunk["choices"]
        assert choice["index"] == 0
        assert reason is None, "something comes after the finish"
        delta = choice["delta"]
        for name in ("content", "refusal", "reasoning_content"):
            if delta.get(name):
                message[name] = message.get(name, "") + delta[name]
        for call in delta.get("tool_calls") or ():
            _chat_grow(calls, call)
        reason = choice["finish_reason"]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert reason is not None
    return _chat_got(message | {"tool_calls": calls}, reason, counted["usage"], counted["model"])


def _chat_grow(calls: list[dict[str, Any]], call: Mapping[str, Any]) -> None:
    """As clients do it: an index begins with id, type and name, and only grows its arguments."""
    if call["index"] == len(calls):
        assert call["id"]
        assert call["function"]["name"]
        calls.append({"id": call["id"], "type": call["type"], "function": dict(call["function"])})
        return
    assert call["index"] == len(calls) - 1
    calls[-1]["function"]["arguments"] += call["function"]["arguments"]


def _chat_error(body: Any) -> Failed:
    assert set(body) == {"error"}
    told = body["error"]
    assert set(told) >= {"message", "type", "param", "code"}
    return Failed(told["type"], told["message"], told["code"], told.get("request_id"))


def _chat_broken(raw: bytes) -> Failed:
    found = [data for _, data in events(raw)]
    assert b"[DONE]" not in found
    for data in found[:-1]:
        for choice in json.loads(data)["choices"]:
            assert choice["finish_reason"] is None
    return _chat_error(json.loads(found[-1]))


# ------------------------------------------------------------------ Responses


def _responses_request(asked: Asked, model: str, stream: bool) -> dict[str, Any]:
    _unknown(asked, "responses", "top_k", "seed", "stop")
    turns = asked.turns
    told: dict[str, Any] = {"model": model, "store": False}
    if isinstance(turns[0], Turn) and turns[0].role == "system":
        told["instructions"] = turns[0].pieces[0]
        turns = turns[1:]
    told["input"] = [item for turn in turns for item in _responses_items(turn)]
    forced = {"type": "function", "name": asked.choice}
    told |= _given(
        max_output_tokens=asked.limit,
        temperature=asked.temperature,
        top_p=asked.top_p,
        reasoning={"effort": asked.effort} if asked.effort else None,
        parallel_tool_calls=asked.parallel,
        tool_choice=asked.choice if asked.choice in {None, "required", "none"} else forced,
    )
    if asked.tools:
        told["tools"] = [
            {
                "type": "function",
                "name": t.name,
                "description": t.description,
                "parameters": t.schema,
                "strict": False,
            }
            for t in asked.tools
        ]
    if asked.schema is not None:
        wanted = {"type": "json_schema", "name": "answer", "schema": asked.schema, "strict": True}
        told["text"] = {"format": wanted}
    return told | ({"stream": True} if stream else {})


def _responses_items(turn: Turn | Result) -> list[dict[str, Any]]:
    if isinstance(turn, Result):
        output: Any = failure_text(turn)
        if turn.shown:
            output = [_responses_part(piece) for piece in (output, *turn.shown)]
        return [{"type": "function_call_output", "call_id": turn.id, "output": output}]
    if turn.role == "system":
        content = [{"type": "input_text", "text": turn.pieces[0]}]
        return [{"type": "message", "role": "developer", "content": content}]
    if turn.role == "user":
        return [{"role": "user", "content": [_responses_part(piece) for piece in turn.pieces]}]
    return [_responses_said(piece) for piece in turn.pieces]


def _responses_part(piece: Any) -> dict[str, Any]:
    match piece:
        case str():
            return {"type": "input_text", "text": piece}
        case Picture(data, url):
            return {"type": "input_image", "image_url": url or _data("image/png", data)}
        case Paper(data, name):
            told = _data("application/pdf", data)
            return {"type": "input_file", "filename": name, "file_data": told}
    raise UnsayableError(piece)


def _responses_said(piece: Any) -> dict[str, Any]:
    match piece:
        case str():
            content = [{"type": "output_text", "text": piece, "annotations": []}]
            return {"type": "message", "role": "assistant", "content": content}
        case Thought(words):
            summary = [{"type": "summary_text", "text": words}]
            told = {"type": "reasoning", "id": "rs_0", "summary": summary}
            return told | {"encrypted_content": SIGNATURE}
        case Called(id, name, arguments):
            told = {"type": "function_call", "call_id": id, "name": name}
            return told | {"arguments": json.dumps(arguments)}
    raise UnsayableError(piece)


def _responses_told(body: Any) -> Got:
    assert body["object"] == "response"
    assert body["error"] is None
    words, thinking, refused = "", "", False
    calls = []
    for item in body["output"]:
        match item["type"]:
            case "message":
                assert item["role"] == "assistant"
                for part in item["content"]:
                    refused = refused or part["type"] == "refusal"
                    words += part["refusal" if part["type"] == "refusal" else "text"]
            case "reasoning":
                thinking += "".join(part["text"] for part in item["summary"])
            case "function_call":
                name = ".".join(filter(None, (item.get("namespace"), item["name"])))
                calls.append(Called(item["call_id"], name, parsed(item["arguments"])))
            case "custom_tool_call":
                calls.append(Called(item["call_id"], item["name"], item["input"]))
            case other:
                raise AssertionError(other)
    assert len({call.id for call in calls}) == len(calls)
    usage = body["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens_details"]["reasoning_tokens"] >= 0
    before = usage["input_tokens_details"]
    counted = Counted(
        usage["input_tokens"],
        usage["output_tokens"],
        before["cached_tokens"],
        before["cache_write_tokens"],
    )
    finish = _responses_finish(body, called=bool(calls), refused=refused)
    return Got(words, tuple(calls), finish, thinking, counted, body["model"])


def _responses_finish(body: Any, *, called: bool, refused: bool) -> str:
    if body["status"] == "incomplete":
        reason = body["incomplete_details"]["reason"]
        return {"max_output_tokens": "length", "content_filter": "refusal"}[reason]
    assert body["status"] == "completed"
    assert body["incomplete_details"] is None
    return "refusal" if refused else "tool_calls" if called else "stop"


PARTS = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.reasoning_summary_text": "text",
}


def _responses_events(raw: bytes) -> list[dict[str, Any]]:
    found = []
    for name, data in events(raw):
        told = json.loads(data)
        assert told["type"] == name
        found.append(told)
    numbers = [told["sequence_number"] for told in found]
    assert numbers == sorted(set(numbers)), numbers
    return found


def _responses_heard(raw: bytes) -> Got:
    found = _responses_events(raw)
    assert found[0]["type"] == "response.created"
    assert found[-1]["type"] in {"response.completed", "response.incomplete"}
    assert sum(told["type"].startswith("response.complete") for told in found) <= 1
    items: list[dict[str, Any]] = []
    grown: dict[str, str] = {}
    open_item: int | None = None
    for told in found[1:-1]:
        kind, _, step = told["type"].rpartition(".")
        match told["type"]:
            case "response.output_item.added":
                assert open_item is None
                assert told["output_index"] == len(items)
                open_item, grown = len(items), {}
            case "response.output_item.done":
                assert open_item == told["output_index"]
                items.append(told["item"])
                open_item = None
            case "response.content_part.done":
                assert told["content_index"] < len(PARTS)
            case _ if kind in PARTS:
                assert told["output_index"] == open_item
                if step == "delta":
                    grown[kind] = grown.get(kind, "") + told["delta"]
                else:
                    assert told[PARTS[kind]] == grown.get(kind, "")
    last = found[-1]["response"]
    assert open_item is None
    assert last["output"] == items
    assert found[0]["response"]["id"] == last["id"]
    return _responses_told(last)


def _responses_broken(raw: bytes) -> Failed:
    found = _responses_events(raw)
    assert not {told["type"] for told in found} & {"response.completed", "response.incomplete"}
    *_, last = found
    assert last["type"] == "error"
    if len(found) > 1:
        assert found[0]["type"] == "response.created"
        assert found[-2]["type"] == "response.failed"
        assert found[-2]["response"]["status"] == "failed"
        assert found[-2]["response"]["error"]["code"] == last["code"]
    return Failed("error", last["message"], last["code"])


# ------------------------------------------------------------------ Messages


def _messages_request(asked: Asked, model: str, stream: bool) -> dict[str, Any]:
    _unknown(asked, "messages", "seed")
    told: dict[str, Any] = {"model": model, "max_tokens": asked.limit or LIMIT}
    turns = asked.turns
    if isinstance(turns[0], Turn) and turns[0].role == "system":
        told["system"] = turns[0].pieces[0]
        turns = turns[1:]
    told["messages"] = _messages_turns(turns)
    told |= _given(
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        stop_sequences=list(asked.stop) or None,
        tool_choice=_messages_choice(asked),
    )
    if asked.tools:
        told["tools"] = [
            {"name": t.name, "description": t.description, "input_schema": t.schema}
            for t in asked.tools
        ]
    config: dict[str, Any] = {}
    if asked.schema is not None:
        config["format"] = {"type": "json_schema", "schema": asked.schema}
    if asked.effort:
        config["effort"] = asked.effort
    if config:
        told["output_config"] = config
    return told | ({"stream": True} if stream else {})


def _messages_choice(asked: Asked) -> dict[str, Any] | None:
    named = {"type": "tool", "name": asked.choice}
    kinds: Mapping[str | None, dict[str, Any] | None] = {
        None: None,
        "required": {"type": "any"},
        "none": {"type": "none"},
    }
    told = kinds.get(asked.choice, named)
    if asked.parallel is None:
        return told
    return (told or {"type": "auto"}) | {"disable_parallel_tool_use": not asked.parallel}


def _messages_turns(turns: tuple[Turn | Result, ...]) -> list[dict[str, Any]]:
    """Results and what the user says after them are one turn."""
    told: list[dict[str, Any]] = []
    for turn in turns:
        if isinstance(turn, Result):
            role, content = "user", [_messages_result(turn)]
        else:
            role, content = turn.role, [_messages_block(piece) for piece in turn.pieces]
        if told and told[-1]["role"] == role == "user":
            told[-1]["content"] += content
        else:
            told.append({"role": role, "content": content})
    return told


def _messages_result(result: Result) -> dict[str, Any]:
    content: Any = result.text
    if result.shown:
        content = [_messages_block(piece) for piece in (result.text, *result.shown)]
    told: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.id, "content": content}
    return told | ({"is_error": True} if result.failed else {})


def _messages_block(piece: Any) -> dict[str, Any]:
    match piece:
        case str():
            return {"type": "text", "text": piece}
        case Picture(_, url) if url:
            return {"type": "image", "source": {"type": "url", "url": url}}
        case Picture(data, _):
            source = {"type": "base64", "media_type": "image/png", "data": data}
            return {"type": "image", "source": source}
        case Paper(data, name):
            source = {"type": "base64", "media_type": "application/pdf", "data": data}
            return {"type": "document", "source": source, "title": name}
        case Thought(words):
            return {"type": "thinking", "thinking": words, "signature": SIGNATURE}
        case Called(id, name, arguments):
            return {"type": "tool_use", "id": id, "name": name, "input": arguments}
    raise UnsayableError(piece)


MESSAGES_FINISH = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}


def _messages_told(body: Any) -> Got:
    assert (body["type"], body["role"]) == ("message", "assistant")
    words, thinking = "", ""
    calls = []
    for block in body["content"]:
        match block["type"]:
            case "text":
                words += block["text"]
            case "thinking":
                assert block["signature"]
                thinking += block["thinking"]
            case "tool_use":
                calls.append(Called(block["id"], block["name"], block["input"]))
            case other:
                raise AssertionError(other)
    assert len({call.id for call in calls}) == len(calls)
    usage = body["usage"]
    cached = usage["cache_read_input_tokens"]
    written = usage["cache_creation_input_tokens"]
    counted = Counted(
        usage["input_tokens"] + cached + written, usage["output_tokens"], cached, written
    )
    finish = MESSAGES_FINISH[body["stop_reason"]]
    return Got(words, tuple(calls), finish, thinking, counted, body["model"])


MESSAGES_GROWTH = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("partial", "partial_json"),
}


def _messages_events(raw: bytes) -> list[dict[str, Any]]:
    found = []
    for name, data in events(raw):
        told = json.loads(data)
        assert told["type"] == name
        if name != "ping":
            found.append(told)
    return found


def _messages_heard(raw: bytes) -> Got:
    begun, *found, changed, ended = _messages_events(raw)
    assert begun["type"] == "message_start"
    assert changed["type"] == "message_delta"
    assert ended == {"type": "message_stop"}
    message = begun["message"]
    assert message["content"] == []
    blocks: list[dict[str, Any]] = []
    opened = False
    for told in found:
        match told["type"]:
            case "content_block_start":
                assert not opened
                assert told["index"] == len(blocks)
                blocks.append(dict(told["content_block"]) | {"partial": ""})
                opened = True
            case "content_block_delta":
                assert opened
                assert told["index"] == len(blocks) - 1
                into, name = MESSAGES_GROWTH[told["delta"]["type"]]
                blocks[-1][into] += told["delta"][name]
            case "content_block_stop":
                assert opened
                assert told["index"] == len(blocks) - 1
                opened = False
            case other:
                raise AssertionError(other)
    assert not opened
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = parsed(block["partial"] or "{}")
    usage = message["usage"] | changed["usage"]
    return _messages_told(message | changed["delta"] | {"content": blocks, "usage": usage})


def _messages_error(body: Any) -> Failed:
    assert body["type"] == "error"
    told = body["error"]
    return Failed(told["type"], told["message"], None, body.get("request_id"))


def _messages_broken(raw: bytes) -> Failed:
    *found, last = _messages_events(raw)
    assert not {told["type"] for told in found} & {"message_delta", "message_stop"}
    if found:
        assert found[0]["type"] == "message_start"
    return _messages_error(last)


CALLERS: Mapping[str, Caller] = {
    caller.dialect: caller
    for caller in (
        Caller(
            "chat",
            "/v1/chat/completions",
            _chat_request,
            _chat_told,
            _chat_heard,
            _chat_error,
            _chat_broken,
        ),
        Caller(
            "responses",
            "/v1/responses",
            _responses_request,
            _responses_told,
            _responses_heard,
            _chat_error,
            _responses_broken,
        ),
        Caller(
            "messages",
            "/v1/messages",
            _messages_request,
            _messages_told,
            _messages_heard,
            _messages_error,
            _messages_broken,
        ),
    )
}


def without_thoughts(asked: Asked) -> Asked:
    """The same request with nothing that the assistant thought aside."""
    return replace(asked, turns=tuple(map(_thoughtless, asked.turns)))


def _thoughtless(turn: Turn | Result) -> Turn | Result:
    if isinstance(turn, Result):
        return turn
    kept = tuple(piece for piece in turn.pieces if not isinstance(piece, Thought))
    return replace(turn, pieces=kept)
