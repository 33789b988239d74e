"""What a virtual key may do, and that none may do more than the key it was made with.

``None`` leaves a thing open. Rights are checked twice: `excess` when a key is made, `met` along the
whole line of its makers each time it is used, so that no stored row can widen another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from rung.core.budgets import Per
from rung.core.money import exact, readable


class May(StrEnum):
    """Kinds of work. CALL: have requests answered. KEYS: make keys. READ: see all requests."""

    CALL = "call"
    KEYS = "keys"
    READ = "read"


ALL: Final = frozenset(May)
MOST_RATE: Final = 1_000_000_000
"""Requests or tokens a minute; more is no limit."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What one key may do.

    ``ladders`` and ``tiers`` are the only ones that its requests may go to; of ``ladders`` the
    first serves where the default is none of them. ``request_nanousd`` caps one request, ``caps``
    all of a period. ``private``: nothing of its requests may leave this machine.
    """

    may: frozenset[May] = frozenset({May.CALL})
    ladders: tuple[str, ...] | None = None
    tiers: tuple[str, ...] | None = None
    project: str | None = None
    private: bool = False
    request_nanousd: int | None = None
    caps: Mapping[Per, int] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether a single request may be anything; caps and rates are on all of them together."""
        held = (self.ladders, self.tiers, self.project, self.request_nanousd)
        return not self.private and held == (None, None, None, None)


OPERATOR: Final = Rights(may=ALL)
"""Who may run commands on the gateway's own machine may do anything."""

NOTHING: Final = Rights(may=frozenset(), ladders=(), tiers=())


@dataclass(frozen=True, slots=True)
class Excess:
    """One right that a maker cannot give: which, and how far its own reaches."""

    field: str
    message: str


# ------------------------------------------------------------------ at use


def met(own: Rights, maker: Rights) -> Rights:
    """What both allow. Caps and rates stay the key's own: its makers' are counted beside them."""
    if maker.project is not None and own.project not in {None, maker.project}:
        return NOTHING
    return Rights(
        may=own.may & maker.may,
        ladders=_common(own.ladders, maker.ladders),
        tiers=_common(own.tiers, maker.tiers),
        project=own.project if maker.project is None else maker.project,
        private=own.private or maker.private,
        request_nanousd=_lower(own.request_nanousd, maker.request_nanousd),
        caps=own.caps,
        requests_per_minute=own.requests_per_minute,
        tokens_per_minute=own.tokens_per_minute,
    )


def _common(own: tuple[str, ...] | None, maker: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if own is None or maker is None:
        return maker if own is None else own
    return tuple(name for name in own if name in maker)


def _lower(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


# ------------------------------------------------------------------ when one is made


def excess(asked: Rights, maker: Rights, *, open_to_public: bool = False) -> Iterator[Excess]:
    """All that ``asked`` names beyond its maker's rights; what it leaves open, the maker's hold.

    ``open_to_public`` says that ``private: false`` was asked for, and not only left out.
    """
    for kind in sorted(asked.may - maker.may):
        yield Excess("may", f"its maker may not {_DEED[kind]} itself")
    for field in ("ladders", "tiers"):
        yield from _names_beyond(field, getattr(asked, field), getattr(maker, field))
    if maker.project is not None and asked.project not in {None, maker.project}:
        yield Excess("project", f"its maker is bound to project {maker.project!r}")
    if maker.private and open_to_public and not asked.private:
        yield Excess("private", "its maker's requests may not leave this machine")
    yield from _amounts_beyond(asked, maker)


_DEED: Final = {May.CALL: "have requests answered", May.KEYS: "make keys", May.READ: "see all"}


def _names_beyond(
    field: str, asked: tuple[str, ...] | None, maker: tuple[str, ...] | None
) -> Iterator[Excess]:
    beyond = [] if asked is None or maker is None else [one for one in asked if one not in maker]
    if beyond:
        yield Excess(field, f"its maker may not go to {', '.join(map(repr, beyond))} itself")


def _amounts_beyond(asked: Rights, maker: Rights) -> Iterator[Excess]:
    money = [("max_usd", asked.request_nanousd, maker.request_nanousd)]
    caps, most = asked.caps or {}, maker.caps or {}
    money += [(f"caps.{per}", caps.get(per), most.get(per)) for per in Per]
    for field, own, limit in money:
        if own is not None and limit is not None and own > limit:
            yield Excess(field, f"its maker's own cap is {readable(limit)}")
    for field in ("requests_per_minute", "tokens_per_minute"):
        own, limit = getattr(asked, field), getattr(maker, field)
        if own is not None and limit is not None and own > limit:
            yield Excess(field, f"its maker's own limit is {limit:,}")


# ------------------------------------------------------------------ as data


def told(rights: Rights) -> dict[str, Any]:
    """Rights for people and programs: amounts in dollars, what is open left out."""
    plain = stored(rights)
    caps: Mapping[str, int] = plain["caps"]
    plain["caps"] = {per: exact(amount) for per, amount in caps.items()}
    request = plain.pop("request_nanousd")
    plain["max_usd"] = None if request is None else exact(request)
    return {field: value for field, value in plain.items() if value not in (None, False, {})}


def stored(rights: Rights) -> dict[str, Any]:
    """Rights as they are kept: every field, amounts in nano-dollars."""
    return {
        "may": sorted(rights.may),
        "ladders": None if rights.ladders is None else list(rights.ladders),
        "tiers": None if rights.tiers is None else list(rights.tiers),
        "project": rights.project,
        "private": rights.private,
        "request_nanousd": rights.request_nanousd,
        "caps": {per.value: amount for per, amount in sorted((rights.caps or {}).items())},
        "requests_per_minute": rights.requests_per_minute,
        "tokens_per_minute": rights.tokens_per_minute,
    }


def from_stored(data: object) -> Rights:
    """The rights of a row. Raises ValueError for anything but exactly what `stored` writes.

    A field that is missing or unknown, as from a newer version, may be a limit: nobody guesses.
    """
    if not isinstance(data, Mapping) or set(data) != set(stored(OPERATOR)):
        raise ValueError("the rights have other fields than are known here")
    caps, shapes = data["caps"], {"may": list, "caps": Mapping, "private": bool}
    known = all(isinstance(data[field], shape) for field, shape in shapes.items())
    if not known or not isinstance(data["project"], str | None):
        raise ValueError("the rights are of another shape than is known here")
    return Rights(
        may=frozenset(May(each) for each in data["may"]),
        ladders=_names(data["ladders"]),
        tiers=_names(data["tiers"]),
        project=data["project"],
        private=data["private"],
        request_nanousd=_number(data["request_nanousd"]),
        caps={Per(per): _amount(amount) for per, amount in caps.items()},
        requests_per_minute=_number(data["requests_per_minute"]),
        tokens_per_minute=_number(data["tokens_per_minute"]),
    )


def _names(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("the rights hold names that are none")
    return tuple(value)


def _number(value: object) -> int | None:
    return None if value is None else _amount(value)


def _amount(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("the rights hold a limit that is none")
    return value
