"""Recorded outcomes with prompts, as the study of routing reads them.

The folder is not part of the project; docs/routing_curves.md names the sources and their licences.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rung.core.features import features
from rung.core.parts import Message, Role, Text
from rung.core.tasks import task
from rung.core.traits import traits
from rung.core.types import Request

GSM8K = "routellm_gsm8k"
MMLU = "routellm_mmlu.dev"
ROUTERBENCH = "routerbench_3sets.dev"
MIXTRAL = "mistralai/Mixtral-8x7B-Instruct-v0.1"
GPT4 = "gpt-4-1106-preview"
NANO = 1e9


@dataclass(frozen=True, slots=True)
class Question:
    """A request's traits, and by model whether it was right (0..1) and its cost in nano-dollars.

    Where no cost was recorded the strong model's call costs one dollar and the other nothing: all
    that RouteLLM's protocol counts is the share of strong calls.
    """

    traits: tuple[int, ...]
    passed: Mapping[str, float]
    costs: Mapping[str, float]
    kind: str


def missing(folder: Path) -> list[str]:
    """Which of the files are not in the folder."""
    names = [f"{name}.jsonl.gz" for name in (GSM8K, MMLU, ROUTERBENCH)]
    return [name for name in names if not (folder / name).is_file()]


def questions(folder: Path, name: str) -> list[Question]:
    """All questions of a set, in the order of the file, without those known to be contaminated."""
    rows: dict[str, list[dict[str, Any]]] = {}
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            rows.setdefault(row["query_id"], []).append(row)
    return [
        _question(group)
        for group in rows.values()
        if not any(row.get("contaminated") for row in group)
    ]


def traits_of(prompt: str) -> tuple[int, ...]:
    """As the gateway would see a request of nothing but this prompt."""
    request = Request("recorded", "chat", (Message(Role.USER, (Text(prompt),)),))
    return traits(request, features(request), task(request))


def _question(group: list[dict[str, Any]]) -> Question:
    prompt = next(row["prompt"] for row in group if row["prompt"])
    costs = {
        row["model"]: float(row["model"] == GPT4) if row["cost_usd"] is None else row["cost_usd"]
        for row in group
    }
    return Question(
        traits_of(prompt),
        {row["model"]: float(row["correct"]) for row in group},
        {model: NANO * cost for model, cost in costs.items()},
        group[0]["category"],
    )
