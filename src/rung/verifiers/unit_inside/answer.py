"""Runs a model's code and answers calls to it. Nothing here is trusted, and nothing here is secret.

First comes a frame with the module's name; then each message asks for one thing, and one reply to
it is written. Before it replies, a message of its own may ask to call a function that it was given.
"""

from __future__ import annotations

import asyncio
import builtins
import collections.abc
import enum
import importlib.util
import inspect
import json
import operator
import sys
from typing import Any

from .crossing import CannotCrossError, decode, encode, plain
from .frames import LONGEST, Pipe

_LONGEST_TEXT = 2_000
_DOES: dict[str, Any] = {
    **{f"__{name}__": getattr(builtins, name) for name in ("len", "iter", "next", "str", "repr")},
    **{f"__{name}__": getattr(builtins, name) for name in ("bool", "int", "float", "abs")},
    **{f"__{name}__": getattr(builtins, name) for name in ("round", "reversed", "hash")},
    **{
        f"__{name}__": getattr(operator, name)
        for name in ("contains", "getitem", "setitem", "delitem", "eq", "ne", "lt", "le")
    },
    **{
        f"__{name}__": getattr(operator, name)
        for name in ("gt", "ge", "neg", "pos", "invert", "index")
    },
    **{
        f"__{name}__": getattr(operator, name)
        for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
    },
    **{f"__{name}__": getattr(operator, f"{name}_") for name in ("and", "or")},
    "__xor__": operator.xor,
    "__radd__": lambda one, other: other + one,
    "__rsub__": lambda one, other: other - one,
    "__rmul__": lambda one, other: other * one,
    "__rtruediv__": lambda one, other: other / one,
}
"""What Python does itself where a name is a special method's, with its fallbacks."""


class Answering:
    """The module, and every object of it that the tests have been shown, by number."""

    def __init__(self, pipe: Pipe, module: str) -> None:
        self._pipe = pipe
        self._numbers: dict[int, int] = {}
        self._objects: list[Any] = []
        self._name = module
        self._number(self)

    def serve(self) -> None:
        """Answer until nobody asks."""
        while True:
            said = self._pipe.receive()
            if said is None:
                return
            self._answer(json.loads(said))

    def ask(self, number: int, args: Any, kwargs: Any) -> Any:
        """Call a function of the tests; meanwhile they may call the code."""
        asked = {"ask": number, "args": self._to(args), "kwargs": self._to(kwargs)}
        self._pipe.send(json.dumps(asked).encode())
        while True:
            said = self._pipe.receive()
            if said is None:
                raise SystemExit
            message = json.loads(said)
            if "did" in message:
                return self._from(message["did"])
            if "failed" in message:
                raise _named_error(message["failed"])
            self._answer(message)

    def _answer(self, message: Any) -> None:
        try:
            words = _written(self._done(message))
        except CannotCrossError as error:
            words = json.dumps({"cannot": str(error)})
        except BaseException as error:  # noqa: BLE001 - whatever the code raises is its answer
            words = json.dumps({"raised": self._raised(error)})
        self._pipe.send(f'{{"id": {json.dumps(message["id"])}, {words[1:]}'.encode())

    def _import(self) -> Any:
        """Run the module's code. Raises what it raises."""
        spec = importlib.util.spec_from_file_location(
            self._name, self._name.replace(".", "/") + ".py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[self._name] = module
        spec.loader.exec_module(module)
        return module

    def _done(self, message: Any) -> dict[str, Any]:
        does, name = message["do"], message.get("name")
        if does == "import":
            self._objects[0] = self._import()
            return {"value": None}
        of = self._objects[message["of"]]
        if does == "get":
            return {"value": self._to(getattr(of, name))}
        args = self._from(message.get("args", []))
        if does == "set":
            setattr(of, name, *args)
            return {"value": None}
        if does == "is":
            return {"value": isinstance(of, args[0])}
        if does == "await":
            return {"value": self._to(asyncio.run(of))}
        kwargs = self._from(message["kwargs"])
        result = _called(of, name, args, kwargs)
        return {"value": self._to(result), **self._changed(result, args)}

    def _changed(self, result: object, args: list[Any]) -> dict[str, Any]:
        """Arguments as they are now, of a function that gives nothing: it may work in place."""
        changed = {}
        if result is None:
            for place, each in enumerate(args):
                if type(each) in (list, dict, set, bytearray):
                    try:
                        changed[str(place)] = plain(each, lower=True)
                    except CannotCrossError:
                        continue
        return {"changed": changed} if changed else {}

    def _to(self, value: object) -> Any:
        return encode(value, self._refer, lower=True)

    def _from(self, said: Any) -> Any:
        return decode(said, self._resolve)

    def _resolve(self, said: Any) -> Any:
        whose, number = said
        if whose == "own":
            return self._objects[number]
        return lambda *args, **kwargs: self.ask(number, list(args), kwargs)

    def _refer(self, value: object) -> dict[str, Any]:
        kind, label = _kind(value)
        return {"ref": [self._number(value), kind, label[:_LONGEST_TEXT]]}

    def _number(self, value: object) -> int:
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return self._numbers[id(value)]

    def _raised(self, error: BaseException) -> dict[str, Any]:
        """The error's classes, its arguments, and what it says."""
        try:
            text = str(error)[:_LONGEST_TEXT]
        except BaseException:  # noqa: BLE001 - an error that cannot be told is one all the same
            text = ""
        try:
            args = plain(list(error.args), lower=True)
            if len(json.dumps(args)) > _LONGEST_TEXT:
                args = None
        except BaseException:  # noqa: BLE001 - as above
            args = None
        return {"of": _descent(type(error)), "text": text, "args": args}


def _written(reply: dict[str, Any]) -> str:
    words = json.dumps(reply)
    if len(words) > LONGEST - 2_000:
        raise CannotCrossError(f"a value of {len(words):,} bytes")
    return words


def _called(of: Any, name: str | None, args: Any, kwargs: Any) -> Any:
    if name is None:
        return of(*args, **kwargs)
    if name in _DOES:
        return _DOES[name](of, *args)
    return getattr(of, name)(*args, **kwargs)


def _kind(value: object) -> tuple[str, str]:
    """What the tests are shown a value as, and its name."""
    if isinstance(value, enum.Enum):
        return "member", f"{type(value).__name__}.{value.name}"
    if isinstance(value, type) and issubclass(value, BaseException):
        return "error", _descent(value)
    own = type(value).__module__.partition(".")[0] not in _STANDARD
    kinds = (
        (isinstance(value, type), "class"),
        (inspect.iscoroutine(value), "wait"),
        (isinstance(value, collections.abc.Iterable) and not own, "iter"),
        (callable(value) and not own, "call"),
    )
    kind = next((kind for fits, kind in kinds if fits), "object")
    name = getattr(value, "__name__", None)
    return kind, name if type(name) is str else type(value).__name__


def _descent(kind: type) -> str:
    """The classes of an error, those of the standard library with their modules."""
    return ":".join(
        f"{each.__module__}.{each.__name__}"
        if each.__module__.partition(".")[0] in _STANDARD - {"builtins"}
        else each.__name__
        for each in kind.__mro__[:-1]
    )


_STANDARD = sys.stdlib_module_names


def _named_error(said: Any) -> BaseException:
    name, text = said
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        return kind(text)
    return RuntimeError(f"{name}: {text}")


def main() -> None:
    """Serve one conversation."""
    # Before any code of others runs: to cut it short later would take what they have patched.
    pipe = Pipe()
    hello = pipe.receive()
    if hello is not None:
        Answering(pipe, json.loads(hello)["module"]).serve()
