import asyncio
import json
from contextlib import aclosing
from dataclasses import replace

import pytest

from rung.core.growth import CallGrowth, Delta
from rung.core.parts import (
    Choice,
    File,
    Image,
    Message,
    Opaque,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from rung.core.types import (
    Fault,
    Finish,
    Need,
    Phase,
    Sampling,
    SchemaRequest,
    UsageSource,
)
from rung.providers.http import HttpClient
from rung.providers.ollama import OllamaProvider
from support.ollama_calls import asking, failing, play, provider_of
from support.ollama_server import Model, Says, ollama
from support.socket_server import SocketServer, routes


@pytest.fixture
async def http():
    client = HttpClient()
    yield client
    await client.close()


# ------------------------------------------------------------------ answers


async def test_a_plain_answer_is_whole_and_counted(http):
    async with ollama(qwen=Model()) as server:
        server.say(Says(("Hello", " there"), thinking=("hm",)))
        deltas, done = await play(provider_of(http, server), asking("a" * 400))
    assert deltas == []
    assert (done.answer.text, done.answer.thinking) == ("Hello there", "hm")
    assert (done.answer.finish, done.answer.model) == (Finish.STOP, "qwen")
    assert (done.answer.dialect, json.loads(done.answer.body)["done"]) == ("ollama", True)
    assert (done.usage.input_tokens, done.usage.output_tokens) == (100, 2)
    assert done.usage.source is UsageSource.PROVIDER


@pytest.mark.parametrize("slices", [None, 1, 7])
async def test_a_stream_is_the_same_however_it_is_sliced(http, slices):
    async with ollama(qwen=Model()) as server:
        server.say(Says(("Grüß", " dich", " 👋"), thinking=("hm", "…"), slices=slices))
        deltas, done = await play(provider_of(http, server), asking(stream=True))
    assert deltas == [
        Delta(thinking="hm"),
        Delta(thinking="…"),
        *(Delta("Grüß"), Delta(" dich"), Delta(" 👋")),
    ]
    assert (done.answer.text, done.answer.thinking) == ("Grüß dich 👋", "hm…")
    assert done.usage.output_tokens == 3


async def test_an_answer_at_its_limit_says_so(http):
    async with ollama(qwen=Model()) as server:
        server.say(Says(done_reason="length"))
        _, done = await play(provider_of(http, server), asking(stream=True))
    assert done.answer.finish is Finish.LENGTH


async def test_what_is_asked_is_what_is_sent(http):
    sampling = Sampling(max_tokens=9, temperature=0.1, seed=1)
    ask = asking(sampling=sampling, schema=SchemaRequest({"type": "object"}), temperature=0.8)
    async with ollama(qwen=Model()) as server:
        await play(provider_of(http, server, keep_alive="1h"), ask)
    (sent,) = server.chats
    assert sent["options"] == {
        "num_ctx": 16_384,
        "num_predict": 9,
        "temperature": 0.8,
        "seed": 1,
    }
    assert (sent["truncate"], sent["keep_alive"]) == (False, "1h")
    assert sent["format"] == {"type": "object"}


async def test_what_is_lost_is_named(http):
    parts = (Text("Look"), File("application/pdf", "AAAA"), Opaque("input_audio", {}))
    ask = asking(
        "",
        Message(Role.USER, parts),
        needs=frozenset({Need.FILES, Need.AUDIO, Need.LOGPROBS, Need.IMAGES}),
        extras=("logit_bias",),
    )
    async with ollama(qwen=Model()) as server:
        _, done = await play(provider_of(http, server), ask)
    assert done.losses == ("audio", "files", "logit_bias", "logprobs")


async def test_an_openai_path_in_the_address_is_not_used(http):
    async with ollama(qwen=Model()) as server:
        provider = OllamaProvider(http, base_url=server.url + "/v1/", model="qwen")
        _, done = await play(provider, asking())
    assert done.answer.text == "Hello there"


# ------------------------------------------------------------------ tools, pictures, thoughts

WEATHER = Tool("weather", "Tells it.", b'{"type":"object","properties":{"city":{"type":"string"}}}')
PICTURE = Image("image/png", "iVBORw==")
HISTORY = (
    Message(Role.USER, (Text("Weather in Rome?"),)),
    Message(Role.ASSISTANT, (ToolCall("c1", "weather", '{"city":"Rome"}'),)),
    Message(Role.TOOL, (ToolResult("c1", (Text("sunny"),)),)),
)


def said_call(name: str, id: str | None = None, **arguments: str):  # noqa: A002 the field's name
    told = {"function": {"name": name, "arguments": arguments}}
    return told if id is None else {"id": id} | told


@pytest.mark.parametrize("stream", [True, False])
async def test_tool_calls_come_back_as_calls(http, stream):
    calls = (said_call("weather", "call_a", city="Rome"), said_call("weather", city="Oslo"))
    async with ollama(qwen=Model()) as server:
        server.say(Says(("Let me see.",), calls=calls))
        ask = asking(stream=stream, tools=(WEATHER,), needs=frozenset({Need.TOOLS}))
        deltas, done = await play(provider_of(http, server), ask)
    assert [tool["function"]["name"] for tool in server.chats[0]["tools"]] == ["weather"]
    assert done.answer.finish is Finish.TOOL_CALLS
    assert done.answer.text == "Let me see."
    told = [(c.id, c.name, json.loads(c.arguments)) for c in done.answer.tool_calls]
    assert told == [("call_a", "weather", {"city": "Rome"}), ("", "weather", {"city": "Oslo"})]
    grown = [call for delta in deltas for call in delta.calls]
    whole = [
        CallGrowth(index, call.name, call.arguments)
        for index, call in enumerate(done.answer.tool_calls)
    ]
    assert grown == (whole if stream else [])
    assert done.losses == ()


async def test_a_history_with_results_and_pictures_is_sent_whole(http):
    shown = Message(Role.USER, (Text("And this?"), PICTURE))
    needs = frozenset({Need.TOOLS, Need.IMAGES})
    async with ollama(qwen=Model()) as server:
        ask = asking("", *HISTORY, shown, tools=(WEATHER,), needs=needs)
        _, done = await play(provider_of(http, server), ask)
    _, called, answered, last = server.chats[0]["messages"]
    assert called["tool_calls"][0]["function"] == {
        "name": "weather",
        "arguments": {"city": "Rome"},
    }
    assert (answered["tool_name"], answered["content"]) == ("weather", "sunny")
    assert last["images"] == [PICTURE.data]
    assert done.losses == ()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (asking(tools=(WEATHER,)), "llama2 has no tools"),
        (asking("", *HISTORY), "llama2 has no tools"),
        (asking("", Message(Role.USER, (PICTURE,))), "llama2 sees no pictures"),
        (
            asking("", Message(Role.USER, (Image(url="https://127.0.0.1/a.png"),))),
            "llama2 takes pictures only as data, not as links",
        ),
        (
            asking(needs=frozenset({Need.STATE})),
            "llama2 does not have what another provider keeps",
        ),
    ],
)
async def test_what_a_model_cannot_do_is_refused_without_a_call(http, asked, why):
    async with ollama(llama2=Model(capabilities=("completion",))) as server:
        provider = OllamaProvider(http, base_url=server.url, model="llama2")
        errors = [await failing(provider, asked) for _ in range(2)]
        assert [told.path for told in server.asked] == ["/api/show"]
        _, done = await play(provider, asking())
    assert {error.failure.fault for error in errors} == {Fault.REJECTED}
    assert {error.failure.message for error in errors} == {why}
    assert done.answer.text == "Hello there"


