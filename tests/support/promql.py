"""Reads PromQL as far as names go: which metrics, labels and functions an expression leans on.

It evaluates nothing. It is strict: what it does not know is a fault, so that a dashboard that
passes can be drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<range>\[[^\]]*\])
    | (?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)
    | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
    | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^(){},=<>])
    )""",
    re.VERBOSE,
)
DURATION = re.compile(r"\[(\d+[smhdw]|\$__(range|rate_interval|interval))\]")

OVER_RANGES = frozenset({"rate", "increase", "irate"})
FUNCTIONS = OVER_RANGES | {"histogram_quantile", "topk", "vector", "sum", "max", "min", "avg"}
GROUPINGS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
OPERATORS = frozenset({"and", "or", "unless", "bool"})
EVERYWHERE = frozenset({"instance", "job"})
"""Labels that the scraper adds."""


class PromqlError(Exception):
    """An expression that leans on what is not there."""


@dataclass(frozen=True)
class Metric:
    """One name that a scrape shows. ``words`` are all values that a label can have, where known."""

    labels: frozenset[str]
    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    counter: bool = True


@dataclass(frozen=True)
class Token:
    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise PromqlError(f"cannot be read from here: {text[at : at + 30]!r}")
        assert match.lastgroup is not None
        found.append(Token(match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def check(expression: str, metrics: Mapping[str, Metric]) -> frozenset[str]:
    """The labels that the result can have. Raises PromqlError for the first fault."""
    reader = _Reader(tokens(expression), metrics)
    reader.expression()
    if reader.left:
        raise PromqlError(f"does not go on with {reader.left[0].text!r}")
    unknown = reader.grouped - reader.seen - EVERYWHERE
    if unknown:
        raise PromqlError(f"none of its metrics has the label {sorted(unknown)}")
    return frozenset(reader.seen | EVERYWHERE)


class _Reader:
    def __init__(self, found: Sequence[Token], metrics: Mapping[str, Metric]) -> None:
        self.left = list(found)
        self.metrics = metrics
        self.seen: set[str] = set()
        self.grouped: set[str] = set()
        self._within: list[str] = []

    def _next(self, *texts: str) -> Token:
        if not self.left or (texts and self.left[0].text not in texts):
            found = self.left[0].text if self.left else "its end"
            raise PromqlError(f"expected {' or '.join(texts) or 'more'}, found {found}")
        return self.left.pop(0)

    def _is(self, *texts: str) -> bool:
        return bool(self.left) and self.left[0].text in texts

    def expression(self) -> None:
        self._operand()
        while self.left and (
            self.left[0].text in {*"+-*/%^<>", "==", "!=", ">=", "<=", *OPERATORS}
        ):
            self._next()
            while self._is(*GROUPINGS, "bool"):
                self._grouping()
            self._operand()

    def _operand(self) -> None:
        token = self._next()
        if token.text == "(":
            self.expression()
            self._next(")")
        elif token.kind == "number":
            return
        elif token.kind != "name":
            raise PromqlError(f"{token.text!r} is no operand")
        elif token.text in FUNCTIONS and self._is("(", *GROUPINGS):
            self._call(token.text)
        else:
            self._selector(token.text)

    def _call(self, name: str) -> None:
        if self._is(*GROUPINGS):
            self._grouping()
        self._within.append(name)
        self._next("(")
        self.expression()
        while self._is(","):
            self._next()
            self.expression()
        self._next(")")
        self._within.pop()
        if self._is("by", "without"):
            self._grouping()

    def _grouping(self) -> None:
        word = self._next().text
        if word == "bool":
            return
        self._next("(")
        while not self._is(")"):
            self.grouped.add(self._next().text)
            if self._is(","):
                self._next()
        self._next(")")

    def _selector(self, name: str) -> None:
        metric = self.metrics.get(name)
        if metric is None:
            raise PromqlError(f"there is no metric {name}")
        self.seen |= metric.labels
        if self._is("{"):
            self._matchers(name, metric)
        ranged = bool(self.left) and self.left[0].kind == "range"
        if ranged and DURATION.fullmatch(self._next().text) is None:
            raise PromqlError(f"the range of {name} is none")
        if ranged is not (bool(self._within) and self._within[-1] in OVER_RANGES):
            raise PromqlError(f"{name} is not asked over a range as its function wants it")
        if ranged and not metric.counter:
            raise PromqlError(f"{name} is no counter")
        if name.endswith("_bucket") and "histogram_quantile" not in self._within:
            raise PromqlError(f"{name} is only good for histogram_quantile")

    def _matchers(self, name: str, metric: Metric) -> None:
        self._next("{")
        while not self._is("}"):
            label, how = self._next().text, self._next("=", "!=", "=~", "!~").text
            value = self._next()
            if label not in metric.labels | EVERYWHERE:
                raise PromqlError(f"{name} has no label {label}")
            for word in _words(value.text[1:-1], pattern="~" in how):
                if label in metric.words and word not in metric.words[label]:
                    raise PromqlError(f"{label} of {name} is never {word!r}")
            if self._is(","):
                self._next()
        self._next("}")


def _words(value: str, *, pattern: bool) -> Iterator[str]:
    """The plain words that a matcher names; none of a variable's or a real pattern's."""
    for word in value.split("|") if pattern else [value]:
        if "$" not in word and not (pattern and re.search(r"[.*+?\[(\\]", word)):
            yield word
