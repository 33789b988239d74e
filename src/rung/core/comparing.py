"""Which of several answers say the same, as far as text alone allows.

Every comparison errs towards disagreement, which costs a call and not an error. Time is in
proportion to the answers. Answers that are drawn later never regroup earlier ones, so that a vote
can be decided early, and replayed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from rung.core.numerals import final_number, number
from rung.core.vote import PLAIN_VOTE, Comparison, Vote

HASH_PREFIX = "sha256:"
"""Begins the text of an answer of which only the hash of its key is known. Such texts are equal
exactly when the answers said the same."""

NEARLY = 0.8
"""How similar two texts must be to say the same, 0..1: of ten words one may differ."""

_LONGEST_COMPARED = 50_000
"""Characters of an answer that are compared; longer ones are the same only to the letter."""

_DEEPEST = 100
_REMEMBERED = 32
"""Answers whose keys are kept: one decision asks for them several times."""

_PLAIN_NUMBER = re.compile(
    r"""(?P<sign>[-+]?) (?P<currency>[$€£]?) \s*
        (?P<whole>\d{1,3}(?:,\d{3})+|\d+) (?:\.(?P<part>\d+))? \s* (?P<percent>%?) \.?""",
    re.VERBOSE | re.ASCII,
)
_BEFORE_WORD = "\"'`*_([{\u201c\u2018\u00ab\u00bf\u00a1"
_AFTER_WORD = "\"'`*_)]}\u201d\u2019\u00bb.,;:!?\u2026"
_FENCES = ("```", "~~~")

Fields = tuple[str, ...]


def keys(answers: Sequence[str], vote: Vote = PLAIN_VOTE) -> list[str]:
    """One key an answer, in their order: equal keys say that the answers are of one group."""
    alone = [_exact(answer) if _opaque(answer) else None for answer in answers]
    if vote.comparison is Comparison.TEXT:
        return _clustered(answers, alone)
    return [
        key if key is not None else _key(answer, vote.comparison, vote.fields)
        for answer, key in zip(answers, alone, strict=True)
    ]


def _opaque(answer: str) -> bool:
    return answer.startswith(HASH_PREFIX) or len(answer) > _LONGEST_COMPARED


@lru_cache(maxsize=_REMEMBERED)
def _key(answer: str, comparison: Comparison, fields: Fields) -> str:
    return _KEYS[comparison](answer, fields)


# ------------------------------------------------------------------ exact, auto, number


def _exact(answer: str) -> str:
    text = answer.strip()
    if len(text) <= _LONGEST_COMPARED:
        return f"exact:{text}"
    return "long:" + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def canonical(answer: str) -> str:
    """A text that two answers share when they are the same JSON value, number or words.

    A number counts with its unit. Words count without case, spacing and the punctuation around a
    word; what may carry meaning (an operator, a sign) counts.
    """
    text = answer.strip()
    if len(text) > _LONGEST_COMPARED:
        return _exact(text)
    if text[:1] in {"{", "["}:
        try:
            value = json.loads(text, parse_float=_whole_if_it_is)
            return "json:" + json.dumps(value, sort_keys=True)
        except (ValueError, RecursionError):
            pass
    if found := _PLAIN_NUMBER.fullmatch(text):
        return "number:" + _plain_number(found)
    return "words:" + " ".join(_words(text))


def _by_number(answer: str, _: Fields) -> str:
    found = final_number(answer)
    return canonical(answer) if found is None else f"final:{found}"


def _words(text: str) -> Iterator[str]:
    return (_bare(word) for word in text.casefold().split())


def _bare(word: str) -> str:
    """A word without the punctuation around it; an operator that stands alone is one."""
    return word.lstrip(_BEFORE_WORD).rstrip(_AFTER_WORD) or word


def _plain_number(found: re.Match[str]) -> str:
    whole = found["whole"].replace(",", "").lstrip("0") or "0"
    part = (found["part"] or "").rstrip("0")
    sign = "-" if found["sign"] == "-" and (whole, part) != ("0", "") else ""
    return f"{sign}{found['currency']}{whole}.{part}{found['percent']}"


def _whole_if_it_is(written: str) -> float | int:
    """A JSON number as a whole one where it is: 5.0 is 5."""
    value = float(written)
    return int(value) if value.is_integer() else value


# ------------------------------------------------------------------ fields


@dataclass(frozen=True, slots=True)
class _Number:
    """A number of a JSON text, by its value: 1.50 is 15e-1."""

    value: str


def _by_fields(answer: str, fields: Fields) -> str:
    """The chosen fields' values; an answer that has none of them is compared as a whole."""
    found = _document(answer)
    if found is None or (fields and not isinstance(found, dict)):
        return canonical(answer)
    chosen = [_field(found, name) for name in fields]
    if fields and not any(chosen):
        return canonical(answer)
    try:
        values = [_normal(one, _DEEPEST) for each in chosen or [[found]] for one in each or [...]]
    except RecursionError:
        return canonical(answer)
    return "fields:" + ",".join(values)


