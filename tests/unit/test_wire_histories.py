"""Conversations as strict providers take them."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import Message, Role, Text, ToolCall, ToolResult
from rung.wire.histories import answered, called, distinct


def calls(*ids: str) -> Message:
    return Message(Role.ASSISTANT, tuple(ToolCall(id, "f", "{}") for id in ids))  # noqa: A001


def result(id: str, said: str = "") -> Message:  # noqa: A002 the field's name
    return Message(Role.TOOL, (ToolResult(id, (Text(said),)),))


def says(role: Role, text: str) -> Message:
    return Message(role, (Text(text),))


USER, NOTE = says(Role.USER, "wait"), says(Role.SYSTEM, "note")

HISTORIES = st.lists(
    st.one_of(
        st.lists(st.sampled_from(["", "a", "b", "a_2"]), min_size=1, max_size=3).map(
            lambda ids: calls(*ids)
        ),
        st.sampled_from(["", "a", "b", "a_2"]).map(result),
        st.just(USER),
    ),
    max_size=12,
)


def ids_of(messages: Iterable[Message]) -> list[str]:
    parts = [part for message in messages for part in message.parts]
    return [part.id for part in parts if isinstance(part, ToolCall)]


def test_results_stand_right_behind_their_calls() -> None:
    told = [USER, calls("a", "b"), NOTE, result("b"), USER, result("a"), USER]
    assert answered(told) == [USER, calls("a", "b"), result("b"), result("a"), NOTE, USER, USER]


def test_each_turn_gets_its_own_results_though_ids_repeat() -> None:
    told = [calls("a"), USER, result("a", "1"), calls("a"), USER, result("a", "2")]
    assert answered(told) == [
        calls("a"),
        result("a", "1"),
        USER,
        calls("a"),
        result("a", "2"),
        USER,
    ]


def test_a_result_without_its_call_stays_where_it_is() -> None:
    told = [USER, result("x"), calls("a"), result("a"), result("a"), USER]
    assert answered(told) == told


@given(HISTORIES)
def test_no_message_is_lost_or_made_up(told: list[Message]) -> None:
    found = answered(told)
    assert sorted(map(repr, found)) == sorted(map(repr, told))
    rest = [message for message in told if message.role is not Role.TOOL]
    assert [message for message in found if message.role is not Role.TOOL] == rest
    assert answered(found) == found


def test_a_repeated_id_is_told_apart_with_its_result() -> None:
    told = [calls("a"), result("a", "1"), calls("a", "b"), result("b"), result("a", "2")]
    assert distinct(told) == [
        *(calls("a"), result("a", "1"), calls("a_2", "b"), result("b"), result("a_2", "2"))
    ]


def test_calls_without_ids_are_answered_in_order() -> None:
    told = [calls("", ""), result("", "1"), result("", "2")]
    assert distinct(told) == [calls("", "_2"), result("", "1"), result("_2", "2")]


def test_a_turn_nobody_answered_takes_no_result_of_a_later_one() -> None:
    told = [calls("a", "a"), calls("a"), result("a")]
    assert distinct(told)[-2:] == [calls("a_3"), result("a_3")]


def test_an_id_that_is_made_up_is_nobodys() -> None:
    assert ids_of(distinct([calls("a"), calls("a_2"), calls("a")])) == ["a", "a_2", "a_3"]


@given(HISTORIES)
def test_ids_are_distinct_and_the_same_for_a_longer_conversation(told: list[Message]) -> None:
    found = distinct(told)
    assert len(set(ids_of(found))) == len(ids_of(found)) == len(ids_of(told))
    assert distinct(found) is found
    longer = distinct([*told, USER, calls("a"), result("a")])
    assert list(longer[: len(told)]) == list(found)


def test_ids_are_those_that_the_providers_gave() -> None:
    assert called([calls("rung_YTow", "b"), result("c")]) == {"a:0", "b"}
