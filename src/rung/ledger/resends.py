"""Requests that were sent again because their stream broke: which row stands for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Resend(NamedTuple):
    """A request that repeats another, which may be a repetition itself."""

    id: str
    resend_of: str
    started_unix: float


def replaced(resends: Iterable[Resend]) -> dict[str, str]:
    """Each request that another one stands for, with that other one: the newest of its repetitions.

    Whatever the rows say, one request of each chain or circle is left to stand for it.
    """
    known = {resend.id: resend for resend in resends}
    firsts: dict[str, str] = {}
    families: dict[str, list[Resend]] = {}
    for name, resend in known.items():
        families.setdefault(_first(name, known, firsts), []).append(resend)
    stand_ins: dict[str, str] = {}
    for first, family in families.items():
        newest = max(family, key=lambda resend: (resend.started_unix, resend.id)).id
        members = {first, *(resend.id for resend in family)} - {newest}
        stand_ins |= dict.fromkeys(members, newest)
    return stand_ins


def _first(name: str, known: dict[str, Resend], firsts: dict[str, str]) -> str:
    """The request that ``name`` goes back to. ``firsts`` keeps chains from being walked twice."""
    path: list[str] = []
    passed: set[str] = set()
    while name in known and name not in firsts and name not in passed:
        path.append(name)
        passed.add(name)
        name = known[name].resend_of
    first = firsts.get(name, name)
    firsts.update(dict.fromkeys(path, first))
    return first
