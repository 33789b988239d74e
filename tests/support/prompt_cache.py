"""Anthropic's prompt cache as its documentation tells it, behind a scriptable server.

A marker ends a prefix that is written; from each marker the cache is looked for up to twenty blocks
back. Blocks count by their bytes without markers, in the order tools, system, messages. Four bytes
are a token, and a prefix below the minimum is neither written nor read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from support.anthropic_server import Reply, text
from support.openai_server import Call

LOOKBACK = 20
MOST_MARKERS = 4


class PromptCache:
    """What is kept, and what was read and written by each call."""

    def __init__(self, least_tokens: int = 512) -> None:
        self.usages: list[dict[str, Any]] = []
        self._least = least_tokens
        self._kept: set[str] = set()

    def reply(self, said: str = "Done.") -> Reply:
        """Answers always the same; the usage tells what the cache did."""
        return lambda call: text(said, usage=self._used(call))(call)

    def _used(self, call: Call) -> dict[str, Any]:
        prefix, total = "", 0
        prefixes: list[tuple[str, int]] = []
        marks: list[tuple[int, bool]] = []
        for place, block in enumerate(_blocks(call.json)):
            marker = block.pop("cache_control", None)
            if marker is not None:
                marks.append((place, marker.get("ttl") == "1h"))
            told = json.dumps(block, sort_keys=True)
            prefix = f"{hash((prefix, told))}"
            total += len(told) // 4
            prefixes.append((prefix, total))
        assert len(marks) <= MOST_MARKERS
        read = max((self._found(prefixes, at) for at, _ in marks), default=0)
        reached = [(prefixes[at][1], long) for at, long in marks if prefixes[at][1] >= self._least]
        last, long = max(reached, default=(0, False))
        self._kept |= {prefixes[at][0] for at, _ in marks if prefixes[at][1] >= self._least}
        wrote = max(0, last - read)
        usage = {
            "input_tokens": total - read - wrote,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": wrote,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 0 if long else wrote,
                "ephemeral_1h_input_tokens": wrote if long else 0,
            },
            "output_tokens": 5,
        }
        self.usages.append(usage)
        return usage

    def _found(self, prefixes: list[tuple[str, int]], at: int) -> int:
        for prefix, tokens in reversed(prefixes[max(0, at - LOOKBACK) : at + 1]):
            if prefix in self._kept:
                return tokens
        return 0


def _blocks(body: Any) -> Iterator[dict[str, Any]]:
    """All blocks of a prompt in the order in which they are kept."""
    for tool in body.get("tools", ()):
        yield {"tool": tool} | _moved(tool)
    system = body.get("system", ())
    for block in [{"text": system}] if isinstance(system, str) else system:
        yield dict(block)
    for turn in body["messages"]:
        content = turn["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            yield {"role": turn["role"], **block}


def _moved(tool: dict[str, Any]) -> dict[str, Any]:
    marker = tool.pop("cache_control", None)
    return {} if marker is None else {"cache_control": marker}
