"""What the tests hold in the place of the code's functions, classes, objects and iterators.

An object that the tests made themselves, by calling a class, or that the module names, may be used
like any. One that a call gave stands where a plain value may have been expected: it can do nothing
that plain values can, since then the code would answer the tests' own questions about its results.
"""

from __future__ import annotations

from typing import Any

from .told import told_call

_PLAIN = (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset)
_OF_PLAIN = frozenset(name for kind in _PLAIN for name in dir(kind)) - frozenset(dir(object))
_ALIKE = frozenset({"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"})
_FOR_ALL = frozenset({"__str__", "__repr__", "__bool__", "__enter__", "__exit__", "__call__"})

_REFUSED = "only a test beside the code (mode in_process) can tell"


class _StandIn:
    """Something of the code's, by its number in the other process."""

    __slots__ = ("rung_label", "rung_made", "rung_number", "rung_session")

    rung_session: Any
    rung_number: int
    rung_made: bool
    rung_label: str

    def __init__(self, session: Any, number: int, label: str) -> None:
        _put(self, "rung_session", session)
        _put(self, "rung_number", number)
        _put(self, "rung_made", value=False)
        _put(self, "rung_label", label)

    def __repr__(self) -> str:
        return f"<{self.rung_label} of the answer>"


class Function(_StandIn):
    """A function: calling it asks the other process."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return called(self, None, self.rung_label, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _check(self, name)
        return _got(self, name)


class Class(Function):
    """A class: what calling it gives was made by the tests."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        # A name in small letters says that its value may be meant to be plain. The name is the one
        # that the tests use: the class may call itself anything.
        own = self.rung_label.rpartition(".")[2].lstrip("_")
        if isinstance(made, Object) and self.rung_made and own[:1].isupper():
            return _as_made(made, made.rung_label)
        return made

    def __instancecheck__(self, other: object) -> bool:
        if not isinstance(other, _StandIn):
            return False
        return bool(self.rung_session.do(other.rung_number, "is", None, [self]))


class Object(_StandIn):
    """Any other object."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _check(self, name)
        return _got(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        _check(self, name)
        self.rung_session.do(self.rung_number, "set", name, [value])

    def __hash__(self) -> int:
        return hash(self.rung_number)


class Member(Object):
    """A member of an enumeration: the same as another of the same name."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Member) and other.rung_label == self.rung_label

    def __hash__(self) -> int:
        return hash(self.rung_label)


class Iterator(_StandIn):
    """What a generator gives, one by one."""

    __slots__ = ()

    def __iter__(self) -> Any:
        given = self.rung_session.do(self.rung_number, "call", "__iter__")
        return given if isinstance(given, Iterator) else self

    def __next__(self) -> Any:
        return self.rung_session.do(self.rung_number, "call", "__next__")

    def __getattr__(self, name: str) -> Any:
        if name not in ("send", "throw", "close"):
            raise AttributeError(name)
        return _got(self, name)


STAND_INS = {
    "call": Function,
    "class": Class,
    "object": Object,
    "member": Member,
    "iter": Iterator,
}


def _put(stand_in: _StandIn, name: str, value: object) -> None:
    """Past the stand-in's own ``__setattr__``, which sets what is the code's."""
    object.__setattr__(stand_in, name, value)


def number_of(value: object) -> int | None:
    """The number of what is a stand-in."""
    return value.rung_number if isinstance(value, _StandIn) else None


def called(of: _StandIn, name: str | None, label: str, args: Any, kwargs: Any) -> Any:
    """Call ``of``, or its method ``name``, and keep how it was written for who reads of it."""
    session = of.rung_session
    if name not in _FOR_ALL or name == "__call__":
        session.last = told_call(label, args, kwargs)
    return session.do(of.rung_number, "call", name, args, kwargs)


def _got(of: _StandIn, name: str) -> Any:
    got = of.rung_session.do(of.rung_number, "get", name)
    if isinstance(got, Class) and isinstance(of, Class) and of.rung_made:
        return _as_made(got, f"{of.rung_label}.{name}")
    if isinstance(got, Function):
        _put(got, "rung_label", f"{of.rung_label}.{name}")
    return got


def of_module(session: Any, name: str) -> Any:
    """What the module calls ``name``: the tests know what it is. Raises AttributeError."""
    got = session.do(0, "get", name)
    return _as_made(got, name) if isinstance(got, _StandIn) else got


def _as_made(shown: _StandIn, label: str) -> Any:
    """Another stand-in for the same, which may be used like what it is.

    Not the same one: the code may hand back, in the place of a plain value, what tests have made.
    """
    made = type(shown)(shown.rung_session, shown.rung_number, label)
    _put(made, "rung_made", value=True)
    return made


def _check(of: _StandIn, name: str) -> None:
    """Refuse what the code could answer falsely in the place of a plain value."""
    if not of.rung_made and name in _OF_PLAIN and name not in _FOR_ALL:
        raise of.rung_session.refused(
            f"{of.rung_session.last} gave an object ({of.rung_label}), and its {name} is used"
            f" where a plain value may be meant: {_REFUSED}"
        )


def _special(name: str) -> Any:
    def method(self: Object, *args: Any) -> Any:
        _check(self, name)
        return called(self, name, f"{self.rung_label}.{name}", args, {})

    return method


def _alike(name: str) -> Any:
    def method(self: Object, other: object) -> Any:
        if not isinstance(other, _StandIn):
            return {"__eq__": False, "__ne__": True}.get(name, NotImplemented)
        if other.rung_number == self.rung_number and name in ("__eq__", "__ne__"):
            return name == "__eq__"
        if self.rung_made and getattr(other, "rung_made", False):
            return called(self, name, f"{self.rung_label}.{name}", [other], {})
        raise self.rung_session.refused(
            f"{self.rung_session.last}: the tests compare two objects of the answer's own"
            f" ({self.rung_label}, {other.rung_label}): {_REFUSED}"
        )

    return method


_SPECIAL = (
    *("len", "iter", "next", "contains", "getitem", "setitem", "delitem", "reversed", "round"),
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"),
    *("radd", "rsub", "rmul", "rtruediv", "neg", "pos", "abs", "invert"),
    *("int", "float", "bool", "str", "enter", "exit", "call"),
)
for _name in _SPECIAL:
    setattr(Object, f"__{_name}__", _special(f"__{_name}__"))
for _name in _ALIKE - set(Object.__dict__):
    setattr(Object, _name, _alike(_name))
