"""How long a validation can take at worst, from the shape of the schema alone.

A validator visits a value once for every way that leads from the root of the schema to it. A few
lines of schema can make that 2^20 ways (``allOf`` twice the same ``$ref``, twenty times over), or
2^depth where branches recurse into the same property. Nothing can stop the library once it runs,
so the ways are counted first: level by level, as a vector of how often each subschema can apply to
one value at that depth. For a value under a property only the edges of that property count; the
largest over all properties bounds every answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from rung.verifiers import strict_json
from rung.verifiers.schema_document import Document, read, refused
from rung.verifiers.schema_weights import (
    BELOW,
    COMPILE_PER_STATE,
    IN_PLACE,
    PER_VISIT,
    arithmetic,
    byte_cost,
    data_size,
    patterns,
    reads_whole,
    states_of,
)

_MOST_COMPILING_NANOSECONDS = 500_000_000
_MOST_STEPS = 200_000
_BEYOND = 10**15
_INFINITE = 10**30  # beyond every limit, and still an integer

_KEPT = {"$defs": "map", "definitions": "map"}
# What they visit depends on what other keywords matched, or on the path of evaluation.
_UNCOUNTED = frozenset(
    {"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"}
)


@dataclass(frozen=True, slots=True)
class Level:
    """The most that one value at some depth costs.

    ``visits`` count subschemas and what they list; each can find one fault. ``arithmetic`` is
    nanoseconds a value, ``per_byte`` nanoseconds a byte, and ``whole`` how often all that is inside
    the value is read.
    """

    visits: int
    arithmetic: int = 0
    per_byte: int = 0
    whole: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What checking an answer can cost at most.

    ``levels`` are by depth; deeper ones cost no more than the worst of these if ``closed``, and
    cannot be bounded if not. ``frames`` is the most calls the validator nests for one level of an
    answer.
    """

    levels: tuple[Level, ...]
    closed: bool
    frames: int

    def visits(self, sizes: Sequence[int]) -> int:
        """Visits to an answer with so many values at each depth."""
        return sum(
            size * level.visits for size, level in zip(sizes, self._reached(sizes), strict=True)
        )

    def nanoseconds(self, sizes: Sequence[int], byte_size: int) -> int:
        """The time that validating such an answer takes."""
        levels = self._reached(sizes)
        inside = list(accumulate(reversed(sizes)))[::-1]
        values = sum(
            size * (PER_VISIT * level.visits + level.arithmetic) + PER_VISIT * level.whole * below
            for size, level, below in zip(sizes, levels, inside, strict=True)
        )
        readings = max(level.per_byte for level in levels) + sum(level.whole for level in levels)
        return values + readings * byte_size

    def _reached(self, sizes: Sequence[int]) -> Sequence[Level]:
        """The level of each depth there is."""
        missing = len(sizes) - len(self.levels)
        if missing <= 0:
            return self.levels[: len(sizes)]
        worst = Level(*(max(getattr(level, name) for level in self.levels) for name in _FIELDS))
        return (*self.levels, *[worst if self.closed else _UNBOUNDED] * missing)


_FIELDS = ("visits", "arithmetic", "per_byte", "whole")
_UNBOUNDED = Level(_INFINITE)


@dataclass(slots=True)
class _Graph:
    """Subschemas by number: which apply to the same value, which to one below, and their costs.

    ``counted`` turns false where a keyword's visits cannot be counted. ``compiling`` is the time in
    nanoseconds to compile all patterns.
    """

    in_place: list[list[int]] = field(default_factory=list)
    below: list[list[tuple[str | None, int]]] = field(default_factory=list)
    own: list[Level] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    counted: bool = True
    compiling: int = 0

    def weigh(self, at: int, node: dict[str, Any]) -> None:
        """Take what a visit of one subschema costs from its own keywords."""
        states = [states_of(pattern) for pattern in patterns(node)]
        self.own[at] = Level(
            data_size(node), arithmetic(node), byte_cost(node, states), reads_whole(node)
        )
        self.counted = self.counted and not (_UNCOUNTED & node.keys())
        self.compiling += sum(states) * COMPILE_PER_STATE