def _document(answer: str) -> Any:
    """The JSON object or list that an answer is or holds, the last where there are several."""
    first, last = answer.find("{"), answer.rfind("}")
    for text in (answer, *reversed(list(_fenced(answer))), answer[first : last + 1]):
        if text.lstrip()[:1] not in {"{", "["}:
            continue
        try:
            return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_Number)
        except (ValueError, RecursionError):
            continue
    return None


def _number(written: str) -> _Number:
    return _Number(number(written))


def _fenced(answer: str) -> Iterator[str]:
    """What stands between fences."""
    lines: list[str] | None = None
    for line in answer.split("\n"):
        if not line.lstrip().startswith(_FENCES):
            if lines is not None:
                lines.append(line)
        elif lines is None:
            lines = []
        else:
            yield "\n".join(lines)
            lines = None
    if lines:
        yield "\n".join(lines)


def _field(found: Any, name: str) -> list[Any]:
    """The value under a name, or under a path of names with points; empty where there is none."""
    if isinstance(found, dict) and name in found:
        return [found[name]]
    head, point, rest = name.partition(".")
    inner = found.get(head) if isinstance(found, dict) and point else None
    return [] if inner is None else _field(inner, rest)


def _normal(value: Any, depth: int) -> str:
    """A value as a text that equal ones share. Raises RecursionError for one that is too deep."""
    if not depth:
        raise RecursionError
    match value:
        case dict():
            pairs = (f"{json.dumps(k)}:{_normal(v, depth - 1)}" for k, v in value.items())
            return "{" + ",".join(sorted(pairs)) + "}"
        case list():
            return "[" + ",".join(sorted(_normal(each, depth - 1) for each in value)) + "]"
        case str():
            return json.dumps(" ".join(_words(value)))
        case _Number():
            return value.value
        case _ if value is ...:
            return "absent"
        case _:
            return json.dumps(value)


# ------------------------------------------------------------------ text

_WORD = re.compile(
    # Scripts that put no blanks between words are compared by their characters.
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
    r"|[^\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)
_TURNING = frozenset(
    [
        "not",
        "no",
        "never",
        "none",
        "nor",
        "neither",
        "without",
        "cannot",
        "can't",
        "won't",
        "isn't",
        "aren't",
        "wasn't",
        "weren't",
        "don't",
        "doesn't",
        "didn't",
        "shouldn't",
        "wouldn't",
        "couldn't",
        "yes",
        "true",
        "false",
        "nicht",
        "kein",
        "keine",
        "keinen",
        "nie",
        "ja",
        "nein",
        "ne",
        "pas",
        "jamais",
        "sans",
        "non",
        "sin",
        "nunca",
        "não",
        "nem",
        "niet",
        "geen",
        "不",
        "没",
        "无",
        "非",
    ]
)
"""Words of which one turns a text round. They have to be the same, as have those that end in "n't"
and those with a digit."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A text as its words. ``turning`` are those that have to be the same, in their order."""

    words: Mapping[str, int]
    size: int
    turning: tuple[str, ...]
    key: str


def _clustered(answers: Sequence[str], alone: Sequence[str | None]) -> list[str]:
    """Each text joins the most similar of the groups' first texts, if it is nearly that one.

    Groups do not depend on the order of the answers where nearness is transitive among them.
    """
    first: dict[str, _Text] = {}
    found: list[str] = []
    for answer, key in zip(answers, alone, strict=True):
        if key is not None:
            found.append(key)
            continue
        text = _read(answer)
        likeness, nearest = max(
            ((_similarity(text, each), each) for each in first.values()),
            key=lambda pair: pair[0],
            default=(0.0, text),
        )
        group = nearest if likeness >= NEARLY else text
        first.setdefault(group.key, group)
        found.append(group.key)
    return found


def _similarity(one: _Text, other: _Text) -> float:
    """The part of all words, each as often as it occurs, that two texts share: 0..1.

    It is the Jaccard index of multisets. Its complement is a metric, so that two texts of a group
    are never further apart than twice the distance to its first.
    """
    if one.key == other.key:
        return 1.0
    if one.turning != other.turning:
        return 0.0
    small, large = sorted((one, other), key=lambda text: text.size)
    if small.size < NEARLY * large.size:
        return 0.0
    shared = sum(min(count, large.words.get(word, 0)) for word, count in small.words.items())
    return shared / (small.size + large.size - shared)


@lru_cache(maxsize=_REMEMBERED)
def _read(answer: str) -> _Text:
    words = [_bare(word.replace("\u2019", "'")) for word in _WORD.findall(answer.casefold())]
    turning = tuple(word for word in words if _turns(word))
    return _Text(Counter(words), len(words), turning, "text:" + " ".join(words))


def _turns(word: str) -> bool:
    return word in _TURNING or word.endswith("n't") or any(map(str.isdigit, word))


_KEYS: Mapping[Comparison, Callable[[str, Fields], str]] = MappingProxyType(
    {
        Comparison.AUTO: lambda answer, _: canonical(answer),
        Comparison.EXACT: lambda answer, _: _exact(answer),
        Comparison.NUMBER: _by_number,
        Comparison.FIELDS: _by_fields,
    }
)
