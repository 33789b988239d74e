"""What has to hold of every reader, whatever the bytes.

A check raises `Broken`, or lets an error by that should have been none. It is a function of its
input alone, so that an input is all there is to reproduce.
"""

from __future__ import annotations

import json
import random
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import msgspec
from fuzz_corpus import (
    ASKED,
    BACKS,
    BODIES,
    EMBEDDED,
    FRONTS,
    NOTED,
    OLLAMA,
    REPLY,
    REQUESTS,
    STREAMS,
    TOOLS,
    broken,
    packed,
    sliced,
)

from rung.core.errors import RequestError
from rung.core.growth import Delta
from rung.core.parts import Message, Role, Text
from rung.core.types import Answer, Directions, Finish, Request, Usage
from rung.wire import embeddings, jsontext, messages
from rung.wire.back import Changes, Outgoing, UpstreamFaultError
from rung.wire.calls import may_become_call, settled
from rung.wire.errors import WireError
from rung.wire.front import Arrival, Front, Trouble
from rung.wire.ids import ANTHROPIC, ANY, MISTRAL, RESPONSES, fit, unwrap, wire_name
from rung.wire.ollama import ChatOptions, ChatReader, Lines, decode_part, encode_chat, prompt_size
from rung.wire.ollama.answer import MOST_CALLS
from rung.wire.sse import Parser, SseEvent


class Broken(AssertionError):  # noqa: N818 it is no error of this program's
    """Something does not hold."""


class Target(NamedTuple):
    """One thing to try: how inputs are made, and what has to hold of each."""

    make: Callable[[random.Random], bytes]
    check: Callable[[bytes], None]
    share: int = 1


def _holds(right: object, said: str) -> None:
    if not right:
        raise Broken(said)


def _slices(data: bytes) -> list[bytes]:
    return sliced(random.Random(zlib.crc32(data)), data)  # noqa: S311 no secret


def _is_json(body: bytes) -> None:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        body.decode()
    except (ValueError, RecursionError) as error:
        raise Broken(f"no JSON is written: {error}: {body[:200]!r}") from None


# ------------------------------------------------------------------ server-sent events


def _reference(data: bytes) -> list[SseEvent]:
    """The events of a whole stream, by the letter of the standard."""
    lines = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[SseEvent] = []
    kept: list[bytes] = []
    name = ""
    for line in lines.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if not line:
            events += [SseEvent(name, b"\n".join(kept))] if kept else []
            kept, name = [], ""
        elif field == b"data":
            kept.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return events


def _parsed(pieces: Iterable[bytes], most: int) -> list[SseEvent] | None:
    parser = Parser(most)
    try:
        return [event for piece in pieces for event in parser.feed(piece)]
    except WireError:
        return None


def check_parser(data: bytes) -> None:
    """Events are those of the standard, however the bytes are cut."""
    _holds(_parsed([data], 1 << 20) == _reference(data), "other events than the standard's")
    for most in (1 << 20, 100):
        whole, cut = _parsed([data], most), _parsed(_slices(data), most)
        _holds(whole == cut, f"slices give other events (limit {most}): {whole} and {cut}")


# ------------------------------------------------------------------ streams


class Ran(NamedTuple):
    """What came of one stream."""

    fault: type[WireError] | None
    complete: bool
    done: bool
    answer: Answer
    usage: Usage
    deltas: tuple[Delta, ...]
    events: tuple[SseEvent, ...]


def _mended(came: bytes, framed: list[SseEvent]) -> bool:
    """Whether an event went on with nothing changed but arguments that were no text, or numbers."""
    if len(framed) != 1:
        return False
    told = json.loads(msgspec.json.encode(json.loads(came, parse_constant=lambda _: None)))
    left = json.loads(framed[0].data)
    if told == left:
        return not _is_strict(came)
    return bool(_without_arguments(told) == _without_arguments(left))


def _without_arguments(told: Any) -> Any:
    for choice in told["choices"]:
        for call in (choice.get("delta") or {}).get("tool_calls") or ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and function.get("arguments") is not None:
                function["arguments"] = None
    return told


def _is_strict(came: bytes) -> bool:
    """Whether it is JSON to the letter, and not only by Python's standards."""
    try:
        msgspec.json.decode(came)
    except (ValueError, RecursionError):
        return False
    return True


