from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import ToolCall
from rung.core.types import Sampling
from rung.wire.chat.calls import history_call
from rung.wire.ids import ANY, MISTRAL
from rung.wire.quirks import (
    CLAUDE_SAMPLING,
    FAMILIES,
    RULES,
    SAMPLING,
    SAMPLING_BY_NO_EFFORT,
    SAMPLING_OR_EFFORT,
    TEMPERATURE_OR_TOP_P,
    TOOLS_OR_EFFORT,
    Quirks,
    Settings,
    narrowed,
    quirks_of,
)

PLAIN = Quirks()
FIFTH = CLAUDE_SAMPLING | {"thinking_budget", "prefill"}
OLD = {"effort", "thinking_adaptive"}


@pytest.mark.parametrize(
    ("model", "refuses"),
    [
        ("claude-sonnet-5-5", FIFTH | {"forced_tool_choice", "thinking_disabled"}),
        ("claude-opus-5-5", FIFTH | {"forced_tool_choice", "thinking_disabled"}),
        ("anthropic/claude-opus-5.5", FIFTH | {"forced_tool_choice", "thinking_disabled"}),
        ("claude-haiku-5-5", FIFTH),
        ("claude-sonnet-5", FIFTH),
        ("claude-opus-5", FIFTH),
        ("claude-fable-5-2", FIFTH | {"thinking_disabled"}),
        ("claude-mythos-5-2", FIFTH | {"thinking_disabled"}),
        ("claude-opus-4-8", FIFTH),
        ("claude-opus-4-7", FIFTH),
        ("claude-opus-4-6", {"prefill"}),
        ("claude-sonnet-4.6", {"prefill"}),
        ("claude-opus-4-5-20251101", {"thinking_adaptive"}),
        ("claude-sonnet-4-5", OLD),
        ("claude-haiku-4-5-20251001", OLD),
        ("claude-opus-4-1-20250805", OLD | {"schema"}),
        ("claude-opus-4-20250514", OLD | {"schema"}),
        ("claude-sonnet-4-0", OLD | {"schema"}),
        ("anthropic/claude-sonnet-4", OLD | {"schema"}),
        ("claude-3-7-sonnet-latest", OLD | {"schema"}),
        ("claude-3-5-haiku-20241022", OLD | {"schema"}),
        ("o3", SAMPLING | {"stop"}),
        ("o4-mini-2025-04-16", SAMPLING | {"stop"}),
        ("openai/o3-mini", SAMPLING | {"stop"}),
        ("ft:o4-mini-2025:me", SAMPLING | {"stop"}),
        ("gpt-5", SAMPLING | {"stop"}),
        ("gpt-5-mini", SAMPLING | {"stop"}),
        ("gpt-5.2", {"stop"}),
        ("gpt-6.1-sol", {"stop"}),
        ("openai/gpt-6-luna", {"stop"}),
        ("gpt-5-chat-latest", set()),
        ("gpt-5.3-chat-latest", set()),
        ("gpt-4o-mini", set()),
        ("gpt-oss-120b", set()),
        ("solar-o3x", set()),
        ("kimi-k2.6", (SAMPLING - {"logprobs"}) | {"many_choices"}),
        ("kimi-k3", (SAMPLING - {"logprobs"}) | {"many_choices"}),
        ("kimi-k2-0905-preview", set()),
        ("moonshotai/Kimi-K2.5", set()),
        ("deepseek-reasoner", {"logprobs"}),
        ("deepseek-chat", set()),
        ("llama3.1:8b", set()),
        ("", set()),
    ],
)
def test_what_a_model_refuses(model, refuses):
    assert quirks_of(model, PLAIN).refuses == refuses


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("claude-3-haiku-20240307", 4_096),
        ("claude-3-5-haiku-latest", 8_192),
        ("claude-3-7-sonnet-latest", 64_000),
        ("claude-opus-4-20250514", 32_000),
        ("claude-opus-4-1", 32_000),
        ("claude-sonnet-4-20250514", 64_000),
        ("claude-opus-4-5", 64_000),
        ("claude-haiku-4-5", 64_000),
        ("claude-opus-4-6", 128_000),
        ("claude-sonnet-4-6", 128_000),
        ("claude-haiku-5-5", 128_000),
        ("claude-sonnet-5-5", 128_000),
        ("some-model-behind-a-proxy", 8_192),
    ],
)
def test_the_longest_answer_of_a_model(model, most):
    assert quirks_of(model, PLAIN).most_output_tokens == most


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("o3", "max_completion_tokens"),
        ("gpt-5-nano", "max_completion_tokens"),
        ("gpt-5.1", "max_completion_tokens"),
        ("gpt-6.1-terra", "max_completion_tokens"),
        ("gpt-4o", "max_tokens"),
    ],
)
def test_the_name_of_the_limit(model, field):
    assert quirks_of(model, PLAIN).limit_field == field


