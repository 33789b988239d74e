"""What a request asks for: its category, its difficulty and how sure that is. No model.

The user's own words, the cues among them and a few facts of the request (`rung.core.reading`) have
weights (`rung.core.task_weights`). What they say adds up by category and by difficulty, so that an
answer can be taken apart, and its tables corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp

from rung.core.cues import Category, Difficulty
from rung.core.languages import spoken
from rung.core.reading import Reading, length, reading
from rung.core.task_weights import COLUMNS, KINDS, NOTHING, Weights, shipped, spread
from rung.core.turns import Material
from rung.core.types import Request

__all__ = ["Category", "Difficulty", "Task", "task"]

CUES: Mapping[Category, str] = {each: f"cues of {each.value}" for each in KINDS}
"""The figures that the cues of a category make together."""

CUE_UNIT = 4.0
"""Evidence of cues is divided by it, which makes it about one."""

MOST_REASONS = 5

LEAST_REASON = 0.08
"""Evidence below this is not told."""

CAUTION: Mapping[Category, float] = {Category.CODING: 1.5}
"""Evidence that work is simple must be so much stronger here: wrong code is dear."""

UNSURE = 1 / len(KINDS)
"""The confidence where nothing was said."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for. ``confidence`` (0..1) is that of the category.

    ``language`` is the ISO 639-1 code of the user's own words, a cheap guess. ``why`` are the words
    and facts that decided on the category, ``why_difficulty`` those that decided how hard it is,
    the strongest first.
    """

    category: Category
    difficulty: Difficulty
    language: str | None
    has_code: bool
    confidence: float
    why: tuple[str, ...]
    why_difficulty: tuple[str, ...] = ()


def task(request: Request) -> Task:
    """Say what ``request`` asks for. It costs microseconds, however long the request is."""
    read = reading(request)
    weights = shipped()
    said = evidence(read, weights)
    chances = dict(zip(KINDS, softmax(said[: len(KINDS)], weights.calm), strict=True))
    category = max(chances, key=chances.__getitem__)
    confidence, why = chances[category], _reasons(read, weights, category)
    difficulty = _difficulty(said[len(KINDS) :], chances, read, weights)
    why_difficulty = _reasons(read, weights, difficulty, figures_of_kind(chances, read))
    if read.bare:
        category, confidence, why = Category.CHAT, UNSURE, ()
    if read.turn.results and request.tools:
        category, confidence, why = Category.AGENT_STEP, 1.0, ("tool results came last",)
    return Task(
        category=category,
        difficulty=difficulty,
        language=spoken(read.asked, read.words, read.hints.languages),
        has_code=not read.turn.material.isdisjoint({Material.CODE, Material.DIFF}),
        confidence=confidence,
        why=why,
        why_difficulty=why_difficulty,
    )


def evidence(read: Reading, weights: Weights) -> list[float]:
    """What was read says for each column, but for what the category says of the difficulty."""
    words = weights.of_words(read.bag)
    rest = weights.of_figures(figures(read))
    return [a + b for a, b in zip(words, rest, strict=True)]


def figures(read: Reading) -> dict[str, float]:
    """All figures by name; the empty name is what holds of every request."""
    scores = read.hints.scores
    cues = {CUES[each]: scores[each] / CUE_UNIT for each in KINDS if scores[each]}
    return {"": 1.0, **read.figures, **cues}


def figures_of_kind(chances: Mapping[Category, float], read: Reading) -> dict[str, float]:
    """What the likely categories say of the difficulty, alone and by how much material there is."""
    size = length(read.turn)
    found: dict[str, float] = {}
    for each, chance in chances.items():
        found[each.value] = chance
        found[f"{each.value}, by its length"] = chance * size
    return found


def softmax(said: list[float], calm: float = 1.0) -> list[float]:
    """Evidence as chances that add up to one."""
    top = max(said)
    weights = [exp((each - top) / calm) for each in said]
    total = sum(weights)
    return [each / total for each in weights]


def _difficulty(
    said: list[float], chances: Mapping[Category, float], read: Reading, weights: Weights
) -> Difficulty:
    of_kind = weights.of_figures(figures_of_kind(chances, read))[len(KINDS) :]
    simple, hard = (a + b for a, b in zip(said, of_kind, strict=True))
    simple -= sum(chances[each] * caution for each, caution in CAUTION.items())
    found = {Difficulty.MODERATE: 0.0, Difficulty.SIMPLE: simple, Difficulty.HARD: hard}
    return max(found, key=found.__getitem__)


# ------------------------------------------------------------------ reasons


def _reasons(
    read: Reading,
    weights: Weights,
    of: Category | Difficulty,
    more: Mapping[str, float] | None = None,
) -> tuple[str, ...]:
    """What spoke most for ``of``: words, and the names of figures. Moderate is what is left."""
    sign = 1.0
    if of is Difficulty.MODERATE:
        of, sign = Difficulty.SIMPLE, -1.0
    column = COLUMNS.index(of)
    said = _of_words(read, weights, column, sign)
    for words, told in read.hints.told.items():
        cue = sum(weight / CUE_UNIT * _figure(weights, CUES.get(to), column) for to, weight in told)
        name = " ".join(words)
        said[name] = said.get(name, 0.0) + sign * cue
    for figures_told in (read.figures, more or {}):
        for name, value in figures_told.items():
            said[name] = said.get(name, 0.0) + sign * value * _figure(weights, name, column)
    told_names = [name for name, weight in said.items() if weight >= LEAST_REASON]
    return tuple(sorted(told_names, key=said.__getitem__, reverse=True)[:MOST_REASONS])


def _of_words(read: Reading, weights: Weights, column: int, sign: float) -> dict[str, float]:
    """What each known word says."""
    scale = sign * weights.step * spread(read.bag)
    known = weights.words
    return {
        word: share * scale * (ord(known[word][column]) - NOTHING)
        for word, share in read.bag.items()
        if word in known
    }


def _figure(weights: Weights, name: str | None, column: int) -> float:
    row = weights.figures.get(name) if name is not None else None
    return 0.0 if row is None else row[column]