def run_stream(dialect: str, pieces: Iterable[bytes], *, hides_logprobs: bool = False) -> Ran:
    """Read a stream to its end or its fault, as a provider does."""
    request = replace(ASKED, dialect=dialect)
    parser = Parser()
    reader = BACKS[dialect].reader(request, hides_logprobs=hides_logprobs)
    deltas: list[Delta] = []
    events: list[SseEvent] = []
    fault: type[WireError] | None = None
    try:
        for piece in pieces:
            for event in parser.feed(piece):
                events.append(event)
                delta = reader.feed(event).delta
                if delta is None:
                    continue
                deltas.append(delta)
                framed = Parser().feed(delta.raw)
                same = hides_logprobs or [one.data for one in framed] == [event.data]
                _holds(same or _mended(event.data, framed), f"framed anew: {delta.raw!r}")
    except WireError as error:
        fault = type(error)
    answer, usage = reader.answer(), reader.usage()
    _holds(min(usage.input_tokens, usage.output_tokens) >= 0, "negative usage")
    return Ran(fault, reader.complete, reader.done, answer, usage, tuple(deltas), tuple(events))


def check_stream(dialect: str, data: bytes) -> None:
    """Cuts make no difference, a complete stream said why it ended, and can be told to anyone."""
    ran = run_stream(dialect, [data])
    again = run_stream(dialect, _slices(data))
    _holds(ran == again, f"slices give another answer: {ran} and {again}")
    if b"logprobs" in data:
        hidden = run_stream(dialect, [data], hides_logprobs=True)
        _hides(ran, hidden)
        _holds(dialect != "chat" or not any(map(_tells, hidden.deltas)), "told all the same")
    if not ran.complete:
        return
    _holds(any(_says_why(dialect, event) for event in ran.events), "complete without an end")
    _holds(Parser().feed(ran.answer.ending), "a whole answer without an ending")
    if ran.fault is None:
        _tell_all(ran.answer, ran.deltas)


def _hides(ran: Ran, hidden: Ran) -> None:
    """Events without log-probabilities give the same answer, unless they cannot be written."""
    if hidden.fault is WireError and ran.fault is not WireError:
        return
    same = (hidden.answer.text, hidden.answer.logprobs, hidden.usage, hidden.complete)
    told = (ran.answer.text, ran.answer.logprobs, ran.usage, ran.complete)
    _holds(same == told and hidden.fault == ran.fault, f"hiding changes {told} to {same}")


def _tells(delta: Delta) -> bool:
    """Whether an event of Chat Completions has log-probabilities."""
    choices = [
        choice
        for event in Parser().feed(delta.raw)
        for choice in json.loads(event.data).get("choices") or ()
    ]
    return any(choice.get("logprobs") is not None for choice in choices)


def _says_why(dialect: str, event: SseEvent) -> bool:
    """Whether this event tells why an answer ended, read without the readers."""
    try:
        told = json.loads(event.data.decode("utf-8", "replace"), parse_int=str)
    except (ValueError, RecursionError):
        return False
    match dialect, told:
        case "chat", {"choices": [*choices]}:
            return any(isinstance(one, dict) and one.get("finish_reason") for one in choices)
        case "messages", {"delta": {"stop_reason": str(reason)}}:
            return bool(reason)
        case "responses", {"response": {}}:
            ends = {"response.completed", "response.incomplete"}
            return event.event in ends or told.get("type") in (*ends,)
    return False


def check_cut(dialect: str, data: bytes) -> None:
    """What is cut before the provider has said why it ended is never complete."""
    ran = run_stream(dialect, _slices(data))
    of = [one for one in STREAMS[dialect] if one.data.startswith(data)]
    _holds(ran.fault is None, "a cut is a fault of the bytes")
    _holds(ran.complete is any(len(data) >= one.whole for one in of), f"complete: {ran.complete}")


def _tell_all(answer: Answer, deltas: Sequence[Delta]) -> None:
    """The answer as every front door tells it, whole and as a stream, reads back the same."""
    for name, front in FRONTS.items():
        request = replace(ASKED, dialect=name)
        put = settled(answer, request)
        _is_json(front.encode_answer(put, Usage(), REPLY, request))
        stream = _told(front, put, deltas, request)
        if name == "ollama":
            _lines_told(stream, put)
            continue
        for event in Parser().feed(stream):
            if event.data != b"[DONE]":
                _is_json(event.data)
        if name in BACKS:
            read = run_stream(name, [stream])
            _holds(read.fault is None, f"{name} is told a fault")
            _holds(read.complete and read.done, f"{name} is told no end")
            _same(name, put, read.answer, "".join(delta.text for delta in deltas))


