"""What models and servers refuse or want differently: data, read by the encoders.

One row a model family in `FAMILIES`; what a server wants of all its models is the registry's part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from rung.core.types import Sampling
from rung.wire.ids import ANY, MISTRAL, IdRule

SAMPLING = frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty", "logprobs"})
CLAUDE_SAMPLING = frozenset({"temperature", "top_p", "top_k"})


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a body for one model has to differ from what the dialect says.

    ``refuses`` are canonical names of what answers 400 and is left out (and named as a loss):
    "temperature", "top_p", "top_k", "seed", "stop", "frequency_penalty", "presence_penalty",
    "logprobs", "many_choices", "forced_tool_choice", "parallel_tool_calls", "effort",
    "thinking_budget", "thinking_adaptive", "thinking_disabled", "schema", "prefill". ``at_times``
    names rules of `RULES` by which a call's own settings decide what else is refused.
    ``limit_field`` is Chat Completions' name for the limit of the answer. ``ids`` is what a tool
    call's id has to look like. ``system_first``: system messages may only stand at the front; later
    ones become the user's. ``most_output_tokens`` is sent where a limit is required and the caller
    set none. ``unsigned_calls`` are the fields that mark a call in the history as another model's,
    for models that otherwise want their own signature on it. ``unshown_thought`` stands for the
    thinking behind such a call where it is not there, for models that insist on some.
    ``least_cached_tokens`` is the shortest prompt that a marker makes the provider keep, ``None``
    where markers mean nothing; ``cache_key``: the server sends requests of one key to one cache.
    ``billing_header``: the block that Claude Code begins its prompt with is for this model.
    """

    refuses: frozenset[str] = frozenset()
    at_times: frozenset[str] = frozenset()
    limit_field: str = "max_tokens"
    ids: IdRule = ANY
    system_first: bool = False
    most_output_tokens: int = 8_192
    unsigned_calls: Mapping[str, Any] = field(default_factory=dict)
    unshown_thought: str = ""
    least_cached_tokens: int | None = None
    cache_key: bool = False
    billing_header: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """The quirks of all models whose name matches ``pattern``, added to those of their server."""

    pattern: re.Pattern[str]
    refuses: frozenset[str] = frozenset()
    at_times: frozenset[str] = frozenset()
    limit_field: str | None = None
    ids: IdRule | None = None
    most_output_tokens: int | None = None
    unsigned_calls: Mapping[str, Any] | None = None
    unshown_thought: str | None = None
    least_cached_tokens: int | None = None
    billing_header: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What of one call decides whether other settings are refused.

    ``chat_tools`` says that tools are offered in the Chat Completions dialect.
    """

    sampling: Sampling = field(default_factory=Sampling)
    effort: str | None = None
    chat_tools: bool = False


# ------------------------------------------------------------------ refused at times

TEMPERATURE_OR_TOP_P = "temperature_or_top_p"
SAMPLING_OR_EFFORT = "sampling_or_effort"
SAMPLING_BY_NO_EFFORT = "sampling_by_no_effort"
TOOLS_OR_EFFORT = "tools_or_effort"

RULES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        TEMPERATURE_OR_TOP_P: frozenset({"top_p"}),
        SAMPLING_OR_EFFORT: SAMPLING,
        SAMPLING_BY_NO_EFFORT: SAMPLING,
        TOOLS_OR_EFFORT: frozenset({"effort"}),
    }
)
"""What is refused when a rule of that name applies, see `narrowed`."""


def narrowed(quirks: Quirks, settings: Settings) -> Quirks:
    """The quirks for one call: with what the call's own settings forbid."""
    if not quirks.at_times:
        return quirks
    sampling, effort = settings.sampling, settings.effort
    applies = {
        TEMPERATURE_OR_TOP_P: sampling.temperature is not None and sampling.top_p is not None,
        SAMPLING_OR_EFFORT: effort not in {None, "none"},
        SAMPLING_BY_NO_EFFORT: effort != "none",
        TOOLS_OR_EFFORT: settings.chat_tools and effort not in {None, "none"},
    }
    more = [RULES[rule] for rule in quirks.at_times if applies[rule]]
    return replace(quirks, refuses=quirks.refuses.union(*more)) if more else quirks


# ------------------------------------------------------------------ families


