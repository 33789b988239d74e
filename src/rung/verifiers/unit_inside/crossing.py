"""Values as they cross between tests and code: builtins of exact types, and references to the rest.

JSON, in which every object is one tag with its content. What is decoded is made anew by the
builtin's own constructor, so that nothing of another process's classes comes with it.
"""

from __future__ import annotations

import collections
import importlib
import keyword
import math
from collections.abc import Callable
from typing import Any, cast

DEEPEST = 100
"""Nesting of a value."""

_SMALL = 1 << 53
_LONGEST_NAME = 200
_LOWERED = (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)

Refer = Callable[[object], "dict[str, Any]"]
Resolve = Callable[[Any], object]


class CannotCrossError(Exception):
    """A value has no plain form; the message says what it is."""


class BrokenValueError(ValueError):
    """What was received is no value."""


def encode(value: object, refer: Refer, *, lower: bool = False, depth: int = 0) -> Any:
    """The JSON form of ``value``. ``refer`` gives that of what is no builtin, or raises.

    ``lower`` sends instances of a builtin's subclass as the builtin. Raises CannotCrossError.
    """
    if depth > DEEPEST:
        raise CannotCrossError(f"a value nested deeper than {DEEPEST}")
    known = _ENCODERS.get(type(value))
    if known is not None:

        def inner(item: object) -> Any:
            return encode(item, refer, lower=lower, depth=depth + 1)

        return known(value, inner)
    standard = _STANDARD.get(f"{type(value).__module__}.{type(value).__qualname__}")
    if standard is not None:
        return {"standard": [standard[0], plain(standard[1](value))]}
    named = _named_tuple(value)
    if named is not None:
        items = [encode(each, refer, lower=lower, depth=depth + 1) for each in named[2]]
        return {"named": [named[0], named[1], items]}
    lowered = _lowered(value) if lower else None
    if lowered is not None:
        return encode(lowered[0], refer, lower=True, depth=depth + 1)
    return refer(value)


def decode(said: Any, resolve: Resolve, depth: int = 0) -> Any:
    """The value of a JSON form. ``resolve`` gives that of a reference. Raises BrokenValueError."""
    if depth > DEEPEST + 1:
        raise BrokenValueError("nested too deep")
    if said is None or type(said) in (bool, int, float, str):
        return said

    def inner(item: Any) -> Any:
        return decode(item, resolve, depth + 1)

    if type(said) is list:
        return [inner(each) for each in said]
    if type(said) is not dict or len(said) != 1:
        raise BrokenValueError("no value")
    ((tag, content),) = said.items()
    return resolve(content) if tag == "ref" else _decoded(tag, content, inner)


def _decoded(tag: str, content: Any, inner: Resolve) -> Any:
    if tag not in _DECODERS:
        raise BrokenValueError("an unknown tag")
    try:
        return _DECODERS[tag](content, inner)
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise BrokenValueError(f"no {tag}") from error


def plain(value: object, *, lower: bool = False) -> Any:
    """The JSON form of a value that holds builtins alone. Raises CannotCrossError."""
    return encode(value, _refuse, lower=lower)


def unplain(said: Any) -> Any:
    """The value of such a form. Raises BrokenValueError."""
    return decode(said, _no_reference)


def _refuse(value: object) -> dict[str, Any]:
    raise CannotCrossError(f"a value of the type {type(value).__name__}")


def _no_reference(_said: Any) -> object:
    raise BrokenValueError("a reference where none may be")


# ------------------------------------------------------------------ to JSON


def _integer(value: Any, _inner: Any) -> Any:
    # Hexadecimal: decimal text of a large number takes long to read, and Python bounds its length.
    return value if -_SMALL < value < _SMALL else {"int": hex(value)}


def _float(value: Any, _inner: Any) -> Any:
    return value if math.isfinite(value) else {"float": str(value)}


def _pairs(value: Any, inner: Any) -> Any:
    return {"dict": [[inner(key), inner(item)] for key, item in value.items()]}


def _items(tag: str) -> Callable[[Any, Any], Any]:
    return lambda value, inner: {tag: [inner(item) for item in value]}


