"""Keyrings: whose a secret is, and who is still in force."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.keyring import MOST_GENERATIONS, Key, Keyring, State, digest
from rung.core.rights import Rights

NOW = 1_000.0


def key(name: str, parent: str | None = None, **more: object) -> Key:
    secret = f"secret of {name}"
    made = Key(name, name, digest(secret.encode()), "hint", 1.0, Rights(), parent)
    return replace(made, **more)  # type: ignore[arg-type]


def opens(ring: Keyring, name: str, now: float = NOW) -> bool:
    holder = ring.shown(f"secret of {name}".encode(), now)
    assert holder is None or holder.id == name
    return holder is not None


def test_only_the_whole_secret_opens():
    ring = Keyring([key("a"), key("b")])
    assert ring.shown(b"secret of a", NOW).id == "a"
    for other in (
        b"",
        b"secret of",
        b"secret of A",
        b"secret of a ",
        digest(b"secret of a").encode(),
    ):
        assert ring.shown(other, NOW) is None


def test_a_key_ends_when_it_expires_and_when_it_is_revoked():
    ring = Keyring([key("a", expires_unix=NOW), key("b", revoked_unix=5.0)])
    assert opens(ring, "a", NOW - 0.001)
    assert not opens(ring, "a", NOW)
    assert not opens(ring, "b")
    assert (ring.state("a", NOW), ring.state("b", NOW)) == (State.EXPIRED, State.REVOKED)


def test_whoever_made_it_takes_it_along():
    ring = Keyring([key("a", revoked_unix=5.0), key("b", "a"), key("c", "b"), key("d")])
    assert [opens(ring, name) for name in "abcd"] == [False, False, False, True]
    ring = Keyring([key("a", expires_unix=NOW), key("b", "a", expires_unix=NOW + 9)])
    assert opens(ring, "b", NOW - 1)
    assert not opens(ring, "b", NOW)


def test_a_secret_of_before_opens_until_its_time_is_over():
    old = digest(b"of before")
    ring = Keyring([key("a", previous_sha256=old, previous_until_unix=NOW)])
    assert ring.shown(b"of before", NOW - 1).id == "a"
    assert ring.shown(b"of before", NOW) is None
    assert opens(ring, "a")


def test_what_a_row_may_is_bound_by_all_of_its_makers():
    wide = key("c", "b", rights=Rights(ladders=("x", "y"), tiers=("t",)))
    ring = Keyring([key("a", rights=Rights(ladders=("y", "z"))), key("b", "a"), wide])
    holder = ring.holder("c", NOW)
    assert (holder.rights.ladders, holder.rights.tiers) == (("y",), ("t",))
    assert [each.id for each in holder.line] == ["c", "b", "a"]


def test_rights_that_cannot_be_read_open_nothing_nor_do_those_below():
    ring = Keyring([key("a", rights=None), key("b", "a")])
    assert not opens(ring, "a")
    assert not opens(ring, "b")
    assert ring.state("a", NOW) is State.UNREADABLE


def test_rights_that_contradict_those_of_the_maker_open_nothing():
    ring = Keyring(
        [key("a", rights=Rights(project="x")), key("b", "a", rights=Rights(project="y"))]
    )
    assert not opens(ring, "b")


def test_a_line_that_goes_round_or_leads_nowhere_opens_nothing():
    ring = Keyring([key("a", "b"), key("b", "a"), key("c", "gone"), key("d", "d")])
    assert not any(opens(ring, name) for name in "abcd")
    assert not ring.is_below("a", "c")


def test_a_line_has_an_end():
    line = [key("k0"), *(key(f"k{n}", f"k{n - 1}") for n in range(1, MOST_GENERATIONS + 1))]
    ring = Keyring(line)
    assert opens(ring, f"k{MOST_GENERATIONS - 1}")
    assert not opens(ring, f"k{MOST_GENERATIONS}")


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(0, 5),
            st.sampled_from([None, 500.0, 2_000.0]),
            st.sampled_from([None, 3.0]),
        ),
        max_size=6,
    )
)
def test_a_key_in_force_has_all_of_its_makers_in_force(rows):
    ring = Keyring(
        key(f"k{n}", None if up is None else f"k{up}", expires_unix=ends, revoked_unix=revoked)
        for n, (up, ends, revoked) in enumerate(rows)
    )
    for n in range(len(rows)):
        holder = ring.holder(f"k{n}", NOW)
        if holder is not None:
            assert all(ring.holder(each.id, NOW) for each in holder.line)
            assert all(each.revoked_unix is None for each in holder.line)


@pytest.mark.parametrize(
    ("one", "other", "below"), [("c", "a", True), ("c", "c", True), ("a", "c", False)]
)
def test_who_is_below_whom(one, other, below):
    ring = Keyring([key("a"), key("b", "a"), key("c", "b")])
    assert ring.is_below(one, other) is below
