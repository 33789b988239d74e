"""How long a validation can take at worst, from the shape of the schema alone.

A validator visits a value once for every way that leads from the root of the schema to it. A few
lines of schema can make that 2^20 ways (``allOf`` twice the same ``$ref``, twenty times over), or
2^depth where branches recurse into the same property. Nothing can stop the library once it runs,
so the ways are counted first: level by level, as a vector of how often each subschema can apply to
one value at that depth. For a value under a property only the edges of that property count; the
largest over all properties bounds every answer.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rung.verifiers.schema_document import Document, read, refused

DEEPEST_ANSWER = 512

# Nanoseconds, measured on one slow core and rounded up.
_PER_VISIT = 20
_PER_BYTE_LENGTH = 1
_PER_BYTE_FORMAT = 10
_COMPILE_PER_STATE = 400

_MOST_COMPILING_NANOSECONDS = 500_000_000
_MOST_STEPS = 200_000
_BEYOND = 10**15

_IN_PLACE = {
    "$ref": "ref",
    "not": "one",
    "if": "one",
    "then": "one",
    "else": "one",
    "allOf": "list",
    "anyOf": "list",
    "oneOf": "list",
    "dependentSchemas": "map",
    "dependencies": "map",
}
_BELOW = {
    "additionalProperties": "one",
    "additionalItems": "one",
    "contains": "one",
    "propertyNames": "one",
    "items": "one or list",
    "prefixItems": "list",
    "patternProperties": "map",
    "properties": "map",
}
_KEPT = {"$defs": "map", "definitions": "map"}
# What they visit depends on what other keywords matched, or on the path of evaluation.
_UNCOUNTED = frozenset(
    {"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"}
)
_UNREAD = frozenset(
    {"title", "description", "$comment", "default", "examples", "$defs", "definitions"}
)
_FORMATS = frozenset({"format", "contentEncoding", "contentMediaType"})
_LENGTHS = frozenset({"minLength", "maxLength", "const", "enum"})
_COMPARING = frozenset({"uniqueItems", "const", "enum"})


@dataclass(frozen=True, slots=True)
class Level:
    """The worst of all levels down to this one: nanoseconds a value and nanoseconds a byte."""

    per_value: int
    per_byte: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What checking an answer can cost.

    ``levels`` are by depth; answers deeper than they reach cost no more if ``closed``, and cannot
    be bounded if not. ``frames`` is the most calls the validator nests for one level of an answer.
    ``compares`` says that whole values are compared, so that a value is read once a level.
    """

    levels: tuple[Level, ...]
    closed: bool
    frames: int
    compares: bool

    def nanoseconds(self, values: int, size: int, depth: int) -> float:
        """The most that an answer of so many values, bytes and levels costs; maybe infinite."""
        if depth >= len(self.levels) and not self.closed:
            return math.inf
        level = self.levels[min(depth, len(self.levels) - 1)]
        visits = values * max(1, depth) if self.compares else values
        return level.per_value * visits + level.per_byte * size


@dataclass(slots=True)
class _Graph:
    """Subschemas by number: which apply to the same value, which to one below, and their costs."""

    in_place: list[list[int]] = field(default_factory=list)
    below: list[list[tuple[str | None, int]]] = field(default_factory=list)
    per_value: list[int] = field(default_factory=list)
    per_byte: list[int] = field(default_factory=list)
    places: list[str] = field(default_factory=list)


def cost(root: Any) -> Cost | None:
    """The cost of a schema, ``None`` where it cannot be counted.

    Raises RequestError where the schema refers outside itself or to itself without going deeper.
    """
    document = read(root)
    graph, counted, compares = _graph(document)
    order = _order(graph)
    closures = _closures(graph, order) if counted else None
    if closures is None:
        return None
    levels, closed = _levels(graph, closures)
    return Cost(tuple(levels), closed, _longest(graph, order), compares)


# ------------------------------------------------------------------ the graph


