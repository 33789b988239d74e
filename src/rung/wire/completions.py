"""OpenAI's older Completions: one prompt in, one text out. rung reads it as one turn of a chat.

A front door only: whatever answers is asked in its own dialect. Without a ``max_tokens`` the tier's
own limit holds, not the 16 tokens of OpenAI's. https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rung.core.errors import RequestError
from rung.core.parts import Message, Role, Text
from rung.core.types import Answer, Finish, Request, Usage, UsageSource
from rung.wire import sse
from rung.wire.chat import fields as chat_fields
from rung.wire.chat import json as chat_json
from rung.wire.chat import reply as chat_reply
from rung.wire.chat.fields import FLAG, RULES, Rule, between, rule
from rung.wire.chat.reply import DONE, REASONS, usage_object
from rung.wire.chat.writer import Frames, Unwritten
from rung.wire.front import Arrival, Front, Reply, Trouble
from rung.wire.jsontext import Field

__all__ = ["DIALECT", "FRONT"]

DIALECT = "completions"

_KIND = "text_completion"
_REASONS: Mapping[Finish, str] = {**REASONS, Finish.TOOL_CALLS: "stop"}
_RULES: Mapping[str, Rule] = {
    **{name: known for name, known in RULES.items() if name != "max_completion_tokens"},
    "suffix": rule(str | None, "a string"),
    "echo": FLAG,
    "best_of": rule(between(int, 1, 20), "an integer from 1 to 20"),
    "logprobs": rule(between(int, 0, 20), "an integer from 0 to 20"),
}
_KNOWN = frozenset(_RULES) | chat_fields.BOOKKEEPING | {"prompt"}

_UNSERVED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "suffix": (bool, "text cannot be filled in before a 'suffix'"),
    "echo": (bool, "the prompt is not repeated in the answer"),
    "best_of": (lambda told: (told or 1) > 1, "there is one answer to choose from"),
    "n": (lambda told: (told or 1) > 1, "there is one answer to a prompt"),
    "logprobs": (lambda told: told is not None, "log-probabilities are not told"),
}
"""What this endpoint of rung's does not serve: when it was asked for, and why not."""


def decode_request(body: bytes, arrival: Arrival) -> Request:
    """Read one request. Raises RequestError, naming the field, and nothing else."""
    found = chat_fields.located(body)
    values = chat_fields.read(found, _RULES)
    for name, (asked, why) in _UNSERVED.items():
        if asked(values.get(name)):
            raise RequestError(
                f"'{name}' is not served on this endpoint: {why}.",
                param=name,
                fix="leave it out, or send a chat completion.",
            )
    streams, usage = chat_fields.streaming(values)
    return Request(
        id=arrival.id,
        dialect=DIALECT,
        messages=(Message(Role.USER, (Text(_prompt(found)),)),),
        model=chat_fields.model_name(values.get("model")),
        sampling=chat_fields.sampling(values),
        extras=chat_fields.extras(found, _KNOWN),
        stream=streams,
        stream_usage=usage,
        body=body,
        session=chat_fields.session(arrival),
        directions=arrival.directions,
    )


def _prompt(found: Mapping[str, Field]) -> str:
    if "prompt" not in found:
        raise RequestError("'prompt' is missing.", param="prompt")
    try:
        told = msgspec.json.decode(found["prompt"].value)
    except (msgspec.DecodeError, RecursionError):
        raise RequestError("'prompt' cannot be read.", param="prompt") from None
    if isinstance(told, list) and len(told) > 1 and all(isinstance(one, str) for one in told):
        raise RequestError(
            "'prompt' holds several prompts; rung answers one at a time.",
            param="prompt",
            fix="send a request for each prompt.",
        )
    prompt = told[0] if isinstance(told, list) and len(told) == 1 else told
    if not isinstance(prompt, str):
        raise RequestError(
            "'prompt' must be a string: tokens differ from model to model.", param="prompt"
        )
    return prompt


# ------------------------------------------------------------------ answers


def encode_answer(answer: Answer, usage: Usage, reply: Reply) -> bytes:
    """A whole ``text_completion``. Usage that nobody counted is left out."""
    choice = {
        "index": 0,
        "text": _text(answer),
        "logprobs": None,
        "finish_reason": _REASONS[answer.finish],
    }
    told = {
        "id": _id(reply),
        "object": _KIND,
        "created": reply.created,
        "model": reply.model,
        "choices": [choice],
    }
    if usage.source is not UsageSource.NONE:
        told["usage"] = usage_object(usage)
    return chat_json.encode(told)


def _id(reply: Reply) -> str:
    return f"cmpl-{reply.id}"


def _text(answer: Answer) -> str:
    """The dialect has no other place for words of refusal."""
    return answer.text + (answer.refusal or "")


class CompletionWriter:
    """Writes one stream of ``text_completion`` objects."""

    def __init__(self, reply: Reply, request: Request) -> None:
        self._request = request
        self._frames = Frames(_id(reply), _KIND, reply)
        self._text = Unwritten()

    def text(self, text: str) -> bytes:
        """More text."""
        self._text.add(text)
        return self._frames.choice({"text": text})

    def thinking(self, text: str) -> bytes:  # noqa: ARG002 the protocol's
        """Nothing: the dialect has no place for it."""
        return b""

    def finish(self, answer: Answer, usage: Usage) -> bytes:
        """What has not left yet, why it ended, the usage if it was asked for, ``[DONE]``."""
        last = self._frames.choice(
            {"text": self._text.rest(_text(answer))}, _REASONS[answer.finish]
        )
        counts = self._frames.counts(usage) if self._request.stream_usage else b""
        return last + counts + DONE


class CompletionsFront:
    """What callers of Completions speak."""

    dialect = DIALECT
    heartbeat = sse.COMMENT
    stream_type = sse.CONTENT_TYPE

    def decode_request(self, body: bytes, arrival: Arrival) -> Request:
        return decode_request(body, arrival)

    def encode_answer(
        self,
        answer: Answer,
        usage: Usage,
        reply: Reply,
        request: Request,  # noqa: ARG002 the protocol's
    ) -> bytes:
        return encode_answer(answer, usage, reply)

    def writer(self, reply: Reply, request: Request) -> CompletionWriter:
        return CompletionWriter(reply, request)

    def encode_error(self, trouble: Trouble) -> bytes:
        return chat_reply.encode_error(trouble)

    def error_event(self, trouble: Trouble, begun: Reply | None) -> bytes:
        return chat_reply.error_event(trouble, begun)

    def status(self, status: int) -> int:
        return chat_reply.status(status)


FRONT: Front = CompletionsFront()
