"""What a request asks for: its category, its difficulty and how sure that is. No model.

The user's own words are looked up in tables of cues (`rung.core.cues`); a few facts of the request
weigh in: a schema, the tools on offer, what was pasted. Evidence adds up by category, so that an
answer can be taken apart, and its tables corrected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from math import exp
from typing import Any

from rung.core.cues import Category, Difficulty
from rung.core.hints import Hints, asks, read
from rung.core.languages import COMMON_WORDS
from rung.core.parts import Choice
from rung.core.turns import Material, Turn, last_turn
from rung.core.types import Request

__all__ = ["Category", "Difficulty", "Task", "task"]

PRIOR = dict.fromkeys(Category, 0.0) | {Category.CHAT: 0.5, Category.REASONING: 0.2}
"""Evidence before anything is read: what is none of the others is talk."""

TEMPERATURE = 1.3
"""Evidence is divided by it, so that stated confidence meets the share that is right."""

MOST_REASONS = 5

FEWEST_CHOICES = 2


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for. ``confidence`` (0..1) is that of the category.

    ``language`` is the ISO 639-1 code of the user's own words, a cheap guess. ``why`` are the words
    and facts that decided, the strongest first.
    """

    category: Category
    difficulty: Difficulty
    language: str | None
    has_code: bool
    confidence: float
    why: tuple[str, ...]


def task(request: Request) -> Task:
    """Say what ``request`` asks for. It costs microseconds, however long the request is."""
    turn = last_turn(request)
    hints = Hints(PRIOR.copy())
    paragraphs = asks(turn.text)
    words = _read(turn, paragraphs, hints)
    asked = "\n".join([paragraph for paragraph, _ in paragraphs])
    for category, weight, fact in (*_of_text(turn, asked, len(words)), *_of_request(request)):
        hints.tell((fact,), [(category, weight)])
    category, confidence = _likeliest(hints.scores)
    difficulty = _difficulty(category, turn, asked, hints, len(words))
    why = _reasons(category, hints)
    if turn.results and request.tools:
        category, confidence, why = Category.AGENT_STEP, 1.0, ("tool results came last",)
    return Task(
        category=category,
        difficulty=difficulty,
        language=_language(asked, words, hints),
        has_code=not turn.material.isdisjoint({Material.CODE, Material.DIFF}),
        confidence=confidence,
        why=why,
    )


def _reasons(category: Category, hints: Hints) -> tuple[str, ...]:
    """What spoke most for ``category``."""
    weights = {
        " ".join(why): weight
        for why, said in hints.told.items()
        for each, weight in said
        if each is category and weight > 0
    }
    return tuple(sorted(weights, key=weights.__getitem__, reverse=True)[:MOST_REASONS])


def _likeliest(scores: Mapping[Category, float]) -> tuple[Category, float]:
    best = max(scores, key=scores.__getitem__)
    top = scores[best]
    total = sum(exp((score - top) / TEMPERATURE) for score in scores.values())
    return best, 1 / total


def _read(turn: Turn, paragraphs: list[tuple[str, float]], hints: Hints) -> list[str]:
    """Read the application's prompt, then the user: who is material where the prompt asks."""
    share = 1.0
    if turn.prompt:
        for paragraph, weight in asks(turn.prompt)[:1]:
            read(paragraph, weight, hints)
        if hints.acted and max(hints.scores.values()) > 3.0:
            share = 0.3
        hints.acted = False
    words: list[str] = []
    for paragraph, weight in paragraphs:
        words += read(paragraph, weight * share, hints)
    return words


# ------------------------------------------------------------------ facts besides words


@dataclass(frozen=True, slots=True)
class Fact:
    """What can be seen in the user's words besides cues: ``pattern``, at least ``times``."""

    category: Category
    weight: float
    name: str
    pattern: re.Pattern[str]
    times: int = 1


