from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import RequestError
from rung.core.parts import Message, Role, Text
from rung.core.types import (
    Answer,
    Directions,
    Finish,
    Request,
    Sampling,
    Usage,
    UsageSource,
)
from rung.wire import completions
from rung.wire.front import Arrival, Reply, Trouble
from rung.wire.sse import Parser
from support import conversations

REPLY = Reply("1", 7, "m")
ASKED = Request("1", "completions", (), stream=True, stream_usage=True)
UNASKED = Request("1", "completions", (), stream=True)


def decode(body: bytes | dict[str, Any]) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return completions.FRONT.decode_request(raw, Arrival("r1", Directions(), {}))


@pytest.mark.parametrize("prompt", ["say hi", ["say hi"]])
def test_one_prompt_is_one_turn_of_the_users(prompt) -> None:
    told = {
        "model": "m",
        "prompt": prompt,
        "max_tokens": 5,
        "temperature": 0.5,
        "stop": ["x"],
        "presence_penalty": 1,
        "n": 1,
        "best_of": 1,
        "echo": False,
        "suffix": None,
        "user": "u",
        "logit_bias": {"50256": -100},
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    body = json.dumps(told).encode()
    assert decode(body) == Request(
        id="r1",
        dialect="completions",
        messages=(Message(Role.USER, (Text("say hi"),)),),
        model="m",
        sampling=Sampling(5, 0.5, stop=("x",), presence_penalty=1.0),
        extras=("logit_bias",),
        stream=True,
        stream_usage=True,
        body=body,
    )


@pytest.mark.parametrize(
    ("told", "param"),
    [
        ({}, "prompt"),
        *(({"prompt": v}, "prompt") for v in (None, 5, {}, [], [1, 2], [[1]], ["a", "b"], [None])),
        ({"prompt": "x", "suffix": "y"}, "suffix"),
        ({"prompt": "x", "echo": True}, "echo"),
        ({"prompt": "x", "best_of": 2}, "best_of"),
        ({"prompt": "x", "n": 2}, "n"),
        ({"prompt": "x", "logprobs": 0}, "logprobs"),
        ({"prompt": "x", "max_tokens": -1}, "max_tokens"),
        ({"prompt": "x", "stream": 1}, "stream"),
        ({"prompt": "x", "api_base": "http://a"}, "api_base"),
    ],
)
def test_what_is_not_served_is_refused_by_its_name(told, param) -> None:
    with pytest.raises(RequestError) as caught:
        decode(told)
    assert (caught.value.param, caught.value.status) == (param, 400)


@given(
    st.binary()
    | st.dictionaries(
        st.sampled_from(sorted(completions._KNOWN)),
        conversations.JSON | st.floats() | st.lists(st.text()),
    ).map(lambda told: json.dumps(told).encode())
)
def test_whatever_the_bytes_a_request_or_a_request_error_comes_of_them(body) -> None:
    try:
        request = decode(body)
    except RequestError:
        return
    assert request.messages[0].role is Role.USER


COUNTED = Usage(9, 4, 3, 0, 1, UsageSource.PROVIDER)


@pytest.mark.parametrize(
    ("answer", "text", "reason"),
    [
        (Answer("hi", thinking="hm"), "hi", "stop"),
        (Answer("hi", Finish.LENGTH), "hi", "length"),
        (Answer("hi", Finish.TOOL_CALLS), "hi", "stop"),
        (Answer("", Finish.REFUSAL, refusal="no"), "no", "content_filter"),
    ],
)
def test_an_answer_is_one_text(answer, text, reason) -> None:
    told = json.loads(completions.FRONT.encode_answer(answer, COUNTED, REPLY, UNASKED))
    assert told["usage"]["total_tokens"] == 13
    assert told | {"usage": None} == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 7,
        "model": "m",
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": reason}],
        "usage": None,
    }
    assert b"usage" not in completions.FRONT.encode_answer(answer, Usage(), REPLY, UNASKED)


@given(st.text(max_size=9), st.integers(0, 9), st.sampled_from([ASKED, UNASKED]))
def test_a_stream_adds_up_to_the_text_and_ends_as_clients_expect(text, written, request) -> None:
    writer = completions.FRONT.writer(REPLY, request)
    told = b"".join(map(writer.text, text[:written])) + writer.thinking("hm")
    told += writer.finish(Answer(text, Finish.LENGTH), COUNTED)
    *events, last = Parser().feed(told)
    assert last.data == b"[DONE]"
    chunks = [json.loads(event.data) for event in events]
    assert {(one["id"], one["object"]) for one in chunks} == {("cmpl-1", "text_completion")}
    choices = [choice for one in chunks for choice in one["choices"]]
    assert "".join(choice["text"] for choice in choices) == text
    assert [choice["finish_reason"] for choice in choices] == [
        *[None] * (len(choices) - 1),
        "length",
    ]
    assert ("usage" in chunks[-1]) is request.stream_usage


def test_errors_have_openais_envelope() -> None:
    trouble = Trouble("no", 429)
    event = completions.FRONT.error_event(trouble, REPLY)
    assert event == b"data: %b\n\n" % completions.FRONT.encode_error(trouble)
    assert json.loads(event[5:])["error"]["type"] == "rate_limit_error"
    assert completions.FRONT.status(503) == 503
