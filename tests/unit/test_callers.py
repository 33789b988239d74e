"""Callers: who is let in, what they may do, and that nobody gets around it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rung.callers import NOBODY, Callers, Lock, ProjectKeys, Rules, entered
from rung.core.errors import LedgerError, RequestError
from rung.core.keyring import Key, Keyring, digest
from rung.core.plan import Policy, Rung
from rung.core.rights import May, Rights
from rung.core.types import Directions, Need, Request
from rung.keyrings import AWAY_SECONDS, LATEST_SECONDS, LOOK_SECONDS, FreshRing
from rung.ledger.keys import Look
from rung.orders import Tier
from rung.ways import Ways

TIERS = ("local", "cheap", "strong", "other")
POLICIES = {
    "default": Policy("default", tuple(map(Rung, TIERS[:3]))),
    "side": Policy("side", (Rung("other"), Rung("cheap"))),
}
PROJECTS = {"docs": ("docs-key", "docs-key-2"), "shop": ("shop-key",)}


class Time:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Shelf:
    """Keys that a test changes. ``away``: they cannot be read."""

    def __init__(self, *keys: Key) -> None:
        self.stamp = 0
        self.looks = self.read = 0
        self.away = False
        self.put(*keys)

    def put(self, *keys: Key) -> None:
        self.keys = {each.id: each for each in keys}
        self.stamp += 1

    def look_at_keys(self, known: str | None) -> Look:
        self.looks += 1
        if self.away:
            raise LedgerError("away")
        if known == str(self.stamp):
            return Look(known, None)
        self.read += 1
        return Look(str(self.stamp), Keyring(self.keys.values()))


def key(name: str, parent: str | None = None, **rights: object) -> Key:
    secret = digest(f"rung_{name}".encode())
    return Key(name, name, secret, "hint", 1.0, Rights(**rights), parent)  # type: ignore[arg-type]


def ways() -> Ways:
    tiers = {name: Tier(name, name, local=False, provider=None, pricer=None) for name in TIERS}  # type: ignore[arg-type]
    return Ways(tiers, POLICIES, "default", Policy("embeddings", (Rung("other"),)))


def callers(
    *keys: Key,
    lock: Lock = Lock.REQUIRED,
    shelf: Shelf | None = None,
    clock: Time | None = None,
    wall: Time | None = None,
    **rules: bool,
) -> Callers:
    ring = FreshRing(shelf or Shelf(*keys), clock or Time())
    found = Rules(lock, **rules)
    return Callers(ProjectKeys(PROJECTS), found, ring, None, ways(), wall or Time())


async def refused(known: Callers, *shown: bytes, need: May | None = May.CALL, by_key: bool = False):
    with pytest.raises(RequestError) as caught:
        await known.admitted(shown, need, by_key=by_key)
    return caught.value


# ------------------------------------------------------------------ keys of projects


async def test_a_key_says_of_which_project_a_request_is():
    known = callers(lock=Lock.OFF)
    assert (await known.admitted([b"docs-key"])).project == "docs"
    assert (await known.admitted([b"docs-key-2"])).project == "docs"
    assert (await known.admitted([b"shop-key"])).project == "shop"
    for other in (b"docs-ke", b"docs-key ", b"docs-key3", b"DOCS-KEY", b"\xff", b"x" * 10_000):
        assert (await known.admitted([other])) == NOBODY
    assert await known.admitted([]) is NOBODY


async def test_a_known_key_beside_an_unknown_one_is_enough_and_two_known_ones_are_too_many():
    known = callers(key("a"), key("b"))
    assert (await known.admitted([b"unused", b"docs-key"])).project == "docs"
    assert (await known.admitted([b"docs-key", b"docs-key-2"])).project == "docs"
    assert (await known.admitted([b"unused", b"rung_a"])).key == "a"
    for two in ((b"docs-key", b"shop-key"), (b"rung_a", b"rung_b"), (b"rung_a", b"docs-key")):
        wrong = await refused(known, *two)
        assert wrong.status == 403
        assert "docs" not in str(wrong)


async def test_callers_are_told_apart_by_what_they_show_within_one_process_only():
    known = callers(key("a"), lock=Lock.OFF, apart=True)
    shown = ([b"x"], [b"y"], [b"x", b"y"], [b"xy"], [b"y", b"x"])
    found = [await known.admitted(each) for each in shown]
    assert len({each.digest for each in found}) == 5
    assert await known.admitted([b"x"]) == found[0]
    assert await callers(lock=Lock.OFF, apart=True).admitted([b"x"]) != found[0]
    assert (await callers(lock=Lock.OFF).admitted([b"docs-key"])).digest == ""


async def test_a_virtual_key_stays_the_same_caller_with_another_secret():
    old = digest(b"rung_before")
    rotated = replace(key("a"), previous_sha256=old, previous_until_unix=2_000.0)
    known = callers(rotated, apart=True)
    new, before = await known.admitted([b"rung_a"]), await known.admitted([b"rung_before"])
    assert new.digest == before.digest != ""


async def test_nothing_that_is_known_of_a_caller_tells_its_key():
    known = callers(key("a"), apart=True)
    told = (
        f"{await known.admitted([b'docs-key'])!r} {await known.admitted([b'rung_a'])!r} {known!r}"
    )
    assert "docs-key" not in told
    assert "rung_a" not in told


async def test_the_key_stands_over_the_header_and_another_project_is_refused():
    docs = await callers().admitted([b"docs-key"])
    assert entered(Directions(), docs).project == "docs"
    assert entered(Directions(project="docs"), docs).project == "docs"
    assert entered(Directions(project="shop"), NOBODY).project == "shop"
    with pytest.raises(RequestError) as caught:
        entered(Directions(project="shop"), docs)
    assert (caught.value.status, caught.value.param) == (403, "x-rung-project")
    assert "docs" not in str(caught.value)


# ------------------------------------------------------------------ who is let in


async def test_every_bad_key_is_told_the_same():
    ended = replace(key("ended"), expires_unix=999.0)
    revoked = replace(key("revoked"), revoked_unix=5.0)
    rotated = replace(key("rotated"), previous_sha256=digest(b"rung_old"), previous_until_unix=1.0)
    orphan = key("orphan", "gone")
    known = callers(ended, revoked, rotated, orphan)
    shown = [
        (),
        (b"nope",),
        (b"rung_ended",),
        (b"rung_revoked",),
        (b"rung_old",),
        (b"rung_orphan",),
    ]
    shown += [
        (b"' OR '1'='1",),
        (b"\xff\x00",),
        (b"x" * 1_000_000,),
        (revoked.secret_sha256.encode(),),
    ]
    told = {str(wrong) for each in shown if (wrong := await refused(known, *each)).status == 401}
    assert len(told) == 1


async def test_a_hash_of_a_key_is_no_key():
    known = callers(key("a"))
    assert (await refused(known, key("a").secret_sha256.encode())).status == 401


async def test_without_any_key_made_everybody_on_this_machine_is_served():
    known = callers(lock=Lock.AUTO)
    assert await known.admitted([b"any"], May.CALL) == NOBODY
    assert (await known.admitted([b"docs-key"], May.READ)).project == "docs"


async def test_the_first_key_locks_and_revoking_the_last_one_does_not_open():
    shelf, clock = Shelf(), Time()
    known = callers(lock=Lock.AUTO, shelf=shelf, clock=clock)
    assert await known.admitted([]) == NOBODY
    shelf.put(key("a"))
    clock.now += LATEST_SECONDS + 0.1
    assert (await refused(known)).status == 401
    shelf.put(replace(key("a"), revoked_unix=5.0))
    clock.now += LATEST_SECONDS + 0.1
    assert (await refused(known, b"rung_a")).status == 401
    assert (await refused(known)).status == 401


async def test_where_others_can_connect_a_key_is_asked_for_from_the_start():
    assert (await refused(callers(lock=Lock.AUTO, exposed=True))).status == 401


async def test_with_keys_off_virtual_keys_mean_nothing():
    shelf = Shelf(key("a"))
    known = callers(shelf=shelf, lock=Lock.OFF)
    await known.up_to_date()
    looks = shelf.looks
    for _ in range(3):
        await known.admitted([b"rung_b"])
    assert shelf.looks == looks
    off = Callers(ProjectKeys(PROJECTS), Rules(Lock.OFF))
    assert await off.admitted([b"rung_a"]) == NOBODY


async def test_keys_are_made_by_keys_alone():
    open_to_all = callers(lock=Lock.AUTO)
    assert (await refused(open_to_all, need=May.KEYS, by_key=True)).status == 401
    assert (await refused(open_to_all, b"docs-key", need=May.KEYS, by_key=True)).status == 403
    known = callers(key("a"), key("m", may=frozenset({May.CALL, May.KEYS})))
    assert (await refused(known, b"rung_a", need=May.KEYS)).status == 403
    assert (await refused(known, b"rung_m", need=May.READ)).status == 403
    assert (await known.admitted([b"rung_m"], May.KEYS)).key == "m"


# ------------------------------------------------------------------ how soon it is seen


async def test_a_revoked_key_opens_for_two_seconds_at_most():
    shelf, clock = Shelf(key("a")), Time()
    known = callers(shelf=shelf, clock=clock)
    await known.admitted([b"rung_a"])
    shelf.put(replace(key("a"), revoked_unix=5.0))
    clock.now += LATEST_SECONDS + 0.01
    assert (await refused(known, b"rung_a")).status == 401


async def test_a_key_that_was_just_made_opens_at_once():
    shelf, clock = Shelf(key("a")), Time()
    known = callers(shelf=shelf, clock=clock)
    await known.admitted([b"rung_a"])
    clock.now += 0.2
    shelf.put(key("a"), key("b"))
    assert (await known.admitted([b"rung_b"])).key == "b"


async def test_known_keys_cost_no_look_and_looks_read_only_what_changed():
    shelf, clock = Shelf(key("a")), Time()
    known = callers(shelf=shelf, clock=clock)
    for _ in range(50):
        await known.admitted([b"rung_a"])
    assert (shelf.looks, shelf.read) == (1, 1)
    for _ in range(5):
        clock.now += LATEST_SECONDS + 0.1
        await known.admitted([b"rung_a"])
    assert (shelf.looks, shelf.read) == (6, 1)


async def test_a_flood_of_bad_keys_shares_its_looks():
    shelf = Shelf(key("a"))
    known = Callers(None, Rules(Lock.REQUIRED), FreshRing(shelf), None, ways())
    await known.admitted([b"rung_a"])
    await asyncio.gather(*(refused(known, b"bad %d" % n) for n in range(200)))
    assert shelf.looks <= 4


async def test_while_the_ledger_is_away_known_keys_open_for_a_while_and_then_none():
    shelf, clock = Shelf(key("a")), Time()
    known = callers(shelf=shelf, clock=clock)
    await known.admitted([b"rung_a"])
    shelf.away = True
    clock.now += AWAY_SECONDS - 1
    assert (await known.admitted([b"rung_a"])).key == "a"
    clock.now += 2
    with pytest.raises(LedgerError) as caught:
        await known.admitted([b"rung_a"])
    assert caught.value.status == 503
    shelf.away = False
    clock.now += LOOK_SECONDS + 0.1
    assert (await known.admitted([b"rung_a"])).key == "a"


async def test_a_gateway_that_never_read_its_keys_serves_nobody():
    shelf = Shelf(key("a"))
    shelf.away = True
    known = callers(shelf=shelf, lock=Lock.AUTO)
    for shown in ([], [b"rung_a"], [b"docs-key"]):
        with pytest.raises(LedgerError):
            await known.admitted(shown)


# ------------------------------------------------------------------ at the plan


async def applied(known: Callers, name: str, model: str = "rung", **more: object) -> Request:
    await known.up_to_date()
    needs = frozenset({Need.EMBEDDINGS}) if more.pop("embed", False) else frozenset()
    asked = Directions(**more)  # type: ignore[arg-type]
    return known.applied(Request("r", "chat", (), model, needs=needs, directions=asked, key=name))


async def outside(known: Callers, name: str, model: str = "rung", **more: object) -> RequestError:
    with pytest.raises(RequestError) as caught:
        await applied(known, name, model, **more)
    return caught.value


async def test_a_request_without_a_virtual_key_is_left_as_it_is():
    request = Request("r", "chat", ())
    assert callers().applied(request) is request


async def test_the_tighter_of_what_key_and_request_say_holds():
    known = callers(key("a", project="docs", private=True, request_nanousd=5))
    asked = (await applied(known, "a", max_cost_nanousd=9)).directions
    assert (asked.project, asked.private, asked.max_cost_nanousd) == ("docs", True, 5)
    assert (await applied(known, "a", max_cost_nanousd=3)).directions.max_cost_nanousd == 3


async def test_a_key_climbs_its_ladders_alone():
    known = callers(key("a", ladders=("side",)), key("b", ladders=("side", "default")))
    assert (await applied(known, "a")).directions.ladder == "side"
    assert (await applied(known, "a", "gpt-6.1-sol")).directions.ladder == "side"
    assert (await applied(known, "a", "rung/side")).directions.ladders == ("side",)
    assert (await applied(known, "b")).directions.ladder is None
    for wrong in (
        await outside(known, "a", "rung/default"),
        await outside(known, "a", ladder="default"),
        await outside(known, "a", "tier:strong"),
        await outside(known, "a", tier="local"),
    ):
        assert (wrong.status, wrong.code) == (403, "outside_key")


async def test_a_pin_is_taken_on_the_ladder_that_the_key_may_climb():
    known = callers(key("a", ladders=("side",)))
    assert (await applied(known, "a", "tier:cheap")).directions.ladder == "side"


async def test_a_key_goes_to_its_tiers_alone():
    known = callers(key("a", tiers=("local", "cheap")))
    assert (await applied(known, "a")).directions.tiers == ("local", "cheap")
    assert (await applied(known, "a", "tier:cheap")).directions.tiers == ("local", "cheap")
    assert (await outside(known, "a", "tier:strong")).status == 403
    assert (await outside(known, "a", tier="strong")).status == 403
    embedded = await applied(known, "a", embed=True)
    assert embedded.directions.tiers == ("local", "cheap")


async def test_a_ladder_that_is_no_more_is_climbed_by_nobody():
    known = callers(key("a", ladders=("gone",)))
    assert (await outside(known, "a")).status == 403


async def test_a_key_that_was_revoked_meanwhile_is_refused_at_the_plan_too():
    known = callers(replace(key("a"), revoked_unix=5.0))
    assert (await outside(known, "a")).status == 401


async def test_what_a_key_spends_its_makers_spend_too():
    known = callers(key("a"), key("b", "a"))
    await known.up_to_date()
    assert [each.id for each in known.accounts("b")] == ["b", "a"]
    assert known.accounts(None) == ()
    assert known.accounts("gone") == ()


async def test_who_sees_which_requests():
    reader = key("r", may=frozenset({May.CALL, May.READ}))
    known = callers(key("a"), key("b", "a"), key("c"), reader)
    a, r = await known.admitted([b"rung_a"]), await known.admitted([b"rung_r"])
    docs = await known.admitted([b"docs-key"])
    assert [known.sees(a, each, None) for each in ("a", "b", "c", None)] == [
        True,
        True,
        False,
        False,
    ]
    assert all(known.sees(r, each, None) for each in ("a", "c", None))
    assert known.sees(docs, None, "docs")
    assert not known.sees(docs, None, "shop")
    assert not known.sees(docs, None, None)
    assert not known.sees(docs, "a", "docs")
