import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.engine import Accept, Exhausted, Exhaustion
from rung.core.errors import RequestError
from rung.core.types import Directions, Lane
from rung.server.headers import (
    directions,
    of_call,
    of_outcome,
    of_request,
    retry_after,
    shown_keys,
)
from support.outcomes import outcome


def asked(**values):
    return directions([(f"X-Rung-{n.replace('_', '-')}".encode(), v) for n, v in values.items()])


def test_nothing_asked_is_nothing_directed():
    assert directions([(b"accept", b"*/*"), (b"x-other", b"1")]) == Directions()


def test_every_header_has_its_place():
    assert asked(
        ladder=b"fast",
        tier=b"b",
        verify=b" one, two ,,",
        project=b"p",
        lane=b"batch",
        deadline_ms=b"1500",
        max_usd=b"0.05",
        ceiling=b"c",
        private=b"true",
        cache=b"bypass",
    ) == Directions(
        ladder="fast",
        tier="b",
        verify=("one", "two"),
        project="p",
        lane=Lane.BATCH,
        deadline_seconds=1.5,
        max_cost_nanousd=50_000_000,
        ceiling="c",
        private=True,
        fresh=True,
    )


@pytest.mark.parametrize("value", [b"", b"1", b"yes", b"tru", b"true,false"])
def test_what_is_no_clear_word_on_privacy_is_refused(value):
    with pytest.raises(RequestError, match="x-rung-private must be true or false"):
        asked(private=value)
    assert asked(private=b" False ") == Directions()
    assert asked(private=b"TRUE").private


def test_a_cache_can_only_be_bypassed():
    assert asked(cache=b"") == Directions()
    with pytest.raises(RequestError, match="bypass"):
        asked(cache=b"no-cache")


@pytest.mark.parametrize(
    ("headers", "keys"),
    [
        ([(b"authorization", b"Bearer one")], (b"one",)),
        ([(b"Authorization", b"bearer  one ")], (b"one",)),
        ([(b"X-Api-Key", b" one ")], (b"one",)),
        ([(b"x-api-key", b"one"), (b"authorization", b"Bearer two")], (b"one", b"two")),
        ([(b"x-api-key", b"one"), (b"authorization", b"Bearer one")], (b"one",)),
        ([(b"authorization", b"Basic one"), (b"x-api-key", b"")], ()),
        ([(b"authorization", b"Bearer"), (b"x-rung-key", b"one")], ()),
    ],
)
def test_keys_are_found_where_clients_put_them(headers, keys):
    assert shown_keys(headers) == keys


def test_an_empty_value_is_none():
    empty = dict.fromkeys(("ladder", "tier", "verify", "project", "lane"), b"")
    assert asked(**empty, deadline_ms=b"", max_usd=b" ") == Directions()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deadline_ms", b"0"),
        ("deadline_ms", b"-5"),
        ("deadline_ms", b"nan"),
        ("deadline_ms", b"inf"),
        ("deadline_ms", b"1e99"),
        ("deadline_ms", b"soon"),
        ("max_usd", b"-0.01"),
        ("max_usd", b"nan"),
        ("max_usd", b"Infinity"),
        ("max_usd", b"1e400"),
        ("max_usd", b"five"),
        ("lane", b"fast"),
        ("project", b"x" * 201),
    ],
)
def test_a_value_that_is_none_is_refused_by_name(name, value):
    with pytest.raises(RequestError, match=f"x-rung-{name.replace('_', '-')}") as caught:
        asked(**{name: value})
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["privat", "tiers", "", "\xff" * 300])
def test_a_header_that_does_nothing_is_refused(name):
    with pytest.raises(RequestError) as caught:
        directions([(b"x-rung-" + name.encode("latin-1"), b"1")])
    assert str(caught.value).isascii()
    assert "x-rung-tier" in str(caught.value)


@given(st.lists(st.tuples(st.binary(), st.binary())))
def test_whatever_comes_is_directions_or_a_request_error(found):
    headers = [(b"x-rung-" + name, value) for name, value in found]
    try:
        made = directions(headers)
    except RequestError:
        return
    seconds, cap = made.deadline_seconds, made.max_cost_nanousd
    assert seconds is None or (math.isfinite(seconds) and seconds > 0)
    assert cap is None or cap >= 0


@given(st.text(), st.text(), st.text())
def test_nothing_can_break_out_of_a_header(request_id, tier, model):
    for _, value in (*of_request(request_id), *of_call(request_id, tier, model, 1)):
        assert all(0x20 <= byte <= 0x7E for byte in value)
        assert len(value) <= 200


@pytest.mark.parametrize(("wait", "told"), [(0.0, b"1"), (0.4, b"1"), (7.0, b"7"), (59.6, b"60")])
def test_the_wait_is_told_in_whole_seconds(wait, told):
    assert retry_after(wait) == [(b"retry-after", told)]
    assert retry_after(None) == []


def test_an_outcome_tells_tier_proof_and_money():
    told = dict(of_outcome(outcome("req-1", decision=Accept(0, verified=True), served=0)))
    assert told[b"x-rung-request-id"] == b"req-1"
    assert told[b"x-rung-tier"]
    assert told[b"x-rung-verified"] in {b"true", b"false", b"none"}
    assert b"." in told[b"x-rung-cost-usd"]


def test_an_outcome_that_served_nothing_names_no_tier():
    told = dict(
        of_outcome(outcome("r", decision=Exhausted(Exhaustion.TOP_REACHED, 0), served=None))
    )
    assert b"x-rung-tier" not in told
    assert b"x-rung-attempts" in told


@pytest.mark.parametrize(
    "name", ["x-rung-max-usd", "x-rung-deadline-ms", "x-rung-tier", "x-rung-ladder"]
)
def test_a_limit_that_is_given_twice_is_refused(name: str) -> None:
    twice = [(name.encode(), b"1"), (name.upper().encode(), b"2")]
    with pytest.raises(RequestError, match="more than once") as caught:
        directions(twice)
    assert caught.value.param == name


def test_checks_in_several_lines_add_up() -> None:
    lines = [(b"x-rung-verify", b"a, b"), (b"X-Rung-Verify", b"c")]
    assert directions(lines).verify == ("a", "b", "c")


@pytest.mark.parametrize("value", [b"0.0001", b"1_000", b"0", b"1e3", b"-5", b"nan", b"inf"])
def test_a_deadline_is_a_plain_number_of_at_least_a_millisecond(value: bytes) -> None:
    with pytest.raises(RequestError, match="between 1 and"):
        directions([(b"x-rung-deadline-ms", value)])
