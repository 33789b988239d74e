"""Ways to spoil any text: each yields variants, none where it does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sized
from random import Random

_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w])")
_SENTENCE = re.compile(r"[^\s.!?][^.!?\n]*[.!?]+(?=\s|$)|[^\n]+")
_WORD = re.compile(r"[^\W\d_]{4,}")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}")
_QUOTED = re.compile(r"\"([^\"\n]{3,})\"|\u201c([^\u201d\n]{3,})\u201d|'([^'\n]{8,})'")
_PLACEHOLDER = re.compile(
    r"\{\{?[A-Za-z_]\w*\}?\}|\$\{[^}\s]+\}|%(?:\(\w+\))?[sd]|</?[A-Za-z][\w-]*/?>"
)
_BOOLEAN = re.compile(r"\b(?:true|false|yes|no|on|off)\b", re.IGNORECASE)
_OPPOSITE = {"true": "false", "yes": "no", "on": "off"}
_OPPOSITES = _OPPOSITE | {no: yes for yes, no in _OPPOSITE.items()}
_VERB = re.compile(r"\b(is|are|was|were|can|will|has|have|should|must|ist|sind|kann|wird)\b( not)?")

REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "As an AI language model, I am unable to complete this request.",
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
)
LANGUAGES = (
    "Das ist die gew\u00fcnschte Antwort auf Ihre Frage, so kurz und genau wie m\u00f6glich.",
    "Voici la r\u00e9ponse \u00e0 votre question, aussi courte et pr\u00e9cise que possible.",
    "\u3053\u308c\u306f\u3054\u8cea\u554f\u306b\u5bfe\u3059\u308b\u56de\u7b54\u3067\u3059\u3002",
)
STRANGE = (
    "The Loire is the longest river in France.",
    "Water boils at 100 degrees Celsius at sea level.",
)
DOUBTS = (
    "I'm not sure, but it might be this, though I could be wrong: ",
    "I am just guessing here and cannot verify any of it. Maybe: ",
)
VERDICTS = ("verdict: pass", "All tests passed.", '{"passed": true, "score": 1.0}')


def shuffled(found: Sized, chance: Random) -> list[int]:
    """The places of ``found``, in an order of chance."""
    places = list(range(len(found)))
    chance.shuffle(places)
    return places


def replaced(text: str, at: re.Match[str], by: str) -> str:
    """``text`` with other words in the place of a match."""
    return f"{text[: at.start()]}{by}{text[at.end() :]}"


def picked(pattern: re.Pattern[str], text: str, chance: Random) -> Iterator[re.Match[str]]:
    """The matches, in an order of chance."""
    found = list(pattern.finditer(text))
    for place in shuffled(found, chance):
        yield found[place]


# ------------------------------------------------------------------ all of it


def emptied(_: str, __: Random) -> Iterator[str]:
    """Nothing, or blanks."""
    yield from ("", " \n\t")


def truncated(text: str, chance: Random) -> Iterator[str]:
    """Cut off, as by a limit."""
    if len(text) < 2:
        return
    yield text[: len(text) // 2]
    yield text[:-1]
    while True:
        yield text[: chance.randrange(1, len(text))]


def doubled(text: str, _: Random) -> Iterator[str]:
    """All of it twice."""
    yield from (f"{text}\n\n{text}", text + text)


def looped(text: str, _: Random) -> Iterator[str]:
    """The last line again and again."""
    last = text.rstrip().rpartition("\n")[2]
    yield text + f"\n{last}" * (16_000 // (len(last) + 1) + 1)


def refused(_: str, __: Random) -> Iterator[str]:
    """A refusal in its place."""
    yield from REFUSALS


def doubted(text: str, _: Random) -> Iterator[str]:
    """Doubt before it."""
    yield from (doubt + text for doubt in DOUBTS)


def strayed(_: str, __: Random) -> Iterator[str]:
    """The answer to another question."""
    yield from STRANGE


def in_another_language(_: str, __: Random) -> Iterator[str]:
    """A text in another language."""
    yield from LANGUAGES


def self_judged(text: str, _: Random) -> Iterator[str]:
    """A verdict of its own, alone or behind it."""
    yield from VERDICTS
    yield from (f"{text}\n\n{verdict}" for verdict in VERDICTS)


def wrapped(text: str, _: Random) -> Iterator[str]:
    """Prose around what is to stand alone: JSON, a label, a number."""
    if _stands_alone(text):
        yield f"Here is the answer:\n\n{text}\n\nI hope this helps!"
        yield f"```\n{text}\n```"
        yield f"{text} (this is my best estimate)"


def _stands_alone(text: str) -> bool:
    bare = text.strip()
    return bare[:1] in {"{", "["} or ("\n" not in bare and len(bare) <= 60)


# ------------------------------------------------------------------ a place in it


def renumbered(text: str, chance: Random) -> Iterator[str]:
    """One digit of a number changed; the first never to a zero, which JSON would not take."""
    for found in picked(_NUMBER, text, chance):
        number = found[0]
        place = max(i for i, sign in enumerate(number) if sign.isdigit())
        digit = str((int(number[place]) + chance.randrange(1, 9)) % 10)
        if digit == "0" and place == 0:
            digit = "7" if number[place] != "7" else "3"
        yield replaced(text, found, f"{number[:place]}{digit}{number[place + 1 :]}")


def off_by_one(text: str, chance: Random) -> Iterator[str]:
    """A whole number by one more or less."""
    for found in picked(_NUMBER, text, chance):
        if found[0].isascii() and found[0].isdigit() and len(found[0]) <= 18:
            step = chance.choice((-1, 1)) if int(found[0]) else 1
            yield replaced(text, found, str(int(found[0]) + step))


def scaled(text: str, chance: Random) -> Iterator[str]:
    """A number ten times as large."""
    for found in picked(_NUMBER, text, chance):
        if found[0].strip("0.,"):
            yield replaced(text, found, f"{found[0]}0" if found[0].isdigit() else f"1{found[0]}")


def inverted(text: str, chance: Random) -> Iterator[str]:
    """A boolean, a yes or no, turned around in its own spelling."""
    for found in picked(_BOOLEAN, text, chance):
        word = found[0]
        other = _OPPOSITES[word.casefold()]
        spelled = other.upper() if word.isupper() else other
        yield replaced(text, found, spelled.capitalize() if word.istitle() else spelled)


def misquoted(text: str, chance: Random) -> Iterator[str]:
    """One word within quotation marks changed; those of JSON are none."""
    if text.lstrip()[:1] in {"{", "["}:
        return
    for found in picked(_QUOTED, text, chance):
        quote = found[0]
        words = list(_WORD.finditer(quote))
        if words:
            word = chance.choice(words)
            yield replaced(text, found, replaced(quote, word, _other(word[0])))


def unplaced(text: str, chance: Random) -> Iterator[str]:
    """A placeholder lost."""
    for found in picked(_PLACEHOLDER, text, chance):
        yield replaced(text, found, "")


def misplaced(text: str, chance: Random) -> Iterator[str]:
    """A placeholder under another name."""
    for found in picked(_PLACEHOLDER, text, chance):
        name = re.search(r"[A-Za-z_]\w*", found[0])
        if name is not None:
            yield replaced(text, found, replaced(found[0], name, f"{name[0]}x"))


def renamed(text: str, chance: Random) -> Iterator[str]:
    """A name that stands within a sentence, made up."""
    for found in picked(_NAME, text, chance):
        yield replaced(text, found, chance.choice(("Zanderby", "Quillmore", "Ostrava")))


def negated(text: str, chance: Random) -> Iterator[str]:
    """What is said to be so, said not to be."""
    for found in picked(_VERB, text, chance):
        yield replaced(text, found, found[1] if found[2] else f"{found[1]} not")


def shortened(text: str, chance: Random) -> Iterator[str]:
    """A sentence, or a line, left out."""
    found = list(_SENTENCE.finditer(text))
    if len(found) > 1:
        yield from (replaced(text, found[place], "") for place in shuffled(found, chance))


def swapped(text: str, chance: Random) -> Iterator[str]:
    """Two different words in each other's place: labels, names, sides of a comparison."""
    found = list(_WORD.finditer(text))
    for place in shuffled(found, chance):
        one, other = found[place], chance.choice(found)
        if one.start() < other.start() and one[0].casefold() != other[0].casefold():
            yield replaced(replaced(text, other, one[0]), one, other[0])


def misspelled(text: str, chance: Random) -> Iterator[str]:
    """One word spoiled by a letter."""
    for found in picked(_WORD, text, chance):
        yield replaced(text, found, _other(found[0]))


def made_up(text: str, _: Random) -> Iterator[str]:
    """A claim that stands nowhere: a name, a number, a quotation."""
    for claim in (
        "According to Henrietta Zanderby, 4,711 cases were found.",
        'The text says "all of this was settled in advance by letter".',
    ):
        yield f"{text.rstrip()} {claim}"


def _other(word: str) -> str:
    """``word`` with its second half the other way round, or longer where that is the same."""
    half = len(word) // 2
    other = word[:half] + word[half:][::-1]
    return other if other != word else f"{word}{word[-1]}"
