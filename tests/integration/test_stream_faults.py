"""Whatever an upstream does to a stream, the caller learns the truth: all of it, or that it broke.

A gateway as a process over one server that misbehaves in every dialect. Each test is one pair of
dialects and one ladder, asked once for each fault; a strict client reads what comes.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from rung.ledger import Ledger
from support import anthropic_server as claude
from support import openai_server as openai
from support.gateway import Gateway, Reply, fetch, request
from support.openai_server import CUT, RESET, STALL, STREAM_END, Call, OpenAIServer, Step, piece
from support.strict_streams import Heard, heard, refusal

FRONTS = ("chat", "messages", "responses", "completions", "ollama")
BACKS = ("chat", "messages", "responses", "ollama")
PAIRS = [
    # A server that speaks both is asked in Responses by those who do.
    (front, back)
    for front in FRONTS
    for back in BACKS
    if back != "responses" or front == back
]
SAID = ("Grüße ", "aus Köln: ", "drei Dinge 👋", " und Schluss.")
TEXT = "".join(SAID)
GOOD = "All good."
ARGUMENTS = {"city": "Köln", "days": 3}
AT_ONCE = 24
CLIENT_SECONDS = 10.0
QUIET_SECONDS = 1.5

# ------------------------------------------------------------------ well-formed streams


@dataclass(frozen=True)
class Script:
    """A stream's events. After ``whole`` of them the provider has said why the answer ended."""

    kind: str
    events: tuple[bytes, ...]
    whole: int


def _sse(payload: Any, name: str = "") -> bytes:
    told = json.dumps(payload, ensure_ascii=False).encode()
    return (b"event: %b\n" % name.encode() if name else b"") + b"data: %b\n\n" % told


def _chat(said: Sequence[str], *, calls: bool) -> Script:
    told: list[Any] = [openai.chunk({"role": "assistant", "content": ""})]
    told += [openai.chunk({"content": one}) for one in said]
    if calls:
        arguments = json.dumps(ARGUMENTS, ensure_ascii=False)
        begun = {"id": "call_1", "type": "function"}
        pieces = ({"name": "look", "arguments": arguments[:9]}, {"arguments": arguments[9:]})
        for place, function in enumerate(pieces):
            call = ({} if place else begun) | {"index": 0, "function": function}
            told.append(openai.chunk({"tool_calls": [call]}))
    told.append(openai.chunk({}, "tool_calls" if calls else "stop"))
    whole = len(told)
    told.append(openai.usage_chunk(openai.USAGE))
    return Script("sse", (*map(_sse, told), b"data: [DONE]\n\n"), whole)


def _messages(said: Sequence[str], *, calls: bool) -> Script:
    told = [claude.message_start(), claude.PING, *claude.text_events(0, *said)]
    if calls:
        block = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": ARGUMENTS}
        told += claude.tool_events(1, block)
    told.append(claude.message_delta("tool_use" if calls else "end_turn"))
    whole = len(told)
    told.append(claude.MESSAGE_STOP)
    return Script("sse", tuple(_sse(one, one["type"]) for one in told), whole)


def _responses(said: Sequence[str], *, calls: bool) -> Script:
    part = {"type": "output_text", "text": "".join(said), "annotations": []}
    spoken = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    output: list[Any] = [spoken | {"content": [part]}]
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    told: list[tuple[str, Any]] = [
        ("response.created", {"response": _response("in_progress", [])}),
        ("response.output_item.added", {"output_index": 0, "item": spoken | {"content": []}}),
        ("response.content_part.added", at | {"part": part | {"text": ""}}),
        *(("response.output_text.delta", at | {"delta": one}) for one in said),
        ("response.output_text.done", at | {"text": part["text"]}),
        ("response.output_item.done", {"output_index": 0, "item": output[0]}),
    ]
    if calls:
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look"}
        whole = json.dumps(ARGUMENTS, ensure_ascii=False)
        place = {"item_id": "fc_1", "output_index": 1}
        kind = "response.function_call_arguments.delta"
        output.append(call | {"arguments": whole})
        told += [
            ("response.output_item.added", {"output_index": 1, "item": call | {"arguments": ""}}),
            (kind, place | {"delta": whole[:9]}),
            (kind, place | {"delta": whole[9:]}),
            ("response.output_item.done", {"output_index": 1, "item": output[1]}),
        ]
    told.append(("response.completed", {"response": _response("completed", output)}))
    framed = [_sse({"type": k, "sequence_number": i} | e, k) for i, (k, e) in enumerate(told)]
    return Script("sse", tuple(framed), len(framed))


