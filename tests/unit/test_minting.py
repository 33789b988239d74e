"""Keys are made, exchanged and ended; the ledger keeps their hashes alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rung.core.errors import RequestError
from rung.core.keyring import Key, Keyring, State, digest
from rung.core.rates import Used
from rung.core.rights import May
from rung.ledger import Ledger, keys
from rung.ledger.keys import KeyBook
from rung.minting import Asked, Known, Made, exchange, mint, pick, read, shown

KNOWN = Known(("default", "side"), ("local", "cheap"))
NOW = 1_000.0


@pytest.fixture
def ledger(ledger_place: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_place) as opened:
        yield opened


def made(ledger: Ledger | None = None, maker: str | None = None, **more: object) -> Made:
    holder = None
    if ledger is not None and maker is not None:
        holder = ring(ledger).holder(maker, NOW)
        assert holder is not None
    found = mint(read({"name": "a", **more}, Asked), KNOWN, holder, NOW)
    if ledger is not None:
        with ledger.writing() as connection:
            assert keys.add(connection, found.key) is None
    return found


def ring(ledger: Ledger) -> Keyring:
    with ledger.reading() as connection:
        return keys.read(connection)


def test_a_key_opens_from_the_ledger_and_its_secret_is_not_in_there(ledger):
    one = made(ledger, ladders=["side"], caps={"day": "1.5"}, expires_in_seconds=60)
    found = ring(ledger).shown(one.secret.encode(), NOW)
    assert found.key == one.key
    with ledger.reading() as connection:
        rows = [dict(row) for row in connection.named("all keys")]
    assert one.secret not in repr(rows)
    assert one.secret not in repr(one.key)
    assert rows[0]["secret_sha256"] == digest(one.secret.encode())


def test_secrets_are_long_and_never_the_same():
    secrets = {made().secret for _ in range(200)}
    assert len(secrets) == 200
    assert all(len(each) == 48 and each.startswith("rung_") for each in secrets)


def test_a_change_is_seen_by_its_stamp_and_nothing_else_is_read(ledger):
    book = KeyBook(ledger)
    first = book.look_at_keys(None)
    assert first.ring is not None
    assert book.look_at_keys(first.stamp).ring is None
    one = made(ledger)
    second = book.look_at_keys(first.stamp)
    assert len(second.ring) == 1
    change, _ = exchange(one.key, 0.0, NOW)
    with ledger.writing() as connection:
        assert keys.rotate(connection, change)
    third = book.look_at_keys(second.stamp)
    with ledger.writing() as connection:
        assert keys.revoke(connection, one.key.id, NOW)
    fourth = book.look_at_keys(third.stamp)
    assert len({first.stamp, second.stamp, third.stamp, fourth.stamp}) == 4
    assert fourth.ring.state(one.key.id, NOW) is State.REVOKED


def test_revoking_again_changes_nothing(ledger):
    one = made(ledger)
    with ledger.writing() as connection:
        assert keys.revoke(connection, one.key.id, NOW)
        assert not keys.revoke(connection, one.key.id, NOW + 5)
    assert ring(ledger).key(one.key.id).revoked_unix == NOW


def test_an_exchanged_secret_opens_beside_the_old_one_for_as_long_as_was_said(ledger):
    one = made(ledger)
    change, secret = exchange(one.key, 60.0, NOW)
    with ledger.writing() as connection:
        assert keys.rotate(connection, change)
    now = ring(ledger)
    assert now.shown(secret.encode(), NOW + 59).id == one.key.id
    assert now.shown(one.secret.encode(), NOW + 59).id == one.key.id
    assert now.shown(one.secret.encode(), NOW + 60) is None
    assert now.shown(secret.encode(), NOW + 1e9).id == one.key.id


def test_of_two_who_exchange_at_once_one_is_told_so(ledger):
    one = made(ledger)
    (first, _), (second, late) = exchange(one.key, 60, NOW), exchange(one.key, 60, NOW)
    with ledger.writing() as connection:
        assert keys.rotate(connection, first)
        assert not keys.rotate(connection, second)
    assert ring(ledger).shown(late.encode(), NOW) is None


def test_a_key_that_was_revoked_gets_no_new_secret_and_makes_no_keys(ledger):
    one = made(ledger, may=["call", "keys"])
    child = mint(read({"name": "b"}, Asked), KNOWN, ring(ledger).holder(one.key.id, NOW), NOW)
    with ledger.writing() as connection:
        keys.revoke(connection, one.key.id, NOW)
        assert not keys.rotate(connection, exchange(one.key, 60, NOW)[0])
        assert "not in force" in keys.add(connection, child.key)


def test_a_key_makes_no_endless_line_and_no_endless_number(ledger, monkeypatch):
    newest = made(ledger).key
    for _ in range(7):
        newest = made(ledger, newest.id).key
    with ledger.writing() as connection:
        assert "at most" in keys.add(connection, replace(made().key, parent_id=newest.id))
    monkeypatch.setattr(keys, "MOST_BELOW", 2)
    maker = made(ledger).key
    for _ in range(2):
        last = made(ledger, maker.id).key
    with ledger.writing() as connection:
        assert "in force already" in keys.add(connection, replace(made().key, parent_id=maker.id))
        keys.revoke(connection, last.id, NOW)
    made(ledger, maker.id)


def test_rights_of_a_newer_version_open_nothing(ledger):
    one = made()
    with ledger.writing() as connection:
        values = {
            name: getattr(one.key, name) for name in one.key.__match_args__ if name != "rights"
        }
        connection.named("add to keys", **values, rights_json=json.dumps({"may": ["call"]}))
    assert ring(ledger).shown(one.secret.encode(), NOW) is None
    assert ring(ledger).state(one.key.id, NOW) is State.UNREADABLE


def test_counts_of_all_gateways_add_up_and_old_ones_go(ledger):
    with ledger.writing() as connection:
        keys.count(connection, {("a", 0): Used(1, 2)}, ["a"], 0)
        keys.count(
            connection, {("a", 60_000): Used(1, 2), ("b", 60_000): Used(5, 0)}, ["a"], 59_940
        )
        found = keys.count(connection, {("a", 60_000): Used(2, 3)}, ["a"], 59_940)
        everything = keys.count(connection, {}, ["a", "b"], 0)
    assert found == {("a", 60_000): Used(3, 5)}
    assert set(everything) == {("a", 60_000), ("b", 60_000)}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 65),
        ("name", "two\nlines"),
        ("name", " a"),
        ("name", 5),
        ("may", []),
        ("may", ["everything"]),
        ("ladders", []),
        ("ladders", ["nowhere"]),
        ("tiers", ["chaep"]),
        ("tiers", "cheap"),
        ("project", "../etc"),
        ("project", "a\n"),
        ("private", "yes"),
        ("max_usd", "NaN"),
        ("max_usd", "-1"),
        ("max_usd", "1e999"),
        ("caps", {"hour": 1}),
        ("caps", {"day": "-0.5"}),
        ("requests_per_minute", 0),
        ("requests_per_minute", 1.5),
        ("tokens_per_minute", True),
        ("expires_in_seconds", 0),
        ("expires_in_seconds", "soon"),
        ("user_role", "admin"),
        ("id", "k1"),
        ("parent_id", "k1"),
        ("secret", "mine"),
    ],
)
def test_what_makes_no_sense_is_refused_and_named(field, value):
    with pytest.raises(RequestError) as caught:
        made(**{field: value})
    assert caught.value.status == 400
    assert field in f"{caught.value.param} {caught.value}"


def test_json_amounts_are_read_as_they_were_written():
    asked = read(b'{"name": "a", "max_usd": 0.1, "caps": {"day": 0.3}}', Asked)
    one = mint(asked, KNOWN, None, NOW)
    assert one.key.rights.request_nanousd == 100_000_000
    assert one.key.rights.caps == {"day": 300_000_000}


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"name"', b"\xff", b'{"name": NaN}'])
def test_a_body_that_is_none_is_refused(body):
    with pytest.raises(RequestError) as caught:
        read(body, Asked)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"may": ["call", "read"]}, "may"),
        ({"ladders": ["default"]}, "ladders"),
        ({"tiers": ["local"]}, "tiers"),
        ({"project": "other"}, "project"),
        ({"private": False}, "private"),
        ({"max_usd": "2"}, "max_usd"),
        ({"caps": {"day": "2"}}, "caps.day"),
        ({"caps": {"week": "6"}}, "caps.week"),
        ({"requests_per_minute": 20}, "requests_per_minute"),
        ({"tokens_per_minute": 20}, "tokens_per_minute"),
        ({"expires_in_seconds": 101}, "expires_in_seconds"),
    ],
)
def test_more_than_any_of_its_makers_may_is_refused_with_403(more, param):
    first = made(
        may=["call", "keys"],
        ladders=["side"],
        tiers=["cheap"],
        project="docs",
        private=True,
        max_usd="1",
        caps={"day": "1", "week": "5"},
        requests_per_minute=10,
        tokens_per_minute=10,
        expires_in_seconds=100,
    ).key
    second = below([first], may=["call", "keys"])
    with pytest.raises(RequestError) as caught:
        below([first, second], **more)
    assert (caught.value.status, caught.value.param) == (403, param)
    third = below([first, second])
    rights = Keyring([first, second, third]).holder(third.id, NOW).rights
    assert (rights.ladders, rights.tiers, rights.project) == (("side",), ("cheap",), "docs")
    assert (rights.may, rights.private) == ({May.CALL}, True)


def below(line: list[Key], **more: object) -> Key:
    """A key that the last of a line makes."""
    maker = Keyring(line).holder(line[-1].id, NOW)
    return mint(read({"name": "a", **more}, Asked), KNOWN, maker, NOW).key


def test_a_key_is_found_by_id_by_name_and_by_the_beginning_of_its_id(ledger):
    one, two = made(ledger, name="one").key, made(ledger, name="two").key
    again = made(ledger, name="one").key
    now = ring(ledger)
    assert pick(now, "two", NOW) == two
    assert pick(now, one.id, NOW) == one
    assert pick(now, one.id[:-1], NOW) == one
    with pytest.raises(RequestError, match="several keys"):
        pick(now, "one", NOW)
    with ledger.writing() as connection:
        keys.revoke(connection, again.id, NOW)
    assert pick(ring(ledger), "one", NOW) == one
    for none in ("", "three", "\0", "' OR 1=1"):
        with pytest.raises(RequestError):
            pick(now, none, NOW)


def test_what_is_shown_of_a_key_is_no_secret_and_no_hash(ledger):
    one = made(ledger, name="one", caps={"day": 1})
    told = json.dumps(shown(one.key, ring(ledger), NOW))
    assert one.secret not in told
    assert one.key.secret_sha256 not in told
    assert one.secret[-4:] in told
