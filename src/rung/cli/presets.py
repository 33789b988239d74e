"""Ready-made configurations: whole ladders with the rules that go with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final, Literal

from rung.cli.neighbours import chat_model
from rung.surroundings import Surroundings

CLOUD = {
    "anthropic": ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"),
    "openai": ("gpt-6-luna", "gpt-6.1-terra", "gpt-6.1-sol"),
    "gemini": ("gemini-3.5-flash-lite", "gemini-3.8-flash", "gemini-3.8-flash"),
}
"""Cheap, workhorse, premium: of the first provider here whose key is set, else of the first."""

Preset = Literal["articles"]

LOCAL_MODEL = "llama3.1:8b"

ARTICLES = """\
# Simple work, documentation and formatting stay on this machine, code goes to the workhorse, the
# rest to the cheap cloud tier. On an error, and where nothing passes, the next tier is asked.

{tiers}
[ladders.articles]
tiers = ["local", "cheap", "workhorse", "premium"]

[[rules]]
name = "simple"
difficulty = ["simple"]
entry = "local"

[[rules]]
name = "documentation and formatting"
category = ["documentation", "formatting"]
entry = "local"

[[rules]]
name = "coding"
category = ["coding"]
entry = "workhorse"

[[rules]]
name = "everything else"
entry = "cheap"
"""


def articles(around: Surroundings) -> str:
    """Four tiers, from this machine to the dearest, and where each kind of work starts.

    Works with or without keys: without one it names the variable that has to hold it.
    """
    keyed = {row.name for row in around.keyed}
    provider = next((name for name in CLOUD if name in keyed), next(iter(CLOUD)))
    tables: dict[str, dict[str, str]] = {"local": _local(around)}
    for tier, model in zip(("cheap", "workhorse", "premium"), CLOUD[provider], strict=True):
        tables[tier] = {"provider": provider, "model": model}
    tiers = "\n".join(_table(name, table) for name, table in tables.items())
    return ARTICLES.format(tiers=tiers)


def _local(around: Surroundings) -> dict[str, str]:
    chosen = chat_model(around.local)
    if chosen is not None:
        found, model = chosen
        return {"provider": found.provider, "model": model, "base_url": found.base_url}
    if around.embedded:
        return {"provider": "embedded"}
    return {"provider": "ollama", "model": LOCAL_MODEL}


def _table(name: str, table: dict[str, str]) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join([f"[tiers.{name}]", *lines, ""])


PRESETS: Final[Mapping[Preset, Callable[[Surroundings], str]]] = {"articles": articles}
