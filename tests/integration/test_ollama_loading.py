import asyncio

import pytest

from rung.core.types import Fault, Phase, Sampling
from rung.providers.http import HttpClient
from rung.providers.ollama import OllamaProvider
from rung.providers.ollama_server import OllamaServer
from support.ollama_calls import asking, failing, play, provider_of
from support.ollama_server import Model, ollama
from support.socket_server import SocketServer, silent


@pytest.fixture
async def http():
    client = HttpClient()
    yield client
    await client.close()


async def test_a_window_grows_by_buckets_and_does_not_shrink_while_loaded(http):
    async with ollama(qwen=Model(trained=131_072)) as server:
        provider = provider_of(http, server)
        for size in (100, 60_000, 100, 200_000, 10):
            await play(provider, asking("a" * size))
    assert [context for _, context in server.loads] == [16_384, 32_768, 131_072]
    assert [chat["options"]["num_ctx"] for chat in server.chats] == [
        *(16_384, 32_768, 32_768, 131_072, 131_072)
    ]


@pytest.mark.parametrize(
    ("configured", "trained", "window"),
    [(8_192, 32_768, 8_192), (None, 4_096, 4_096), (100_000, 40_960, 40_960)],
)
async def test_a_window_is_never_above_the_configured_or_trained(http, configured, trained, window):
    async with ollama(qwen=Model(trained=trained)) as server:
        provider = provider_of(http, server, context_tokens=configured)
        size = 4 * (window - 10)
        await play(provider, asking("a" * size, sampling=Sampling(max_tokens=8)))
    assert server.loads == [("qwen:latest", window)]


async def test_a_larger_window_of_another_program_is_taken_over(http):
    async with ollama(qwen=Model()) as server:
        server.loaded["qwen:latest"] = 20_000
        await play(provider_of(http, server), asking())
        await play(provider_of(http, server), asking())
    assert server.loads == []
    assert {chat["options"]["num_ctx"] for chat in server.chats} == {20_000}


async def test_a_smaller_window_of_another_program_is_reloaded_before_the_call(http):
    async with ollama(qwen=Model()) as server:
        server.loaded["qwen:latest"] = 4_096
        _, done = await play(provider_of(http, server), asking())
    assert len(server.warm_ups) == 1
    assert server.chats[0]["options"]["num_ctx"] == 16_384
    assert done.load_seconds > 0


async def test_a_server_that_does_not_tell_its_windows_is_loaded_once(http):
    async with ollama(qwen=Model()) as server:
        server.tells_context = False
        provider = provider_of(http, server)
        for _ in range(3):
            provider.loading.doubt()
            await play(provider, asking())
    assert len(server.warm_ups) == 1


async def test_a_server_that_does_not_tell_what_is_loaded_is_loaded_once(http):
    async with ollama(qwen=Model()) as server:
        server.tells_loaded = False
        provider = provider_of(http, server)
        for size in (10, 60_000, 10):
            provider.loading.doubt()
            await play(provider, asking("a" * size))
    assert [body["options"]["num_ctx"] for body in server.warm_ups] == [16_384, 32_768]
    assert server.chats[-1]["options"]["num_ctx"] == 32_768


async def test_a_load_is_shared_and_outside_the_time_of_a_call(http):
    ready = asyncio.Event()
    async with ollama(qwen=Model(loading=ready)) as server:
        provider = provider_of(http, server)
        calls = [asyncio.create_task(play(provider, asking(timeout_seconds=0.2))) for _ in range(3)]
        await server.load_begun.wait()
        done, _ = await asyncio.wait(calls, timeout=0.4)
        assert not done
        ready.set()
        results = await asyncio.gather(*calls)
    assert len(server.warm_ups) == 1
    assert all(done.load_seconds >= 0.35 for _, done in results)


async def test_a_larger_load_waits_for_the_one_under_way(http):
    ready = asyncio.Event()
    async with ollama(qwen=Model(loading=ready)) as server:
        provider = provider_of(http, server)
        small = asyncio.create_task(play(provider, asking()))
        await server.load_begun.wait()
        large = asyncio.create_task(play(provider, asking("a" * 60_000)))
        await asyncio.wait({small, large}, timeout=0.2)
        assert len(server.warm_ups) == 1
        ready.set()
        await asyncio.gather(small, large)
    assert [context for _, context in server.loads] == [16_384, 32_768]


async def test_a_caller_that_leaves_does_not_end_the_load(http):
    ready = asyncio.Event()
    async with ollama(qwen=Model(loading=ready)) as server:
        provider = provider_of(http, server)
        impatient = asyncio.create_task(play(provider, asking()))
        await server.load_begun.wait()
        impatient.cancel()
        await asyncio.wait({impatient})
        assert impatient.cancelled()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.load_given_up.wait(), 0.2)
        ready.set()
        _, done = await play(provider, asking())
    assert len(server.warm_ups) == 1
    assert done.answer.text == "Hello there"


async def test_a_caller_that_was_the_only_one_leaves_a_warm_model(http):
    ready = asyncio.Event()
    async with ollama(qwen=Model(loading=ready)) as server:
        provider = provider_of(http, server)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(provider.warm(), 0.1)
        ready.set()
        await provider.warm()
    assert server.loads == [("qwen:latest", 16_384)]


