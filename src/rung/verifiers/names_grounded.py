"""Does every name of the answer stand in what the request gave to read?

A name is a word with a capital letter inside a sentence, or with one inside itself. Each is looked
for by itself, whatever its case, accents and "'s". It cannot know whether a name is used rightly,
nor see one that only ever begins a sentence; words derived from a name ("German" from "Germany")
fail. Where capitals mean something else (German nouns, scripts without case) it abstains.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from rung.core.verdicts import Trust, Weight
from rung.verifiers import options
from rung.verifiers.base import Finding, Subject, abstained, failed, nothing_to_judge, passed
from rung.verifiers.language_guess import guessed
from rung.verifiers.material import compared, listed, weighed

MOST_NAMES = 100_000
"""Names of an answer that are looked at."""

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019.&-][^\W\d_]+)*\d*")
_NOT_PROSE = re.compile(
    r"^[ \t]*#{1,6}[ \t].*$"  # headings are written in capitals
    r"|^[ \t]*(?:[-*\u2022][ \t]+)?\*\*[^*\n]{1,80}\*\*:?"  # and so are labels
    r"|^[^\n:]{1,80}:[ \t]*$"
    r"|https?://\S+",
    re.MULTILINE,
)
_ENDS = frozenset('\n.!?;\u2026\u3002()[]|*_"\u201c\u201d\u201e\u00ab\u00bb`#>\u2022')
_TITLE_WORDS = "Dr Mr Mrs Ms Prof St Sr Jr Mt Gen Col Lt Capt Sgt Rev Hon vs No"
_TITLES = frozenset(_TITLE_WORDS.split())
_SMALL_WORDS = (
    "a an the this that these those it its he she they we you i his her their our my your there "
    "here in on at for from to by with of as if when while after before since until although "
    "because so and but or nor not no yes both each all some any many most more other both one "
    "two three what who why how where which however also then thus please note is are was were "
    "do does did can could will would should may might must have has had be been ok okay"
)
_NO_NAMES = frozenset(_SMALL_WORDS.split())
_APOSTROPHE = re.compile("['\u2019][^\\W\\d_]{0,3}$")


@dataclass(frozen=True, slots=True)
class NamesGrounded:
    """Passes an answer whose names all occur in the request's text, or in ``allow``."""

    allow: frozenset[str] = frozenset()
    name: str = "names_grounded"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 10.0

    def check(self, subject: Subject) -> Finding:
        """Find the names, compare each with the words given."""
        return weighed(compared(subject, self._judged), self.weight)

    def _judged(self, text: str, source: str) -> Finding:
        unfit = _unfit(text)
        if unfit:
            return abstained(unfit)
        found: dict[str, str] = {}
        for count, name in enumerate(names(text)):
            if count == MOST_NAMES:
                return abstained(f"the answer has more than {MOST_NAMES:,} names")
            found.setdefault(_folded(name), name)
        if not found:
            return nothing_to_judge("the answer holds no name that can be told from other words")
        known = words_of(source) | self.allow
        missing = [name for key, name in found.items() if not _known(key, known)]
        if missing:
            return failed(_reason(missing))
        return passed(f"all {len(found):,} different names stand in the request")


def names_grounded(
    allow: tuple[str, ...] = (), *, weight: Weight = Weight.REQUIRED
) -> NamesGrounded:
    """The check; ``allow`` are further names that an answer may hold."""
    return NamesGrounded(frozenset(words_of("\n".join(allow))), weight=weight)


def from_options(given_: options.Options) -> NamesGrounded:
    """The check that a table of the configuration asks for."""
    allow = options.texts(given_, "allow", 'allow = ["Europe", "GDPR"]')
    return names_grounded(allow, weight=options.weight(given_))


def names(text: str) -> Iterator[str]:
    """The words of ``text`` that are names by how they are written."""
    prose = _NOT_PROSE.sub("\n", text)
    is_data = prose.lstrip()[:1] in {"{", "["}
    before, end = "", 0
    for found in _WORD.finditer(prose):
        word = found[0]
        if _is_name(word, opens=_opens(prose, before, end, found, is_data=is_data)):
            yield word
        before, end = word, found.end()


def words_of(text: str) -> set[str]:
    """The words of a source, folded, whole and in the pieces that hyphens and points make."""
    found: set[str] = set()
    for word in set(_WORD.findall(text)):
        key = _folded(word)
        found.add(key)
        found.update(re.split(r"['\u2019.&-]", key))
    return found


def _unfit(text: str) -> str | None:
    """Why capital letters tell nothing here."""
    if text.lower() == text.upper() and any(map(str.isalpha, text)):
        return "the answer is in a script without capital letters"
    if guessed(text).language == "de":
        return "the answer is in German, where every noun has a capital letter"
    return None


def _is_name(word: str, *, opens: bool) -> bool:
    bare = _APOSTROPHE.sub("", word)
    if len(bare) < 2 or bare.casefold() in _NO_NAMES or bare.islower():
        return False
    if opens:  # any word has a capital there, and NOTE has more
        return not bare.isupper() and any(map(str.isupper, bare.split("-")[0][1:]))
    return bare[0].isupper() or any(map(str.isupper, bare[1:]))


def _opens(prose: str, before: str, end: int, found: re.Match[str], *, is_data: bool) -> bool:
    """Whether a sentence begins with this word."""
    start = found.start()
    gap = prose[end:start]
    if not before or len(gap) > 100:
        return not (is_data and _whole_value(prose, found))
    if gap == ". " and (before in _TITLES or len(before) == 1):
        return False
    if _ENDS.isdisjoint(gap):
        return False
    return not (is_data and _whole_value(prose, found))


def _whole_value(prose: str, found: re.Match[str]) -> bool:
    """Whether the word begins a text of JSON that is a name and no sentence."""
    if prose[found.start() - 1 : found.start()] != '"':
        return False
    value = prose[found.start() : found.start() + 80].partition('"')[0]
    return all(word[0].isupper() for word in _WORD.findall(value) if len(word) > 3)


def _known(key: str, known: set[str]) -> bool:
    if key in known or key.removesuffix("s") in known or f"{key}s" in known:
        return True
    pieces = re.split(r"['\u2019.&-]", key)
    return len(pieces) > 1 and all(piece in known for piece in pieces)


def _folded(word: str) -> str:
    bare = _APOSTROPHE.sub("", word) if word.endswith(("'s", "\u2019s", "'S")) else word
    if bare.isascii():
        return bare.casefold()
    apart = unicodedata.normalize("NFKD", bare)
    return "".join(char for char in apart if not unicodedata.combining(char)).casefold()


def _reason(missing: list[str]) -> str:
    which = "a name" if len(missing) == 1 else f"{len(missing):,} names"
    return (
        f"the answer holds {which} that the request does not: {listed(missing)}; "
        "use the names of the request as it writes them, or leave them out"
    )
