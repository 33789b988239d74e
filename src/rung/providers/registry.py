"""The providers that rung knows: one row each, data only.

A provider that speaks a known dialect is one more row here; no code depends on its name. What a row
says of prices is only where genai-prices keeps them: no amount is written down here.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlsplit

from rung.core.errors import ConfigError
from rung.core.nearest import nearest
from rung.core.types import Need
from rung.wire.ids import MISTRAL
from rung.wire.ollama import OLLAMA_LACKS
from rung.wire.quirks import Quirks, quirks_of


class ProviderKind(StrEnum):
    """Which code speaks to it."""

    OPENAI_COMPATIBLE = "openai_compatible"
    ANTHROPIC = "anthropic"
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
    documented; `lacks_of` knows the models. ``responses`` says that it speaks Responses too.
    ``quirks`` are what it wants of all its models. ``suggested`` is the model that a first
    configuration names, for its owner to change. Odd behaviours are told beside the rows, each with
    its source.
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
    responses: bool = False
    quirks: Quirks = field(default_factory=Quirks)


_OPENAI = ProviderKind.OPENAI_COMPATIBLE

_CHAT = frozenset({Need.PREFILL, Need.STATE})
"""What Chat Completions has no place for: it keeps no conversation, and what it does with one that
ends in the assistant's words is each server's own."""

_NO_FILES = _CHAT | {Need.FILES}
"""Content parts of the type ``file`` are OpenAI's; only OpenRouter documents them too:
https://openrouter.ai/docs/features/multimodal/pdfs"""

_FIRST = Quirks(system_first=True)
"""Many models' templates raise an error at system messages after the first:
https://github.com/ggml-org/llama.cpp/issues/27367, https://github.com/QwenLM/Qwen3.8/issues/244"""

