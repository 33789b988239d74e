"""Rights: a key never has more than the key that it was made with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.budgets import Per
from rung.core.rights import (
    NOTHING,
    OPERATOR,
    May,
    Rights,
    excess,
    from_stored,
    met,
    stored,
    told,
)

NAMES = ("cheap", "strong", "local")
amounts = st.none() | st.integers(0, 10)
names = st.none() | st.lists(st.sampled_from(NAMES), unique=True).map(tuple)
rights = st.builds(
    Rights,
    may=st.frozensets(st.sampled_from(May)),
    ladders=names,
    tiers=names,
    project=st.sampled_from([None, "docs", "shop"]),
    private=st.booleans(),
    request_nanousd=amounts,
    caps=st.dictionaries(st.sampled_from(Per), st.integers(0, 10)),
    requests_per_minute=amounts,
    tokens_per_minute=amounts,
)


def within(one: Rights, other: Rights) -> bool:
    """Whether all that one may, the other may; caps and rates count along the line instead."""
    return (
        one.may <= other.may
        and (
            other.ladders is None
            or (one.ladders is not None and {*one.ladders} <= {*other.ladders})
        )
        and (other.tiers is None or (one.tiers is not None and {*one.tiers} <= {*other.tiers}))
        and (other.project is None or one.project == other.project or one == NOTHING)
        and (one.private or not other.private or one == NOTHING)
        and (
            other.request_nanousd is None
            or one == NOTHING
            or (one.request_nanousd is not None and one.request_nanousd <= other.request_nanousd)
        )
    )


@given(rights, rights)
def test_what_two_allow_neither_forbids(one, other):
    both = met(one, other)
    assert within(both, one)
    assert within(both, other)


@given(rights, rights, rights)
def test_a_longer_line_never_allows_more(one, other, third):
    assert within(met(met(one, other), third), met(one, other))


@given(rights, rights)
def test_what_exceeds_nothing_is_kept_as_it_was_asked_for(asked, maker):
    if not list(excess(asked, maker)):
        both = met(asked, maker)
        assert both.may == asked.may
        assert asked.ladders in {None, both.ladders}
        assert asked.tiers in {None, both.tiers}
        assert asked.project in {None, both.project}


@given(rights)
def test_the_operator_may_give_anything_and_a_key_all_it_has(asked):
    assert not list(excess(asked, OPERATOR, open_to_public=True))
    assert not list(excess(asked, asked))


@pytest.mark.parametrize(
    ("asked", "maker", "field"),
    [
        (Rights(may=frozenset({May.CALL, May.KEYS})), Rights(), "may"),
        (Rights(may=frozenset({May.READ})), Rights(), "may"),
        (Rights(ladders=("strong",)), Rights(ladders=("cheap",)), "ladders"),
        (Rights(tiers=("cheap", "strong")), Rights(tiers=("cheap",)), "tiers"),
        (Rights(project="shop"), Rights(project="docs"), "project"),
        (Rights(private=False), Rights(private=True), "private"),
        (Rights(request_nanousd=2), Rights(request_nanousd=1), "max_usd"),
        (Rights(caps={Per.DAY: 2}), Rights(caps={Per.DAY: 1}), "caps.day"),
        (Rights(requests_per_minute=2), Rights(requests_per_minute=1), "requests_per_minute"),
        (Rights(tokens_per_minute=2), Rights(tokens_per_minute=1), "tokens_per_minute"),
    ],
)
def test_more_than_the_maker_has_is_named(asked, maker, field):
    found = list(excess(asked, maker, open_to_public=True))
    assert [each.field for each in found] == [field]


@given(rights)
def test_rights_come_back_as_they_were_stored(one):
    assert from_stored(stored(one)) == one


@pytest.mark.parametrize(
    "spoilt",
    [
        None,
        [],
        {},
        {**stored(Rights()), "models": ["all"]},
        {name: value for name, value in stored(Rights()).items() if name != "tiers"},
        {**stored(Rights()), "may": ["everything"]},
        {**stored(Rights()), "may": "call"},
        {**stored(Rights()), "private": 0},
        {**stored(Rights()), "project": 5},
        {**stored(Rights()), "tiers": "cheap"},
        {**stored(Rights()), "tiers": [1]},
        {**stored(Rights()), "caps": {"hour": 1}},
        {**stored(Rights()), "caps": {"day": -1}},
        {**stored(Rights()), "caps": []},
        {**stored(Rights()), "request_nanousd": 0.5},
        {**stored(Rights()), "requests_per_minute": True},
    ],
)
def test_rights_that_are_not_understood_are_none(spoilt):
    with pytest.raises(ValueError, match=r"rights|May|Per"):
        from_stored(spoilt)


def test_people_see_dollars_and_nothing_that_is_open():
    assert told(Rights(caps={Per.DAY: 1_500_000_000}, request_nanousd=0)) == {
        "may": ["call"],
        "caps": {"day": "1.500000000"},
        "max_usd": "0.000000000",
    }