def _lines_told(stream: bytes, told: Answer) -> None:
    for line in stream.splitlines():
        _is_json(line)
    done, read = run_lines([stream])
    if len(told.tool_calls) > MOST_CALLS:
        return
    _holds(done and read is not None, "ollama is told no end")
    assert read is not None
    _holds(len(read.tool_calls) == len(told.tool_calls), "ollama: other calls")


def _told(front: Front, answer: Answer, deltas: Sequence[Delta], request: Request) -> bytes:
    writer = front.writer(REPLY, request)
    begun = [writer.thinking(d.thinking) + writer.text(d.text) for d in deltas if d.text]
    return b"".join(begun) + writer.finish(answer, Usage())


def _same(name: str, told: Answer, read: Answer, grown: str) -> None:
    if not told.text.startswith(grown):
        return
    refusal = (told.refusal or "") if name == "messages" else ""
    _holds(read.text == told.text + refusal, f"{name}: another text: {told.text!r} {read.text!r}")
    names = [wire_name(call.name, call.namespace) for call in told.tool_calls]
    if name != "responses":
        got = [wire_name(call.name, call.namespace) for call in read.tool_calls]
        _holds(got == names or "" in names, f"{name}: other calls: {names} {got}")
    _holds(len(read.tool_calls) == len(names) or "" in names, f"{name}: fewer calls")


# ------------------------------------------------------------------ Ollama


def run_lines(pieces: Iterable[bytes]) -> tuple[bool, Answer | None]:
    """Whether an answer ended, and the answer; ``None`` where the bytes are none."""
    lines, reader = Lines(), ChatReader()
    try:
        for piece in pieces:
            for line in lines.feed(piece):
                part = decode_part(line)
                reader.feed(part)
                if part.done:
                    return True, reader.answer(part, "m")
        if lines.rest():
            part = decode_part(lines.rest())
            reader.feed(part)
            return part.done, reader.answer(part, "m")
    except WireError:
        return False, None
    return False, None


def check_lines(data: bytes) -> None:
    """Cuts make no difference, and an answer ends only where its end was told."""
    whole = run_lines([data])
    _holds(whole == run_lines(_slices(data)), "slices give another answer")
    done, answer = whole
    _holds(not done or b"done" in data or b"\\u" in data, "an end that nobody told")
    if done and answer is not None:
        _tell_all(answer, ())
    for one in OLLAMA:
        if one.data.startswith(data):
            _holds(done is (len(data) >= one.whole), "a cut answer ended")


# ------------------------------------------------------------------ answers and requests


def check_answer(dialect: str, data: bytes) -> None:
    """A plain answer is read or refused; what is read can be told to anyone."""
    try:
        answer, usage = BACKS[dialect].decode_answer(data)
    except UpstreamFaultError as fault:
        repr(fault.error)
        return
    except WireError:
        return
    _holds(min(usage.input_tokens, usage.output_tokens) >= 0, "negative usage")
    _tell_all(answer, ())
    with suppress(WireError):
        hidden, _ = BACKS[dialect].decode_answer(data, hides_logprobs=True)
        _holds(replace(hidden, body=answer.body) == answer, "hiding changes the answer")
        choices = json.loads(hidden.body)["choices"] if dialect == "chat" and hidden.body else ()
        told = any(choice.get("logprobs") is not None for choice in choices)
        _holds(not told, f"told all the same: {hidden.body!r}")


def _arrival() -> Arrival:
    return Arrival("r1", Directions(), {})


def _refused(front: Front, error: RequestError) -> None:
    _is_json(front.encode_error(Trouble(str(error), error.status, param=error.param)))


_MAY_CHANGE: Mapping[str, frozenset[str]] = {
    "chat": frozenset({"model", "max_tokens", "max_completion_tokens"}),
    "messages": frozenset({"model"}),
    "responses": frozenset({"model", "max_output_tokens"}),
}