async def test_tools_that_may_not_be_called_need_no_model_that_has_them(http):
    async with ollama(qwen=Model(capabilities=("completion",))) as server:
        ask = asking(tools=(WEATHER,), tool_choice=ToolChoice(Choice.NONE))
        _, done = await play(provider_of(http, server), ask)
    assert "tools" not in server.chats[0]
    assert done.losses == ()


async def test_a_server_that_does_not_tell_what_a_model_can_do_is_asked(http):
    async with ollama(qwen=Model(capabilities=None)) as server:
        provider = provider_of(http, server)
        await play(provider, asking("", *HISTORY, tools=(WEATHER,)))
        server.say(Says(status=400, error='"qwen" does not support tools'))
        error = await failing(provider, asking(tools=(WEATHER,)))
    assert error.failure.fault is Fault.REJECTED
    assert "does not support tools" in error.failure.message


async def test_a_server_that_could_not_tell_once_is_asked_again(http):
    async with ollama(qwen=Model(capabilities=("completion",))) as server:
        server.show_errors = 1
        provider = provider_of(http, server)
        first = await failing(provider, asking(tools=(WEATHER,)))
        second = await failing(provider, asking(tools=(WEATHER,)))
    assert "does not support tools" in first.failure.message
    assert second.failure.message == "qwen has no tools"
    assert len(server.chats) == 1