FACTS = (
    Fact(
        Category.MATHS,
        2.5,
        "a sum",
        re.compile(
            r"\d\s{0,3}[*+^\u00d7\u00f7=<>]\s{0,3}\(?[\dx]|\d\s[-/]\s\(?[\dx]"
            r"|\d\s?% (?:of|de|di|von|van)\b|\d (?:squared|cubed|plus|minus|times|mal|fois)\b"
            r"|\d[xy]\b"
        ),
    ),
    Fact(
        Category.MATHS,
        1.5,
        "mathematical symbols",
        re.compile(r"\\(?:frac|int|sum|sqrt)|\^\d|\([xyn]\)|>= ?[a-z0-9]\b"),
    ),
    Fact(
        Category.CODING,
        1.5,
        "a source file",
        re.compile(r"\.(?:py|js|ts|tsx|jsx|go|rs|java|c|cc|cpp|h|rb|php|sql|sh|cs|kt|swift)\b"),
    ),
    Fact(
        Category.CODING,
        1.2,
        "a name as in code",
        re.compile(r"_[a-z]{2}|\(\)"),
    ),
    Fact(
        Category.CLASSIFICATION,
        2.0,
        "labels in quotes",
        re.compile(r"'[^'\n]{2,24}'(?:,| or| and|\.|:|/)"),
        2,
    ),
)
"""Looked for in the words as they are, in the paragraphs that ask and where those end."""

_CHOICES = re.compile(r"\n {0,4}\(?[A-D1-4][).:] ?\S")
_NUMBER = re.compile(r"\d+")
_AMOUNT = re.compile(
    r"how (?:many|much|long|far|old|fast|tall|big)|in total|altogether|left\?|when does"
    r"|what is the (?:total|number|value|area|cost|ratio)|what percent"
    r"|wie ?viele?|combien|cu\u00e1nt|quant[oaei]\b|hoeveel"
)
_QUESTION = re.compile(
    r"(?:who|when|where|which|how (?:many|much|long)|what (?:was|were|did))\b[^\n]{0,200}\?"
)
_FILE = re.compile(
    r"\b[\w/-]{1,60}\.(?:py|js|ts|tsx|jsx|go|rs|java|c|cc|cpp|h|rb|php|sql|sh|cs|kt|swift)\b"
)
_BULLET = re.compile(r"\n\s{0,8}(?:[-*\u2022]|\d{1,2}[.)]) ")

_TOOL_NAMES = (
    "bash shell edit write exec_command apply_patch multiedit read grep glob str_replace_editor "
    "read_file write_file edit_file run_terminal_cmd local_shell execute_command"
)
CODING_TOOLS = frozenset(_TOOL_NAMES.split())
"""Tools that are offered by agents who work on code."""

_MOST_TOOLS = 12
_MOST_PROPERTIES = 8


_Evidence = tuple[Category, float, str]


def _of_text(turn: Turn, asked: str, words: int) -> list[_Evidence]:
    found = [
        (fact.category, fact.weight, fact.name)
        for fact in FACTS
        if _times(fact.pattern, asked, fact.times)
    ]
    if len(_CHOICES.findall(turn.text)) >= FEWEST_CHOICES:
        found.append((Category.REASONING, 3.0, "choices to pick from"))
    return found + _of_questions(turn, asked) + _of_material(turn.material, words)


def _times(pattern: re.Pattern[str], text: str, times: int) -> bool:
    return pattern.search(text) is not None and (times == 1 or len(pattern.findall(text)) >= times)


def _of_questions(turn: Turn, asked: str) -> list[_Evidence]:
    if "?" not in asked:
        return []
    text = asked.lower()
    numbers = len(_NUMBER.findall(text)) >= 2
    first = text.partition("\n")[0]
    if turn.chars > 2 * len(first) > 40 and _QUESTION.match(text) is not None:
        return [(Category.EXTRACTION, 2.5, "a question about something pasted")]
    if numbers and _AMOUNT.search(text) is not None:
        return [(Category.MATHS, 2.5, "an amount is asked for, with numbers")]
    if numbers and text.endswith("?"):
        return [(Category.MATHS, 1.5, "a question with numbers")]
    return []


def _of_material(material: frozenset[Material], words: int) -> list[_Evidence]:
    found: list[_Evidence] = []
    if Material.CODE in material:
        found.append((Category.CODING, 0.8, "code"))
    if Material.DIFF in material:
        found.append((Category.CODING, 0.5, "a diff"))
    if Material.LOG in material:
        found.append((Category.CODING, 3.0, "an error's trace"))
    if Material.DATA in material:
        found.append((Category.FORMATTING, 0.7, "data"))
    if material and words < 3:
        found.append((Category.CODING, 1.0, "nothing but material"))
    return found


