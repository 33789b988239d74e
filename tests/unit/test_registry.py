import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import ConfigError
from rung.core.types import Need
from rung.providers.registry import (
    PROVIDERS,
    ProviderKind,
    at_address,
    is_local,
    is_private_address,
    lacks_of,
    lookup,
)
from rung.wire.ids import MISTRAL
from rung.wire.quirks import Quirks

CHAT = ProviderKind.OPENAI_COMPATIBLE


def test_the_known_providers():
    assert set(PROVIDERS) == {
        *("openai", "openrouter", "gemini", "moonshot", "deepseek", "mistral", "groq"),
        *("together", "fireworks", "xai", "cerebras", "ollama", "llamacpp", "lmstudio", "vllm"),
        *("embedded", "openai_compatible", "anthropic"),
    }
    assert all(lookup(name).name == name for name in PROVIDERS)


def test_every_price_list_named_is_one_that_genai_prices_has():
    from genai_prices.data import providers

    known = {provider.id for provider in providers}
    assert {row.prices for row in PROVIDERS.values() if row.prices} <= known


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)
def test_a_row_is_complete(row):
    called = row.kind in {CHAT, ProviderKind.ANTHROPIC, ProviderKind.OLLAMA}
    assert (row.base_url is not None) is (called and row.name != "openai_compatible")
    if row.base_url is not None:
        assert not row.base_url.endswith("/")
        assert row.base_url.startswith("http://127.0.0.1:" if row.local else "https://")
        assert (row.key_variable is None) is row.local
        assert (row.prices is None) is row.local
    if row.ports:
        assert row.base_url is not None
        assert f":{row.ports[0]}" in row.base_url


def test_every_model_that_a_first_configuration_names_has_a_price():
    from datetime import UTC, datetime

    from rung.pricing import PriceBook

    book = PriceBook(now=lambda: datetime.now(UTC))
    for row in PROVIDERS.values():
        if row.suggested:
            assert book.pricer(row.prices, row.suggested, None, local=False).price


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)
def test_what_a_dialect_cannot_say_no_provider_of_it_can(row):
    assert (Need.PREFILL in row.lacks) is (row.kind is not ProviderKind.ANTHROPIC)
    assert (Need.STATE not in row.lacks) is (row.name in {"openai", "anthropic"})
    assert (Need.EMBEDDINGS not in row.lacks) is (row.kind is CHAT)
    assert row.kind is CHAT or not row.responses
    files = {"openai", "openrouter", "openai_compatible", "anthropic"}
    assert (Need.FILES not in row.lacks) is (row.name in files)


@pytest.mark.parametrize(
    ("provider", "model", "more"),
    [
        ("anthropic", "claude-sonnet-5-5", {Need.PREFILL}),
        ("anthropic", "claude-opus-4-6", {Need.PREFILL}),
        ("anthropic", "claude-sonnet-4-5", set()),
        ("openai", "o3", {Need.LOGPROBS}),
        ("openai", "gpt-5-mini", {Need.LOGPROBS}),
        ("openai", "gpt-4o", set()),
        ("moonshot", "kimi-k3", {Need.MANY_CHOICES}),
        ("deepseek", "deepseek-reasoner", {Need.LOGPROBS}),
        ("ollama", "kimi-k3:cloud", set()),
        ("openai_compatible", "", set()),
    ],
)
def test_a_model_lacks_what_its_provider_lacks_and_its_family_refuses(provider, model, more):
    row = lookup(provider)
    assert lacks_of(row, model) == row.lacks | more
    assert not more & row.lacks


def test_a_server_is_treated_as_what_stands_at_its_address():
    openai, vllm, anyone = lookup("openai"), lookup("vllm"), lookup("openai_compatible")
    assert at_address(openai, None) is openai
    assert at_address(anyone, "https://api.openai.com/v1/") is openai
    assert at_address(anyone, "https://api.mistral.ai/v1").quirks.ids is MISTRAL
    assert at_address(openai, "https://proxy.example/v1") is anyone
    assert at_address(openai, "http://[::1") is anyone
    assert at_address(vllm, "http://10.0.0.9:8000/v1") is vllm
    assert at_address(lookup("anthropic"), "http://127.0.0.1:8080/v1") is lookup("anthropic")
    assert at_address(lookup("anthropic"), "https://api.openai.com/v1") is lookup("anthropic")


def test_servers_whose_templates_are_the_models_own_take_system_messages_first():
    strict = {row.name for row in PROVIDERS.values() if row.quirks.system_first}
    assert strict == {"llamacpp", "lmstudio", "vllm"}
    assert lookup("openai").quirks == Quirks(limit_field="max_completion_tokens", cache_key=True)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("opnai", "openai"),
        ("Ollama", "ollama"),
        ("llama.cpp", "llamacpp"),
        ("LM-Studio", "lmstudio"),
        ("openai-compatible", "openai_compatible"),
        ("antropic", "anthropic"),
        ("vlm", "vllm"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(wrong, near):
    with pytest.raises(ConfigError, match=f"did you mean `{near}`"):
        lookup(wrong)


def test_a_name_like_none_is_told_all():
    with pytest.raises(ConfigError, match=r"use one of: anthropic, cerebras, .*openai_compatible"):
        lookup("?" * 10_000)


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:11434", True),
        ("http://localhost:8080/v1", True),
        ("http://box.localhost/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://[::ffff:192.168.1.2]/v1", True),
        ("http://192.168.1.20:11434", True),
        ("http://10.1.2.3/v1", True),
        ("http://172.31.0.1/v1", True),
        ("http://172.32.0.1/v1", False),
        ("http://[fd00::1]/v1", True),
        ("http://0.0.0.0:8000/v1", True),
        ("http://169.254.169.254/latest", False),
        ("http://127.0.0.1@evil.example/v1", False),
        ("http://127.0.0.1.evil.example/v1", False),
        ("http://localhost.evil.example/v1", False),
        ("http://2130706433/v1", False),
        ("http://ollama:11434", False),
        ("http://8.8.8.8", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_only_addresses_that_say_so_themselves_are_private(url, private):
    assert is_private_address(url) is private


@given(st.text(max_size=60))
def test_no_address_raises(url):
    assert is_private_address(url) in {True, False}


def test_a_row_is_local_by_itself_and_by_address_elsewhere():
    ollama = lookup("ollama")
    assert is_local(ollama)
    assert is_local(ollama, "http://127.0.0.1:11434/")
    assert is_local(ollama, "http://192.168.0.9:11434")
    assert not is_local(ollama, "https://ollama.example.com")
    assert not is_local(lookup("openai"))
    assert not is_local(lookup("openai_compatible"))
    assert is_local(lookup("openai_compatible"), "http://localhost:9000/v1")


def test_looking_up_needs_no_heavy_library():
    import subprocess

    code = "import sys, rung.providers.registry; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert not {"pyreqwest", "genai_prices", "sqlalchemy", "pydantic"} & set(loaded.stdout.split())
