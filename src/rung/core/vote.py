"""Do several drawn answers agree? Comparison by meaning as far as text alone allows.

Two answers are the same when they are the same JSON value, the same number with the same unit, or
the same words without case, spacing and the punctuation around a word. What may carry meaning (an
operator, a sign) counts: a vote errs towards disagreement, which costs a call and not an error.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

AGREEMENT = "agreement"
"""The name of the check that is a vote among a tier's draws. It is always a signal."""


class Comparison(StrEnum):
    """What makes two answers the same in a vote.

    AUTO: the same JSON value, number or words. EXACT: the same text. NUMBER: the last number in
    each. FIELDS: the same values in some of a JSON object's fields, lists as sets. TEXT: nearly the
    same words.
    """

    AUTO = "auto"
    EXACT = "exact"
    NUMBER = "number"
    FIELDS = "fields"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Vote:
    """How a tier's draws are compared, and when there are enough of them.

    ``fields`` are those that FIELDS compares, all where there are none. No more is drawn once the
    leading answer is the most common one with probability ``certainty`` (0..1).
    """

    comparison: Comparison = Comparison.AUTO
    fields: tuple[str, ...] = ()
    certainty: float = 0.95


PLAIN_VOTE = Vote()

_NUMBER = re.compile(
    r"""(?P<sign>[-+]?) (?P<currency>[$€£]?) \s*
        (?P<whole>\d{1,3}(?:,\d{3})+|\d+) (?:\.(?P<part>\d+))? \s* (?P<percent>%?) \.?""",
    re.VERBOSE | re.ASCII,
)
_BEFORE_WORD = "\"'`*_([{\u201c\u2018\u00ab\u00bf\u00a1"
_AFTER_WORD = "\"'`*_)]}\u201d\u2019\u00bb.,;:!?\u2026"
_LONGEST_PARSED = 100_000


@dataclass(frozen=True, slots=True)
class Tally:
    """The state of a vote: the latest answer of the largest group, and that group's size."""

    leader: int
    votes: int
    runner_up: int
    drawn: int

    @property
    def share(self) -> float:
        """The leading group's part of all answers drawn, 0..1."""
        return self.votes / self.drawn

    def decided(self, samples: int) -> bool:
        """Whether no further draw, up to ``samples``, can change who leads."""
        return self.votes - self.runner_up > samples - self.drawn or self.drawn >= samples


def tally(answers: Sequence[str]) -> Tally:
    """Count the groups of equal answers, of which there is one at least.

    Of groups of one size, the one that was there first leads.
    """
    keys = [canonical(answer) for answer in answers]
    (leading, votes), *others = Counter(keys).most_common(2)
    latest = max(index for index, key in enumerate(keys) if key == leading)
    return Tally(latest, votes, others[0][1] if others else 0, len(keys))


def canonical(answer: str) -> str:
    """A text that two answers share when they say the same."""
    text = answer.strip()
    if text[:1] in {"{", "["} and len(text) <= _LONGEST_PARSED:
        try:
            value = json.loads(text, parse_float=_plain)
            return "json:" + json.dumps(value, sort_keys=True)
        except (ValueError, RecursionError):
            pass
    if number := _NUMBER.fullmatch(text):
        return "number:" + _canonical_number(number)
    return "words:" + " ".join(_bare(word) for word in text.casefold().split())


def _bare(word: str) -> str:
    """A word without the punctuation around it; an operator that stands alone is one."""
    return word.lstrip(_BEFORE_WORD).rstrip(_AFTER_WORD) or word


def _canonical_number(number: re.Match[str]) -> str:
    whole = number["whole"].replace(",", "").lstrip("0") or "0"
    part = (number["part"] or "").rstrip("0")
    sign = "-" if number["sign"] == "-" and (whole, part) != ("0", "") else ""
    return f"{sign}{number['currency']}{whole}.{part}{number['percent']}"


def _plain(written: str) -> float | int:
    """A JSON number as a whole one where it is: 5.0 is 5."""
    value = float(written)
    return int(value) if value.is_integer() else value