def _claude(versions: str) -> re.Pattern[str]:
    """Claude models by the rest of their name; 4.6 is written 4-6 by Anthropic, 4.6 elsewhere."""
    return re.compile(rf"claude-(?:{versions})")


def _model(name: str) -> re.Pattern[str]:
    """A name at its start, or after a provider's or a fine-tuning's prefix."""
    return re.compile(rf"(?:^|[/:])(?:{name})")


_OPUS_OR_SONNET_4_0 = r"(?:opus|sonnet)-4(?:[-.][01]\b|[-@]20\d{6}|:|$)"

FAMILIES: tuple[Family, ...] = (
    # -------------------------------------------------------------- Google
    # A call without its signature is a 400, but for one that says it is of another model:
    # https://ai.google.dev/gemini-api/docs/thought-signatures
    Family(
        re.compile(r"(?:^|/)gemini-(?:[3-9]|\d\d)"),
        unsigned_calls={
            "extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}
        },
    ),
    # -------------------------------------------------------------- Anthropic
    # The longest answers: https://platform.claude.com/docs/en/about-claude/models/overview
    Family(_claude(r"3-(?:opus|sonnet|haiku)"), most_output_tokens=4_096),
    Family(
        _claude(r"3[-.]7|sonnet-4|(?:opus|haiku)-4[-.]5\b"),
        most_output_tokens=64_000,
    ),
    Family(_claude(r"opus-4(?:[-.][01]\b|[-@]20\d{6}|:|$)"), most_output_tokens=32_000),
    Family(
        _claude(r"(?:opus|sonnet)-4[-.][6-8]\b|[a-z]+-[5-9]"),
        most_output_tokens=128_000,
    ),
    # The shortest prompts that are kept; of others a marker is passed over in silence:
    # https://platform.claude.com/docs/en/build-with-claude/prompt-caching
    Family(_claude(r""), least_cached_tokens=1_024, billing_header=True),
    Family(_claude(r"3[-.]5-haiku|3-haiku"), least_cached_tokens=2_048),
    Family(_claude(r"(?:opus-4[-.][5-8]|haiku-4[-.]5)\b"), least_cached_tokens=4_096),
    Family(_claude(r"[a-z]+-[5-9]"), least_cached_tokens=512),
    # Structured outputs begin with the 4.5 generation:
    # https://platform.claude.com/docs/en/build-with-claude/structured-outputs
    Family(_claude(rf"v?[12]\b|instant|3|{_OPUS_OR_SONNET_4_0}"), refuses=frozenset({"schema"})),
    # Effort begins with Opus 4.5 and the 4.6 generation, adaptive thinking with the latter:
    # https://platform.claude.com/docs/en/build-with-claude/effort
    # https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking
    Family(
        _claude(rf"v?[12]\b|instant|3|{_OPUS_OR_SONNET_4_0}|(?:sonnet|haiku)-4[-.]5\b"),
        refuses=frozenset({"effort", "thinking_adaptive"}),
    ),
    Family(_claude(r"opus-4[-.]5\b"), refuses=frozenset({"thinking_adaptive"})),
    # From Claude 4.1 on, temperature and top_p exclude each other:
    # https://docs.claude.com/en/docs/about-claude/models/migrating-to-claude-4
    Family(
        _claude(r"opus-4[-.]1\b|(?:opus|sonnet|haiku)-4[-.][56]\b"),
        at_times=frozenset({TEMPERATURE_OR_TOP_P}),
    ),
    # From 4.6 on, a conversation may not end in the assistant's words:
    # https://platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6
    Family(
        _claude(r"(?:opus|sonnet)-4[-.][6-8]\b|[a-z]+-[5-9]"),
        refuses=frozenset({"prefill"}),
    ),
    # Opus 4.7 and all of the fifth generation know neither sampling nor thinking budgets:
    # https://platform.claude.com/docs/en/models/sonnet-5/migration-guide
    # https://platform.claude.com/docs/en/models/haiku-5-5/migration-guide
    Family(
        _claude(r"opus-4[-.][78]\b|[a-z]+-[5-9]"),
        refuses=CLAUDE_SAMPLING | {"thinking_budget"},
    ),
    # Sonnet 5.5 and Opus 5.5 always think, and choose their tools themselves:
    # https://platform.claude.com/docs/en/models/sonnet-5-5/migration-guide
    Family(
        _claude(r"(?:opus|sonnet)-5[-.]5\b"),
        refuses=frozenset({"forced_tool_choice", "thinking_disabled"}),
    ),
    # Fable and Mythos always think: https://platform.claude.com/docs/en/models
    Family(_claude(r"(?:fable|mythos)-5"), refuses=frozenset({"thinking_disabled"})),
    # -------------------------------------------------------------- OpenAI
    # https://platform.openai.com/docs/guides/reasoning
    # https://platform.openai.com/docs/api-reference/chat/create
    Family(
        _model(r"o[1-9](?:-|$)|gpt-5(?:-(?!chat)|$)"),
        refuses=SAMPLING | {"stop"},
        limit_field="max_completion_tokens",
    ),
    # From GPT-5.1 on, sampling is theirs to set while they do not think, which they do not unless
    # asked to; later ones do unless asked not to:
    # https://developers.openai.com/api/docs/guides/latest-model#gpt-54-parameter-compatibility
    Family(
        _model(r"gpt-5\.[1-4](?![\w.-]*chat)"),
        refuses=frozenset({"stop"}),
        at_times=frozenset({SAMPLING_OR_EFFORT}),
        limit_field="max_completion_tokens",
    ),
    Family(
        _model(r"gpt-(?:5\.[5-9]|[6-9]|\d\d)(?![\w.-]*chat)"),
        refuses=frozenset({"stop"}),
        at_times=frozenset({SAMPLING_BY_NO_EFFORT}),
        limit_field="max_completion_tokens",
    ),
    # From GPT-5.4 on, Chat Completions takes function tools or an effort, Responses both:
    # https://github.com/openai/openai-openapi/issues/541
    Family(
        _model(r"gpt-(?:5\.[4-9]|[6-9]|\d\d)(?![\w.-]*chat)"),
        at_times=frozenset({TOOLS_OR_EFFORT}),
    ),
    # -------------------------------------------------------------- others
    # Temperature, top_p, penalties and n are fixed at Moonshot's own API, not where others serve
    # the open weights under a longer name:
    # https://platform.kimi.ai/docs/guide/migrating-from-openai-to-kimi
    Family(
        re.compile(r"^kimi-k(?:2\.[5-9]|[3-9])"),
        refuses=(SAMPLING - {"logprobs"}) | {"many_choices"},
    ),
    # Each call in the history has to come with its thinking, and blank is enough:
    # https://api-docs.deepseek.com/guides/thinking_mode#tool-calls
    # https://github.com/charmbracelet/crush/issues/2696
    Family(
        re.compile(
            r"(?i)(?:^|/)(?:kimi-k(?:2\.[5-9]|2-thinking|[3-9])|deepseek-(?:reasoner|v[4-9]))"
        ),
        unshown_thought=" ",
    ),
    # Nine letters or digits, checked by the models' own templates wherever they are served:
    # https://github.com/langchain-ai/langchain/pull/24668
    Family(
        re.compile(r"(?i)(?:(?:minis|mis|magis|devs|codes)t|(?:mix|pix|vox)t)ral"),
        ids=MISTRAL,
    ),
    # Sampling has no effect and is no error, log-probabilities are one:
    # https://api-docs.deepseek.com/guides/reasoning_model
    Family(re.compile(r"^deepseek-reasoner"), refuses=frozenset({"logprobs"})),
)


def quirks_of(model: str, server: Quirks) -> Quirks:
    """What holds for ``model`` at a server with quirks of its own. All rows that match count."""
    found = server
    for family in FAMILIES:
        if family.pattern.search(model):
            found = replace(
                found,
                refuses=found.refuses | family.refuses,
                at_times=found.at_times | family.at_times,
                limit_field=family.limit_field or found.limit_field,
                ids=family.ids or found.ids,
                most_output_tokens=family.most_output_tokens or found.most_output_tokens,
                unsigned_calls=family.unsigned_calls or found.unsigned_calls,
                unshown_thought=family.unshown_thought or found.unshown_thought,
                least_cached_tokens=family.least_cached_tokens or found.least_cached_tokens,
                billing_header=family.billing_header or found.billing_header,
            )
    return found