_ROWS = (
    ProviderRow(
        name="openai",
        kind=_OPENAI,
        base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        prices="openai",
        suggested="gpt-6.1-sol",
        lacks=frozenset({Need.PREFILL}),
        responses=True,
        quirks=Quirks(limit_field="max_completion_tokens", cache_key=True),
        # max_tokens is refused by its newer models:
        # https://platform.openai.com/docs/api-reference/chat/create
        # prompt_cache_key leads requests of one prefix to one machine:
        # https://platform.openai.com/docs/guides/prompt-caching
    ),
    ProviderRow(
        name="anthropic",
        kind=ProviderKind.ANTHROPIC,
        base_url="https://api.anthropic.com/v1",
        key_variable="ANTHROPIC_API_KEY",
        prices="anthropic",
        suggested="claude-sonnet-5-5",
        lacks=frozenset({Need.AUDIO, Need.LOGPROBS, Need.MANY_CHOICES, Need.EMBEDDINGS}),
        # An error after the stream has begun comes as an event with HTTP 200:
        # https://platform.claude.com/docs/en/build-with-claude/streaming
    ),
    ProviderRow(
        name="openrouter",
        kind=_OPENAI,
        base_url="https://openrouter.ai/api/v1",
        key_variable="OPENROUTER_API_KEY",
        prices="openrouter",
        suggested="openai/gpt-6.1-sol",
        lacks=_CHAT,
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
        lacks=_NO_FILES,
        # A tool call's extra_content.google.thought_signature has to come back unchanged: it does
        # in forwarded bytes, and wire.quirks marks the calls of other models:
        # https://ai.google.dev/gemini-api/docs/thought-signatures
    ),
    ProviderRow(
        name="moonshot",
        kind=_OPENAI,
        base_url="https://api.moonshot.ai/v1",
        key_variable="MOONSHOT_API_KEY",
        prices="moonshotai",
        suggested="kimi-k3",
        lacks=_NO_FILES,
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
        lacks=_NO_FILES,
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
        lacks=_NO_FILES,
        quirks=Quirks(ids=MISTRAL, refuses=frozenset({"logprobs"})),
        # A tool call's id has to be nine letters or digits, or it is a 400:
        # https://github.com/langchain-ai/langchain/pull/24668
        # Fields that its own reference does not list are a 422, and it lists no logprobs:
        # https://github.com/mistralai/platform-docs-public/issues/7
    ),
    ProviderRow(
        name="groq",
        kind=_OPENAI,
        base_url="https://api.groq.com/openai/v1",
        key_variable="GROQ_API_KEY",
        prices="groq",
        suggested="openai/gpt-oss-120b",
        lacks=_NO_FILES | {Need.LOGPROBS, Need.MANY_CHOICES},
        quirks=Quirks(refuses=frozenset({"logprobs"})),
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
        lacks=_NO_FILES,
    ),
    ProviderRow(
        name="fireworks",
        kind=_OPENAI,
        base_url="https://api.fireworks.ai/inference/v1",
        key_variable="FIREWORKS_API_KEY",
        prices="fireworks",
        lacks=_NO_FILES,
    ),
    ProviderRow(
        name="xai",
        kind=_OPENAI,
        base_url="https://api.x.ai/v1",
        key_variable="XAI_API_KEY",
        prices="x-ai",
        suggested="grok-4",
        lacks=_NO_FILES,
    ),
    ProviderRow(
        name="cerebras",
        kind=_OPENAI,
        base_url="https://api.cerebras.ai/v1",
        key_variable="CEREBRAS_API_KEY",
        prices="cerebras",
        suggested="gpt-oss-120b",
        lacks=_NO_FILES,
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
        lacks=_NO_FILES,
        quirks=_FIRST,
        # A prompt beyond the context is a 400, any request while it loads is a 503:
        # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    ),
    ProviderRow(
        name="lmstudio",
        kind=_OPENAI,
        base_url="http://127.0.0.1:1234/v1",
        local=True,
        ports=(1234,),
        lacks=_NO_FILES,
        quirks=_FIRST,
        # Models are loaded on first use, so a first call waits for the load:
        # https://lmstudio.ai/docs/developer/core/ttl-and-auto-evict
    ),
    ProviderRow(
        name="vllm",
        kind=_OPENAI,
        base_url="http://127.0.0.1:8000/v1",
        local=True,
        ports=(8000,),
        lacks=_NO_FILES,
        quirks=_FIRST,
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
        lacks=_CHAT,
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


def lacks_of(row: ProviderRow, model: str) -> frozenset[Need]:
    """What ``model`` cannot do at this provider: the row's own, and what its family refuses."""
    if row.kind not in {ProviderKind.OPENAI_COMPATIBLE, ProviderKind.ANTHROPIC}:
        return row.lacks
    refused = quirks_of(model, row.quirks).refuses
    return row.lacks | {need for need in Need if need.value in refused}


def at_address(row: ProviderRow, base_url: str | None) -> ProviderRow:
    """The row that tells how the server at ``base_url`` behaves, which a tier of ``row`` names.

    Elsewhere than at its own address, a local server stays what it is; a cloud provider's name then
    only stands for its dialect.
    """
    if base_url is None or row.local:
        return row
    host = _host(base_url)
    same = (one for one in _ROWS if one.kind is row.kind and not one.local and one.base_url)
    found = next((one for one in same if _host(one.base_url or "") == host), None)
    if found is None and row.kind is _OPENAI:
        return PROVIDERS["openai_compatible"]
    return found or row


def is_local(row: ProviderRow, base_url: str | None = None) -> bool:
    """Whether requests stay on this machine or network.

    The row's own word while ``base_url`` is the row's; the address decides for any other.
    """
    if base_url is None or base_url.rstrip("/") == row.base_url:
        return row.local
    return is_private_address(base_url)


def runs_elsewhere(row: ProviderRow, model: str | None) -> bool:
    """Whether a local server sends ``model``'s requests on, by the model's name.

    Ollama serves models that run at ollama.com under names such as ``gpt-oss:120b-cloud`` and
    ``glm-4.6:cloud``: https://docs.ollama.com/cloud
    """
    tag = (model or "").rpartition(":")[2]
    return row.kind is ProviderKind.OLLAMA and (tag == "cloud" or tag.endswith("-cloud"))


def is_private_address(url: str) -> bool:
    """Whether ``url`` names this machine or a private network by itself.

    Only ``localhost`` and literal addresses count: where another name leads is for a resolver to
    say, and can change. What cannot be read is not private.
    """
    host = _host(url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _PRIVATE)


def is_loopback(url: str) -> bool:
    """Whether ``url`` leads to whatever machine it is read on."""
    host = _host(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