def _of_request(request: Request) -> list[_Evidence]:
    found: list[_Evidence] = []
    if any(
        getattr(tool, "name", "").lower() in CODING_TOOLS
        for tool in islice(request.tools, _MOST_TOOLS)
    ):
        found.append((Category.CODING, 1.5, "tools for work on code"))
    if request.schema is not None:
        if _has_labels(request.schema.schema):
            found.append((Category.CLASSIFICATION, 3.5, "a schema with labels"))
        else:
            found.append((Category.EXTRACTION, 3.0, "a schema"))
    elif request.tool_choice.mode is Choice.NAMED:
        found.append((Category.EXTRACTION, 2.5, "one tool must be called"))
    return found


def _has_labels(schema: Any) -> bool:
    """Whether few fields are asked for and one of them is a choice among labels."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping) or len(properties) > _MOST_PROPERTIES:
        return False
    return any(
        isinstance(field, Mapping) and ("enum" in field or field.get("type") == "boolean")
        for field in properties.values()
    ) and not any(
        isinstance(field, Mapping) and field.get("type") in ("array", "object")
        for field in properties.values()
    )


# ------------------------------------------------------------------ difficulty

BASE: Mapping[Category, float] = {
    Category.DOCUMENTATION: 0.35,
    Category.SUMMARISING: 0.3,
    Category.TRANSLATION: 0.3,
    Category.EXTRACTION: 0.2,
    Category.CODING: 1.15,
    Category.MATHS: 0.6,
    Category.REASONING: 1.1,
}
"""What work of a category takes at least; of the others nothing."""

FROM_MODERATE, FROM_HARD = 0.9, 2.5

THOUGHT = frozenset({Category.CODING, Category.REASONING, Category.MATHS})
"""Work in which each further condition counts."""

SIZES = ((24_000, 1.6), (6_000, 1.0), (900, 0.6))
"""Characters of the user's turn, and what so much material adds."""


def _difficulty(category: Category, turn: Turn, asked: str, hints: Hints, words: int) -> Difficulty:
    effort = BASE.get(category, 0.0) + hints.effort
    effort += next((added for chars, added in SIZES if turn.chars >= chars), 0.0)
    files = len(set(_FILE.findall(asked))) if ("a source file",) in hints.told else 0
    bullets = len(_BULLET.findall(turn.text))
    conditions = asked.count(", ") if category in THOUGHT else 0
    effort += 0.4 * max(0, files - 1) + 0.25 * max(0, bullets - 2)
    effort += min(1.2, 0.2 * max(0, conditions - 2)) + 0.006 * max(0, words - 30)
    if category is Category.CODING and words <= 11 and not turn.material:
        effort -= 0.3
    if category is Category.MATHS and words >= 12:
        effort += 0.4
    if effort < FROM_MODERATE:
        return Difficulty.SIMPLE
    return Difficulty.MODERATE if effort < FROM_HARD else Difficulty.HARD


# ------------------------------------------------------------------ language

_OTHER = re.compile("[\u0370-\uffff]")
_SCRIPTS = (
    ("el", "\u0370", "\u03ff"),
    ("ru", "\u0400", "\u04ff"),
    ("he", "\u0590", "\u05ff"),
    ("ar", "\u0600", "\u06ff"),
    ("hi", "\u0900", "\u097f"),
    ("th", "\u0e00", "\u0e7f"),
    ("ja", "\u3040", "\u30ff"),
    ("zh", "\u3400", "\u9fff"),
    ("ko", "\uac00", "\ud7af"),
)
_READ_WORDS = 60


def _speakers() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for language, words in COMMON_WORDS.items():
        for word in words:
            found[word] = (*found.get(word, ()), language)
    return found


_SPEAKERS = _speakers()


def _language(asked: str, words: list[str], hints: Hints) -> str | None:
    letters = [] if asked.isascii() else _OTHER.findall(asked)
    if len(letters) >= 3:
        return _by_script(letters)
    votes = dict(hints.languages)
    for word in words[:_READ_WORDS]:
        for language in _SPEAKERS.get(word, ()):
            votes[language] = votes.get(language, 0.0) + 1.0
    if not votes:
        return None
    best = max(votes, key=votes.__getitem__)
    rivals = [vote for language, vote in votes.items() if language != best]
    return best if votes[best] > max(rivals, default=0.0) else None


def _by_script(letters: list[str]) -> str | None:
    counts = {
        language: sum(low <= letter <= high for letter in letters)
        for language, low, high in _SCRIPTS
    }
    if counts["ja"] * 5 > counts["zh"] and counts["ja"]:
        return "ja"
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else None
