"""OpenAI Responses, streams as callers expect them, and the errors that end them.

Each event names its type twice, numbers rise by one, every item and part is opened and closed, and
the last event holds the whole response. The dialect:
https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rung.core.types import Answer, Request, Usage
from rung.wire import sse
from rung.wire.chat.json import encode
from rung.wire.front import Reply, Trouble
from rung.wire.responses.object import (
    COMPLETED,
    IN_PROGRESS,
    called_item,
    closed,
    content_parts,
    echo,
    ending,
    message_item,
    refusal_part,
    response_object,
    speaks,
    text_part,
)

AFTER_ALL = 2**31 - 2
"""The number of an event after a stream whose numbers are not known: above all of them."""

_CODES: Mapping[int, str] = {
    402: "insufficient_quota",
    413: "context_length_exceeded",
    429: "rate_limit_exceeded",
    503: "server_is_overloaded",
}
"""The codes that clients tell apart, by status."""

_KNOWN_CODES = frozenset(
    {
        "context_length_exceeded",
        "insufficient_quota",
        "invalid_prompt",
        "rate_limit_exceeded",
        "server_error",
        "server_is_overloaded",
    }
)


class EventWriter:
    """Writes one stream for an answer that has no events in this dialect."""

    def __init__(self, reply: Reply, request: Request) -> None:
        self._reply = reply
        self._echo = echo(request)
        self._number = 0
        self._written: list[str] = []
        self._begun = False
        self._speaking = False
        self._place: dict[str, Any] = {
            "item_id": f"msg_{reply.id}",
            "output_index": 0,
            "content_index": 0,
        }

    def text(self, text: str) -> bytes:
        """More text."""
        return self._begin() + self._say(text)

    def beat(self) -> bytes:
        """A sign of life that is an event."""
        empty = response_object(self._reply, self._echo, {"status": IN_PROGRESS})
        return self._begin() or self._event("response.in_progress", {"response": empty})

    def thinking(self, text: str) -> bytes:  # noqa: ARG002 reasoning items are signed: never forged
        """Nothing."""
        return b""

    def finish(self, answer: Answer, usage: Usage) -> bytes:
        """All of the answer that has not been written yet, and the event that ends it.

        Text that is neither the beginning of the answer's nor contained in it cannot be taken back:
        then what was written stands.
        """
        pieces = [self._begin()]
        written = "".join(self._written)
        if answer.text.startswith(written):
            pieces.append(self._say(answer.text[len(written) :]))
        ended = ending(answer)
        items: list[dict[str, Any]] = []
        if self._speaking or speaks(answer):
            pieces.append(self._open_message())
            items.append(self._item(answer, ended, last=not answer.tool_calls))
            pieces.append(self._close_message(answer, items[0]))
        for call in answer.tool_calls:
            items.append(called_item(self._reply.id, call, len(items)))
        items = closed(items, ended)
        for index, item in enumerate(items):
            if item["type"] != "message":
                pieces.append(self._call(item, index))
        whole = response_object(self._reply, self._echo, ended | {"output": items}, usage)
        pieces.append(self._event(f"response.{ended['status']}", {"response": whole}))
        return b"".join(pieces)

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        empty = response_object(self._reply, self._echo, {"status": IN_PROGRESS})
        return self._event("response.created", {"response": empty}) + self._event(
            "response.in_progress", {"response": empty}
        )

    def _say(self, text: str) -> bytes:
        if not text:
            return b""
        opened = self._open_message() + (b"" if self._written else self._open_text())
        self._written.append(text)
        told = self._place | {"delta": text, "logprobs": []}
        return opened + self._event("response.output_text.delta", told)

    def _open_message(self) -> bytes:
        if self._speaking:
            return b""
        self._speaking = True
        item = message_item(self._reply.id, [], IN_PROGRESS)
        return self._event("response.output_item.added", {"output_index": 0, "item": item})

    def _open_text(self) -> bytes:
        told = self._place | {"part": text_part("")}
        return self._event("response.content_part.added", told)

    def _item(self, answer: Answer, ended: Mapping[str, Any], *, last: bool) -> dict[str, Any]:
        content = content_parts("".join(self._written), answer.refusal)
        return message_item(self._reply.id, content, ended["status"] if last else COMPLETED)

    def _close_message(self, answer: Answer, item: dict[str, Any]) -> bytes:
        pieces = []
        text = "".join(self._written)
        if not text and not answer.refusal:
            pieces.append(self._open_text())
        if text or not answer.refusal:
            done = self._place | {"text": text, "logprobs": []}
            pieces.append(self._event("response.output_text.done", done))
            part = self._place | {"part": text_part(text)}
            pieces.append(self._event("response.content_part.done", part))
        if answer.refusal:
            pieces.append(self._refuse(answer.refusal, 1 if text else 0))
        told = {"output_index": 0, "item": item}
        pieces.append(self._event("response.output_item.done", told))
        return b"".join(pieces)

    def _refuse(self, words: str, index: int) -> bytes:
        place = self._place | {"content_index": index}
        return b"".join(
            (
                self._event("response.content_part.added", place | {"part": refusal_part("")}),
                self._event("response.refusal.delta", place | {"delta": words}),
                self._event("response.refusal.done", place | {"refusal": words}),
                self._event("response.content_part.done", place | {"part": refusal_part(words)}),
            )
        )

    def _call(self, item: dict[str, Any], index: int) -> bytes:
        custom = item["type"] == "custom_tool_call"
        kind = "custom_tool_call_input" if custom else "function_call_arguments"
        field = "input" if custom else "arguments"
        begun = item | {field: "", "status": IN_PROGRESS}
        place = {"item_id": item["id"], "output_index": index}
        done = place | {field: item[field]} | ({} if custom else {"name": item["name"]})
        return b"".join(
            (
                self._event("response.output_item.added", {"output_index": index, "item": begun}),
                self._event(f"response.{kind}.delta", place | {"delta": item[field]}),
                self._event(f"response.{kind}.done", done),
                self._event("response.output_item.done", {"output_index": index, "item": item}),
            )
        )

    def _event(self, kind: str, told: Mapping[str, Any]) -> bytes:
        number, self._number = self._number, self._number + 1
        return event(kind, told, number)


def event(kind: str, told: Mapping[str, Any], number: int) -> bytes:
    """One framed event."""
    return sse.encode(encode({"type": kind, "sequence_number": number, **told}), kind)


def error_event(trouble: Trouble, begun: Reply | None) -> bytes:
    """What ends a stream that cannot be finished: the failed response, then an error.

    Codex goes by the first, and asks again unless its code is one of a few; SDKs raise the second.
    """
    code = error_code(trouble)
    told = {"code": code, "message": trouble.message, "param": trouble.param}
    reply = begun or Reply(trouble.request_id or "none", 0, "")
    created = b""
    if begun is None:
        # Clients take nothing for a response's end that has not begun as one.
        empty = response_object(reply, echo(None), {"status": IN_PROGRESS})
        created = event("response.created", {"response": empty}, 0)
    ended = {"status": "failed", "error": {"code": code, "message": trouble.message}}
    failed = response_object(reply, echo(None), ended)
    return (
        created
        + event("response.failed", {"response": failed}, AFTER_ALL)
        + event("error", told, AFTER_ALL + 1)
    )


def error_code(trouble: Trouble) -> str:
    """The code that clients act upon: the trouble's own where they know it, else by status."""
    if trouble.code in _KNOWN_CODES:
        return trouble.code
    otherwise = "server_error" if trouble.status >= 500 else "invalid_prompt"
    return _CODES.get(trouble.status, otherwise)
