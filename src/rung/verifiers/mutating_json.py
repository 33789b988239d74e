"""Ways to spoil a JSON value: each yields the text of variants, none where it does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import combinations, islice
from random import Random
from typing import Any

from rung.verifiers import strict_json
from rung.verifiers.mutating_text import shuffled

Path = tuple[str | int, ...]

MOST_PAIRS = 500
"""Pairs of an object's fields that are looked at to swap their values."""

_OTHER_TYPES: dict[type, tuple[Callable[[Any], Any], ...]] = {
    bool: (lambda value: str(value).lower(), int),
    int: (str, lambda value: [value]),
    float: (str, lambda value: [value]),
    str: (lambda value: [value], lambda _: 0, lambda value: {"value": value}),
    list: (lambda value: value[0] if value else {}, json.dumps),
    dict: (lambda value: [value], json.dumps),
    type(None): (lambda _: "", lambda _: 0),
}
"""How a value of one type is said in another, as models mistake them."""


def value_of(text: str) -> Any:
    """The object or array that a text is; ``None`` for any other text."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return strict_json.parse(text)
    except strict_json.NotJsonError:
        return None


def walk(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every value with its path, the whole first."""
    below: list[tuple[Path, Any]] = [((), value)]
    while below:
        path, at = below.pop()
        yield path, at
        if isinstance(at, dict):
            below += [((*path, key), each) for key, each in at.items()]
        elif isinstance(at, list):
            below += [((*path, place), each) for place, each in enumerate(at)]


def _written(value: Any, like: str) -> str:
    """``value`` as JSON text, spaced as its original is, so that a mutant differs in one place."""
    if "\n" in like.strip():
        return json.dumps(value, ensure_ascii=False, indent=2)
    spaced = '": ' in like or '":' not in like
    separators = (", ", ": ") if spaced else (",", ":")
    return json.dumps(value, ensure_ascii=False, separators=separators)


def _edited(text: str, path: Path, change: Callable[[Any], object]) -> str:
    """The text after ``change`` of what is at ``path`` of a copy."""
    copy = json.loads(text)
    at = copy
    for key in path:
        at = at[key]
    change(at)
    return _written(copy, text)


def _each(
    text: str, chance: Random, fits: Callable[[Path, Any], bool]
) -> Iterator[tuple[Path, Any]]:
    value = value_of(text)
    found = [(path, each) for path, each in walk(value) if path and fits(path, each)]
    for place in shuffled(found, chance):
        yield found[place]


def _set(text: str, path: Path, value: Any) -> str:
    return _edited(text, path[:-1], lambda parent: parent.__setitem__(path[-1], value))


def _without(text: str, path: Path) -> str:
    return _edited(text, path[:-1], lambda parent: parent.pop(path[-1]))


def _is_field(path: Path, _: Any) -> bool:
    return isinstance(path[-1], str)


# ------------------------------------------------------------------ fields


def dropped(text: str, chance: Random) -> Iterator[str]:
    """A field left out."""
    for path, _ in _each(text, chance, _is_field):
        yield _without(text, path)


def added(text: str, chance: Random) -> Iterator[str]:
    """A field that nobody asked for, in one of the objects."""
    value = value_of(text)
    found = [path for path, each in walk(value) if isinstance(each, dict)]
    for place in shuffled(found, chance):
        path = (*found[place], "unexpected_note")
        yield _set(text, path, "an extra value")


def renamed(text: str, chance: Random) -> Iterator[str]:
    """A field under another name."""
    for path, each in _each(text, chance, _is_field):
        other = (*path[:-1], f"{path[-1]}_value")
        yield _set(_without(text, path), other, each)


def retyped(text: str, chance: Random) -> Iterator[str]:
    """A value of another type."""
    for path, each in _each(text, chance, lambda _, __: True):
        for change in _OTHER_TYPES[type(each)]:
            yield _set(text, path, change(each))


def nulled(text: str, chance: Random) -> Iterator[str]:
    """A value that is null."""
    for path, _ in _each(text, chance, lambda _, each: each is not None):
        yield _set(text, path, None)


def blanked(text: str, chance: Random) -> Iterator[str]:
    """A text, a list or an object emptied."""
    for path, each in _each(
        text, chance, lambda _, e: bool(e) and isinstance(e, str | list | dict)
    ):
        yield _set(text, path, type(each)())


def reworded(text: str, chance: Random) -> Iterator[str]:
    """A text by another one."""
    for path, each in _each(text, chance, lambda _, each: isinstance(each, str)):
        yield _set(text, path, "something else" if each != "something else" else "another")


def swapped(text: str, chance: Random) -> Iterator[str]:
    """Two different values of one type, of one object, in each other's place."""
    value = value_of(text)
    pairs = [
        (path, one, other)
        for path, each in walk(value)
        if isinstance(each, dict)
        for one, other in islice(combinations(each, 2), MOST_PAIRS)
        if type(each[one]) is type(each[other]) and each[one] != each[other]
    ]
    for place in shuffled(pairs, chance):
        path, one, other = pairs[place]
        exchange = {one: other, other: one}
        yield _edited(text, path, partial(_exchange, exchange=exchange))


def _exchange(parent: dict[str, Any], exchange: Mapping[str, str]) -> None:
    parent |= {key: parent[other] for key, other in exchange.items()}


# ------------------------------------------------------------------ lists and form


def fewer(text: str, chance: Random) -> Iterator[str]:
    """An item of a list left out."""
    for path, _ in _each(text, chance, _is_item):
        yield _without(text, path)


def more(text: str, chance: Random) -> Iterator[str]:
    """An item of a list twice."""
    for path, each in _each(text, chance, _is_item):
        yield _edited(text, path[:-1], partial(_insert, place=path[-1], value=each))


def _insert(parent: list[Any], place: Any, value: Any) -> None:
    parent.insert(place, value)


def _is_item(path: Path, _: Any) -> bool:
    return isinstance(path[-1], int)


def nested(text: str, _: Random) -> Iterator[str]:
    """All of it inside another value."""
    value = value_of(text)
    yield _written({"answer": value}, text)
    yield _written([value], text)


def broken(text: str, _: Random) -> Iterator[str]:
    """No JSON any more, though it looks like it."""
    bare = text.rstrip()
    yield bare[:-1]
    yield f"{bare[:-1].rstrip()},{bare[-1]}"
    yield bare.replace('"', "'")
    yield f"// the result\n{bare}"


def repeated(text: str, _: Random) -> Iterator[str]:
    """One key twice, with another value the second time."""
    value = value_of(text)
    if isinstance(value, dict) and value:
        key = json.dumps(next(iter(value)), ensure_ascii=False)
        yield f"{text.rstrip()[:-1].rstrip()}, {key}: 0}}"
