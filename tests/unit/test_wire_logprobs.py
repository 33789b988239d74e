"""Log-probabilities on the wire: read where they are whole, cut out where nobody asked."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import Message, Role, Text
from rung.core.types import Request
from rung.wire import chat, ollama, responses
from rung.wire.back import Changes, Outgoing
from rung.wire.jsontext import EACH, JsonError, exchanged
from rung.wire.logprobs import natural_logs, without
from rung.wire.quirks import Quirks
from rung.wire.sse import SseEvent

PATH = ("choices", EACH, "logprobs")
ASKED = {"logprobs": True, "top_logprobs": 1}
REFUSES = Quirks(refuses=frozenset({"logprobs"}))
HI = (Message(Role.USER, (Text("hi"),)),)


def scored(*logs):
    return [{"token": "x", "logprob": one} for one in logs]


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize("odd", [None, "-1", True, [], {}, 0.5, 2, math.nan, math.inf, -math.inf])
def test_one_odd_number_spoils_all(odd):
    assert natural_logs(scored(-1.0, -0.5)) == (-1.0, -0.5)
    assert natural_logs(scored(-1.0, odd)) == ()


@pytest.mark.parametrize("odd", [10**400, -(10**400), -1e308])
def test_numbers_too_large_for_a_float_are_no_crash(odd):
    assert natural_logs(scored(odd)) == ()


def test_what_rounding_lifts_above_zero_is_zero():
    assert natural_logs(scored(1e-7, -0.0)) == (0.0, 0.0)


ODD = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3)
ENTRY = st.fixed_dictionaries({"token": st.just("x"), "logprob": st.floats(-1e3, 0) | ODD})


@given(st.lists(ENTRY | ODD, max_size=4))
def test_whatever_is_told_they_are_logs_or_none(entries):
    found = natural_logs(entries)
    assert all(math.isfinite(one) and one <= 0 for one in found)
    assert len(found) in {0, len(entries)}


def test_of_an_answer_with_thoughts_only_the_answer_counts():
    tokens = ["<think>", "Bonn", "</think>", "\n", "Bo", "nn", "!", "<|end|>"]
    told = [{"token": one, "logprob": -float(i)} for i, one in enumerate(tokens)]
    assert natural_logs(told, "Bonn!") == (-4.0, -5.0, -6.0)
    assert natural_logs(told, "Köln") == ()
    assert natural_logs(told, "") == ()
    assert natural_logs([{"logprob": -1.0}], "Bonn!") == ()


def test_a_plain_answer_with_thinking_tells_those_of_its_words():
    message = {"content": "Bonn", "reasoning_content": "Hm"}
    tokens = [{"token": one, "logprob": log} for one, log in (("Hm", -9), ("Bo", -1), ("nn", -2))]
    body = {"choices": [{"message": message, "logprobs": {"content": tokens}}]}
    answer, _ = chat.BACK.decode_answer(json.dumps(body).encode())
    assert answer.logprobs == (-1.0, -2.0)


def test_a_stream_leaves_out_those_of_its_thinking():
    reader = chat.BACK.reader(Request("r", "messages", HI))
    for delta, log in (({"reasoning_content": "Hm"}, -9), ({"content": "Bonn"}, -1)):
        choice = {"index": 0, "delta": delta, "logprobs": {"content": scored(log)}}
        reader.feed(SseEvent("", json.dumps({"choices": [choice]}).encode()))
    assert reader.answer().logprobs == (-1.0,)


def test_plain_lists_of_numbers_are_read_too():
    told = {"tokens": ["a", "b"], "token_logprobs": [-1.0, -2.0]}
    body = {"choices": [{"message": {"content": "ab"}, "logprobs": told}]}
    answer, _ = chat.BACK.decode_answer(json.dumps(body).encode())
    assert answer.logprobs == (-1.0, -2.0)


# ------------------------------------------------------------------ cutting out


@pytest.mark.parametrize(
    ("told", "left"),
    [
        (b' { "choices":[{"logprobs" :{"a":[1]}, "b" : 1.0}]} ',) * 2,
        (b'{"choices":[ {"x":1},\n{"logprobs":[1,{}] } ,7,null]}',) * 2,
        (b'{"choices":[],"logprobs":1}', b'{"choices":[],"logprobs":1}'),
        (b'{"choices":null,"logprobs":1}', b'{"choices":null,"logprobs":1}'),
        (b'{"choices":{"logprobs":1}}', b'{"choices":{"logprobs":1}}'),
        (b'{"text":"\\"logprobs\\":1"}', b'{"text":"\\"logprobs\\":1"}'),
        (b'{"choices":[{"logprobs":1,"logprobs":2}]}', b'{"choices":[{"logprobs":null}]}'),
    ],
)
def test_only_what_lies_there_is_exchanged(told, left):
    left = left.replace(b'{"a":[1]}', b"null").replace(b"[1,{}]", b"null")
    assert without(told, PATH, b"null") == left


def test_what_is_no_json_is_said_to_be_none():
    with pytest.raises(JsonError):
        without(b'{"choices":[{"logprobs":', PATH, b"null")


@given(
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["choices", "logprobs", "a"]), inner, max_size=3)
        ),
    ),
    st.sampled_from([None, 0, 2]),
)
def test_it_does_what_it_would_do_to_the_value(value, indent):
    body = json.dumps({"choices": value, "logprobs": 5}, indent=indent).encode()
    for choice in value if isinstance(value, list) else ():
        if isinstance(choice, dict) and "logprobs" in choice:
            choice["logprobs"] = "gone"
    wanted = {"choices": value, "logprobs": 5}
    assert json.loads(exchanged(body, PATH, b'"gone"')) == wanted


# ------------------------------------------------------------------ asking


def forwarded(back, body, **changes):
    told = back.forward(json.dumps(body).encode(), Changes(model="m", **changes))
    return json.loads(told.body), told


@pytest.mark.parametrize("own", [{}, {"logprobs": False}, {"logprobs": None, "top_logprobs": 0}])
def test_a_callers_chat_is_asked_for_them(own):
    body, told = forwarded(chat.BACK, {"model": "x", "messages": [], **own}, logprobs=True)
    assert body == {"model": "m", "messages": [], **ASKED}
    assert told.logprobs


def test_a_caller_who_asks_for_more_keeps_its_words():
    own = {"logprobs": True, "top_logprobs": 7}
    body, told = forwarded(chat.BACK, {"model": "x", "messages": [], **own}, logprobs=True)
    assert body == {"model": "m", "messages": [], **own}
    assert not told.logprobs


@pytest.mark.parametrize("own", [{}, {"logprobs": False}])
def test_a_model_that_refuses_them_is_not_asked_in_chat(own):
    asked = {"model": "x", "messages": [], **own}
    body, told = forwarded(chat.BACK, asked, logprobs=True, quirks=REFUSES)
    assert body == {"model": "m", "messages": [], **own}
    assert (told.logprobs, told.losses) == (False, ())


@pytest.mark.parametrize("own", [{}, {"include": None}, {"include": []}, {"include": ["a"]}])
def test_a_callers_response_is_asked_for_them(own):
    body, told = forwarded(responses.BACK, {"model": "x", "input": "hi", **own}, logprobs=True)
    assert body["include"] == [*(own.get("include") or ()), "message.output_text.logprobs"]
    assert told.logprobs


@pytest.mark.parametrize("own", [{}, {"include": ["a"]}])
def test_a_model_that_refuses_them_is_not_asked_in_responses(own):
    asked = {"model": "x", "input": "hi", **own}
    body, told = forwarded(responses.BACK, asked, logprobs=True, quirks=REFUSES)
    assert body == {"model": "m", "input": "hi", **own}
    assert (told.logprobs, told.losses) == (False, ())


@pytest.mark.parametrize("quirks", [Quirks(), REFUSES])
def test_a_new_body_asks_for_them_unless_the_model_refuses(quirks):
    sent = Outgoing("m", HI, logprobs=True, quirks=quirks)
    asks = quirks is not REFUSES
    told = chat.BACK.encode(sent)
    assert ("logprobs" in json.loads(told.body), told.logprobs, told.losses) == (asks, asks, ())
    told = responses.BACK.encode(sent)
    assert ("include" in json.loads(told.body), told.logprobs, told.losses) == (asks, asks, ())


@pytest.mark.parametrize("wanted", [True, False])
def test_ollama_is_asked_beside_its_options(wanted):
    sent = Outgoing("m", HI, logprobs=wanted)
    told = ollama.encode_chat(sent, ollama.prompt_size(sent), ollama.ChatOptions(4096, "30m"))
    assert json.loads(told.body).get("logprobs") is (True if wanted else None)


# ------------------------------------------------------------------ Ollama's answers


def ollama_answer(*lines):
    reader = ollama.ChatReader()
    for line in lines:
        part = ollama.decode_part(json.dumps(line).encode())
        reader.feed(part)
    return reader.answer(part, "m")


def line(content, *logs, **more):
    tokens = [{"token": content, "logprob": log} for log in logs]
    return {"message": {"content": content, **more}} | ({"logprobs": tokens} if logs else {})


END = {"message": {"content": ""}, "done": True, "done_reason": "stop"}


def test_a_stream_of_ollamas_tells_those_of_its_words():
    thought = line("", -9.0, thinking="Hm")
    assert ollama_answer(thought, line("Bo", -1.0), line("nn", -2.0), END).logprobs == (-1.0, -2.0)


@pytest.mark.parametrize("odd", ["x", 3, [None], [{"logprob": "x"}], {}])
def test_odd_or_missing_ones_of_ollamas_are_none(odd):
    assert ollama_answer(line("Bo", -1.0), line("nn"), END).logprobs == ()
    assert ollama_answer(line("Bo", -1.0), line("nn") | {"logprobs": odd}, END).logprobs == ()
    assert ollama_answer(line("Bonn"), END).logprobs == ()


def test_of_a_plain_answer_of_ollamas_the_thoughts_do_not_count():
    tokens = [("<think>", -9.0), ("Hm</think>", -9.0), ("Bo", -1.0), ("nn", -2.0)]
    told = [{"token": token, "logprob": log} for token, log in tokens]
    whole = {**END, "message": {"content": "<think>Hm</think>Bonn"}, "logprobs": told}
    answer = ollama_answer(whole)
    assert (answer.text, answer.thinking, answer.logprobs) == ("Bonn", "Hm", (-1.0, -2.0))