def _graph(document: Document) -> tuple[_Graph, bool, bool]:
    graph = _Graph()
    numbers: dict[int, int] = {}
    waiting: list[Any] = []
    compiling = 0
    counted, compares = True, False

    def number(node: Any) -> int:
        if id(node) not in numbers:
            numbers[id(node)] = len(numbers)
            waiting.append(node)
            graph.in_place.append([])
            graph.below.append([])
            graph.per_value.append(_PER_VISIT)
            graph.per_byte.append(0)
            graph.places.append(document.place(node))
        return numbers[id(node)]

    if isinstance(document.root, dict):
        number(document.root)
    while waiting:
        node = waiting.pop()
        here = numbers[id(node)]
        counted = counted and not (_UNCOUNTED & node.keys())
        compares = compares or bool(_COMPARING & node.keys())
        for _, at in _edges(document, node, _KEPT):
            number(at)  # checked like all others, reached only by reference
        graph.in_place[here] = [number(at) for _, at in _edges(document, node, _IN_PLACE)]
        if not (document.old and "$ref" in node):
            graph.below[here] = [(key, number(at)) for key, at in _edges(document, node, _BELOW)]
        states = [_states(pattern) for pattern in _patterns(node)]
        compiling += sum(states) * _COMPILE_PER_STATE
        if compiling > _MOST_COMPILING_NANOSECONDS:
            raise refused("its patterns are too large", document.place(node), "shorten {m,n}")
        graph.per_value[here] = _PER_VISIT * _data_size(node)
        graph.per_byte[here] = (
            sum(2 + count // 10 for count in states)
            + _PER_BYTE_FORMAT * len(_FORMATS & node.keys())
            + _PER_BYTE_LENGTH * bool(_LENGTHS & node.keys())
        )
    return graph, counted, compares


def _edges(
    document: Document, node: dict[str, Any], keywords: dict[str, str]
) -> Iterator[tuple[str | None, Any]]:
    """Subschemas one step away; under `properties` with the name they belong to."""
    old_ref = document.old and isinstance(node.get("$ref"), str)
    for key, shape in keywords.items():
        if key not in node or (old_ref and key != "$ref"):
            continue
        value = node[key]
        if shape == "ref":
            if isinstance(value, str):
                yield from ((None, at) for at in (document.resolve(node),) if isinstance(at, dict))
        elif isinstance(value, list) and "list" in shape:
            yield from ((None, at) for at in value if isinstance(at, dict))
        elif isinstance(value, dict) and "one" in shape:
            yield None, value
        elif isinstance(value, dict) and shape == "map":
            named = key == "properties"
            yield from (
                (name if named else None, at) for name, at in value.items() if isinstance(at, dict)
            )


def _order(graph: _Graph) -> list[int]:
    """Subschemas so that each comes before those applied to the same value because of it."""
    done: list[int] = []
    state = [0] * len(graph.in_place)  # 1 on the way, 2 done
    for start in range(len(graph.in_place)):
        waiting = [(start, iter(graph.in_place[start]))] if not state[start] else []
        state[start] = state[start] or 1
        while waiting:
            node, rest = waiting[-1]
            for at in rest:
                if state[at] == 1:
                    raise refused(
                        "it refers to itself without going deeper into the answer",
                        graph.places[node] or "/",
                        "let the recursion go through properties or items",
                    )
                if state[at] == 0:
                    state[at] = 1
                    waiting.append((at, iter(graph.in_place[at])))
                    break
            else:
                state[node] = 2
                done.append(node)
                waiting.pop()
    return done[::-1]


def _longest(graph: _Graph, order: list[int]) -> int:
    """The longest chain of subschemas applied to one value."""
    length = [1] * len(order)
    for node in reversed(order):
        length[node] = 1 + max((length[at] for at in graph.in_place[node]), default=0)
    return max(length, default=1)


# ------------------------------------------------------------------ counting the ways


def _closures(graph: _Graph, order: list[int]) -> list[dict[int, int]] | None:
    """For each subschema, how often it applies each other to the same value; None if too many."""
    closures: list[dict[int, int]] = [{} for _ in order]
    entries = 0
    for node in reversed(order):
        ways = {node: 1}
        for at in graph.in_place[node]:
            _add(ways, closures[at], 1)
        closures[node] = ways
        entries += len(ways)
        if entries > _MOST_STEPS:
            return None
    return closures


def _levels(graph: _Graph, closures: list[dict[int, int]]) -> tuple[list[Level], bool]:
    """The worst of each level, and whether deeper levels are no worse."""
    ways = dict(closures[0]) if closures else {}
    levels: list[Level] = []
    seen: set[frozenset[tuple[int, int]]] = set()
    worst = Level(_PER_VISIT, 0)
    steps = 0
    while len(levels) <= DEEPEST_ANSWER:
        worst = Level(
            max(worst.per_value, sum(graph.per_value[at] * count for at, count in ways.items())),
            max(worst.per_byte, sum(graph.per_byte[at] * count for at, count in ways.items())),
        )
        levels.append(worst)
        state = frozenset(ways.items())
        if not ways or state in seen:
            return levels, True
        seen.add(state)
        ways, taken = _one_level_down(graph, closures, ways)
        steps += len(state) + taken
        if steps > _MOST_STEPS or worst.per_value > _BEYOND:
            return levels, False
    return levels, True


def _one_level_down(
    graph: _Graph, closures: list[dict[int, int]], ways: dict[int, int]
) -> tuple[dict[int, int], int]:
    """How often each subschema applies to one value below, and the steps it took to count."""
    entered: dict[str | None, dict[int, int]] = defaultdict(dict)
    for node, count in ways.items():
        for name, at in graph.below[node]:
            entered[name][at] = entered[name].get(at, 0) + count
    steps = 0
    reached: dict[str | None, dict[int, int]] = {}
    for name, entries in entered.items():
        reached[name] = {}
        for at, count in entries.items():
            _add(reached[name], closures[at], count)
            steps += 1 + len(closures[at])
    total = reached.pop(None, {})
    most: dict[int, int] = {}
    for named in reached.values():
        for at, count in named.items():
            most[at] = max(most.get(at, 0), count)
    _add(total, most, 1)
    return total, steps


def _add(to: dict[int, int], more: dict[int, int], times: int) -> None:
    for at, count in more.items():
        to[at] = to.get(at, 0) + count * times


# ------------------------------------------------------------------ what one visit costs


def _data_size(node: dict[str, Any]) -> int:
    """How many values of the schema itself one visit may read: enums, required names."""
    size = 1
    for key, value in node.items():
        if key in _IN_PLACE or key in _BELOW:
            size += len(value) if isinstance(value, dict | list) else 1
        elif key == "enum" and isinstance(value, list):
            # Plain options are looked up in a set, composite ones compared one by one.
            plain = not any(isinstance(option, dict | list) for option in value)
            size += 5 if plain else _count(value)
        elif key not in _UNREAD:
            size += _count(value)
    return size


def _count(value: Any) -> int:
    count, waiting = 0, [value]
    while waiting:
        at = waiting.pop()
        count += 1
        if isinstance(at, dict | list):
            waiting += at.values() if isinstance(at, dict) else at
    return count


def _patterns(node: dict[str, Any]) -> list[str]:
    own = node.get("pattern")
    many = node.get("patternProperties")
    return [*([own] if isinstance(own, str) else []), *(many if isinstance(many, dict) else [])]


_TOKEN = re.compile(
    # Every alternative takes what it read: a pattern full of "[" is still read once.
    r"\\[pP](?:\{[^}]{0,60}\})?|\\.|\[\^?\]?(?:\\.|[^\]\\])*(?:\]|\Z)"
    r"|\{(\d{1,9})(?:(,)(\d{0,9}))?\}|.",
    re.DOTALL,
)


def _states(pattern: str) -> int:
    """About how many states the automaton of a regular expression has."""
    groups = [[0, 0]]  # of each open group: states so far, states of its last part
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if token[1] is not None:
            times = int(token[3] or token[1])
            done, last = groups[-1]
            groups[-1] = [min(done + last * max(0, times - 1), _BEYOND), last * max(1, times)]
        elif text == "(":
            groups.append([0, 0])
        elif text == ")" and len(groups) > 1:
            inside = groups.pop()[0]
            groups[-1] = [groups[-1][0] + inside, inside]
        elif text not in "*+?|^$":
            size = _atom_size(text)
            groups[-1] = [groups[-1][0] + size, size]
    return sum(group[0] for group in groups)


def _atom_size(text: str) -> int:
    if "\\p" in text or "\\P" in text:
        return 460
    if text == "." or text.startswith("[^"):
        return 9
    return 1 if text.isascii() else 3
