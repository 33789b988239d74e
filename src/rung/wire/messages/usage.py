"""Token counters in Anthropic Messages: cached and written tokens are counted beside the input.

Canonical counters have them inside. https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rung.core.types import Usage
from rung.wire.counts import Inside, Tally, count

_READ = "cache_read_input_tokens"
_WRITTEN = "cache_creation_input_tokens"
_BY_AGE = "cache_creation"
_FIVE_MINUTES = "ephemeral_5m_input_tokens"
_HOUR = "ephemeral_1h_input_tokens"
_TOOLS = "server_tool_use"
_SEARCHES = "web_search_requests"


def usage_of(told: Any, *, wrote: bool) -> Usage:
    """What a provider says was used; source NONE unless its counts make sense.

    A prompt of no tokens makes none, nor does an answer of none when something was written
    (``wrote``): such counts would bill nothing. Cached tokens add to the sum, so one that is no
    count spoils it.
    """
    if not isinstance(told, dict):
        return Usage()
    fresh, output = count(told.get("input_tokens")), count(told.get("output_tokens"))
    cached, created = count(told.get(_READ) or 0), count(told.get(_WRITTEN) or 0)
    if fresh is None or output is None or cached is None or created is None:
        return Usage()
    if fresh + cached + created == 0 or (wrote and output == 0):
        return Usage()
    inside = Inside(told)
    five, hour = inside.at(_BY_AGE, _FIVE_MINUTES), inside.at(_BY_AGE, _HOUR)
    if five + hour > created:
        # The sum is what is billed: some proxies pass on the parts alone.
        inside.absurd = inside.absurd or told.get(_WRITTEN) is not None
        created = five + hour
    tally = Tally(
        fresh + cached + created,
        output,
        inside,
        cached=cached,
        created=created,
        created_1h=hour,
        thought=inside.at("output_tokens_details", "thinking_tokens"),
        searches=inside.at(_TOOLS, _SEARCHES),
    )
    return tally.usage()


def merged(before: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Running totals after one more report: what it leaves out or says less of stays."""
    kept = dict(before)
    for name, value in told.items():
        older, newer = count(kept.get(name)), count(value)
        if value is not None and (older is None or newer is None or newer > older):
            kept[name] = value
    return kept


def usage_object(usage: Usage) -> dict[str, Any]:
    """Counters in this dialect, in which they are never missing: what nobody counted is 0."""
    told: dict[str, Any] = {
        "input_tokens": max(
            0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
        ),
        _WRITTEN: usage.cache_write_tokens,
        _READ: usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    if hour := usage.cache_write_1h_tokens:
        told[_BY_AGE] = {_FIVE_MINUTES: usage.cache_write_tokens - hour, _HOUR: hour}
    if usage.reasoning_tokens:
        told["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if searches := usage.server_tools - usage.file_searches:
        told[_TOOLS] = {_SEARCHES: searches}
    return told
