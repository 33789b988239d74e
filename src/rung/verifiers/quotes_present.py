"""Does everything that the answer quotes stand in what the request gave to read, word for word?

Between double quotation marks of any kind, and in Markdown's quotations. Blanks, case, the sort of
quotation mark and dash, and a last mark of punctuation do not matter; "..." and what stands in
brackets may leave words out. It cannot know whether a quotation is fair or given to the right
speaker, and marks that are no quotation ("so-called") are left out by being short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rung.core.verdicts import Trust, Weight
from rung.verifiers import options
from rung.verifiers.base import Finding, Subject, abstained, failed, nothing_to_judge, passed
from rung.verifiers.fenced import blocks
from rung.verifiers.material import compared, listed
from rung.verifiers.strict_json import NotJsonError, parse

MOST_QUOTES = 200
"""Quotations that are looked for."""
FEWEST_WORDS = 3
"""Words of the shortest quotation that is looked for, unless configured."""

_LONGEST_QUOTE = 5_000
_QUOTE = re.compile(
    rf'(?<!\w)"(?=\S)([^"\n]{{1,{_LONGEST_QUOTE}}})"'
    rf"|[\u201c\u201e\u201f]([^\u201c\u201d\u201e\n]{{1,{_LONGEST_QUOTE}}})[\u201c\u201d]"
    rf"|\u00ab([^\u00ab\u00bb\n]{{1,{_LONGEST_QUOTE}}})\u00bb"
    rf"|[\u300c\u300e]([^\u300c-\u300f\n]{{1,{_LONGEST_QUOTE}}})[\u300d\u300f]"
)
_BLOCK_QUOTE = re.compile(r"(?:^[ \t]{0,3}>[^\n]*(?:\n|\Z))+", re.MULTILINE)
_ATTRIBUTION = re.compile(r"^[ \t]*(?:\u2014|\u2013|--?)\s?\w.*$", re.MULTILINE)
_INLINE_CODE = re.compile(r"`[^`\n]{0,500}`")
_LEFT_OUT = re.compile(r"\[[^\[\]\n]{0,80}\]|\.{3,}|\u2026|(?:\. ){2,}\.")
_ALIKE = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u00ad\u200b\ufeff*_", None),
    }
)
_EDGES = " .,;:!?\"'-"
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class QuotesPresent:
    """Passes an answer whose quotations of at least ``fewest_words`` all occur in the request.

    Of an answer that is JSON, the texts under the keys ``fields`` are the quotations.
    """

    fewest_words: int = FEWEST_WORDS
    fields: frozenset[str] = frozenset()
    name: str = "quotes_present"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 10.0

    def check(self, subject: Subject) -> Finding:
        """Find the quotations, look for each."""
        return compared(subject, self._judged)

    def _judged(self, text: str, source: str) -> Finding:
        quotes = self._quotes(text)
        if quotes is None:
            return abstained("the answer is JSON: name the fields that hold quotations")
        quotes = [quote for quote in dict.fromkeys(quotes) if _words(quote) >= self.fewest_words]
        if not quotes:
            return nothing_to_judge("the answer quotes nothing")
        if len(quotes) > MOST_QUOTES:
            return abstained(f"the answer has {len(quotes):,} quotations, too many to check")
        plain = _plain(source)
        missing = [quote for quote in quotes if not _stands(quote, plain)]
        if missing:
            return failed(
                f"the answer quotes what the request does not say: {listed(missing, 3)}; "
                "quote word for word, or take the quotation marks away"
            )
        return passed(f"all {len(quotes)} quotations stand in the request")

    def _quotes(self, text: str) -> list[str] | None:
        """The quotations; ``None`` where the answer is JSON of which nobody knows the fields."""
        value = _json(text)
        if value is None:
            return list(_quotes_of_prose(text))
        return list(_values(value, self.fields)) if self.fields else None


def quotes_present(
    *, fewest_words: int = FEWEST_WORDS, fields: tuple[str, ...] = ()
) -> QuotesPresent:
    """The check; ``fields`` are the keys that hold quotations in answers that are JSON."""
    return QuotesPresent(fewest_words, frozenset(fields))


def from_options(given_: options.Options) -> QuotesPresent:
    """The check that a table of the configuration asks for."""
    return quotes_present(
        fewest_words=options.count(given_, "fewest_words", FEWEST_WORDS),
        fields=options.texts(given_, "fields", 'fields = ["evidence"]'),
    )


# ------------------------------------------------------------------ quotations


def _json(text: str) -> Any:
    """The object or array that the text is, if it is one."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return parse(text)
    except NotJsonError:
        return None


def _quotes_of_prose(text: str) -> Iterator[str]:
    prose = _INLINE_CODE.sub(" ", _without_code(text))
    for found in _QUOTE.finditer(prose):
        yield found[found.lastindex or 1]
    for found in _BLOCK_QUOTE.finditer(prose):
        lines = (line.strip().lstrip("> ") for line in found[0].splitlines())
        yield _ATTRIBUTION.sub("", "\n".join(lines)).strip().strip('"\u201c\u201d\u201e')


def _without_code(text: str) -> str:
    found = blocks(text)
    if not found:
        return text
    lines = text.split("\n")
    for block in found:
        first = block.line - 1
        lines[first : first + block.text.count("\n") + 1] = [""] * (block.text.count("\n") + 1)
    return "\n".join(lines)


def _values(value: Any, fields: frozenset[str]) -> Iterator[str]:
    """The texts under any of ``fields``, however deep."""
    waiting = [(value, False)]
    while waiting:
        at, wanted = waiting.pop()
        if isinstance(at, dict):
            waiting += [(inner, wanted or key in fields) for key, inner in at.items()]
        elif isinstance(at, list):
            waiting += [(inner, wanted) for inner in at]
        elif wanted and isinstance(at, str):
            yield at


def _words(quote: str) -> int:
    return len(quote.split()) + len(_WIDE.findall(quote))


def _plain(text: str) -> str:
    return " ".join(text.translate(_ALIKE).casefold().split())


def _stands(quote: str, source: str) -> bool:
    """Whether the pieces of ``quote`` occur one after the other."""
    at = 0
    for piece in _LEFT_OUT.split(quote):
        wanted = _plain(piece).strip(_EDGES)
        found = source.find(wanted, at)
        if found < 0:
            return False
        at = found + len(wanted)
    return True
