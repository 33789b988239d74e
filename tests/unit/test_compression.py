"""New output of tools goes out shorter, once decided for ever, and nothing else changes a byte."""

import json
from dataclasses import replace
from itertools import accumulate, chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.compression import MOST_LOOKED_AT, Shortening
from rung.core.features import features
from rung.core.shrinking import shrunk
from rung.core.types import Directions
from rung.wire import chat, messages, ollama_front, responses
from rung.wire.front import Arrival
from rung.wire.results import exchanged_texts
from support.tool_outputs import OUTPUTS, docker_pull, git_clone, python_file, service_log

LONG, OTHER = docker_pull().text, git_clone().text
SHORT = shrunk(LONG)


def text_parts(text):
    return [{"type": "text", "text": text}]


def chat_turn(call, text, *, tool="Bash", parts=False):
    calls = [{"id": call, "type": "function", "function": {"name": tool, "arguments": "{}"}}]
    content = text_parts(text) if parts else text
    return [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": call, "content": content},
    ]


def ollama_turn(call, text, *, tool="Bash", parts=False):
    called = [{"function": {"name": tool, "arguments": {}}}]
    return [
        {"role": "assistant", "content": "", "tool_calls": called},
        {"role": "tool", "content": text},
    ]


def messages_turn(call, text, *, tool="Bash", parts=False):
    content = text_parts(text) if parts else text
    result = {"type": "tool_result", "tool_use_id": call, "content": content}
    return [
        {"role": "assistant", "content": [thought(), used(call, tool)]},
        {"role": "user", "content": [result, {"type": "text", "text": "Go on."}]},
    ]


def thought():
    return {"type": "thinking", "thinking": "Let me s\u00e9e.", "signature": "RXJyb3I/+=="}


def used(call, tool):
    return {"type": "tool_use", "id": call, "name": tool, "input": {"command": "make"}}


def responses_turn(call, text, *, tool="Bash", parts=False):
    output = [{"type": "input_text", "text": text}] if parts else text
    return [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA/=="},
        {"type": "function_call", "call_id": call, "name": tool, "arguments": "{}"},
        {"type": "function_call_output", "call_id": call, "output": output},
    ]


DIALECTS = {
    "chat": (chat.FRONT, "messages", chat_turn),
    "messages": (messages.FRONT, "messages", messages_turn),
    "responses": (responses.FRONT, "input", responses_turn),
    "ollama_front": (ollama_front.FRONT, "messages", ollama_turn),
}
SPACING = {"indent": 2, "ensure_ascii": True}


def asked(dialect, *turns, conversation="c1", **spacing):
    """A request of a conversation, its body spaced as some client may."""
    front, field, _ = DIALECTS[dialect]
    said = [{"role": "user", "content": "Build it: \u00fcber \u2028 \\ud83d"}, *chain(*turns)]
    more = {"max_tokens": 64} if dialect == "messages" else {}
    body = json.dumps({"model": "m", field: said} | more, **spacing).encode()
    request = front.decode_request(body, Arrival("r1", Directions(), {}))
    return replace(request, conversation=conversation)


def turn(dialect, *told, **more):
    return DIALECTS[dialect][2](*told, **more)


def with_text(body, old, new):
    """The body with one JSON string for another, by plain search."""
    ascii_only, told = json.dumps(old).encode(), json.dumps(new, ensure_ascii=False).encode()
    assert body.count(ascii_only) == 1
    return body.replace(ascii_only, told)


@pytest.fixture
def shortening():
    return Shortening()


EVERY = pytest.mark.parametrize("dialect", DIALECTS)


# ------------------------------------------------------------------ what goes out


@EVERY
@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("spacing", [{}, SPACING], ids=["dense", "spaced"])
def test_only_the_string_of_the_new_result_changes(shortening, dialect, parts, spacing):
    request = asked(dialect, turn(dialect, "call_1", LONG, parts=parts), **spacing)
    told = shortening.of(request)
    assert told.request.body == with_text(request.body, LONG, SHORT)
    read = DIALECTS[dialect][0].decode_request(told.request.body, Arrival("r1", Directions(), {}))
    assert read.messages == told.request.messages
    spared = features(request).input_tokens - features(told.request).input_tokens
    assert told.spared_tokens == spared > 0


