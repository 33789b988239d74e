"""The providers that rung knows: one row each, data only.

A provider that speaks a known dialect is one more row here; no code depends on its name. What a row
says of prices is only where genai-prices keeps them: no amount is written down here.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlsplit

from rung.core.errors import ConfigError
from rung.core.nearest import nearest
from rung.core.types import Need
from rung.wire.ollama import OLLAMA_LACKS


class ProviderKind(StrEnum):
    """Which code speaks to it."""

    OPENAI_COMPATIBLE = "openai_compatible"
    OLLAMA = "ollama"
    EMBEDDED = "embedded"
    SCRIPTED = "scripted"


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """One provider.

    ``base_url`` is ``None`` where the configuration has to name it, or where nothing is called.
    ``key_variable`` is the environment variable that usually holds its key. ``prices`` is its id in
    genai-prices, ``None`` where a call costs nothing but time. ``local`` says that requests stay on
    this machine or network while ``base_url`` is the row's own: see `is_local`. ``ports`` are where
    a local server listens by default. ``lacks`` is what no model can do through it, as far as it is
    documented. ``suggested`` is the model that a first configuration names, for its owner to
    change. Odd behaviours are told beside the rows, each with its source.
    """

    name: str
    kind: ProviderKind
    base_url: str | None = None
    key_variable: str | None = None
    prices: str | None = None
    suggested: str | None = None
    local: bool = False
    ports: tuple[int, ...] = ()
    lacks: frozenset[Need] = frozenset()


_OPENAI = ProviderKind.OPENAI_COMPATIBLE

_ROWS = (
    ProviderRow(
        name="openai",
        kind=_OPENAI,
        base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        prices="openai",
        suggested="gpt-6.1-sol",
    ),
    ProviderRow(
        name="openrouter",
        kind=_OPENAI,
        base_url="https://openrouter.ai/api/v1",
        key_variable="OPENROUTER_API_KEY",
        prices="openrouter",
        suggested="openai/gpt-6.1-sol",
        # An error after the stream has begun comes as an event with HTTP 200:
        # https://openrouter.ai/docs/api-reference/errors
    ),
    ProviderRow(
        name="gemini",
        kind=_OPENAI,
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_variable="GEMINI_API_KEY",
        prices="google",
        suggested="gemini-3.8-flash",
        # A tool call's extra_content.google.thought_signature has to come back unchanged:
        # https://ai.google.dev/gemini-api/docs/thought-signatures
    ),
    ProviderRow(
        name="moonshot",
        kind=_OPENAI,
        base_url="https://api.moonshot.ai/v1",
        key_variable="MOONSHOT_API_KEY",
        prices="moonshotai",
        suggested="kimi-k3",
        # From kimi-k2.5 on the temperature is fixed, any other is a 400: leave it out.
        # https://platform.kimi.ai/docs/guide/migrating-from-openai-to-kimi
    ),
    ProviderRow(
        name="deepseek",
        kind=_OPENAI,
        base_url="https://api.deepseek.com",
        key_variable="DEEPSEEK_API_KEY",
        prices="deepseek",
        suggested="deepseek-chat",
        # While it is busy it keeps the connection alive with blank lines and SSE comments:
        # https://api-docs.deepseek.com/quick_start/rate_limit
    ),
    ProviderRow(
        name="mistral",
        kind=_OPENAI,
        base_url="https://api.mistral.ai/v1",
        key_variable="MISTRAL_API_KEY",
        prices="mistral",
        suggested="mistral-large-latest",
        # A tool call's id has to be nine letters or digits, or it is a 400:
        # https://github.com/langchain-ai/langchain/pull/24668
    ),
    ProviderRow(
        name="groq",
        kind=_OPENAI,
        base_url="https://api.groq.com/openai/v1",
        key_variable="GROQ_API_KEY",
        prices="groq",
        suggested="openai/gpt-oss-120b",
        lacks=frozenset({Need.LOGPROBS, Need.MANY_CHOICES}),
        # logprobs, logit_bias, a message's name and n above 1 are a 400:
        # https://console.groq.com/docs/openai
    ),
    ProviderRow(
        name="together",
        kind=_OPENAI,
        base_url="https://api.together.xyz/v1",
        key_variable="TOGETHER_API_KEY",
        prices="together",
        suggested="meta-llama/Llama-3.3-70B-Instruct-Turbo",
    ),
    ProviderRow(
        name="fireworks",
        kind=_OPENAI,
        base_url="https://api.fireworks.ai/inference/v1",
        key_variable="FIREWORKS_API_KEY",
        prices="fireworks",
    ),
    ProviderRow(
        name="xai",
        kind=_OPENAI,
        base_url="https://api.x.ai/v1",
        key_variable="XAI_API_KEY",
        prices="x-ai",
        suggested="grok-4",
    ),
    ProviderRow(
        name="cerebras",
        kind=_OPENAI,
        base_url="https://api.cerebras.ai/v1",
        key_variable="CEREBRAS_API_KEY",
        prices="cerebras",
        suggested="gpt-oss-120b",
    ),
    ProviderRow(
        name="ollama",
        kind=ProviderKind.OLLAMA,
        base_url="http://127.0.0.1:11434",
        local=True,
        ports=(11434,),
        lacks=OLLAMA_LACKS,
        # Spoken to natively: its /v1 ignores the context size and cuts long prompts:
        # https://github.com/ollama/ollama/issues/4967
        # Models with a name in -cloud run at ollama.com:
        # https://docs.ollama.com/cloud
    ),
    ProviderRow(
        name="llamacpp",
        kind=_OPENAI,
        base_url="http://127.0.0.1:8080/v1",
        local=True,
        ports=(8080, 9931),
        # A prompt beyond the context is a 400, any request while it loads is a 503:
        # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    ),
    ProviderRow(
        name="lmstudio",
        kind=_OPENAI,
        base_url="http://127.0.0.1:1234/v1",
        local=True,
        ports=(1234,),
        # Models are loaded on first use, so a first call waits for the load:
        # https://lmstudio.ai/docs/developer/core/ttl-and-auto-evict
    ),
    ProviderRow(
        name="vllm",
        kind=_OPENAI,
        base_url="http://127.0.0.1:8000/v1",
        local=True,
        ports=(8000,),
        # guided_json and its kin became structured_outputs; response_format works in all:
        # https://docs.vllm.ai/en/latest/features/structured_outputs.html
    ),
    ProviderRow(
        name="embedded",
        kind=ProviderKind.EMBEDDED,
        local=True,
        # A chat of plain text. Its log-probabilities are for checks; no dialect carries them on.
        lacks=frozenset(Need),
    ),
    ProviderRow(
        name="openai_compatible",
        kind=_OPENAI,
        # Any other server of that dialect.
    ),
)

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "0.0.0.0/32"),
        *("::1/128", "::/128", "fc00::/7"),
    )
)

PROVIDERS = MappingProxyType({row.name: row for row in _ROWS})
"""All rows by name."""


def lookup(name: str) -> ProviderRow:
    """The row of ``name``. Raises ConfigError that names the nearest."""
    row = PROVIDERS.get(name)
    if row is not None:
        return row
    raise ConfigError(f"there is no provider {name[:80]!r}.", fix=nearest(name, PROVIDERS))


def is_local(row: ProviderRow, base_url: str | None = None) -> bool:
    """Whether requests stay on this machine or network.

    The row's own word while ``base_url`` is the row's; the address decides for any other.
    """
    if base_url is None or base_url.rstrip("/") == row.base_url:
        return row.local
    return is_private_address(base_url)


def is_private_address(url: str) -> bool:
    """Whether ``url`` names this machine or a private network by itself.

    Only ``localhost`` and literal addresses count: where another name leads is for a resolver to
    say, and can change. What cannot be read is not private.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _PRIVATE)
