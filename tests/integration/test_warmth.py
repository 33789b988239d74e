"""Models that are kept in memory, whoever asks for them and whoever leaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from rung.core.types import Price
from rung.file_tables import TierTable
from rung.orders import Tier
from rung.pricing.fixed import FixedPricer
from rung.providers.http import HttpClient
from rung.providers.keeping import DEFAULT_KEPT_SECONDS, kept_seconds
from rung.providers.ollama import OllamaProvider
from rung.warmth import LOOK_SECONDS, Warmth, kept_of
from support.ollama_calls import asking, play, provider_of
from support.ollama_server import Model, ollama


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


def tier(provider: OllamaProvider) -> Tier:
    return Tier("local", "qwen", local=True, provider=provider, pricer=FixedPricer(Price("free")))


@asynccontextmanager
async def running(warmth: Warmth) -> AsyncIterator[None]:
    task = asyncio.ensure_future(warmth.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 the server is not told to say when
            await asyncio.sleep(0.005)


async def test_a_model_is_loaded_at_the_start_and_asked_for_again_before_it_is_dropped(http):
    async with ollama(qwen=Model()) as server:
        provider = provider_of(http, server, keep_alive="1m")
        async with running(Warmth({"local": tier(provider)}, {"local": 0.02})):
            await until(lambda: len(server.warm_ups) >= 3)
        assert len(server.loads) == 1
        assert {each["keep_alive"] for each in server.warm_ups} == {"1m"}
        assert len({each["options"]["num_ctx"] for each in server.warm_ups}) == 1


async def test_a_window_that_grew_is_kept_at_its_size(http):
    async with ollama(qwen=Model()) as server:
        provider = provider_of(http, server)
        await play(provider, asking("a" * 100_000))
        await provider.keep()
        assert len(server.loads) == 1
        assert server.warm_ups[-1]["options"]["num_ctx"] == server.loads[0][1]


async def test_a_model_that_another_program_pushed_out_is_loaded_again(http):
    async with ollama(qwen=Model()) as server:
        provider = provider_of(http, server)
        async with running(Warmth({"local": tier(provider)}, {"local": 0.02})):
            await until(lambda: len(server.loads) == 1)
            server.loaded.clear()
            await until(lambda: len(server.loads) == 2)


async def test_a_tier_that_was_passed_for_being_cold_is_loaded_when_it_is_asked_for(http):
    async with ollama(qwen=Model()) as server:
        warmth = Warmth({"local": tier(provider_of(http, server))}, {})
        async with running(warmth):
            await asyncio.sleep(0)
            assert server.asked == []
            warmth.wake("local")
            await until(lambda: len(server.loads) == 1)


async def test_a_failure_is_told_once_until_it_works_again(http, caplog):
    caplog.set_level(logging.WARNING, "rung.warmth")
    async with ollama(qwen=Model(load_error="no memory")) as server:
        provider = provider_of(http, server)
        async with running(Warmth({"local": tier(provider)}, {"local": 0.01})):
            await until(lambda: len(server.warm_ups) >= 4)
            assert len(caplog.records) == 1
            assert "no memory" in caplog.text
            server.models["qwen:latest"].load_error = None
            await until(lambda: server.loads != [])
            await until(lambda: len(caplog.records) == 2)


async def test_what_is_known_of_a_models_stay(http):
    held = asyncio.Event()
    async with ollama(qwen=Model(loading=held)) as server:
        provider = provider_of(http, server, keep_alive="0.05s")
        assert provider.stay().resident is None
        call = asyncio.ensure_future(play(provider, asking()))
        await server.load_begun.wait()
        found = provider.stay()
        assert found.resident is False
        assert found.loading_seconds is not None
        held.set()
        await call
        assert provider.stay().resident
        assert provider.stay().loads_seconds > 0
        await asyncio.sleep(0.06)
        assert provider.stay().resident is False


@pytest.mark.parametrize(
    ("keep_alive", "seconds"),
    [
        ("30m", 1800.0),
        ("1h30m", 5400.0),
        ("90", 90.0),
        ("500ms", 0.5),
        ("0", 0.0),
        ("-1", float("inf")),
        ("-1m", float("inf")),
        ("soon", DEFAULT_KEPT_SECONDS),
        ("", DEFAULT_KEPT_SECONDS),
    ],
)
def test_how_long_ollama_keeps_a_model(keep_alive, seconds):
    assert kept_seconds(keep_alive) == seconds


def test_tiers_are_seen_to_well_before_they_would_be_dropped():
    tables = {
        name: TierTable(provider="ollama", model="m", keep_alive=told, keep_warm=warm)
        for name, told, warm in [
            ("long", "30m", True),
            ("short", "20s", True),
            ("for ever", "-1", True),
            ("default", None, True),
            ("not", "30m", False),
        ]
    }
    every = {"long": LOOK_SECONDS, "short": 10.0, "for ever": LOOK_SECONDS, "default": LOOK_SECONDS}
    assert kept_of(tables) == every