def _response(status: str, output: list[Any]) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    told = {"id": "resp_1", "object": "response", "model": "scripted-1", "status": status}
    return told | {"output": output, "usage": usage if status == "completed" else None}


def _ollama(said: Sequence[str], *, calls: bool) -> Script:
    told: list[dict[str, Any]] = [{"content": one} for one in said]
    if calls:
        told.append(
            {"content": "", "tool_calls": [{"function": {"name": "look", "arguments": ARGUMENTS}}]}
        )
    lines: list[Any] = [{"model": "m", "message": one, "done": False} for one in told]
    counts = {"prompt_eval_count": 10, "eval_count": 5, "done_reason": "stop"}
    lines.append({"model": "m", "message": {"content": ""}, "done": True} | counts)
    raw = tuple(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in lines)
    return Script("ndjson", raw, len(raw))


WRITERS = {"chat": _chat, "messages": _messages, "responses": _responses, "ollama": _ollama}
PLAIN = {name: write(SAID, calls=False) for name, write in WRITERS.items()}
CALLING = {name: write(SAID[:2], calls=True) for name, write in WRITERS.items()}

# ------------------------------------------------------------------ faults


@dataclass(frozen=True)
class Fault:
    """What the server does. ``whole``: the answer is still all there; ``None``: as one likes."""

    steps: tuple[Step, ...]
    whole: bool | None
    quiet: bool = False


def _head(script: Script, **more: str) -> bytes:
    kind = {"sse": "text/event-stream", "ndjson": "application/x-ndjson"}[script.kind]
    told = {"content-type": kind} | {name.replace("_", "-"): value for name, value in more.items()}
    return openai.head(200, told)


def _chunked(
    script: Script, *pieces: bytes, end: Iterable[Step] = (STREAM_END,), **more: str
) -> tuple[Step, ...]:
    sent = [piece(one) for one in pieces if one]  # an empty one would be the end
    return (_head(script, transfer_encoding="chunked", **more), *sent, *end)


