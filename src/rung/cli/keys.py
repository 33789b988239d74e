"""`rung keys`: who may ask the gateway, and for what."""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from cyclopts import Parameter

from rung.cli.bill import SPAN, UNIT_SECONDS
from rung.cli.output import NOTHING, console, money, one_line, print_json, table, when
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.core.budgets import Per
from rung.core.errors import RequestError
from rung.core.keyring import Holder, Key, Keyring, State
from rung.core.rights import May
from rung.ledger import Ledger, keys
from rung.minting import Asked, Exchange, Known, exchange, mint, pick, read, shown

ONCE = "This is the only time it is shown: the ledger keeps a hash of it."


def _help(text: str) -> Parameter:
    return Parameter(help=text, negative="")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key is bound by; what is left out is open, or as far as the key's parent goes."""

    ladder: Annotated[
        tuple[str, ...],
        _help(
            "A ladder that it may climb; several times for several. The first serves where the"
            " default is none of them."
        ),
    ] = ()
    tier: Annotated[
        tuple[str, ...],
        _help("A tier that may be called for it; several times for several."),
    ] = ()
    project: Annotated[str | None, _help("The project of all its requests.")] = None
    private: Annotated[bool, _help("Nothing of its requests may leave this machine.")] = False
    max_usd: Annotated[Decimal | None, _help("The most that one request may cost.")] = None
    usd_per_day: Annotated[
        Decimal | None, _help("The most that all of them may cost in a day, by UTC.")
    ] = None
    usd_per_week: Annotated[Decimal | None, _help("The same for a week, from Monday on.")] = None
    usd_per_month: Annotated[Decimal | None, _help("The same for a month.")] = None
    usd_ever: Annotated[Decimal | None, _help("The same for as long as it exists.")] = None
    requests_per_minute: Annotated[
        int | None, _help("How many requests it may make in any minute.")
    ] = None
    tokens_per_minute: Annotated[
        int | None, _help("How many tokens they may take in any minute, read and written.")
    ] = None

    def asked(self) -> dict[str, Any]:
        """As fields of `Asked`."""
        caps = (self.usd_per_day, self.usd_per_week, self.usd_per_month, self.usd_ever)
        paired = zip(Per, caps, strict=True)
        return {
            "ladders": [*self.ladder] or None,
            "tiers": [*self.tier] or None,
            "project": self.project,
            "private": self.private or None,
            "max_usd": self.max_usd,
            "caps": {per.value: usd for per, usd in paired if usd is not None},
            "requests_per_minute": self.requests_per_minute,
            "tokens_per_minute": self.tokens_per_minute,
        }