async def test_closing_gives_the_load_up(http):
    async with ollama(qwen=Model(loading=asyncio.Event())) as server:
        provider = provider_of(http, server)
        waiting = asyncio.create_task(play(provider, asking()))
        await server.load_begun.wait()
        await provider.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(server.load_given_up.wait(), 5)


async def test_a_load_that_does_not_end_is_a_time_out_in_that_phase(http):
    async with ollama(qwen=Model(loading=asyncio.Event())) as server:
        provider = provider_of(http, server)
        provider.loading.load_seconds = 0.2
        error = await failing(provider, asking())
    assert (error.failure.fault, error.phase) == (Fault.TIMEOUT, Phase.LOAD)
    assert error.failure.message == "qwen was not loaded within 0.2 s"
    assert error.load_seconds >= 0.2


async def test_nobody_waits_for_a_load_by_a_server_that_never_answers(http, monkeypatch):
    monkeypatch.setattr(OllamaServer.ask, "__defaults__", (None, 0.1, {}))
    async with SocketServer(silent) as server:
        provider = OllamaProvider(http, base_url=server.url, model="qwen")
        async with asyncio.timeout(5):
            error = await failing(provider, asking())
    assert error.failure.fault is Fault.TIMEOUT
    assert "no answer from" in error.failure.message


async def test_warming_loads_and_the_call_after_it_does_not_wait(http):
    async with ollama(qwen=Model()) as server:
        provider = provider_of(http, server)
        await provider.warm()
        asked = len(server.asked)
        _, done = await play(provider, asking())
        assert [request.path for request in server.asked[asked:]] == ["/api/chat"]
    assert done.load_seconds == pytest.approx(0.01)


async def test_warming_never_raises(http):
    async with ollama() as server:
        await provider_of(http, server).warm()
    await OllamaProvider(http, base_url="http://127.0.0.1:1", model="qwen").warm()


async def test_a_load_inside_of_a_call_is_reported_too(http):
    async with ollama(qwen=Model(load_seconds=2.5)) as server:
        provider = provider_of(http, server)
        await provider.warm()
        server.loaded.clear()
        _, done = await play(provider, asking())
    assert done.load_seconds == pytest.approx(2.5)


async def test_a_model_that_does_not_fit_into_memory_is_unavailable(http):
    words = "model requires more system memory (5.0 GiB) than is available (3.9 GiB)"
    async with ollama(qwen=Model(load_error=words)) as server:
        error = await failing(provider_of(http, server), asking())
    assert (error.failure.fault, error.phase, error.failure.status) == (
        *(Fault.UNAVAILABLE, Phase.LOAD, 500),
    )
    assert words in error.failure.message
    assert "Fix: lower the tier's context_tokens" in error.failure.message


# ------------------------------------------------------------------ health


async def test_health_of_a_model_that_is_ready(http):
    async with ollama(qwen=Model()) as server:
        provider = provider_of(http, server)
        await provider.warm()
        health = await provider.health()
    assert health.ok
    assert health.models == ("qwen:latest",)
    assert "0.33.2" in health.message
    assert "loaded with a context of 16384" in health.message
    assert "40% of it does not fit into the GPU" in health.message
    assert health.facts == {
        "version": "0.33.2",
        "trained_tokens": 32_768,
        "loaded_tokens": 16_384,
        "bytes": 1000,
        "bytes_in_gpu": 600,
    }


async def test_health_of_a_model_that_is_not_installed(http):
    async with ollama(llama=Model()) as server:
        health = await provider_of(http, server).health()
    assert not health.ok
    assert health.fix == "ollama pull qwen"
    assert health.models == ("llama:latest",)


async def test_health_names_what_is_set_wrongly(http):
    async with ollama(qwen=Model(trained=8_192)) as server:
        health = await provider_of(http, server, context_tokens=65_536).health()
        assert health.ok
        assert "trained for 8192" in health.message
        assert health.fix == "set context_tokens = 8192"
        server.loaded["qwen:latest"] = 8_192
        health = await provider_of(http, server, context_tokens=4_096).health()
    assert "another program loaded it with more" in health.message
    assert health.fix == "set context_tokens = 8192"


async def test_health_tells_that_a_cloud_model_is_not_local(http):
    async with ollama(qwen=Model(remote_host="https://ollama.com:443")) as server:
        health = await provider_of(http, server).health()
    assert "it runs at https://ollama.com:443, not here" in health.message
    assert health.fix is not None
    assert "local = false" in health.fix


async def test_health_of_a_server_that_is_not_there(http):
    health = await OllamaProvider(http, base_url="http://127.0.0.1:1", model="qwen").health()
    assert not health.ok
    assert "nothing listens" in health.message
    assert health.fix == "start Ollama with `ollama serve`"


async def test_health_does_not_wait_for_a_silent_server(http):
    async with SocketServer(silent) as server:
        health = await OllamaProvider(http, base_url=server.url, model="qwen").health()
    assert not health.ok