async def test_a_rejected_call_does_not_make_the_model_be_looked_for_again(http):
    async with ollama(qwen=Model(capabilities=("completion",))) as server:
        provider = provider_of(http, server)
        await play(provider, asking())
        looks = len(server.asked)
        await failing(provider, asking(tools=(WEATHER,)))
        await play(provider, asking())
    assert [told.path for told in server.asked[looks:]] == ["/api/chat"]


@pytest.mark.parametrize(
    ("effort", "able", "think", "losses"),
    [
        ("high", ("completion", "thinking"), "high", ()),
        ("none", ("completion", "thinking"), False, ()),
        ("high", ("completion",), None, ("effort",)),
        ("none", ("completion",), None, ()),
    ],
)
async def test_only_a_model_that_thinks_is_told_how_hard(http, effort, able, think, losses):
    async with ollama(qwen=Model(capabilities=able)) as server:
        _, done = await play(provider_of(http, server), asking(effort=effort))
    assert server.chats[0].get("think") == think
    assert done.losses == losses


@pytest.mark.parametrize("slices", [None, 3])
async def test_thoughts_written_into_the_answer_are_taken_out(http, slices):
    pieces = ("\n<th", "ink>It is ", "four.</thi", "nk>", "\n\n", "Four", ".")
    async with ollama(qwen=Model()) as server:
        server.say(Says(pieces, slices=slices), Says(pieces))
        provider = provider_of(http, server)
        deltas, done = await play(provider, asking(stream=True))
        _, plain = await play(provider, asking())
    assert (done.answer.text, done.answer.thinking) == ("Four.", "It is four.")
    assert (plain.answer.text, plain.answer.thinking) == ("Four.", "It is four.")
    assert "".join(delta.text for delta in deltas) == "Four."
    assert "".join(delta.thinking for delta in deltas) == "It is four."


async def test_a_stream_that_breaks_off_while_thinking_has_begun(http):
    async with ollama(qwen=Model()) as server:
        server.say(Says(("one",), thinking=("hm, hm",), cut=True, after=1))
        error = await failing(provider_of(http, server), asking(stream=True))
    assert (error.failure.fault, error.phase) == (Fault.CUT_STREAM, Phase.STREAM)
    assert error.usage.output_tokens == 2


async def test_the_window_holds_an_agents_tools_and_results(http):
    tools = tuple(replace(WEATHER, name=f"t{n}", description="d" * 5_000) for n in range(10))
    result = Message(Role.TOOL, (ToolResult("c1", (Text("r" * 25_000),)),))
    async with ollama(qwen=Model(trained=131_072)) as server:
        await play(provider_of(http, server), asking("", *HISTORY[:2], result, tools=tools))
    assert server.loads == [("qwen:latest", 32_768)]


async def test_a_prompt_of_tools_cut_by_an_old_server_is_found_out(http):
    tools = (replace(WEATHER, description="d" * 40_000),)
    async with ollama(qwen=Model(trained=4_096)) as server:
        server.knows_truncate = False
        error = await failing(provider_of(http, server), asking(tools=tools))
    assert error.failure.fault is Fault.CONTEXT_TOO_LONG