def create(  # noqa: PLR0913 a command's options
    name: str,
    /,
    *,
    limits: Annotated[Limits, Parameter(name="*")] = Limits(),
    expires: str | None = None,
    may: Annotated[tuple[May, ...], Parameter(negative="")] = (May.CALL,),
    parent: str | None = None,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Make a key and show its secret, once.

    Clients send it as `Authorization: Bearer` or as `x-api-key`. What is left out is open, or as
    far as the key's parent goes. From the first key on, `rung serve` serves nobody without one.

    Args:
        name: What the bill and lists call it.
        expires: When it ends: 12h, 30d, 8w from now.
        may: What it may do: `call`, `keys` to make keys below itself, `read` to see all requests
            and the metrics. Name each; a key gives on no more than it may itself.
        parent: The key that it is made with, by id or name: it then may no more than that one.
    """
    given = limits.asked() | {
        "name": name,
        "may": [*may],
        "expires_in_seconds": None if expires is None else span("expires", expires),
    }
    found = load(path, parts=False)
    asked, now = read(given, Asked), time.time()
    with Ledger.open(found.ledger) as ledger:
        maker = None if parent is None else _maker(_ring(ledger), parent, now)
        made = mint(asked, Known(found.file.ladders, found.file.tiers), maker, now)
        with ledger.writing() as connection:
            why = keys.add(connection, made.key)
        if why is not None:
            raise RequestError(f"no key was made: {why}.", param="parent")
        ring = _ring(ledger)
    _tell(made.secret, made.key, ring, now, json=json)


def list(  # noqa: A001 the word people type
    *,
    all: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002 the word people type
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """List the keys in force, oldest first: names, limits, ends. Secrets are kept by nobody.

    Args:
        all: Also those that expired or were revoked.
    """
    now = time.time()
    with open_ledger(load(path, parts=False)) as ledger:
        ring = _ring(ledger)
    listed = [key for key in ring.all() if all or ring.state(key.id, now) is State.IN_FORCE]
    if json:
        print_json([shown(key, ring, now) for key in listed])
        return
    to = console()
    if not listed:
        to.print("No keys in force. `rung keys create NAME` makes one.")
        return
    columns = [(name, "left") for name in ("id", "name", "ends in", "state", "expires", "limits")]
    rows = table(f"{ring.in_force(now)} in force", columns)
    for key in listed:
        rows.add_row(
            key.id,
            one_line(key.name, 30),
            key.hint,
            ring.state(key.id, now).value,
            NOTHING if key.expires_unix is None else when(key.expires_unix),
            one_line(_limits(shown(key, ring, now)), 100),
        )
    to.print(rows)


def show(id: str, /, *, path: ConfigPath = None, json: Json = False) -> None:  # noqa: A002 the word people type
    """Show one key: its rights, its line of makers, and what was booked under it.

    Args:
        id: The key's id, the beginning of it, or its name.
    """
    now = time.time()
    with open_ledger(load(path, parts=False)) as ledger:
        ring = _ring(ledger)
        key = pick(ring, id, now)
        with ledger.reading() as connection:
            used = keys.use(connection, [key.id]).get(key.id, keys.KeyUse())
    document = shown(key, ring, now, used)
    if json:
        print_json(document)
        return
    to = console()
    to.print(f"[bold]{key.id}[/]  {one_line(key.name)}  ...{key.hint}  {document['state']}")
    makers = " < ".join(f"{one_line(each.name)} ({each.id})" for each in ring.line(key.id)[1:])
    lines = {
        "made": when(key.created_unix) + (f" with {makers}" if makers else ""),
        "expires": None if key.expires_unix is None else when(key.expires_unix),
        "revoked": None if key.revoked_unix is None else when(key.revoked_unix),
        "limits": one_line(_limits(document), 300),
        "booked": f"{used.requests} requests, {money(used.cost_nanousd)}",
        "last request": None if used.last_unix is None else when(used.last_unix),
    }
    for label, value in lines.items():
        if value is not None:
            to.print(f"  {label:<14} {value}")


def revoke(id: str, /, *, path: ConfigPath = None, json: Json = False) -> None:  # noqa: A002 the word people type
    """End a key and all that were made with it, on every gateway of this ledger, in two seconds.

    Requests that are running end as they would have. The key stays in the ledger, for the bill.

    Args:
        id: The key's id, the beginning of it, or its name.
    """
    now = time.time()
    with open_ledger(load(path, parts=False)) as ledger:
        key = pick(_ring(ledger), id, now)
        with ledger.writing() as connection:
            done = keys.revoke(connection, key.id, now)
        ring = _ring(ledger)
    if json:
        print_json(shown(ring.key(key.id) or key, ring, now))
        return
    again = "" if done else " (as it was before)"
    console().print(f"{key.id} {one_line(key.name)} is revoked{again}.")


def rotate(
    id: str,  # noqa: A002 the word people type
    /,
    *,
    grace: str = "1d",
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Exchange a key's secret and show the new one, once. Rights, caps and what is spent stay.

    Args:
        id: The key's id, the beginning of it, or its name.
        grace: How long the old secret goes on to open: 0s ends it now, 30d at most.
    """
    now = time.time()
    wanted = read({"grace_seconds": span("grace", grace)}, Exchange)
    with open_ledger(load(path, parts=False)) as ledger:
        key = pick(_ring(ledger), id, now)
        change, secret = exchange(key, wanted.grace_seconds, now)
        with ledger.writing() as connection:
            done = keys.rotate(connection, change)
        ring = _ring(ledger)
    if not done:
        said = f"{key.id} was revoked, or its secret was just exchanged by somebody else."
        raise RequestError(said, param="id", fix=f"rung keys show {key.id}")
    _tell(secret, ring.key(key.id) or key, ring, now, json=json)


def span(option: str, text: str) -> float:
    """A span of time such as 30d, in seconds. Raises RequestError."""
    found = SPAN.match(text)
    if found is None:
        raise RequestError(f"{text!r} is no span of time.", param=option, fix="as in 12h, 30d, 8w")
    return float(int(found[1]) * UNIT_SECONDS[found[2]])


def _ring(ledger: Ledger) -> Keyring:
    with ledger.reading() as connection:
        return keys.read(connection)


def _maker(ring: Keyring, text: str, now: float) -> Holder:
    """The operator may make a key below any that is in force, also one that may not itself."""
    key = pick(ring, text, now)
    holder = ring.holder(key.id, now)
    if holder is None:
        said = f"{key.id} {key.name!r} is {ring.state(key.id, now)}: no key can be made with it."
        raise RequestError(said, param="parent")
    return holder


def _tell(secret: str, key: Key, ring: Keyring, now: float, *, json: bool) -> None:
    if json:
        print_json({"secret": secret, "key": shown(key, ring, now)})
        return
    to = console()
    to.print(f"{key.id}  {one_line(key.name)}  {one_line(_limits(shown(key, ring, now)), 100)}")
    to.print(f"\n[bold]{secret}[/]\n\n[dim]{ONCE}[/]")


def _limits(document: dict[str, Any]) -> str:
    """Rights on one line."""
    rights = document.get("rights_with_its_makers") or document["rights"]
    if rights is None:
        return "its rights are of a newer rung"
    said = [] if rights["may"] == [May.CALL] else ["may " + ", ".join(rights["may"])]
    said += [f"{what} {', '.join(rights[what])}" for what in ("ladders", "tiers") if what in rights]
    said += [f"project {rights['project']}"] if "project" in rights else []
    said += ["private"] if "private" in rights else []
    said += [f"${_plain(rights['max_usd'])} a request"] if "max_usd" in rights else []
    said += [_cap(per, usd) for per, usd in rights.get("caps", {}).items()]
    for kind in ("requests", "tokens"):
        if (limit := rights.get(f"{kind}_per_minute")) is not None:
            said.append(f"{limit:,} {kind} a minute")
    return "; ".join(said) or "none"


def _cap(per: str, usd: str) -> str:
    amount = f"${_plain(usd)}"
    return f"{amount} in all" if per == Per.EVER else f"{amount} a {per}"


def _plain(usd: str) -> str:
    """An amount without the zeros at its end."""
    return f"{Decimal(usd).normalize():f}"