@EVERY
def test_history_keeps_the_bytes_it_was_sent_with(shortening, dialect):
    turns = [
        turn(dialect, "call_1", LONG),
        turn(dialect, "call_2", "ok"),
        turn(dialect, "call_3", OTHER),
        turn(dialect, "call_4", LONG),
        turn(dialect, "call_5", python_file().text),
    ]
    sent = [
        shortening.of(asked(dialect, *turns[:count])).request.body
        for count in range(1, len(turns) + 1)
    ]
    ending = b"]" if dialect != "messages" else b'], "max_tokens"'
    for before, after in pairwise(sent):
        prefix = before[: before.rindex(ending)]
        assert after.startswith(prefix)


@EVERY
def test_a_result_that_was_sent_whole_stays_whole(dialect):
    first = asked(dialect, turn(dialect, "call_1", LONG))
    later = asked(dialect, turn(dialect, "call_1", LONG), turn(dialect, "call_2", "ok"))
    # After a restart nobody knows how the first was sent.
    assert Shortening().of(later).request is later
    known = Shortening()
    known.of(first)
    assert SHORT in texts(known.of(later).request)


def texts(request):
    return [message.text for message in request.messages]


def test_the_same_output_twice_is_shortened_where_it_was(shortening):
    old = turn("chat", "call_1", LONG)
    restarted = asked("chat", old, turn("chat", "call_2", LONG))
    assert texts(shortening.of(restarted).request)[2::2] == [LONG, SHORT]
    later = asked("chat", old, turn("chat", "call_2", LONG), turn("chat", "call_3", "ok"))
    assert texts(shortening.of(later).request)[2::2] == [LONG, SHORT, "ok"]


def test_a_repetition_of_the_same_request_goes_out_the_same(shortening):
    request = asked("messages", turn("messages", "call_1", LONG))
    assert shortening.of(request).request.body == shortening.of(request).request.body


def test_several_new_results_are_shortened_together(shortening):
    results = [
        *chat_turn("call_1", LONG),
        {"role": "tool", "tool_call_id": "call_2", "content": OTHER},
    ]
    told = shortening.of(asked("chat", results)).request
    assert texts(told)[2:] == [SHORT, shrunk(OTHER)]


def test_no_request_makes_all_others_wait_for_a_look_at_its_results(shortening, monkeypatch):
    seen = []
    monkeypatch.setattr("rung.compression.shrunk", seen.append)
    calls = [f"call_{n}" for n in range(8)]
    told = [{"role": "tool", "tool_call_id": each, "content": "x" * 99_000} for each in calls]
    shortening.of(asked("chat", [*chat_turn("call", LONG), *told]))
    assert sum(map(len, seen)) <= MOST_LOOKED_AT < 8 * 99_000
    assert LONG in seen


def test_thinking_keeps_every_byte(shortening):
    turns = [turn("messages", "call_1", LONG), turn("messages", "call_2", OTHER)]
    sent = shortening.of(asked("messages", *turns)).request.body
    assert sent.count(json.dumps(thought()).encode()) == 2


# ------------------------------------------------------------------ what stays


@pytest.mark.parametrize("tool", ["Read", "read_file", "NotebookRead", "view", "WebFetch", "Grep"])
def test_what_is_read_to_be_worked_on_stays(shortening, tool):
    request = asked("chat", turn("chat", "call_1", LONG, tool=tool))
    assert shortening.of(request).request is request


def test_a_failed_tool_stays(shortening):
    results = messages_turn("call_1", LONG)
    results[1]["content"][0]["is_error"] = True
    request = asked("messages", results)
    assert shortening.of(request).request is request


@pytest.mark.parametrize("output", [one for one in OUTPUTS if one.kind == "exact"], ids=repr)
def test_code_and_data_stay(shortening, output):
    request = asked("chat", turn("chat", "call_1", output.text))
    assert shortening.of(request).request is request


def test_what_a_user_pastes_stays(shortening):
    request = asked("chat", [{"role": "user", "content": LONG}])
    assert shortening.of(request).request is request


def test_outside_of_a_conversation_nothing_is_shortened(shortening):
    request = asked("chat", turn("chat", "call_1", LONG), conversation="")
    assert shortening.of(request).request is request