def check_request(dialect: str, data: bytes) -> None:
    """A request is refused in words, or can be sent on in every dialect, its own bytes kept."""
    front = FRONTS[dialect]
    try:
        request = front.decode_request(data, _arrival())
    except RequestError as error:
        _refused(front, error)
        return
    if dialect in BACKS:
        _forward(dialect, data)
    sent = Outgoing(
        "other",
        request.messages,
        request.sampling,
        request.tools,
        request.tool_choice,
        request.parallel_tool_calls,
        request.schema,
        request.effort,
        stream=True,
    )
    for back in BACKS.values():
        _is_json(back.encode(sent).body)
    size = prompt_size(sent)
    _is_json(encode_chat(sent, size, ChatOptions(4096, "30m", thinks=True)).body)
    front.encode_answer(Answer("hi"), Usage(), REPLY, request)
    front.writer(REPLY, request).finish(Answer("hi"), Usage())


def _forward(dialect: str, data: bytes) -> None:
    back, may = BACKS[dialect], _MAY_CHANGE[dialect]
    sent = back.forward(data, Changes("other")).body
    _is_json(sent)
    before, after = jsontext.fields(data), jsontext.fields(sent)
    kept = {name: field.value for name, field in before.items() if name not in may}
    found = {name: field.value for name, field in after.items() if name not in may}
    _holds(list(kept.items()) == list(found.items()), "more than the model was changed")
    _holds(after["model"].value == b'"other"', "the model was not changed")
    more = (Message(Role.ASSISTANT, (Text("Draft."),)), Message(Role.USER, (Text("Again."),)))
    changes = Changes("other", stream=True, usage=True, appended=more, temperature=0.7, seed=3)
    _is_json(back.forward(data, changes).body)


def check_count(data: bytes) -> None:
    """As a request, without a limit."""
    try:
        messages.decode_count(data, _arrival())
    except RequestError as error:
        _refused(messages.FRONT, error)


def check_embedding(data: bytes) -> None:
    """Requests are refused in words."""
    try:
        embeddings.decode_request(data, _arrival())
    except RequestError as error:
        _refused(embeddings.FRONT, error)


_BASE64 = embeddings.decode_request(
    b'{"model":"m","input":"a","encoding_format":"base64"}', _arrival()
)


def check_vectors(data: bytes) -> None:
    """Numbers become what Node's SDK reads; what is no list of them stays as it came."""
    got = embeddings.as_asked(data, _BASE64)
    if got == data:
        return
    _is_json(got)
    for before, after in zip(_data(data), _data(got), strict=True):
        was, now = before.get("embedding"), after.get("embedding")
        if isinstance(now, str) and isinstance(was, list):
            told = [max(-3e38, min(3e38, number)) for number in was]
            _holds(len(b64decode(now)) == 4 * len(told), "another length")
            if all(abs(number) < 1e38 for number in told):
                _holds(b64decode(now) == packed(told), "other numbers")


def _data(body: bytes) -> Any:
    return msgspec.json.decode(body)["data"]


# ------------------------------------------------------------------ JSON as text


def check_fields(data: bytes) -> None:
    """The fields are those that Python reads, and exchanging some leaves all others alone."""
    try:
        found = jsontext.fields(data)
    except jsontext.JsonError:
        return
    _is_json(data)
    pairs = _pairs(data)
    if pairs is None:
        return
    _holds([name for name, _ in pairs] == list(found), "other fields")
    _holds(_depth(pairs) <= jsontext.MAX_DEPTH, "nests too deep")
    names = list(found)[::2]
    changes: dict[str, bytes | None] = dict.fromkeys(names[:1])
    changes |= dict.fromkeys([*names[1:], 'new"\n'], b'{"n":[1,"x"]}')
    wanted = [
        (name, {"n": ["1", "x"]} if name in changes else value)
        for name, value in pairs
        if name not in names[:1]
    ]
    got = _pairs(jsontext.splice(data, changes))
    _holds(got == [*wanted, ('new"\n', {"n": ["1", "x"]})], f"exchanged wrongly: {got}")


def _pairs(data: bytes) -> list[tuple[str, Any]] | None:
    """The top-level fields in order; ``None`` where Python's own limits end the comparison."""
    kept: list[Any] = []

    def keep(pairs: list[tuple[str, Any]]) -> Any:
        kept.append(pairs)
        return dict(pairs)

    try:
        json.loads(data, object_pairs_hook=keep, parse_int=str, parse_float=str)
    except RecursionError:
        return None
    return list(kept[-1])


