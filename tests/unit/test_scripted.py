import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.growth import CallGrowth, Delta
from rung.core.parts import Message, Role, Text, ToolCall
from rung.core.types import (
    Answer,
    Failure,
    Fault,
    Finish,
    Phase,
    Request,
    Usage,
    UsageSource,
)
from rung.providers.base import Ask, CallError, Done, Provider
from rung.providers.scripted import Reply, ScriptedProvider

BROKEN = Failure(Fault.OVERLOADED, "try later", status=529)


def ask(question: str = "Why?", *, stream: bool = False, timeout_seconds: float = 5.0) -> Ask:
    messages = (Message(Role.USER, (Text(question),)),)
    request = Request("r", "chat", messages, stream=stream)
    return Ask(request, messages, as_it_came=True, stream=stream, timeout_seconds=timeout_seconds)


async def play(provider: Provider, one: Ask) -> list[Delta | Done]:
    return [event async for event in provider.call(one)]


async def answer(provider: Provider, one: Ask | None = None) -> Answer:
    done = (await play(provider, one or ask()))[-1]
    assert isinstance(done, Done)
    return done.answer


async def test_replies_come_in_turn_and_calls_are_kept():
    provider = ScriptedProvider(["one", Reply("two", Finish.LENGTH)], model="cheap")
    first, second = ask("a"), ask("b")
    assert await answer(provider, first) == Answer("one", model="cheap", dialect="scripted")
    assert (await answer(provider, second)).finish is Finish.LENGTH
    assert provider.calls == [first, second]
    assert provider.remaining == 0


async def test_a_script_that_ran_out_fails_the_call():
    provider = ScriptedProvider("only one")
    await answer(provider)
    with pytest.raises(CallError, match="ran out") as caught:
        await answer(provider)
    assert caught.value.failure.fault is Fault.UNAVAILABLE
    assert len(provider.calls) == 2


async def test_an_empty_script_fails_the_first_call_even_in_a_cycle():
    with pytest.raises(CallError, match="ran out"):
        await answer(ScriptedProvider([], cycle=True))


async def test_a_cycle_begins_again():
    provider = ScriptedProvider(["a", "b"], cycle=True)
    assert [(await answer(provider)).text for _ in range(5)] == ["a", "b", "a", "b", "a"]


async def test_a_function_sees_the_call():
    provider = ScriptedProvider([lambda one: one.messages[-1].text.upper()])
    assert (await answer(provider, ask("loud"))).text == "LOUD"


async def test_a_lone_function_is_one_reply():
    provider = ScriptedProvider(lambda one: Reply("x", logprobs=(-0.5,)))
    assert (await answer(provider)).logprobs == (-0.5,)
    with pytest.raises(CallError, match="ran out"):
        await answer(provider)


@pytest.mark.parametrize("line", [BROKEN, Reply(failure=BROKEN), lambda _: BROKEN])
async def test_a_failure_is_a_call_without_an_answer(line):
    with pytest.raises(CallError) as caught:
        await answer(ScriptedProvider([line]))
    assert caught.value.failure is BROKEN
    assert caught.value.phase is Phase.HEADERS


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), CallError(BROKEN, Phase.CONNECT)])
async def test_an_exception_is_raised_as_it_is(error):
    with pytest.raises(type(error)) as caught:
        await answer(ScriptedProvider([error]))
    assert caught.value is error


async def test_a_stream_comes_by_words():
    events = await play(ScriptedProvider(["to be or"]), ask(stream=True))
    assert [e.text for e in events if isinstance(e, Delta)] == ["to", " be", " or"]
    assert isinstance(events[-1], Done)


async def test_a_plain_call_has_no_pieces():
    assert len(await play(ScriptedProvider(["to be or"]), ask())) == 1


@given(st.text())
def test_the_pieces_of_any_text_are_that_text(text):
    assert "".join(Reply(text).pieces) == text
    assert all(Reply(text).pieces)


async def test_chunks_are_sent_as_given_and_make_the_text():
    provider = ScriptedProvider([Reply(chunks=("a ", "", "b"))])
    *deltas, done = await play(provider, ask(stream=True))
    assert deltas == [Delta("a "), Delta(""), Delta("b")]
    assert done.answer.text == "a b"


