"""Answers with log-probabilities, as OpenAI gives them: to who asks, else null or an empty list.

What a caller should get is written down byte for byte, odd blanks and numbers included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from support.openai_server import STREAM_END, STREAM_HEAD, Call, Reply, piece, status, whole

Tokens = Sequence[tuple[str, Any]]
"""The texts of tokens, with what is told of each as its log-probability."""

SURE: Tokens = (("Par", -0.01), ("is", -0.02), (" it", -0.1), (" is", -0.03))
UNSURE: Tokens = (("Par", -0.9), ("is", -2.5), (" may", -3.0), ("be", -1.1))


def entries(tokens: Tokens) -> str:
    """One object a token, its number written as JSON or, given as a text, as that text."""
    told = []
    for token, log in tokens:
        number = log if isinstance(log, str) else json.dumps(log)
        more = '"bytes": null, "top_logprobs": []'
        told.append(f'{{"token": {json.dumps(token)}, "logprob": {number}, {more}}}')
    return "[" + ", ".join(told) + "]"


def _text(tokens: Tokens) -> str:
    return json.dumps("".join(token for token, _ in tokens))


# ------------------------------------------------------------------ Chat Completions


def chat_body(tokens: Tokens, *, told: bool) -> bytes:
    """A plain answer."""
    logprobs = f'{{"content": {entries(tokens)}, "refusal": null}}' if told else "null"
    return (
        '{"id": "chatcmpl-1",  "object": "chat.completion", "created": 1, "model": "scripted-1",\n'
        '"choices": [ {"index": 0, "message": {"role": "assistant", "content": '
        f"{_text(tokens)}}}, "
        f'"logprobs": {logprobs} , "finish_reason": "stop"}} ], "odd": 1.0, "usage": '
        '{"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}}'
    ).encode()


def chat_events(tokens: Tokens, *, told: bool) -> bytes:
    """A stream, one token an event."""
    pieces: list[tuple[str, str, str]] = [('"role": "assistant", "content": ""', "null", "null")]
    for token in tokens:
        logprobs = f'{{"content": {entries([token])}}}' if told else "null"
        pieces.append((f'"content": {json.dumps(token[0])}', logprobs, "null"))
    pieces.append(("", "null", '"stop"'))
    chunks = [
        '{"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", '
        f'"choices": [{{"index": 0,  "delta": {{{delta}}}, "logprobs": {logprobs}, '
        f'"finish_reason": {finish}}}], "odd": 1.0}}'
        for delta, logprobs, finish in pieces
    ]
    return "".join(f"data: {one}\n\n" for one in (*chunks, "[DONE]")).encode()


def chat_scored(tokens: Tokens) -> Reply:
    """Answers a call of Chat Completions."""
    return _scored(tokens, chat_body, chat_events, lambda asked: asked.get("logprobs") is True)


def chat_refusing(
    tokens: Tokens, code: int = 400, message: str = "Unknown field: logprobs"
) -> Reply:
    """The same by a server that turns down whoever asks for them."""
    answers, refuses = chat_scored(tokens), status(code, message)
    return lambda call: (refuses if "logprobs" in call.json else answers)(call)


# ------------------------------------------------------------------ Responses

ASKED = "message.output_text.logprobs"


def _response(tokens: Tokens, told: bool) -> str:
    logprobs = entries(tokens) if told else "[]"
    return (
        '{"id": "resp_1",  "object": "response", "created_at": 1, "status": "completed", '
        '"model": "scripted-1", "metadata": {"logprobs": "mine"}, "output": [{"type": "message", '
        '"id": "msg_1", "status": "completed", "role": "assistant", "content": [{"type": '
        f'"output_text", "text": {_text(tokens)}, "annotations": [], "logprobs": {logprobs}}}]}}], '
        '"usage": {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}}'
    )


def responses_body(tokens: Tokens, *, told: bool) -> bytes:
    """A plain answer. Its metadata has a field of that name, which is the caller's own."""
    return _response(tokens, told).encode()


def responses_events(tokens: Tokens, *, told: bool) -> bytes:
    """A stream with each event that has a place for them."""
    every = entries(tokens) if told else "[]"
    place = '"item_id": "msg_1", "output_index": 0, "content_index": 0'
    part = f'{{"type": "output_text", "text": {_text(tokens)}, "annotations": [], "logprobs": '
    item = '{"type": "message", "id": "msg_1", "role": "assistant", "content": ['
    events = [
        ("response.created", '"response": {"id": "resp_1", "model": "scripted-1", "output": []}'),
        *(
            (
                "response.output_text.delta",
                f'{place}, "delta": {json.dumps(token[0])}, "logprobs": '
                + (entries([token]) if told else "[]"),
            )
            for token in tokens
        ),
        ("response.output_text.done", f'{place}, "text": {_text(tokens)}, "logprobs": {every}'),
        ("response.content_part.done", f'{place}, "part": {part}{every}}}'),
        ("response.output_item.done", f'"output_index": 0, "item": {item}{part}{every}}}]}}'),
        ("response.completed", f'"response": {_response(tokens, told)}'),
    ]
    return "".join(
        f'event: {kind}\ndata: {{"type": "{kind}",  {more}}}\n\n' for kind, more in events
    ).encode()


def responses_scored(tokens: Tokens) -> Reply:
    """Answers a call of Responses."""
    return _scored(
        tokens,
        responses_body,
        responses_events,
        lambda asked: ASKED in (asked.get("include") or ()),
    )


def _scored(
    tokens: Tokens,
    body: Callable[..., bytes],
    events: Callable[..., bytes],
    wants: Callable[[Any], bool],
) -> Reply:
    def reply(call: Call) -> Iterable[bytes]:
        told = wants(call.json)
        if not call.streams:
            return [whole(200, body(tokens, told=told))]
        said = events(tokens, told=told).split(b"\n\n")[:-1]
        return [STREAM_HEAD, *(piece(event + b"\n\n") for event in said), STREAM_END]

    return reply
