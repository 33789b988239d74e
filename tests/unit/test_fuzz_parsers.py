"""What the fuzzer holds every reader to: a short round of it, and what it has found before."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rung.core.parts import Tool
from rung.core.types import Answer, Request
from rung.wire import chat, messages, responses
from rung.wire.back import Back, Changes
from rung.wire.calls import settled
from rung.wire.errors import WireError
from rung.wire.ids import ANY, fit, unwrap
from rung.wire.sse import SseEvent

TOOLS = Path(__file__).parents[2] / "tools"
ROUNDS = 8_000
BACKS = {"chat": chat.BACK, "messages": messages.BACK, "responses": responses.BACK}


@pytest.fixture(scope="module")
def fuzz() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOLS))
        import fuzz

        before = signal.getsignal(signal.SIGVTALRM)
        yield fuzz
        signal.signal(signal.SIGVTALRM, before)
        for name in ("fuzz", "fuzz_targets", "fuzz_corpus"):
            sys.modules.pop(name, None)


# ------------------------------------------------------------------ the fuzzer


def test_a_short_round_breaks_nothing(fuzz: ModuleType) -> None:
    tally = fuzz.batch((11, 0, ROUNDS, None))
    assert [(one.target, one.data, one.said) for one in tally.found] == []
    assert set(tally.runs) == set(fuzz.TARGETS)


def test_every_seed_itself_is_well_formed(fuzz: ModuleType) -> None:
    import fuzz_corpus
    import fuzz_targets

    for dialect, streams in fuzz_corpus.STREAMS.items():
        for stream in streams:
            ran = fuzz_targets.run_stream(dialect, [stream.data])
            assert ran.complete
            assert ran.fault is None
            fuzz_targets.check_cut(dialect, stream.data[: stream.whole - 1])
    for one in fuzz_corpus.OLLAMA:
        assert fuzz_targets.run_lines([one.data])[0]
    for dialect, bodies in fuzz_corpus.REQUESTS.items():
        for body in bodies:
            if dialect in fuzz_corpus.FRONTS:
                front = fuzz_corpus.FRONTS[dialect]
                front.decode_request(body, fuzz_targets._arrival())


def test_an_input_is_always_the_same(fuzz: ModuleType) -> None:
    made = [fuzz.made(3, number) for number in range(60)]
    assert made == [fuzz.made(3, number) for number in range(60)]
    assert made != [fuzz.made(4, number) for number in range(60)]


def test_the_fuzzer_sees_what_is_broken(fuzz: ModuleType, monkeypatch: Any) -> None:
    def feed(_: object, event: SseEvent) -> None:
        raise KeyError(event.event)

    monkeypatch.setattr("rung.wire.messages.stream.MessageReader.feed", feed)
    tally = fuzz.batch((1, 0, 300, "messages.reader"))
    assert len(tally.found) > 200
    small = fuzz.smaller(tally.found[0])
    assert "KeyError" in small.said
    assert len(small.data) <= len(tally.found[0].data)


def test_the_fuzzer_sees_a_cut_stream_that_is_taken_for_whole(
    fuzz: ModuleType, monkeypatch: Any
) -> None:
    from rung.wire.chat.stream import ChatReader

    monkeypatch.setattr(ChatReader, "complete", property(lambda reader: bool(reader._text)))
    assert fuzz.batch((1, 0, 100, "chat.cut")).found


def test_the_fuzzer_sees_what_hangs(fuzz: ModuleType, monkeypatch: Any) -> None:
    def hang(_: bytes) -> None:
        while True:
            pass

    monkeypatch.setattr(fuzz, "HANGS_AFTER_SECONDS", 0.05)
    monkeypatch.setitem(fuzz.TARGETS, "ids", fuzz.TARGETS["ids"]._replace(check=hang))
    (found,) = fuzz.batch((1, 0, 1, "ids")).found
    assert "HangError" in found.said


# ------------------------------------------------------------------ what it has found


@pytest.mark.parametrize("back", BACKS.values(), ids=list(BACKS))
def test_text_that_nobody_reads_has_to_be_utf8_too(back: Back) -> None:
    odd = b'{"id":"\xff","type":"ping","choices":[],"content":[],"output":[],"stop_reason":"x"}'
    with pytest.raises(WireError):
        back.decode_answer(odd)
    with pytest.raises(WireError):
        back.reader(Request("r1", back.dialect, ())).feed(SseEvent("ping", odd))


def test_a_whole_answer_has_no_more_choices_than_a_stream() -> None:
    choice = {"message": {"content": "a"}, "finish_reason": "stop"}
    most = chat.BACK.decode_answer(json.dumps({"choices": [choice] * 128}).encode())
    assert len(most[0].more) == 127
    with pytest.raises(WireError, match="more than 128 choices"):
        chat.BACK.decode_answer(json.dumps({"choices": [choice] * 129}).encode())


@pytest.mark.parametrize("output", [[1], [[]], [None], ["message"], [{}] * 2000])
def test_a_response_that_ends_in_nonsense_is_told_while_it_is_fed(output: Any) -> None:
    end = {"type": "response.completed", "response": {"status": "completed", "output": output}}
    reader = responses.BACK.reader(Request("r1", "responses", ()))
    with pytest.raises(WireError):
        reader.feed(SseEvent("", json.dumps(end).encode()))
    assert not reader.complete
    assert reader.answer().text == ""


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ('{"x":1e400}', '{"x":1e400,"include_usage":true}'),
        ('{"include_usage":true,"x":1e400}', '{"include_usage":true,"x":1e400}'),
        ('{"include_usage":false}', '{"include_usage":true}'),
        ("null", '{"include_usage":true}'),
    ],
)
def test_options_of_a_stream_keep_what_no_parser_takes(options: str, sent: str) -> None:
    body = b'{"model":"m","messages":[],"stream":true,"stream_options":%b}' % options.encode()
    told = chat.BACK.forward(body, Changes("m", stream=True, usage=True)).body
    assert told.endswith(b'"stream_options":%b}' % sent.encode())


@pytest.mark.parametrize("fence", ["``` so\n{}```", "```\u2028j\n{}```", "```tool_calls: \n{}```"])
def test_words_after_a_fence_are_no_part_of_a_call(fence: str) -> None:
    request = Request("r1", "chat", (), tools=(Tool("look"),))
    told = Answer(fence.replace("{}", '{"name":"look","arguments":{}}'), dialect="ollama")
    assert settled(told, request) == told
    plain = replace(told, text='```json\n{"name":"look","arguments":{}}\n```')
    assert settled(plain, request).salvaged


@pytest.mark.parametrize("told", ["rung_7aCA", "rung_YR", "rung_cnVuZ19ZUQ"])
def test_an_id_that_was_never_wrapped_is_not_unwrapped(told: str) -> None:
    assert unwrap(told) == told
    assert fit(told, ANY) == told