def _depth(pairs: list[tuple[str, Any]]) -> int:
    """How many levels there are, the top one among them."""
    level, depth = [value for _, value in pairs], 1
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        inner = [one.values() if isinstance(one, dict) else one for one in level]
        level = [each for one in inner for each in one]
    return depth


# ------------------------------------------------------------------ calls in text, ids


def check_calls(data: bytes) -> None:
    """Calls in a text are the request's own, and no text that had left becomes part of one."""
    text = data.decode("utf-8", "replace")
    answer = Answer(text, Finish.STOP, dialect="ollama")
    put = settled(answer, ASKED)
    if not put.salvaged:
        _holds(put == answer, "changed without a call")
        return
    known = {(tool.name, tool.namespace) for tool in TOOLS}
    for call in put.tool_calls:
        _holds((call.name, call.namespace) in known, f"an unknown tool: {call}")
        if not call.custom:
            _holds(
                isinstance(json.loads(call.arguments, parse_int=str), dict), f"no object: {call}"
            )
    for at in range(0, len(text), max(1, len(text) // 40)):
        if not may_become_call(text[:at]):
            left = text[:at].strip()
            _holds(put.text.startswith(left), f"had left as text: {left!r} of {text!r}")
    _tell_all(answer, ())


_RULES = (ANY, ANTHROPIC, RESPONSES, MISTRAL)


def check_ids(data: bytes) -> None:
    """An id fits its rule, comes back where it can, and goes on from one rule to another."""
    told = data.decode("utf-8", "surrogateescape")
    for rule in _RULES:
        put = fit(told, rule)
        _holds(rule.allows(put), f"not allowed: {put!r}")
        _holds(fit(put, rule) == put, f"not stable: {put!r}")
        if put.startswith("rung_") and put != told and _encodes(told):
            _holds(unwrap(put) == unwrap(told), f"another id came back: {put!r}")
        _holds(_encodes(put) or not _encodes(told), f"no text: {put!r}")


def _encodes(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


# ------------------------------------------------------------------ all of them


def _from(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    return broken(rng, rng.choice(seeds), rng.choice(seeds))


def _any_stream(dialect: str, rng: random.Random) -> bytes:
    other = rng.choice(STREAMS[rng.choice(tuple(STREAMS))]).data
    return broken(rng, rng.choice(STREAMS[dialect]).data, other)


def _cut(dialect: str, rng: random.Random) -> bytes:
    stream = rng.choice(STREAMS[dialect])
    near = rng.random() < 0.3
    at = stream.whole + rng.randint(-40, 3) if near else rng.randint(0, len(stream.data))
    return stream.data[: max(0, at)]


_IDS = (
    *(b"call_1", b"toolu_01Ab", b"a b/c", b"", b"fc_1|x", b"x" * 70),
    *(b"rung_YSBiL2M", b"rung_7aCA", b"rung_cnVuZ19ZUQ"),
)
_LINES = tuple(one.data for one in OLLAMA)
_EVERY_BODY = tuple(body for bodies in (*BODIES.values(), *REQUESTS.values()) for body in bodies)

TARGETS: Mapping[str, Target] = {
    "sse.parser": Target(partial(_any_stream, "messages"), check_parser, 2),
    **{
        f"{name}.reader": Target(partial(_any_stream, name), partial(check_stream, name), 3)
        for name in BACKS
    },
    **{f"{name}.cut": Target(partial(_cut, name), partial(check_cut, name)) for name in BACKS},
    "ollama.reader": Target(partial(_from, _LINES), check_lines, 2),
    **{
        f"{name}.answer": Target(partial(_from, BODIES[name]), partial(check_answer, name))
        for name in BACKS
    },
    **{
        f"{name}.request": Target(partial(_from, REQUESTS[name]), partial(check_request, name), 2)
        for name in FRONTS
    },
    "messages.count": Target(partial(_from, REQUESTS["messages"]), check_count),
    "embeddings.request": Target(partial(_from, REQUESTS["embeddings"]), check_embedding),
    "embeddings.answer": Target(partial(_from, (EMBEDDED,)), check_vectors),
    "jsontext": Target(partial(_from, _EVERY_BODY), check_fields, 2),
    "calls": Target(partial(_from, tuple(one.encode() for one in NOTED)), check_calls, 2),
    "ids": Target(partial(_from, _IDS), check_ids),
}
