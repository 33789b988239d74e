import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import ConfigError
from rung.providers.registry import (
    PROVIDERS,
    ProviderKind,
    is_local,
    is_private_address,
    lookup,
)


def test_the_known_providers():
    assert set(PROVIDERS) == {
        *("openai", "openrouter", "gemini", "moonshot", "deepseek", "mistral", "groq"),
        *("together", "fireworks", "xai", "cerebras", "ollama", "llamacpp", "lmstudio", "vllm"),
        *("embedded", "openai_compatible"),
    }
    assert all(lookup(name).name == name for name in PROVIDERS)


def test_every_price_list_named_is_one_that_genai_prices_has():
    from genai_prices.data import providers

    known = {provider.id for provider in providers}
    assert {row.prices for row in PROVIDERS.values() if row.prices} <= known


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)
def test_a_row_is_complete(row):
    called = row.kind in {ProviderKind.OPENAI_COMPATIBLE, ProviderKind.OLLAMA}
    assert (row.base_url is not None) is (called and row.name != "openai_compatible")
    if row.base_url is not None:
        assert not row.base_url.endswith("/")
        assert row.base_url.startswith("http://127.0.0.1:" if row.local else "https://")
        assert (row.key_variable is None) is row.local
        assert (row.prices is None) is row.local
    if row.ports:
        assert row.base_url is not None
        assert f":{row.ports[0]}" in row.base_url


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("opnai", "openai"),
        ("Ollama", "ollama"),
        ("llama.cpp", "llamacpp"),
        ("LM-Studio", "lmstudio"),
        ("openai-compatible", "openai_compatible"),
        ("vlm", "vllm"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(wrong, near):
    with pytest.raises(ConfigError, match=f"did you mean `{near}`"):
        lookup(wrong)


def test_a_name_like_none_is_told_all():
    with pytest.raises(ConfigError, match=r"use one of: cerebras, deepseek, .*openai_compatible"):
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