def test_a_body_that_cannot_be_mended_is_left_with_its_messages(shortening):
    request = asked("chat", turn("chat", "call_1", LONG))
    twice = request.body.replace(b'"role": "tool"', b'"role": "tool", "content": "x"')
    odd = replace(request, body=twice)
    assert shortening.of(odd).request is odd
    assert shortening.of(odd).spared_tokens == 0


def test_a_request_of_the_library_has_no_body(shortening):
    request = replace(asked("chat", turn("chat", "call_1", LONG)), body=b"")
    told = shortening.of(request).request
    assert (told.body, texts(told)[2]) == (b"", SHORT)


def test_other_conversations_are_not_concerned(shortening):
    shortening.of(asked("chat", turn("chat", "call_1", LONG)))
    turns = turn("chat", "call_1", LONG), turn("chat", "call_2", "ok")
    request = asked("chat", *turns, conversation="c2")
    assert shortening.of(request).request is request


# ------------------------------------------------------------------ memory


def test_memory_is_bounded_in_conversations():
    shortening = Shortening(most_conversations=2)
    for name in ("c1", "c2", "c1", "c3"):
        shortening.of(asked("chat", turn("chat", "call_1", LONG), conversation=name))
    assert known(shortening) == {"c1", "c3"}


def test_memory_is_bounded_in_text_and_forgets_whole_conversations():
    shortening = Shortening(most_chars=2 * len(SHORT))
    for name in ("c1", "c2", "c1", "c3"):
        shortening.of(asked("chat", turn("chat", "call_1", LONG), conversation=name))
    assert known(shortening) == {"c1", "c3"}


def known(shortening):
    """The conversations of which it knows what it shortened."""
    later = turn("chat", "call_1", LONG), turn("chat", "call_2", "ok")
    return {
        name
        for name in ("c1", "c2", "c3")
        if shortening.of(asked("chat", *later, conversation=name)).spared_tokens
    }


def test_what_does_not_fit_into_memory_is_sent_whole():
    shortening = Shortening(most_chars=len(SHORT) - 1)
    request = asked("chat", turn("chat", "call_1", LONG))
    assert shortening.of(request).request is request


# ------------------------------------------------------------------ strings inside of bodies


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@settings(deadline=None)
def test_bytes_that_are_no_request_are_left(body):
    for dialect in DIALECTS:
        assert exchanged_texts(dialect, body, {(LONG, 0): SHORT}) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"role":"tool","content":[{"type":"text"}]}]}',
        b'{"messages":[{"role":"tool"}]}',
        b'{"messages":{"role":"tool","content":"x"}}',
        b'{"messages":[{"role":"tool","content":{"text":"x"}}]}',
        b'{"messages":[["tool"]]}',
        b'{"messages":[{"role":["tool"],"content":"x"}]}',
        b'{"messages":"tool"}',
    ],
)
def test_a_misshapen_result_is_not_found(body):
    assert exchanged_texts("chat", body, {("x", 0): "y"}) is None


def test_dialects_without_tools_are_left():
    assert exchanged_texts("completions", b"{}", {}) is None


def test_of_equal_texts_the_named_one_is_exchanged():
    turns = ",".join('{"role":"tool","content":"x"}' for _ in range(3))
    body = f'{{"messages":[{turns}]}}'.encode()
    told = exchanged_texts("chat", body, {("x", 1): "y"})
    assert json.loads(told)["messages"][1]["content"] == "y"
    assert told.count(b'"x"') == 2


LENGTHS = st.lists(st.sampled_from([LONG, OTHER, service_log().text, "ok"]), min_size=1, max_size=6)


@given(st.sampled_from(sorted(DIALECTS)), LENGTHS)
@settings(deadline=None, max_examples=40)
def test_whatever_tools_say_the_sent_prefix_never_changes(dialect, outputs):
    shortening = Shortening()
    turns = [turn(dialect, f"call_{i}", text) for i, text in enumerate(outputs)]
    sent = [
        shortening.of(asked(dialect, *before)).request.messages
        for before in accumulate([[one] for one in turns])
    ]
    for before, after in pairwise(sent):
        assert after[: len(before)] == before
