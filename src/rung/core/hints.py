"""Which cues a text holds, and how much each of them says at its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from rung.core.cues import ACT_WEIGHT, ACTS, EFFORT, POLITE, Category
from rung.core.topics import THING_WEIGHT, THINGS


@dataclass(frozen=True, slots=True)
class Cue:
    """What one word or phrase says.

    ``acts`` count in full only where a sentence asks with them.
    """

    words: tuple[str, ...]
    language: str
    acts: tuple[tuple[Category, float], ...]
    things: tuple[tuple[Category, float], ...]
    effort: float


def _spelled(words: str, weight: float) -> list[tuple[str, float]]:
    pairs = (word.partition("=") for word in words.split())
    return [(name, float(own) if own else weight) for name, _, own in pairs]


def _cues() -> Iterator[Cue]:
    """Every word and phrase of the tables, once."""
    kinds: tuple[dict[str, dict[Category, float]], ...] = ({}, {})
    tongue: dict[str, str] = {}
    effort: dict[str, float] = {}
    for kind, table, weight in zip(kinds, (ACTS, THINGS), (ACT_WEIGHT, THING_WEIGHT), strict=True):
        for category, rows in table.items():
            for language, words in rows.items():
                for phrase, own in _spelled(words, weight):
                    said = kind.setdefault(phrase, {})
                    said[category] = max(own, said.get(category, own))
                    tongue[phrase] = language if tongue.get(phrase, language) == language else ""
    for language, words in EFFORT.items():
        for phrase, own in _spelled(words, 1.0):
            effort[phrase] = own
            tongue.setdefault(phrase, language)
    for phrase in {**kinds[0], **kinds[1], **effort}:
        acts, things = (tuple(kind.get(phrase, {}).items()) for kind in kinds)
        spelled = tuple(phrase.split("_"))
        yield Cue(spelled, tongue[phrase], acts, things, effort.get(phrase, 0.0))


@dataclass(slots=True)
class Place:
    """Where reading stands behind the first word of cues: that word alone, or with a second."""

    alone: Cue | None
    further: dict[str, list[Cue]]


def _index() -> Mapping[str, Place]:
    """The cues by their first word and their second; of those the longest first."""
    found: dict[str, Place] = {}
    for cue in sorted(_cues(), key=lambda cue: -len(cue.words)):
        first, *rest = cue.words
        place = found.setdefault(first, Place(None, {}))
        if rest:
            place.further.setdefault(rest[0], []).append(cue)
        else:
            place.alone = cue
    return MappingProxyType(found)


CUES = _index()

# ------------------------------------------------------------------ reading

ASK_CHARS = 400
"""Characters of a paragraph in which its writer asks; what follows is material."""

END_ASK_CHARS = 200
"""Characters at the end of a long paragraph, where a question often stands."""

LONG_CHARS = 120
"""From here on a paragraph may be something pasted."""

MATERIAL_CHARS = 200
"""Characters that are read of something pasted."""

OF_MATERIAL = 0.2
"""What cues say inside something pasted."""

ASIDE = 0.4
"""What an act says that does not begin a sentence."""

AFTER_COLON = 0.5
"""What cues say behind the first colon, where material begins."""

LATER = 0.5
"""What the acts of further sentences say, against the first one's."""

_WORD = re.compile("[a-z\u00df-\u1fff\u3040-\uffdc]+[+#]{0,2}|[.!?;:\\n]")
_BREAKS = frozenset(".!?;:\n")


@dataclass(slots=True)
class Hints:
    """Evidence by category, what gave it, and what that says of effort and language.

    ``told`` has the words of a cue, or the name of a fact, with what each said. ``acted`` tells
    that a sentence began with a verb that asks.
    """

    scores: dict[Category, float]
    told: dict[tuple[str, ...], list[tuple[Category, float]]] = field(default_factory=dict)
    languages: dict[str, float] = field(default_factory=dict)
    effort: float = 0.0
    acted: bool = False

    def tell(self, why: tuple[str, ...], said: list[tuple[Category, float]]) -> None:
        """Add evidence under its name."""
        self.told[why] = said
        for category, weight in said:
            self.scores[category] += weight


def asks(text: str) -> list[tuple[str, float]]:
    """The paragraphs in which somebody asks, each with what its cues count: the first and last.

    Where one of them is much longer than the other, it is what the other one speaks of.
    """
    paragraphs = [paragraph for paragraph in text.split("\n\n") if paragraph.strip()]
    if not paragraphs:
        return []
    first = paragraphs[0].strip()
    if len(paragraphs) == 1:
        rest = first[max(ASK_CHARS, len(first) - END_ASK_CHARS) :]
        return [(first[:ASK_CHARS], 1.0), (rest, 0.8)] if rest else [(first, 1.0)]
    last = paragraphs[-1].strip()
    if len(last) > max(LONG_CHARS, 2 * len(first)) or first.endswith(":"):
        return [(first[:ASK_CHARS], 1.0), (last[-MATERIAL_CHARS:], OF_MATERIAL)]
    if len(first) > max(LONG_CHARS, 2 * len(last)):
        return [(first[:MATERIAL_CHARS], OF_MATERIAL), (last[-ASK_CHARS:], 1.0)]
    return [(first[:ASK_CHARS], 1.0), (last[-ASK_CHARS:], 0.8)]


def read(text: str, share: float, into: Hints) -> list[str]:
    """Add what ``text`` says, each cue once, to ``into``; its words are returned."""
    tokens = _WORD.findall(text.lower())
    opening, colon, skip = True, False, 0
    for place, word in enumerate(tokens):
        if skip:
            skip -= 1
            continue
        cues = CUES.get(word)
        if cues is not None:
            skip = _add(cues, tokens, place, share, opening, into)
            opening = opening and word in POLITE and not skip
        elif word in _BREAKS:
            opening = True
            if word == ":" and not colon:
                colon, share = True, share * AFTER_COLON
        elif opening:
            opening = word in POLITE
    return tokens


def _add(
    cues: Place, tokens: list[str], place: int, share: float, opening: bool, into: Hints
) -> int:
    """Count the longest cue that stands here; how many words of it follow."""
    further = cues.further
    if further and place + 1 < len(tokens):
        for cue in further.get(tokens[place + 1], ()):
            length = len(cue.words)
            if length > 2 and tuple(tokens[place : place + length]) != cue.words:
                continue
            _count(cue, share, opening, into)
            if cue.acts or cue.things:
                return length - 1
    if cues.alone is not None:
        _count(cues.alone, share, opening, into)
    return 0


def _count(cue: Cue, share: float, opening: bool, into: Hints) -> None:
    if cue.words in into.told:
        return
    said: list[tuple[Category, float]] = []
    if cue.acts:
        part = share if opening and not into.acted else share * (LATER if opening else ASIDE)
        said = [(category, weight * part) for category, weight in cue.acts]
        into.acted = into.acted or opening
    if cue.things:
        said += [(category, weight * share) for category, weight in cue.things]
    into.tell(cue.words, said)
    into.effort += cue.effort * min(1.0, share)
    if cue.language:
        into.languages[cue.language] = into.languages.get(cue.language, 0.0) + 1.0
