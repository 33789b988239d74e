"""Making, ending and exchanging virtual keys: for the operator, and for keys that may make keys.

Every field that can be asked for is listed here, once. A secret exists in the answer to whoever
asked for it, and nowhere else.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from rung.callers import FORBIDDEN, PREFIX
from rung.core.budgets import Per
from rung.core.errors import RequestError
from rung.core.keyring import Holder, Key, Keyring, State, digest
from rung.core.money import from_usd
from rung.core.nearest import nearest
from rung.core.rights import MOST_RATE, May, Rights, excess, told
from rung.ledger.keys import KeyUse, Rotation

T = TypeVar("T")

ALPHABET: Final = string.ascii_letters + string.digits
SECRET_LENGTH: Final = 43
"""Letters and digits: 256 bits, so that a plain hash of it is enough."""

HINT_LENGTH: Final = 4
LONGEST_NAME: Final = 64
MOST_NAMES: Final = 64
LONGEST_SECONDS: Final = 100 * 366 * 86_400
GRACE_SECONDS: Final = 86_400.0
MOST_GRACE_SECONDS: Final = 30 * 86_400.0

_Name = Annotated[str, Meta(min_length=1, max_length=128)]
_Names = Annotated[list[_Name], Meta(min_length=1, max_length=MOST_NAMES)]
_Rate = Annotated[int, Meta(ge=1, le=MOST_RATE)]
_Seconds = Annotated[float, Meta(gt=0, le=LONGEST_SECONDS)]


class Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A key as it is asked for. What is left out, its maker's own rights bound."""

    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    may: Annotated[list[May], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: [May.CALL]
    )
    ladders: _Names | None = None
    tiers: _Names | None = None
    project: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")] | None = None
    private: bool | None = None
    max_usd: Decimal | None = None
    caps: dict[Per, Decimal] = {}
    requests_per_minute: _Rate | None = None
    tokens_per_minute: _Rate | None = None
    expires_in_seconds: _Seconds | None = None


class Exchange(msgspec.Struct, forbid_unknown_fields=True):
    """How long the secret of before goes on to open beside the new one."""

    grace_seconds: Annotated[float, Meta(ge=0, le=MOST_GRACE_SECONDS)] = GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class Made:
    """A key with its secret, which is told once."""

    key: Key
    secret: str


@dataclass(frozen=True, slots=True)
class Known:
    """The ladders and tiers that a key can be for."""

    ladders: Collection[str]
    tiers: Collection[str]


# ------------------------------------------------------------------ reading what is asked for


def read(given: bytes | Mapping[str, Any], kind: type[T]) -> T:
    """A body, or options. Raises RequestError that names the field at fault, never its value."""
    try:
        if isinstance(given, bytes):
            return msgspec.json.decode(given or b"{}", type=kind)
        return msgspec.convert(given, kind)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        what, _, place = str(error).partition(" - at `$")
        field = place.strip("`").removeprefix(".") or None
        raise RequestError(f"{what[:200]}.", param=field) from None


def rights_of(asked: Asked, known: Known) -> Rights:
    """The rights that are asked for. Raises RequestError for names and amounts that are none."""
    if not asked.name.isprintable() or asked.name != asked.name.strip():
        raise RequestError("a key's name is one line of printable text.", param="name")
    _must_exist("ladder", asked.ladders or (), known.ladders)
    _must_exist("tier", asked.tiers or (), known.tiers)
    return Rights(
        may=frozenset(asked.may),
        ladders=None if asked.ladders is None else tuple(dict.fromkeys(asked.ladders)),
        tiers=None if asked.tiers is None else tuple(dict.fromkeys(asked.tiers)),
        project=asked.project,
        private=bool(asked.private),
        request_nanousd=None if asked.max_usd is None else _amount("max_usd", asked.max_usd),
        caps={per: _amount(f"caps.{per}", amount) for per, amount in asked.caps.items()},
        requests_per_minute=asked.requests_per_minute,
        tokens_per_minute=asked.tokens_per_minute,
    )