# ------------------------------------------------------------------ prompts that do not fit


@pytest.mark.parametrize("stream", [True, False])
async def test_a_prompt_beyond_the_window_is_refused(http, stream):
    async with ollama(qwen=Model(trained=4_096)) as server:
        error = await failing(provider_of(http, server), asking("a" * 40_000, stream=stream))
    assert error.failure.fault is Fault.CONTEXT_TOO_LONG
    assert "request (10000 tokens) exceeds" in error.failure.message
    assert "Fix: raise the tier's context_tokens" in error.failure.message


@pytest.mark.parametrize("stream", [True, False])
async def test_a_prompt_cut_by_an_old_server_is_found_out(http, stream):
    async with ollama(qwen=Model(trained=4_096)) as server:
        server.knows_truncate = False
        error = await failing(provider_of(http, server), asking("a" * 40_000, stream=stream))
    assert error.failure.fault is Fault.CONTEXT_TOO_LONG
    assert "2050 tokens of it were read, in a window of 4096" in error.failure.message
    assert error.usage.input_tokens == 2_050


async def test_a_server_that_loads_a_smaller_window_than_asked_is_found_out(http):
    async with ollama(qwen=Model()) as server:
        server.knows_truncate = False
        server.most_context = 2_048
        error = await failing(provider_of(http, server), asking("a" * 20_000))
    assert error.failure.fault is Fault.CONTEXT_TOO_LONG
    assert "window of 2048" in error.failure.message


async def test_a_low_count_of_cached_tokens_is_not_a_cut(http):
    async with ollama(qwen=Model()) as server:
        server.say(Says(prompt_tokens=3))
        _, done = await play(provider_of(http, server), asking("a" * 40_000))
    assert done.usage.input_tokens == 3


# ------------------------------------------------------------------ what goes wrong


async def test_a_missing_model_is_named_with_what_there_is_and_the_fix(http):
    async with ollama(llama=Model(), phi=Model()) as server:
        error = await failing(provider_of(http, server), asking())
    assert (error.failure.fault, error.failure.status) == (Fault.NOT_FOUND, 404)
    assert error.failure.message == (
        f"qwen is not installed at {server.url} (installed: llama:latest, phi:latest). "
        "Fix: `ollama pull qwen`"
    )


async def test_nothing_listening_is_told_with_the_fix(http):
    provider = OllamaProvider(http, base_url="http://127.0.0.1:1", model="qwen")
    error = await failing(provider, asking())
    assert (error.failure.fault, error.phase) == (Fault.CONNECT, Phase.CONNECT)
    assert "nothing listens at http://127.0.0.1:1" in error.failure.message
    assert "`ollama serve`" in error.failure.message


async def test_another_kind_of_server_is_told_apart_from_a_missing_model(http):
    async with SocketServer(routes({})) as server:
        provider = OllamaProvider(http, base_url=server.url, model="qwen")
        error = await failing(provider, asking())
    assert "is not Ollama" in error.failure.message
    assert "base_url" in error.failure.message


@pytest.mark.parametrize("after", [0, 1])
async def test_a_stream_that_breaks_off_is_cut(http, after):
    async with ollama(qwen=Model()) as server:
        server.say(Says(("one", "two"), cut=True, after=after))
        error = await failing(provider_of(http, server), asking(stream=True))
    assert error.failure.fault is Fault.CUT_STREAM
    assert error.usage.source is (UsageSource.ESTIMATED if after else UsageSource.NONE)


@pytest.mark.parametrize("rest", [b"", b'{"message":{"content":"x"},"done":fal', b"\n\n"])
async def test_a_stream_that_ends_without_its_end_is_cut(http, rest):
    async with ollama(qwen=Model()) as server:
        server.say(Says(("one",), raw=rest or b"\n"))
        error = await failing(provider_of(http, server), asking(stream=True))
    assert (error.failure.fault, error.phase) == (Fault.CUT_STREAM, Phase.STREAM)


