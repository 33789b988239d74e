import asyncio
from contextlib import AsyncExitStack

import pytest

from rung.providers.discovery import PORTS, Found, discover
from rung.providers.http import HttpClient
from support.ollama_server import Model, ollama
from support.socket_server import SocketServer, routes, silent


@pytest.fixture
async def http():
    client = HttpClient()
    yield client
    await client.close()


def listing(*names: str, owner: str) -> dict:
    data = [{"id": name, "object": "model", "owned_by": owner} for name in names]
    return {"/v1/models": {"object": "list", "data": data}}


SERVERS = {
    "llamacpp": listing("model.gguf", owner="llamacpp"),
    "vllm": listing("Qwen/Qwen3-8B", owner="vllm"),
    "lmstudio": listing("qwen3-8b", "gemma", owner="organization_owner"),
    "llamacpp by its mark": listing("m", owner="me")
    | {"/props": {"default_generation_settings": {}, "build_info": "b8681"}},
    "vllm by its mark": listing("m", owner="my-team") | {"/version": {"version": "0.14.0"}},
    "lmstudio by its mark": listing("m", owner="") | {"/api/v0/models": {"data": []}},
    "openai_compatible": listing("m", owner="someone"),
    "openai_compatible without models": {"/v1/models": {"data": []}},
}


@pytest.mark.parametrize("case", SERVERS)
async def test_a_server_is_named_by_what_it_answers_not_by_its_port(http, case):
    async with SocketServer(routes(SERVERS[case])) as server:
        found = await discover(http, {"ollama": [server.port]})
    models = tuple(model["id"] for model in SERVERS[case]["/v1/models"]["data"])
    assert found == (Found(case.split()[0], f"{server.url}/v1", models),)


async def test_ollama_is_found_with_its_models(http):
    async with ollama(qwen=Model(), phi=Model()) as server:
        found = await discover(http, {"vllm": [int(server.url.rsplit(":", 1)[1])]})
    assert found == (Found("ollama", server.url, ("qwen:latest", "phi:latest")),)


NOT_MODELS = {
    "a web page": {"/v1/models": "<html></html>"},
    "another list": {"/v1/models": ["a"]},
    "other objects": {"/v1/models": {"data": [1, 2]}},
    "this gateway": listing("rung", owner="rung"),
    "only a version": {"/api/version": {"version": "1"}},
    "nothing": {},
}


@pytest.mark.parametrize("case", NOT_MODELS)
async def test_what_is_no_model_server_is_left_out(http, case):
    async with SocketServer(routes(NOT_MODELS[case])) as server:
        assert await discover(http, {"vllm": [server.port]}) == ()


async def test_names_that_cannot_be_shown_are_left_out(http):
    answers = listing("good", "bad\x1b[31m", "good", "x" * 201, "", owner="vllm")
    async with SocketServer(routes(answers)) as server:
        (found,) = await discover(http, {"vllm": [server.port]})
    assert found.models == ("good",)


async def test_all_ports_are_asked_at_once_and_silent_ones_cost_little(http):
    async with AsyncExitStack() as stack:
        quiet = [await stack.enter_async_context(SocketServer(silent)) for _ in range(8)]
        one = await stack.enter_async_context(SocketServer(routes(SERVERS["vllm"])))
        ports = {"vllm": [*(server.port for server in quiet), one.port], "lmstudio": [one.port, 1]}
        loop = asyncio.get_running_loop()
        started = loop.time()
        found = await discover(http, ports)
        took = loop.time() - started
    assert found == (Found("vllm", f"{one.url}/v1", ("Qwen/Qwen3-8B",)),)
    assert took < 8 * 0.3


def test_the_default_ports_are_those_of_the_registry():
    assert PORTS == {
        "ollama": (11434,),
        "llamacpp": (8080, 9931),
        "lmstudio": (1234,),
        "vllm": (8000,),
    }
