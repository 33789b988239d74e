"""Answers and requests that a person gives to a check by hand, from files or standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.cli.output import stripped
from rung.core.errors import RequestError
from rung.core.parts import Message, Role, Text
from rung.core.types import Answer, Request
from rung.server import headers
from rung.wire import chat, messages, responses
from rung.wire.back import Back
from rung.wire.errors import WireError
from rung.wire.front import Arrival, Front

LONGEST = 32 * 1024 * 1024
"""Bytes of a file that are read; more are refused."""

BY_HAND = "by-hand"
TEXT = "text"

_ANSWERS: tuple[tuple[str, str, Back], ...] = (
    ("object", "chat.completion", chat.BACK),
    ("object", "response", responses.BACK),
    ("type", "message", messages.BACK),
)
"""The field by which a provider's body says what it is, its value, and who reads it."""

_MESSAGES_FIELDS = frozenset({"system", "anthropic_version", "stop_sequences", "thinking", "top_k"})
_MESSAGES_PARTS = frozenset({"tool_use", "tool_result", "thinking", "document"})
_WANTED: Mapping[str, Any] = {"model": BY_HAND}
"""What a body may leave out here, though a provider would insist on it."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """An answer, the name it is called by, and what it was read as: text, or a dialect's body."""

    name: str
    answer: Answer
    read_as: str


def exhibit(path: str) -> Exhibit:
    """The answer in a file, or `-` for standard input. Raises RequestError.

    A provider's own body is read as what it holds, tool calls included; all else is text, without
    the line end that closes its file.
    """
    text = _text("--answer", path)
    body = _object(text)
    for field, value, back in _ANSWERS:
        if body is not None and body.get(field) == value:
            return Exhibit(path, _decoded(path, back, text), back.dialect)
    bare = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    return Exhibit(path, Answer(bare), TEXT)


_ASKS = {"messages", "input"}


def request(path: str | None, came: Arrival | None = None) -> Request:
    """The request in a file: a body of any of the three dialects, else the user's question.

    ``came`` is what came beside it.
    """
    came = came or heard(())
    if path is None:
        return _asking("", came)
    text = _text("--request", path)
    body = _object(text)
    if body is None or not (_ASKS & body.keys()):
        return _asking(text, came)
    return request_of(body, f"--request {path}", came)


def heard(lines: Sequence[str]) -> Arrival:
    """What came beside a request, from lines as curl takes them: ``x-rung-lane: batch``.

    Raises RequestError for one that is none, or that no gateway would take.
    """
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not line.isascii():
            fix = 'as in --header "x-rung-lane: batch"'
            raise RequestError(f"{line[:60]!r} is no header.", fix=fix)
        pairs.append((name.strip().lower().encode(), value.strip().encode()))
    return Arrival(BY_HAND, headers.directions(pairs), headers.known(pairs))


def request_of(body: Mapping[str, Any], place: str, came: Arrival | None = None) -> Request:
    """The request of a body of any of the three dialects, or of a ``prompt``.

    ``came`` is what came beside it. Raises RequestError, in which ``place`` says where it stands.
    """
    came = came or heard(())
    if not (_ASKS & body.keys()):
        prompt = body.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            fix = '{"prompt": "..."}, or a body with `messages` or `input`'
            raise RequestError(f"{place} asks for nothing.", fix=fix)
        return _asking(prompt, came)
    front = _front(body)
    limit = {"max_tokens": 1024} if front is messages.FRONT else {}
    whole = json.dumps({**_WANTED, **limit, **body}).encode()
    try:
        return front.decode_request(whole, came)
    except RequestError as error:
        said = f"{place} is no body of {front.dialect}: {error.message}"
        raise RequestError(said, param=error.param, fix=error.fix) from None


def _asking(question: str, came: Arrival) -> Request:
    asked = (Message(Role.USER, (Text(question),)),)
    return Request(BY_HAND, "cli", asked, directions=came.directions)


def _decoded(path: str, back: Back, text: str) -> Answer:
    try:
        return back.decode_answer(text.encode())[0]
    except WireError as error:
        said = f"--answer {path} looks like a body of {back.dialect} and is none: {error}."
        fix = "give the answer's text alone, or the whole body"
        raise RequestError(said, fix=fix) from None


def _front(body: Mapping[str, Any]) -> Front:
    if "messages" not in body:
        return responses.FRONT
    return messages.FRONT if _is_messages(body) else chat.FRONT


def _is_messages(body: Mapping[str, Any]) -> bool:
    """Whether something says Messages rather than Chat Completions; plain turns are the same."""
    if _MESSAGES_FIELDS & body.keys():
        return True
    tools = body.get("tools")
    if isinstance(tools, list) and any(isinstance(t, dict) and "name" in t for t in tools):
        return True
    turns = body["messages"] if isinstance(body["messages"], list) else []
    contents = [turn.get("content") for turn in turns if isinstance(turn, dict)]
    parts = [part for each in contents if isinstance(each, list) for part in each]
    return any(
        isinstance(part, dict) and (part.get("type") in _MESSAGES_PARTS or "source" in part)
        for part in parts
    )


# ------------------------------------------------------------------ files


def _text(option: str, path: str) -> str:
    read = _read(option, path)
    if len(read) > LONGEST:
        said = f"{option} {path} is longer than {LONGEST:,} bytes."
        raise RequestError(said, status=413, fix="give a shorter one: no check reads so much")
    try:
        return read.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        said = f"{option} {path} is no UTF-8 text: see the byte at {error.start}."
        raise RequestError(said, fix="give a file of text in UTF-8") from None


def _read(option: str, path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(LONGEST + 1)
    try:
        with Path(path).open("rb") as file:
            return file.read(LONGEST + 1)
    except IsADirectoryError:
        said = f"{option} {stripped(path)} is a folder."
        raise RequestError(said, fix="name a file in it, or `-` for standard input") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        said = f"{option} {stripped(path)} cannot be read: {why}."
        raise RequestError(said, fix="correct the path, or write `-` and pipe it in") from None


def _object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
