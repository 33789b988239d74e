"""Unit tests as data: lines of JSON, or a list, each a call with what it gives or raises."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rung.core.nearest import nearest
from rung.verifiers.base import shown
from rung.verifiers.options import wrong
from rung.verifiers.unit_inside.crossing import CannotCrossError, plain

KEYS = ("call", "args", "kwargs", "expect", "raises", "approx")
MOST = 10_000
_EXAMPLE = '{ call = "add", args = [2, 2], expect = 4 }'

Cases = tuple[Mapping[str, Any], ...]


def read(given: object) -> Cases:
    """Cases in the form that they are run in. Raises ConfigError."""
    if isinstance(given, str):
        given = _lines(given)
    if not isinstance(given, Iterable) or isinstance(given, Mapping | bytes):
        raise wrong("cases", "cases must be a list of tables, or a path.", f"cases = [{_EXAMPLE}]")
    made = tuple(_case(each, number) for number, each in enumerate(given, 1))
    if not made:
        raise wrong("cases", "there is no case.", f"cases = [{_EXAMPLE}]")
    if len(made) > MOST:
        raise wrong("cases", f"there are more than {MOST:,} cases.", "split them")
    return made


def _lines(text: str) -> list[object]:
    found: list[object] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                said = f"line {number} is not JSON: {shown(str(error), 100)}."
                raise wrong("cases", said, "write one JSON object a line") from None
    return found


def _case(given: object, number: int) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise _wrong(number, "is no table", _EXAMPLE)
    unknown = next((key for key in given if key not in KEYS), None)
    if unknown is not None:
        raise _wrong(number, f"has no key {unknown!r}", nearest(str(unknown), KEYS))
    call = given.get("call")
    if not isinstance(call, str) or not call.isidentifier():
        raise _wrong(number, "names no function in call", 'call = "add"')
    if ("expect" in given) == ("raises" in given):
        raise _wrong(number, "needs either expect or raises", "expect = 4")
    made = {"id": f"case {number}", "call": call}
    made |= _crossing(given, number)
    raises = given.get("raises")
    if raises is not None and not (isinstance(raises, str) and raises.isidentifier()):
        raise _wrong(number, "names no error in raises", 'raises = "ValueError"')
    return made | ({} if raises is None else {"raises": raises}) | _approx(given, number)


def _crossing(given: Mapping[str, Any], number: int) -> dict[str, Any]:
    args, kwargs = given.get("args", []), given.get("kwargs", {})
    if not isinstance(args, list | tuple):
        raise _wrong(number, "has args that are no list", "args = [2, 2]")
    if not isinstance(kwargs, Mapping) or not all(isinstance(key, str) for key in kwargs):
        raise _wrong(number, "has kwargs that are no table", "kwargs = { base = 10 }")
    try:
        made = {"args": plain(list(args)), "kwargs": plain(dict(kwargs))}
        return made | ({"expect": plain(given["expect"])} if "expect" in given else {})
    except CannotCrossError as error:
        raise _wrong(number, f"holds {error}", "use numbers, texts, lists, tables") from None


def _approx(given: Mapping[str, Any], number: int) -> dict[str, Any]:
    room = given.get("approx", False)
    if room is False:
        return {}
    if not isinstance(room, int | float) or not room >= 0:
        raise _wrong(number, "has an approx that is no number above zero", "approx = 0.01")
    return {"approx": 0.0 if room is True else float(room)}


def _wrong(number: int, said: str, fix: str | None) -> Exception:
    return wrong("cases", f"case {number} {said}.", fix)