def _cuts(script: Script) -> dict[str, Fault]:
    """Broken off at every boundary and inside of every event, in every way to break off."""
    found = {}
    whole = b"".join(script.events)
    for count in range(len(script.events)):
        kept = b"".join(script.events[:count])
        done = count >= script.whole
        ways = {"end": (STREAM_END,), "close": (CUT,), "reset": (openai.Pause(0.01), RESET)}
        for way, end in ways.items():
            found[f"{way} after {count}"] = Fault(_chunked(script, kept, end=end), done)
        unframed = (_head(script, connection="close"), kept, CUT)
        found[f"unframed after {count}"] = Fault(unframed, done)
        size = len(script.events[count])
        # An object that lacks nothing but its line end is an object; an event is none.
        last = size - (2 if script.kind == "ndjson" else 1)
        for at in sorted({1, size // 2, last}):
            end = (CUT,) if count % 2 else (STREAM_END, CUT)
            steps = _chunked(script, whole[: len(kept) + at], end=end, connection="close")
            found[f"inside of {count} at {at}"] = Fault(steps, done)
    return found


def _stalls(script: Script) -> dict[str, Fault]:
    places = {0, 1, 2, script.whole - 1, script.whole}
    return {
        f"quiet after {count}": Fault(
            _chunked(script, *script.events[:count], end=(STALL,)),
            count >= script.whole,
            quiet=True,
        )
        for count in places
    }


def _sliced(script: Script, data: bytes, size: int) -> Fault:
    return Fault(
        _chunked(script, *(data[at : at + size] for at in range(0, len(data), size))), whole=True
    )


_ERRORS: Mapping[str, bytes] = {
    "chat": _sse({"error": {"message": "scripted", "code": 500}}),
    "messages": _sse(claude.error_event("api_error"), "error"),
    "responses": _sse({"type": "error", "code": "server_error", "message": "scripted"}, "error"),
    "ollama": b'{"error":"scripted"}\n',
}


def _middles(back: str, script: Script) -> dict[str, Fault]:
    """Something in the middle of the stream that is no part of an answer."""
    before, after = script.events[: script.whole - 1], script.events[script.whole - 1 :]
    line = b"%b\n" if script.kind == "ndjson" else b"data: %b\n\n"
    odd = {
        "an error": _ERRORS[back],
        "html": line % b"<html>502</html>",
        "half an object": line % before[-1].strip().removeprefix(b"data: ")[:25],
        "a number": line % b"5",
        "a list": line % b"[]",
        "a broken character": line % b'{"x":"\xc3("}',
        "deep nesting": line % (b"[" * 5000),
        "noise": bytes(range(255, -1, -1)) + b"\n\n",
    }
    found = {}
    for name, data in odd.items():
        # A line that names no field is ignored, as the standard says, and so is an unread field.
        ignored = "noise" if script.kind == "sse" else "a broken character"
        whole = None if name == ignored else False
        found[f"{name} first"] = Fault(_chunked(script, data, *script.events), whole)
        found[f"{name} later"] = Fault(_chunked(script, *before, data, *after), whole)
    huge = 5_000_000 if script.kind == "ndjson" else 1_100_000
    longer = before[-1].replace(SAID[-1].encode(), b"x" * huge)
    if longer == before[-1]:
        longer = before[-1][:-10].ljust(huge, b" ") + before[-1][-10:]
    found["a huge event"] = Fault(_chunked(script, *before, longer, *after), whole=False)
    return found


def _odd_bytes(script: Script) -> dict[str, Fault]:
    """All there, and written as the standard allows."""
    data = b"".join(script.events)
    found = {
        "one byte at a time": _sliced(script, data, 1),
        "three bytes at a time": _sliced(script, data, 3),
        "all at once": Fault(_chunked(script, data), whole=True),
        "unframed": Fault((_head(script, connection="close"), data, CUT), whole=True),
        "reset after the end": Fault(
            _chunked(script, data, end=(openai.Pause(0.01), RESET), connection="close"), whole=True
        ),
        "compressed": Fault(
            _chunked(script, gzip.compress(data), content_encoding="gzip"), whole=True
        ),
        "compressed and cut": Fault(
            _chunked(script, gzip.compress(data)[:60], content_encoding="gzip"), whole=False
        ),
        "no compression where it is told": Fault(
            _chunked(script, data, content_encoding="gzip"), whole=False
        ),
        "blank lines": _sliced(script, data.replace(b"\n", b"\n\n"), 50)
        if script.kind == "ndjson"
        else _sliced(script, b"\n\n\n" + data.replace(b"\n\n", b"\n\n\n\n"), 50),
        "line ends of Windows": _sliced(script, data.replace(b"\n", b"\r\n"), 1),
    }
    if script.kind == "sse":
        found |= {
            "old line ends": _sliced(script, data.replace(b"\n", b"\r"), 7),
            "comments": _sliced(script, data.replace(b"data:", b": no\n:\ndata:"), 9),
            "no blank after colons": _sliced(script, data.replace(b": {", b":{"), 9),
            "further fields": _sliced(script, data.replace(b"data:", b"id: 1\nretry: 9\ndata:"), 9),
            "a byte order mark": _sliced(script, b"\xef\xbb\xbf" + data, 2),
            "an empty event": _sliced(script, b"event: nothing\n\n" + data, 9),
        }
    return found


def _ends(back: str, script: Script) -> dict[str, Fault]:
    """Too much of an end, or too little."""
    events, whole = script.events, script.whole
    unended = events[: whole - 1] + events[whole:]
    found = {
        "no reason for its end": Fault(_chunked(script, *unended), whole=False),
        "all of it twice": Fault(_chunked(script, *events, *events), whole=True),
        "more after the end": Fault(_chunked(script, *events, events[2]), whole=True),
        "an error after the end": Fault(_chunked(script, *events, _ERRORS[back]), whole=True),
        "noise after the end": Fault(_chunked(script, *events, b"data: {\n\n"), whole=True),
        "the end of another dialect": Fault(
            _chunked(script, *events[: whole - 1], b"data: [DONE]\n\n"), whole=False
        ),
    }
    if whole < len(events) and back == "chat":
        usage = events[whole]
        told = (*events[:whole], usage, usage, *events[whole + 1 :])
        found["usage twice"] = Fault(_chunked(script, *told), whole=True)
    return found


def _answers(back: str, script: Script) -> dict[str, Fault]:
    """No stream at all."""
    elsewhere = {"location": "http://127.0.0.1:9/v1/chat/completions", "connection": "close"}
    html = b"<html><body>data: hello</body></html>"
    told: dict[str, bytes] = {
        "html": _closing(200, html, "text/html"),
        "nothing": _closing(200, b"", "text/event-stream"),
        "nothing of JSON": _closing(200, b""),
        "no content": openai.head(204, {"connection": "close"}),
        "a redirect": openai.whole(302, b"", headers=elsewhere),
        "an error in JSON": _closing(200, b'{"error":{"message":"scripted"}}'),
        "half an answer": _closing(200, _plain(back)[:-20]),
        "an empty object": _closing(200, b"{}"),
        "overloaded": _closing(503, b'{"error":{"message":"scripted"}}'),
        "a shorter body than told": openai.head(200, {"content-length": "99"}) + b"data: ",
        "no HTTP": b"data: hello\n\n",
    }
    found = {name: Fault((step, CUT), whole=False) for name, step in told.items()}
    found["not streamed"] = Fault((_closing(200, _plain(back)),), whole=True)
    return found


def _closing(status: int, body: bytes, kind: str = "application/json") -> bytes:
    return openai.whole(status, body, headers={"connection": "close"}, content_type=kind)


def _plain(back: str) -> bytes:
    """The same answer as one object."""
    if back == "ollama":
        told: Any = {
            "model": "m",
            "message": {"content": TEXT},
            "done": True,
            "done_reason": "stop",
        }
    elif back == "responses":
        part = {"type": "output_text", "text": TEXT, "annotations": []}
        told = _response("completed", [{"type": "message", "content": [part]}])
    elif back == "messages":
        told = {"type": "message", "content": [{"type": "text", "text": TEXT}]}
        told |= {"stop_reason": "end_turn", "usage": claude.USAGE, "model": "m"}
    else:
        told = {"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}
    return json.dumps(told).encode()


def _faults(back: str) -> dict[str, Fault]:
    script = PLAIN[back]
    return {
        **_cuts(script),
        **_stalls(script),
        **_middles(back, script),
        **_odd_bytes(script),
        **_ends(back, script),
        **_answers(back, script),
    }


FAULTS: Mapping[str, Mapping[str, Fault]] = {back: _faults(back) for back in BACKS}
CALL_FAULTS: Mapping[str, Mapping[str, Fault]] = {
    back: _cuts(script) | {"whole": _sliced(script, b"".join(script.events), 5)}
    for back, script in CALLING.items()
}

# ------------------------------------------------------------------ the stage

_ASKED_FOR = re.compile(rb"fault (text|calls) (\d+)\.")
_GOOD = {"chat": _chat([GOOD], calls=False)}


class Misbehaving(OpenAIServer):
    """Plays the fault that a prompt names; below ``/good`` it answers well."""

    def __init__(self) -> None:
        super().__init__()
        self._window = 4096

    def _next(self, call: Call) -> openai.Reply:
        if call.path.startswith("/good"):
            return openai.raw(*_chunked(_GOOD["chat"], *_GOOD["chat"].events))
        back = call.path.split("/")[1]
        if back == "ollama" and (answer := self._about(call)) is not None:
            return openai.raw(openai.whole(200, json.dumps(answer).encode()))
        asked = _ASKED_FOR.search(call.body)
        assert asked is not None, call.body
        faults = FAULTS if asked[1] == b"text" else CALL_FAULTS
        return openai.raw(*list(faults[back].values())[int(asked[2])].steps)

    def _about(self, call: Call) -> Any:
        """What an Ollama server says of itself; ``None`` where it is to answer."""
        if call.path.endswith("/api/show"):
            return {"capabilities": ["completion", "tools"], "model_info": {}}
        if call.path.endswith("/api/ps"):
            return {"models": [{"name": "m:latest", "context_length": self._window}]}
        if not call.path.endswith("/api/chat"):
            return {"models": [], "version": "0.33.2"}
        if call.json["messages"]:
            return None
        self._window = call.json["options"]["num_ctx"]
        return {"model": "m", "done": True, "done_reason": "load", "message": {"content": ""}}


_PROVIDERS = {
    "chat": 'provider = "openai_compatible"\nbase_url = "{url}/chat/v1"',
    "messages": 'provider = "anthropic"\nbase_url = "{url}/messages/v1"',
    "responses": 'provider = "openai_compatible"\nbase_url = "{url}/responses/v1"\n'
    "responses = true",
    "ollama": 'provider = "ollama"\nbase_url = "{url}/ollama"',
    "good": 'provider = "openai_compatible"\nbase_url = "{url}/good/v1"',
}


def _config(url: str) -> str:
    """A tier for each back end, and one of each that soon loses its patience; ladders of them."""
    lines = []
    for name, provider in _PROVIDERS.items():
        for patience, seconds in (("", 30), ("_quiet", QUIET_SECONDS)):
            lines.append(f"[tiers.{name}{patience}]\n{provider.format(url=url)}\nmodel = 'm'")
            lines.append(f"price = 'free'\nretries = 0\ntimeout_seconds = {seconds}")
    for back in BACKS:
        for patience in ("", "_quiet"):
            for mode in ("hold", "tools", "pass"):
                name, good = f"{back}{patience}", f"{back}{patience}_good_{mode}"
                lines.append(f"[ladders.{good}]\ntiers = ['{name}', 'good']\nstream = '{mode}'")
            lines.append(f"[ladders.{name}_alone]\ntiers = ['{name}']")
    # One server after the other misbehaves on purpose: none is to be left alone for it.
    return "\n".join([*lines, "[breakers]\noff = true", "[server]\nport = 0", ""])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with Misbehaving() as server:
        url = f"http://127.0.0.1:{server.port}"
        with Gateway(tmp_path_factory.mktemp("faults"), _config(url)) as gateway:
            yield gateway


PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "completions": "/v1/completions",
    "ollama": "/api/chat",
}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def body(front: str, ladder: str, prompt: str, *, tools: bool = False) -> bytes:
    """A small request for a stream."""
    told: dict[str, Any] = {"model": f"rung/{ladder}", "stream": True}
    look: dict[str, Any] = {"name": "look", "description": "Looks."}
    match front:
        case "completions":
            told["prompt"] = prompt
        case "responses":
            told["input"] = prompt
            look = {"type": "function", "parameters": SCHEMA} | look
        case "messages":
            told |= {"messages": [{"role": "user", "content": prompt}], "max_tokens": 99}
            look |= {"input_schema": SCHEMA}
        case _:
            told["messages"] = [{"role": "user", "content": prompt}]
            look = {"type": "function", "function": look | {"parameters": SCHEMA}}
    return json.dumps(told | ({"tools": [look]} if tools else {})).encode()


# ------------------------------------------------------------------ what is held against it


@dataclass
class Asked:
    """One request and what came of it."""

    name: str
    fault: Fault
    status: int = 0
    id: str = ""
    said: str = ""
    got: Heard = field(default_factory=Heard)
    wrong: str = ""


async def ask_all(
    gateway: Gateway, front: str, ladder: tuple[str, str], faults: Mapping[str, Fault], kind: str
) -> list[Asked]:
    """Ask once for each fault, many at once."""
    gate = asyncio.Semaphore(AT_ONCE)
    back, way = ladder

    async def one(place: int, name: str, fault: Fault) -> Asked:
        asked = Asked(name, fault)
        on = f"{back}{'_quiet' if fault.quiet else ''}_{way}"
        told = body(front, on, f"fault {kind} {place}.", tools=kind == "calls")
        async with gate:
            try:
                async with asyncio.timeout(CLIENT_SECONDS):
                    reply = await fetch(gateway.port, request(path=PATHS[front], body=told))
            except TimeoutError:
                asked.wrong = "it hangs"
                return asked
        asked.status, asked.id = reply.status, reply.headers.get("x-rung-request-id", "")
        try:
            if reply.status == 200:
                assert _is_closed(reply), "cut off"
                asked.got = heard(front, reply.body)
            else:
                asked.said = refusal(front, reply.body)
        except (AssertionError, KeyError, ValueError, TypeError) as error:
            asked.wrong = f"{type(error).__name__} {error}: {reply.body[-300:]!r}"
        return asked

    return list(await asyncio.gather(*(one(i, n, f) for i, (n, f) in enumerate(faults.items()))))


def _is_closed(reply: Reply) -> bool:
    """Whether the body has come to its own end, and not just to the connection's."""
    length = reply.headers.get("content-length")
    if length is not None:
        return len(reply.body) == int(length)
    return reply.raw.endswith(b"0\r\n\r\n")


def judge(asked: Asked, wanted: str, way: str) -> str:
    """What is wrong, if anything."""
    got, whole = asked.got, asked.fault.whole
    if asked.wrong:
        return asked.wrong
    if asked.status != 200:
        # With a tier above there is always something to be told.
        return f"status {asked.status}: {asked.said}" if whole or way != "alone" else ""
    if got.ended == "whole":
        right = {wanted} if whole is not False else set()
        right |= {GOOD} if way != "alone" and not whole else set()
        return "" if got.text in right else f"a clean end of {got.text!r}"
    begun = bool(got.text) and wanted.startswith(got.text)
    may = got.ended == "error" and not whole and way in {"alone", "good_pass"} and begun
    return "" if may else f"{got.ended or 'no end'} after {got.text!r}: {got.error}"


def booked(gateway: Gateway, all_asked: Sequence[Asked]) -> dict[str, str]:
    """What the ledger says otherwise than the caller was told."""
    wrong = {}
    with Ledger.open(gateway.ledger, create=False) as ledger:
        for asked in all_asked:
            outcome = ledger.find(asked.id)
            served = outcome is not None and outcome.served is not None
            if outcome is None or served is not (asked.got.ended == "whole"):
                wrong[asked.name] = f"booked as {outcome and outcome.served}, {asked}"
    return wrong


@pytest.mark.parametrize("way", ["alone", "good_hold", "good_pass"])
@pytest.mark.parametrize(("front", "back"), PAIRS)
async def test_a_stream_is_whole_or_says_that_it_is_not(gateway, front, back, way) -> None:
    all_asked = await ask_all(gateway, front, (back, way), FAULTS[back], "text")
    wrong = {}
    for asked in all_asked:
        if said := judge(asked, TEXT, way):
            wrong[asked.name] = said
    wrong |= booked(gateway, [asked for asked in all_asked if asked.name not in wrong])
    assert not wrong, "\n".join(f"{name}: {said}" for name, said in wrong.items())


@pytest.mark.parametrize("way", ["alone", "good_tools"])
@pytest.mark.parametrize(("front", "back"), [pair for pair in PAIRS if pair[0] != "completions"])
async def test_a_tool_call_leaves_whole_or_not_at_all(gateway, front, back, way) -> None:
    all_asked = await ask_all(gateway, front, (back, way), CALL_FAULTS[back], "calls")
    text = "".join(SAID[:2])
    wrong = {}
    for asked in all_asked:
        said = judge(asked, text, way)
        calls = [(name, json.loads(arguments)) for name, arguments in asked.got.calls]
        if not said and calls != ([("look", ARGUMENTS)] if asked.fault.whole else []):
            said = f"calls {calls}"
        if said:
            wrong[asked.name] = said
    wrong |= booked(gateway, [asked for asked in all_asked if asked.name not in wrong])
    assert not wrong, "\n".join(f"{name}: {said}" for name, said in wrong.items())
