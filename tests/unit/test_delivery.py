"""What of a stream may leave before its answer is accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.growth import CallGrowth, Delta
from rung.core.release import Release
from rung.delivery import PREAMBLE_CHARACTERS, Outlet

CALL = Delta(calls=(CallGrowth(0, "look"),))
deltas = st.builds(
    Delta,
    st.text(max_size=PREAMBLE_CHARACTERS),
    st.text(max_size=5),
    st.sampled_from(((), (), (), CALL.calls)),
    final=st.sampled_from((False, False, False, True)),
)


def taken(outlet: Outlet, *given: Delta) -> list[list[Delta]]:
    return [outlet.take(delta) for delta in given]


def test_nothing_leaves_an_answer_that_is_held() -> None:
    outlet = Outlet(Release.NOTHING)
    long = Delta("x" * PREAMBLE_CHARACTERS)
    assert taken(outlet, long, long, CALL) == [[], [], []]
    assert outlet.held == [long, long, CALL]


def test_everything_leaves_at_once_where_nothing_can_be_taken_back() -> None:
    outlet = Outlet(Release.ALL)
    assert taken(outlet, Delta("a"), CALL, Delta("b")) == [[Delta("a")], [CALL], [Delta("b")]]
    assert outlet.held == []


def test_text_waits_until_it_is_longer_than_a_preamble_and_then_leaves_in_order() -> None:
    outlet = Outlet(Release.PREAMBLE)
    role, first, rest = Delta(raw=b"role"), Delta("a" * (PREAMBLE_CHARACTERS - 1)), Delta("b")
    assert taken(outlet, role, first, rest) == [[], [], [role, first, rest]]
    assert taken(outlet, Delta("c")) == [[Delta("c")]]


def test_a_call_after_a_preamble_holds_the_preamble_back_with_it() -> None:
    outlet = Outlet(Release.PREAMBLE)
    said = Delta("Let me look.")
    more = Delta("x" * PREAMBLE_CHARACTERS)
    assert taken(outlet, said, CALL, more) == [[], [], []]
    assert outlet.held == [said, CALL, more]


def test_at_the_top_text_leaves_at_once_and_calls_wait() -> None:
    outlet = Outlet(Release.TEXT)
    assert taken(outlet, Delta("a"), CALL, Delta(raw=b"stop")) == [[Delta("a")], [], []]
    assert outlet.held == [CALL, Delta(raw=b"stop")]


@pytest.mark.parametrize("release", [Release.TEXT, Release.PREAMBLE])
def test_what_may_still_be_a_call_in_disguise_is_kept(release: Release) -> None:
    outlet = Outlet(release, unsure=lambda text: text.startswith("<tool"))
    long = Delta("_call>" + "x" * PREAMBLE_CHARACTERS)
    assert taken(outlet, Delta("<tool"), long) == [[], []]
    assert len(outlet.held) == 2


def test_thinking_commits_to_a_tier_only_where_there_is_none_above() -> None:
    thought = Delta(thinking="hm " * PREAMBLE_CHARACTERS)
    assert taken(Outlet(Release.PREAMBLE), thought) == [[]]
    assert taken(Outlet(Release.TEXT), thought) == [[thought]]


@pytest.mark.parametrize("release", Release)
def test_what_says_that_the_answer_is_complete_waits_for_its_acceptance(release: Release) -> None:
    outlet = Outlet(release)
    long, end = Delta("x" * PREAMBLE_CHARACTERS), Delta(raw=b"finish", final=True)
    taken(outlet, long)
    assert taken(outlet, end, Delta(raw=b"usage")) == [[], []]
    assert outlet.held[-2:] == [end, Delta(raw=b"usage")]


@given(st.sampled_from(Release), st.lists(deltas, max_size=8))
def test_no_delta_is_lost_doubled_or_overtaken(release: Release, given: list[Delta]) -> None:
    outlet = Outlet(release)
    left = [delta for freed in taken(outlet, *given) for delta in freed]
    assert [*left, *outlet.held] == given
    if release is not Release.ALL:
        assert not any(delta.calls for delta in left)
