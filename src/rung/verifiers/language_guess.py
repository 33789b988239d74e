"""Which language a text is in, by its script, its letters and its commonest words. No model.

It is sure only where the commonest words of one language are many and those of any other few:
short texts, lists of names and mixed texts are `None`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from rung.core.languages import COMMON_WORDS, NAMES

LONGEST_READ = 20_000
"""Characters of a text that are looked at."""

_LATIN = "en de fr es it pt nl sv da no fi pl cs ro hu tr id vi"
_BY_SCRIPT = {
    "latin": tuple(_LATIN.split()),
    "cyrillic": ("ru", "uk", "bg"),
    "arabic": ("ar", "fa"),
}
_ONLY = {"greek": "el", "hebrew": "he", "devanagari": "hi", "thai": "th", "hangul": "ko"}

_SCRIPTS = {
    "latin": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
    "cyrillic": "\u0400-\u04ff",
    "greek": "\u0370-\u03ff",
    "hebrew": "\u0590-\u05ff",
    "arabic": "\u0600-\u06ff",
    "devanagari": "\u0900-\u097f",
    "thai": "\u0e00-\u0e7f",
    "hangul": "\uac00-\ud7af",
    "kana": "\u3040-\u30ff",
    "han": "\u3400-\u9fff",
}
_LETTERS = {script: re.compile(f"[{range_}]") for script, range_ in _SCRIPTS.items()}
_NO_LANGUAGE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]{0,200}`|https?://\S+|[\w.+-]{1,64}@[\w.-]{1,100}"
    r"|[$%#]?\{[^{}\n]{0,100}\}|<[^<>\n]{0,200}>",
    re.DOTALL,
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")

_FEWEST_LETTERS = 20
_FEWEST_WIDE = 6
_SHARE_OF_SCRIPT = 0.7
_FEWEST_HITS = 4
_SHARE_OF_HITS = 0.15
_AHEAD = 1.4


@dataclass(frozen=True, slots=True)
class Guess:
    """The ``language``, or ``None``; then ``why``."""

    language: str | None
    why: str = ""


def guessed(text: str) -> Guess:
    """The language of ``text``, without its code, addresses and placeholders."""
    prose = _NO_LANGUAGE.sub(" ", text[:LONGEST_READ])
    counts = {script: len(letters.findall(prose)) for script, letters in _LETTERS.items()}
    wide = counts.pop("kana"), counts.pop("han")
    counts["wide"] = sum(wide)
    # One ideograph says as much as some letters do.
    script = max(counts, key=lambda each: counts[each] * (3 if each == "wide" else 1))
    total = sum(counts.values())
    if counts[script] < (_FEWEST_WIDE if script == "wide" else _FEWEST_LETTERS):
        return Guess(None, "there is too little text")
    if counts[script] < _SHARE_OF_SCRIPT * total and script != "wide":
        return Guess(None, "it is in several scripts")
    if script == "wide":
        return Guess("ja" if wide[0] > 0.1 * counts["wide"] else "zh")
    if script in _ONLY:
        return Guess(_ONLY[script])
    return _by_words(prose, _BY_SCRIPT[script])


def _by_words(prose: str, languages: tuple[str, ...]) -> Guess:
    words = Counter(_WORD.findall(prose.casefold().replace("\u2019", "'")))
    hits = {
        language: sum(words[word] for word in COMMON_WORDS[language] if word in words)
        for language in languages
    }
    best, second = sorted(languages, key=lambda each: hits[each], reverse=True)[:2]
    total = sum(words.values())
    if hits[best] < max(_FEWEST_HITS, _SHARE_OF_HITS * total):
        return Guess(None, "it has too few common words of any language")
    if hits[best] < _AHEAD * hits[second]:
        return Guess(None, f"it could be {NAMES[best]} or {NAMES[second]}")
    return Guess(best)