def _as_it_is(value: Any, _inner: Any) -> Any:
    return value


_ENCODERS: dict[type, Callable[[Any, Any], Any]] = {
    type(None): _as_it_is,
    bool: _as_it_is,
    str: _as_it_is,
    int: _integer,
    float: _float,
    complex: lambda value, inner: {"complex": [inner(value.real), inner(value.imag)]},
    bytes: lambda value, _inner: {"bytes": value.hex()},
    bytearray: lambda value, _inner: {"bytearray": value.hex()},
    list: lambda value, inner: [inner(item) for item in value],
    tuple: _items("tuple"),
    set: _items("set"),
    frozenset: _items("frozenset"),
    dict: _pairs,
    range: lambda value, inner: {"range": [*map(inner, (value.start, value.stop, value.step))]},
}


def _lowered(value: object) -> tuple[object] | None:
    """The builtin that an instance of its subclass is, but for tuples with names and members."""
    if hasattr(type(value), "__members__") or hasattr(value, "_fields"):
        return None
    for base in _LOWERED:
        if isinstance(value, base):
            return (cast("Any", base)(value),)
    return None


def _named_tuple(value: object) -> tuple[str, list[str], list[object]] | None:
    fields = getattr(value, "_fields", None)
    if not isinstance(value, tuple) or not isinstance(fields, tuple) or len(fields) != len(value):
        return None
    return type(value).__name__, [str(field) for field in fields], list(value)


# ------------------------------------------------------------------ from JSON


def _named(content: Any, inner: Any) -> Any:
    name, fields, items = content
    words = [name, *fields]
    if any(type(word) is not str or not _usable(word) for word in words):
        raise BrokenValueError("no names")
    return collections.namedtuple(name, fields)(*inner(items))  # noqa: PYI024


def _usable(word: str) -> bool:
    """Whether a tuple's field may be called so without taking the place of anything."""
    if len(word) > _LONGEST_NAME or word.startswith("_") or hasattr(tuple, word):
        return False
    return word.isidentifier() and not keyword.iskeyword(word)


def _nonfinite(content: Any, _inner: Any) -> float:
    if content not in ("nan", "inf", "-inf"):
        raise BrokenValueError("no number")
    return float(content)


def _hexadecimal(content: Any, _inner: Any) -> int:
    return int(content, 16)


def _standard(content: Any, _inner: Any) -> Any:
    name, said = content
    kind, _, make = _STANDARD[name]
    module, _, attribute = kind.rpartition(".")
    return make(getattr(importlib.import_module(module), attribute), unplain(said))


_STANDARD: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    name: (name, to, back)
    for name, to, back in (
        ("decimal.Decimal", str, lambda kind, said: kind(said)),
        ("fractions.Fraction", lambda v: [v.numerator, v.denominator], lambda k, said: k(*said)),
        ("datetime.date", lambda v: v.isoformat(), lambda kind, said: kind.fromisoformat(said)),
        ("datetime.datetime", lambda v: v.isoformat(), lambda k, said: k.fromisoformat(said)),
        ("datetime.time", lambda v: v.isoformat(), lambda kind, said: kind.fromisoformat(said)),
        (
            "datetime.timedelta",
            lambda v: [v.days, v.seconds, v.microseconds],
            lambda kind, said: kind(*said),
        ),
        ("uuid.UUID", str, lambda kind, said: kind(said)),
    )
}
"""Values of the standard library that cross by what they are made from, each as exactly its own
type."""


_DECODERS: dict[str, Callable[[Any, Any], Any]] = {
    "int": _hexadecimal,
    "float": _nonfinite,
    "complex": lambda content, inner: complex(*inner(content)),
    "bytes": lambda content, _inner: bytes.fromhex(content),
    "bytearray": lambda content, _inner: bytearray.fromhex(content),
    "tuple": lambda content, inner: tuple(inner(content)),
    "set": lambda content, inner: set(inner(content)),
    "frozenset": lambda content, inner: frozenset(inner(content)),
    "dict": lambda content, inner: {inner(key): inner(item) for key, item in content},
    "range": lambda content, inner: range(*inner(content)),
    "named": _named,
    "standard": _standard,
}
