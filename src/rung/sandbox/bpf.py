"""An assembler for the few classic BPF instructions that a seccomp filter needs.

A program is a list of `Op` and of labels (plain strings). Jumps name labels; an absent label means
the next instruction. Source: linux/filter.h, linux/seccomp.h.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_LOAD_WORD = 0x20
_AND = 0x54
_RETURN = 0x06
_EQUAL = 0x15
_GREATER = 0x25
_AT_LEAST = 0x35
_ANY_BIT = 0x45

ALLOW = 0x7FFF_0000
KILL_PROCESS = 0x8000_0000
_ERRNO = 0x0005_0000

NUMBER_AT = 0
ARCHITECTURE_AT = 4
_ARGUMENTS_AT = 16

_LONGEST_JUMP = 255


@dataclass(frozen=True, slots=True)
class Op:
    """One instruction; ``yes`` and ``no`` are the labels a jump goes to."""

    code: int
    value: int
    yes: str | None = None
    no: str | None = None


def load(offset: int) -> Op:
    """Load 32 bits of ``struct seccomp_data``."""
    return Op(_LOAD_WORD, offset)


def load_argument(index: int) -> Op:
    """Load the low 32 bits of a system call's argument, on a little-endian machine."""
    return Op(_LOAD_WORD, _ARGUMENTS_AT + 8 * index)


def keep_bits(mask: int) -> Op:
    """Clear all other bits of what is loaded."""
    return Op(_AND, mask)


def give(action: int) -> Op:
    """End with ``action``."""
    return Op(_RETURN, action)


def if_equal(value: int, yes: str | None = None, no: str | None = None) -> Op:
    """Jump by whether what is loaded equals ``value``."""
    return Op(_EQUAL, value, yes, no)


def if_greater(value: int, yes: str | None = None, no: str | None = None) -> Op:
    """Jump by whether it is greater than ``value``, unsigned."""
    return Op(_GREATER, value, yes, no)


def if_at_least(value: int, yes: str | None = None, no: str | None = None) -> Op:
    """Jump by whether it is ``value`` or greater, unsigned."""
    return Op(_AT_LEAST, value, yes, no)


def if_any_bit(mask: int, yes: str | None = None, no: str | None = None) -> Op:
    """Jump by whether any bit of ``mask`` is set."""
    return Op(_ANY_BIT, mask, yes, no)


def refuse(errno: int) -> int:
    """The action that lets a call fail with ``errno``."""
    return _ERRNO | errno


def assemble(program: Sequence[Op | str]) -> bytes:
    """The program as an array of ``struct sock_filter``.

    Raises ValueError for a label that is unknown, doubled, behind its jump or too far ahead.
    """
    places: dict[str, int] = {}
    ops: list[Op] = []
    for item in program:
        if isinstance(item, Op):
            ops.append(item)
        elif item in places:
            raise ValueError(f"label {item!r} is there twice")
        else:
            places[item] = len(ops)
    return b"".join(
        struct.pack(
            "=HBBI",
            op.code,
            _distance(places, op.yes, place),
            _distance(places, op.no, place),
            op.value,
        )
        for place, op in enumerate(ops)
    )


def _distance(places: dict[str, int], label: str | None, place: int) -> int:
    if label is None:
        return 0
    if label not in places:
        raise ValueError(f"no label {label!r}")
    distance = places[label] - place - 1
    if not 0 <= distance <= _LONGEST_JUMP:
        raise ValueError(f"label {label!r} is {distance} instructions away")
    return distance