def cost(root: Any) -> Cost | None:
    """The cost of a schema, ``None`` where it cannot be counted.

    Raises RequestError where the schema refers outside itself or to itself without going deeper.
    """
    graph = _graph(read(root))
    order = _order(graph)
    closures = _closures(graph, order) if graph.counted else None
    if closures is None:
        return None
    levels, closed = _levels(graph, closures)
    return Cost(tuple(levels), closed, _longest(graph, order))


# ------------------------------------------------------------------ the graph


def _graph(document: Document) -> _Graph:
    graph = _Graph()
    numbers: dict[int, int] = {}
    waiting: list[Any] = []

    def number(node: Any) -> int:
        if id(node) not in numbers:
            numbers[id(node)] = len(numbers)
            waiting.append(node)
            graph.in_place.append([])
            graph.below.append([])
            graph.own.append(Level(1))
            graph.places.append(document.place(node))
        return numbers[id(node)]

    if isinstance(document.root, dict):
        number(document.root)
    while waiting:
        node = waiting.pop()
        here = numbers[id(node)]
        for _, at in _edges(document, node, _KEPT):
            number(at)  # checked like all others, reached only by reference
        graph.in_place[here] = [number(at) for _, at in _edges(document, node, IN_PLACE)]
        graph.below[here] = [(key, number(at)) for key, at in _edges(document, node, BELOW)]
        graph.weigh(here, node)
        if graph.compiling > _MOST_COMPILING_NANOSECONDS:
            raise refused("its patterns are too large", document.place(node), "shorten {m,n}")
    return graph


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
    """The cost of a value at each depth, and whether deeper ones only repeat these."""
    ways = dict(closures[0]) if closures else {}
    levels = [_level(graph, ways, [])]
    seen = {frozenset(ways.items())}
    steps = 0
    while len(levels) <= strict_json.DEEPEST:
        anywhere, named, taken = _one_level_down(graph, closures, ways)
        levels.append(_level(graph, anywhere, named))
        ways = _most(anywhere, named)
        state = frozenset(ways.items())
        if not ways or state in seen:
            return levels, True
        seen.add(state)
        steps += len(state) + taken
        if steps > _MOST_STEPS or levels[-1].visits > _BEYOND:
            return levels, False
    return levels, True


def _one_level_down(
    graph: _Graph, closures: list[dict[int, int]], ways: dict[int, int]
) -> tuple[dict[int, int], list[dict[int, int]], int]:
    """How often each subschema applies to a value below: to any, and to one of each name.

    The last of the three is how many steps it took to count.
    """
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
    return reached.pop(None, {}), list(reached.values()), steps


def _level(graph: _Graph, anywhere: dict[int, int], named: list[dict[int, int]]) -> Level:
    def most(name: str) -> int:
        worst = max((_total(graph, name, ways) for ways in named), default=0)
        return _total(graph, name, anywhere) + worst

    return Level(max(1, most("visits")), *(most(name) for name in _FIELDS[1:]))


def _total(graph: _Graph, name: str, ways: dict[int, int]) -> int:
    return sum(getattr(graph.own[at], name) * count for at, count in ways.items())


def _most(anywhere: dict[int, int], named: list[dict[int, int]]) -> dict[int, int]:
    """The ways to a value of whatever name, each as many as with the worst name."""
    most: dict[int, int] = {}
    for ways in named:
        for at, count in ways.items():
            most[at] = max(most.get(at, 0), count)
    _add(most, anywhere, 1)
    return most


def _add(to: dict[int, int], more: dict[int, int], times: int) -> None:
    for at, count in more.items():
        to[at] = to.get(at, 0) + count * times