@pytest.mark.parametrize(
    "model",
    [
        *("mistral-large-latest", "open-mixtral-8x22b", "ministral-8b", "magistral-small"),
        *("devstral-2512", "codestral", "pixtral-12b", "voxtral-mini", "mistralai/Mistral-7B"),
    ],
)
def test_models_of_mistral_want_nine_characters(model):
    assert quirks_of(model, PLAIN).ids is MISTRAL
    assert quirks_of(model.replace("tral", "t"), PLAIN).ids is ANY


def test_a_servers_quirks_stay_beside_those_of_the_model():
    server = Quirks(frozenset({"seed"}), limit_field="limit", system_first=True)
    found = quirks_of("claude-opus-4-6", server)
    assert found.refuses == {"seed", "prefill"}
    assert (found.limit_field, found.system_first) == ("limit", True)


# ------------------------------------------------------------------ at times

BOTH = Sampling(temperature=0.5, top_p=0.9)
ONE = Sampling(temperature=0.5)


@pytest.mark.parametrize(
    ("model", "settings", "refused"),
    [
        ("claude-opus-4-1", Settings(BOTH), {"top_p"}),
        ("claude-opus-4-1", Settings(ONE), set()),
        ("claude-sonnet-4-5", Settings(Sampling(top_p=0.9)), set()),
        ("claude-sonnet-4-0", Settings(BOTH), set()),
        ("gpt-5.2", Settings(ONE), set()),
        ("gpt-5.2", Settings(ONE, "none"), set()),
        ("gpt-5.2", Settings(ONE, "low"), SAMPLING),
        ("gpt-6-sol", Settings(ONE), SAMPLING),
        ("gpt-6-sol", Settings(ONE, "none"), set()),
        ("gpt-5.4", Settings(effort="high", chat_tools=True), SAMPLING | {"effort"}),
        ("gpt-5.4", Settings(effort="none", chat_tools=True), set()),
        ("gpt-5.4", Settings(chat_tools=True), set()),
        ("gpt-5.2", Settings(effort="high", chat_tools=True), SAMPLING),
        ("llama3", Settings(BOTH, "high", chat_tools=True), set()),
    ],
)
def test_what_a_calls_own_settings_forbid(model, settings, refused):
    always = quirks_of(model, PLAIN)
    assert narrowed(always, settings).refuses - always.refuses == refused


def test_every_rule_that_a_family_names_is_one():
    known = {TEMPERATURE_OR_TOP_P, SAMPLING_OR_EFFORT, SAMPLING_BY_NO_EFFORT, TOOLS_OR_EFFORT}
    assert set(RULES) == known
    assert {rule for family in FAMILIES for rule in family.at_times} == known


@given(st.text(max_size=300))
def test_any_name_has_quirks(model):
    assert quirks_of(model, PLAIN).most_output_tokens > 0


def test_long_names_are_matched_in_no_time():
    import time

    began = time.perf_counter()
    quirks_of("gpt-5.1" + "-" * 20_000 + "claude-" * 5_000 + "mis" * 5_000, PLAIN)
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.pattern.pattern)
def test_a_family_says_something(family):
    said = (family.refuses, family.at_times, family.limit_field, family.ids)
    said = (*said, family.unshown_thought, family.least_cached_tokens, family.billing_header)
    assert any((*said, family.most_output_tokens, family.unsigned_calls))
    assert isinstance(family.pattern, re.Pattern)


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "models/gemini-3-pro", "gemini-4"])
def test_calls_of_another_model_are_marked_for_models_that_sign_theirs(model: str) -> None:
    quirks = quirks_of(model, Quirks())
    call = history_call(ToolCall("c1", "look", "{}"), quirks)
    assert (
        call["extra_content"]["google"]["thought_signature"] == "skip_thought_signature_validator"
    )
    assert "extra_content" not in history_call(ToolCall("c1", "look", "{}"), Quirks())
    assert not quirks_of("gemini-2.5-pro", Quirks()).unsigned_calls


@pytest.mark.parametrize(
    ("model", "thought"),
    [
        ("kimi-k2.5", " "),
        ("Pro/moonshotai/Kimi-K2.6", " "),
        ("kimi-k2-thinking", " "),
        ("deepseek-reasoner", " "),
        ("deepseek-ai/DeepSeek-V4", " "),
        ("deepseek-chat", ""),
        ("moonshotai/kimi-k2-instruct-0905", ""),
        ("deepseek-r1-distill-llama-70b", ""),
        ("gpt-6.1-sol", ""),
    ],
)
def test_models_that_insist_on_the_thinking_behind_a_call_are_given_some(model, thought) -> None:
    assert quirks_of(model, PLAIN).unshown_thought == thought