CALLS = (ToolCall("c1", "look", '{"a":1}'), ToolCall("c2", "listen", "{}"))


async def test_a_stream_thinks_speaks_and_calls_in_that_order():
    provider = ScriptedProvider([Reply("to be", thinking="hm, hm", tool_calls=CALLS)])
    *deltas, done = await play(provider, ask(stream=True))
    assert deltas == [
        Delta(thinking="hm,"),
        Delta(thinking=" hm"),
        Delta("to"),
        Delta(" be"),
        Delta(calls=(CallGrowth(0, "look", '{"a":1}'),)),
        Delta(calls=(CallGrowth(1, "listen", "{}"),)),
    ]
    assert (done.answer.text, done.answer.thinking) == ("to be", "hm, hm")
    assert done.answer.tool_calls == CALLS


@pytest.mark.parametrize(
    ("reply", "finish"),
    [
        (Reply(tool_calls=CALLS), Finish.TOOL_CALLS),
        (Reply(tool_calls=CALLS, finish=Finish.LENGTH), Finish.LENGTH),
        (Reply("x"), Finish.STOP),
    ],
)
async def test_an_answer_with_calls_waits_for_their_results(reply, finish):
    said = await answer(ScriptedProvider([reply]))
    assert (said.finish, said.tool_calls) == (finish, reply.tool_calls)


async def test_a_stream_can_break_off_among_its_calls():
    reply = Reply("to", tool_calls=CALLS, failure=BROKEN, failure_after_chunks=2)
    events = ScriptedProvider([reply]).call(ask(stream=True))
    assert await anext(events) == Delta("to")
    assert (await anext(events)).calls == (CallGrowth(0, "look", '{"a":1}'),)
    with pytest.raises(CallError):
        await anext(events)


async def test_a_stream_breaks_off_after_some_chunks():
    reply = Reply("to be or", failure=BROKEN, failure_after_chunks=2, usage=Usage(5, 2))
    events = ScriptedProvider([reply]).call(ask(stream=True))
    assert [(await anext(events)).text, (await anext(events)).text] == ["to", " be"]
    with pytest.raises(CallError) as caught:
        await anext(events)
    assert caught.value.phase is Phase.STREAM
    assert caught.value.usage == Usage(5, 2)


@pytest.mark.parametrize(
    "wrong", [{"text": "a", "chunks": ("b",)}, {"text": "a", "failure_after_chunks": 1}]
)
def test_a_reply_that_contradicts_itself_is_refused(wrong):
    with pytest.raises(ValueError, match=r"chunks|failure"):
        Reply(**wrong)


async def test_usage_is_estimated_and_says_so_unless_given():
    given_usage = Usage(9, 8, source=UsageSource.PROVIDER)
    provider = ScriptedProvider(["four words of text", Reply("x", usage=given_usage)])
    estimated = (await play(provider, ask("eight by")))[-1].usage
    assert estimated == Usage(2 + 4, 5, source=UsageSource.ESTIMATED)
    assert (await play(provider, ask()))[-1].usage == given_usage
    wordy = ScriptedProvider([Reply("four", thinking="four", tool_calls=CALLS)])
    assert (await play(wordy, ask()))[-1].usage.output_tokens == 7


async def test_a_slow_reply_is_cut_off_at_the_time_limit():
    provider = ScriptedProvider([Reply("late", seconds=60)])
    with pytest.raises(CallError, match=r"within 0\.01 s") as caught:
        await answer(provider, ask(timeout_seconds=0.01))
    assert caught.value.failure.fault is Fault.TIMEOUT


async def test_a_reply_in_time_is_waited_for():
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert (await answer(ScriptedProvider([Reply("late", seconds=0.02)]))).text == "late"
    assert loop.time() - started >= 0.02


async def test_health_tells_what_is_left_and_close_is_remembered():
    provider = ScriptedProvider(["a", "b"])
    await provider.warm()
    await answer(provider)
    health = await provider.health()
    assert health.ok
    assert "1 left" in health.message
    await provider.close()
    assert provider.closed