async def test_a_last_line_without_a_line_break_counts(http):
    async with ollama(qwen=Model()) as server:
        server.say(Says(("one",), raw=b'{"done":true,"done_reason":"stop"}'))
        _, done = await play(provider_of(http, server), asking(stream=True))
    assert done.answer.text == "one"
    assert done.usage.source is UsageSource.NONE


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("an unknown error was encountered", Fault.SERVER_ERROR),
        ("CUDA error: out of memory", Fault.UNAVAILABLE),
        ("request (9 tokens) exceeds the available context size (8)", Fault.CONTEXT_TOO_LONG),
    ],
)
async def test_an_error_in_the_middle_of_a_stream_is_one(http, words, fault):
    async with ollama(qwen=Model()) as server:
        server.say(Says(("one", "two"), error=words, after=1))
        error = await failing(provider_of(http, server), asking(stream=True))
    assert (error.failure.fault, error.phase) == (fault, Phase.STREAM)
    assert words in error.failure.message


@pytest.mark.parametrize("stream", [True, False])
async def test_a_stall_ends_at_the_time_limit(http, stream):
    async with ollama(qwen=Model()) as server:
        server.say(Says(("one", "two"), stall=True, after=1))
        ask = asking(stream=stream, timeout_seconds=0.3)
        error = await failing(provider_of(http, server), ask)
        await asyncio.wait_for(server.hung_up.wait(), 5)
    assert error.failure.fault is Fault.TIMEOUT
    assert (error.phase is Phase.STREAM) is stream


async def test_leaving_a_stream_hangs_up(http):
    async with ollama(qwen=Model()) as server:
        server.say(Says(("one", "two"), stall=True, after=1))
        async with aclosing(provider_of(http, server).call(asking(stream=True))) as events:
            assert (await anext(events)).text == "one"
        await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_cancelling_before_the_first_token_hangs_up(http):
    async with ollama(qwen=Model()) as server:
        server.say(Says(stall=True))
        waiting = asyncio.create_task(play(provider_of(http, server), asking()))
        await server.streaming.wait()
        waiting.cancel()
        await asyncio.wait({waiting})
        await asyncio.wait_for(server.hung_up.wait(), 5)


@pytest.mark.parametrize(
    ("status", "words", "fault"),
    [
        (500, "llama runner process has terminated", Fault.SERVER_ERROR),
        (503, "server busy, please try again", Fault.OVERLOADED),
        (400, "invalid options: seed", Fault.REJECTED),
        (400, '"qwen" does not support thinking', Fault.REJECTED),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_refusal_is_passed_on_by_its_kind(http, status, words, fault, stream):
    async with ollama(qwen=Model()) as server:
        server.say(Says(status=status, error=words))
        error = await failing(provider_of(http, server), asking(stream=stream))
    assert (error.failure.fault, error.failure.status) == (fault, status)
    assert words in error.failure.message


@pytest.mark.parametrize("raw", [b"<html>", b"[]", b'{"message":{"content":1},"done":true}'])
async def test_nonsense_is_an_invalid_response(http, raw):
    async with ollama(qwen=Model()) as server:
        server.say(Says(raw=raw), Says(raw=raw + b"\n"))
        provider = provider_of(http, server)
        for stream in (False, True):
            error = await failing(provider, asking(stream=stream))
            assert error.failure.fault is Fault.INVALID_RESPONSE


async def test_a_line_without_end_is_refused(http):
    async with ollama(qwen=Model()) as server:
        server.say(Says((), raw=b'{"message":{"content":"' + b"x" * 5_000_000))
        error = await failing(provider_of(http, server), asking(stream=True))
    assert error.failure.fault is Fault.INVALID_RESPONSE
    assert "longer than" in error.failure.message


async def test_many_calls_at_once_are_kept_apart(http):
    async with ollama(qwen=Model()) as server:
        server.say(*[Says((f"answer {n}",)) for n in range(20)])
        provider = provider_of(http, server)
        results = await asyncio.gather(*[play(provider, asking(stream=True)) for _ in range(20)])
    assert {done.answer.text for _, done in results} == {f"answer {n}" for n in range(20)}
    assert len(server.warm_ups) == 1