def _must_exist(what: str, names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            said = f"there is no {what} {name[:80]!r}."
            raise RequestError(said, param=f"{what}s", fix=nearest(name, known))


def _amount(field: str, usd: Decimal) -> int:
    try:
        return from_usd(usd)
    except ValueError as error:
        raise RequestError(f"{error}.", param=field, fix='as in "0.50"') from None


# ------------------------------------------------------------------ making


def mint(asked: Asked, known: Known, maker: Holder | None, now: float) -> Made:
    """A new key of this maker's, ``None`` for the operator; nothing is stored.

    Raises RequestError: 400 for what makes no sense, 403 for more than its maker may itself.
    """
    rights = rights_of(asked, known)
    expires = None if asked.expires_in_seconds is None else now + asked.expires_in_seconds
    _must_not_exceed(asked, rights, maker, expires)
    secret = new_secret()
    parent = None if maker is None else maker.id
    made = Key(
        id=f"k{secrets.token_hex(6)}",
        name=asked.name,
        secret_sha256=digest(secret.encode()),
        hint=secret[-HINT_LENGTH:],
        created_unix=now,
        rights=rights,
        parent_id=parent,
        expires_unix=expires,
    )
    return Made(made, secret)


def _must_not_exceed(
    asked: Asked, rights: Rights, maker: Holder | None, expires: float | None
) -> None:
    """Compare with each of its makers: caps and rates of all of them hold."""
    if maker is None:
        return
    makers = [maker.rights, *(key.rights for key in maker.line if key.rights is not None)]
    for each in makers:
        for beyond in excess(rights, each, open_to_public=asked.private is False):
            raise _too_much(beyond.field, beyond.message)
    ends = [key.expires_unix for key in maker.line if key.expires_unix is not None]
    if expires is not None and ends and expires > min(ends):
        raise _too_much("expires_in_seconds", "its maker expires before that")


def _too_much(field: str, message: str) -> RequestError:
    return RequestError(
        f"no key can be given more than its maker may: {message}.",
        status=FORBIDDEN,
        param=field,
        code="more_than_its_maker",
        fix="ask for less, or leave it out: then its maker's own limits hold",
    )


def exchange(key: Key, grace_seconds: float, now: float) -> tuple[Rotation, str]:
    """What to store so that a new secret opens in the place of the present one, and that secret."""
    secret = new_secret()
    change = Rotation(
        key_id=key.id,
        was_sha256=key.secret_sha256,
        is_sha256=digest(secret.encode()),
        hint=secret[-HINT_LENGTH:],
        until_unix=now + grace_seconds,
    )
    return change, secret


def new_secret() -> str:
    """A secret nobody can guess, of letters that no client or shell mistakes."""
    return PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))


# ------------------------------------------------------------------ finding and showing


def pick(ring: Keyring, text: str, now: float) -> Key:
    """The key of this id, of this name, or of the one id that begins so; those in force first.

    Raises RequestError where there is none (404) or more than one.
    """
    exact = ring.key(text)
    if exact is not None:
        return exact
    named = [key for key in ring.all() if key.name == text]
    found = [key for key in named if ring.state(key.id, now) is State.IN_FORCE] or named
    found = found or [key for key in ring.all() if text and key.id.startswith(text)]
    if len(found) == 1:
        return found[0]
    if not found:
        fix = nearest(text, [key.name for key in ring.all()]) or "`rung keys create NAME` makes one"
        raise RequestError(f"there is no key {text[:80]!r}.", status=404, param="id", fix=fix)
    ids = ", ".join(key.id for key in found[:8])
    raise RequestError(f"{text[:80]!r} could be several keys.", param="id", fix=f"say which: {ids}")


def shown(key: Key, ring: Keyring, now: float, use: KeyUse | None = None) -> dict[str, Any]:
    """A key for people and programs: never its secret, nor a hash of it."""
    until = key.previous_until_unix
    document: dict[str, Any] = {
        "id": key.id,
        "name": key.name,
        "state": ring.state(key.id, now).value,
        "hint": f"...{key.hint}",
        "parent": key.parent_id,
        "created_unix": key.created_unix,
        "expires_unix": key.expires_unix,
        "revoked_unix": key.revoked_unix,
        "old_secret_until_unix": until if until is not None and until > now else None,
        "rights": None if key.rights is None else told(key.rights),
    }
    holder = ring.holder(key.id, now)
    if holder is not None and len(holder.line) > 1:
        document["rights_with_its_makers"] = told(holder.rights)
    if use is not None:
        document["use"] = {
            "requests": use.requests,
            "cost_nanousd": use.cost_nanousd,
            "last_unix": use.last_unix,
        }
    return document
