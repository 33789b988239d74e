"""Recorded answers of models, as the study of confidence reads them.

The folder is not part of the project; docs/confidence.md names the sources and their licences.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

DRAWS = "mot_cascade_samples.jsonl.gz"
PANEL = "zeroeval_gsm.jsonl.gz"
JUDGES = "trust_or_escalate.dev.jsonl.gz"
FILES = (DRAWS, PANEL, JUDGES)

REPEATED = (("date", 1, 2), ("gsm", 5, 12), ("crepe", 2, 3))
"""(task, part, whole): after this part of them, lists of llama2-13b hold their own beginning again.

20 are 10 and the same 10; 24 are 10, their first 9 and their first 5; 6 are 4 and their first 2.
Only the first part was drawn. ``repeats`` tells for how many lists the rest is that.
"""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The answers that one model drew to one question with one prompt, and which are right."""

    question: str
    task: str
    model: str
    prompt: str
    answers: tuple[str, ...]
    right: tuple[bool, ...]
    truth: str

    @property
    def group(self) -> str:
        return f"{self.model} on {self.task}"


@dataclass(frozen=True, slots=True)
class Given:
    """One model's one answer to one question. ``cost_usd`` is an estimate from list prices."""

    answer: str
    right: bool
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Judged:
    """One judge's choice between two answers, and the probability that it put on it."""

    question: str
    confidence: float
    right: bool


def missing(folder: Path) -> list[str]:
    """Which of the files are not in the folder."""
    return [name for name in FILES if not (folder / name).is_file()]


def draws(folder: Path) -> list[Drawn]:
    """Every list of drawn answers, in the order of the file."""
    return [_drawn(row) for row in _rows(folder / DRAWS)]


def repeats(folder: Path) -> float:
    """The share of llama2-13b's lists, not all the same, that repeat their own beginning."""
    found = [
        _is_repeat(row["samples"])
        for row in _rows(folder / DRAWS)
        if row["model"].startswith("llama2") and len(set(row["samples"])) > 1
    ]
    return sum(found) / len(found)


def judged_otherwise(folder: Path) -> int:
    """How many lists' chosen answers the data call right or wrong where ``is_right`` does not."""
    return sum(
        is_right(row["pred"] or "", row["answer"]) != bool(row["correct"])
        for row in _rows(folder / DRAWS)
    )


def panel(folder: Path) -> dict[str, dict[str, Given]]:
    """Answers by question, then by model. A model without an answer said nothing: ''."""
    found: dict[str, dict[str, Given]] = defaultdict(dict)
    for row in _rows(folder / PANEL):
        given = Given(row["answer"] or "", bool(row["correct"]), row["cost_usd"])
        found[row["query_id"]][row["model"]] = given
    return dict(found)


def judges(folder: Path) -> dict[str, list[Judged]]:
    """What each judge said, by its name."""
    found: dict[str, list[Judged]] = defaultdict(list)
    for row in _rows(folder / JUDGES):
        said = Judged(row["query_id"], row["confidence"], bool(row["correct"]))
        found[row["model"]].append(said)
    return dict(found)


def is_right(answer: str, truth: object) -> bool:
    """Whether an answer is the recorded truth: the same number, else the same text.

    Numbers are rounded to the coarser of both precisions, as in the data's own evaluation.
    """
    if answer == truth:
        return True
    try:
        said, true = float(answer.replace(",", "")), float(str(truth).replace(",", ""))
    except ValueError:
        return False
    if not isfinite(said):
        return False
    digits = min(_digits(answer), _digits(str(truth)))
    return round(said, digits) == round(true, digits)


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _drawn(row: Mapping[str, Any]) -> Drawn:
    model, _, prompt = row["model"].partition("|")
    answers = row["samples"]
    if model.startswith("llama2"):
        answers = answers[: _first(row["category"], len(answers))]
    truth = row["answer"]
    right = tuple(is_right(answer, truth) for answer in answers)
    prompt = prompt.removesuffix("_V2")
    return Drawn(row["query_id"], row["category"], model, prompt, tuple(answers), right, str(truth))


def _first(task: str, length: int) -> int:
    """How many of a list's answers were surely drawn, where some gave none."""
    return next(length * part // whole for name, part, whole in REPEATED if name == task)


def _digits(written: str) -> int:
    """How many decimals a number is compared with; a whole one does not limit them below five."""
    _, point, part = written.partition(".")
    return len(part) if point else 5


def _is_repeat(answers: Sequence[str]) -> bool:
    """Whether a list's later part is nothing but its own beginnings, each no longer than before."""
    return any(_goes_on(answers, first, first) for first in range(len(answers) // 3, len(answers)))


def _goes_on(answers: Sequence[str], at: int, longest: int) -> bool:
    if at == len(answers):
        return True
    return any(
        answers[at : at + length] == answers[:length] and _goes_on(answers, at + length, length)
        for length in range(min(longest, len(answers) - at), 0, -1)
    )
