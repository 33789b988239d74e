"""What a request's words and its shape say, as named figures that weights are learnt for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import log1p

from rung.core.cues import Category
from rung.core.facts import FILE_ENDINGS, facts
from rung.core.hints import Hints, asks, read
from rung.core.turns import Turn, last_turn
from rung.core.types import Request

BEHIND_COLON = 0.4
"""What a word counts behind the first colon of a paragraph: there material begins."""

STRONG = 3.0
"""Evidence from which on an application's prompt asks, and its user brings the material."""

OF_ITS_USER = 0.3
"""What the words of that user count then."""

MOST_WORDS = 100
"""Words of a paragraph that are weighed."""

STRONGLY = 6.0
SHAPES = frozenset({"a schema", "a schema with labels", "one tool must be called"})
"""Facts that tell what shape the answer has, and mostly what is asked for."""

WEIGHTY = {
    "a schema": STRONGLY,
    "a schema with labels": STRONGLY,
    "one tool must be called": STRONGLY,
    "choices to pick from": 4.0,
    "an error's trace": 2.0,
    "an error's name": 2.0,
    "a sum": 2.0,
    "an amount is asked for, with numbers": 2.0,
}
"""What these facts count: rare ones that say much would be belittled by a fit on few requests."""

_FILE = re.compile(rf"\b[\w/-]{{1,60}}\.(?:{FILE_ENDINGS})\b")
_NUMBER = re.compile(r"\d+")
_BULLET = re.compile(r"\n\s{0,8}(?:[-*\u2022]|\d{1,2}[.)]) ")
_NOT_WORDS = frozenset(".!?;:\n")
MOST_IDEOGRAPHS = 60
"""Characters that are weighed of a run of them without blanks, alone and in pairs."""

_FIRST_IDEOGRAPH = "\u3040"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a request.

    ``asked`` are the user's paragraphs that ask, ``words`` all of theirs in order. ``bag`` has each
    word once with what it counts, ``hints`` the cues, ``figures`` the rest by name. ``bare`` is
    where there is nothing of all that but sizes.
    """

    turn: Turn
    asked: str
    words: list[str]
    bag: dict[str, float]
    hints: Hints
    figures: dict[str, float]
    bare: bool


def reading(request: Request) -> Reading:
    """Read ``request``, of a long one both ends."""
    turn = last_turn(request)
    hints = Hints(dict.fromkeys(Category, 0.0))
    bag: dict[str, float] = {}
    share = _of_prompt(turn, hints, bag)
    words: list[str] = []
    paragraphs = asks(turn.text)
    for paragraph, weight in paragraphs:
        tokens = read(paragraph, weight * share, hints)
        _fill(bag, tokens, weight * share)
        words += tokens
    asked = "\n".join([paragraph for paragraph, _ in paragraphs])
    figures = {fact: WEIGHTY.get(fact, 1.0) for fact in facts(request, turn, asked, len(words))}
    bare = not bag and not figures
    if not hints.acted:
        figures |= {f"{each}, and no order": STRONGLY for each in SHAPES & figures.keys()}
    figures |= _sizes(turn, asked, hints, len(words))
    return Reading(turn, asked, words, bag, hints, figures, bare)


def _of_prompt(turn: Turn, hints: Hints, bag: dict[str, float]) -> float:
    """Read an application's prompt; what its user's words count beside it."""
    if not turn.prompt:
        return 1.0
    for paragraph, weight in asks(turn.prompt)[:1]:
        _fill(bag, read(paragraph, weight, hints), weight)
    asks_itself = hints.acted and max(hints.scores.values()) > STRONG
    hints.acted = False
    return OF_ITS_USER if asks_itself else 1.0


def _fill(bag: dict[str, float], tokens: list[str], share: float) -> None:
    """Add words that are not there yet, or counted less."""
    behind = False
    for word in tokens[:MOST_WORDS]:
        if word in _NOT_WORDS:
            if not behind and word == ":":
                behind, share = True, share * BEHIND_COLON
        elif word[0] < _FIRST_IDEOGRAPH:
            if bag.get(word, 0.0) < share:
                bag[word] = share
        else:
            run = word[:MOST_IDEOGRAPHS]
            for first, second in zip(run, run[1:] or " ", strict=False):
                bag[first] = bag[first + second] = share


def _sizes(turn: Turn, asked: str, hints: Hints, words: int) -> dict[str, float]:
    """How much there is, squeezed to about one."""
    found = {
        "its length": length(turn),
        "many words": min(2.0, log1p(words) / 2),
        "words of effort": hints.effort,
        "numbers": min(4, len(_NUMBER.findall(asked))) / 2,
        "conditions": min(6, asked.count(",")) / 3,
    }
    if hints.acted:
        found["an order"] = 1.0
    if turn.prompt:
        found["an application's prompt"] = 1.0
    if bullets := len(_BULLET.findall(turn.text)):
        found["a list"] = min(8, bullets) / 4
    files = len(set(_FILE.findall(asked))) if "." in asked else 0
    if files > 1:
        found["several files"] = min(4, files - 1) / 2
    return found


def length(turn: Turn) -> float:
    """The user's turn on a scale: 0 for 20 characters, 1 for 400, 2 for 8,000, 3 at most."""
    return min(3.0, log1p(turn.chars) / 3 - 1)
