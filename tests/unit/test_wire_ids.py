from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rung.wire.ids import ANTHROPIC, ANY, MISTRAL, RESPONSES, WRAPPED, IdRule, fit, unwrap

IDS = st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_|-]{1,70}", fullmatch=True)
OWN = IDS.filter(lambda told: not told.startswith(WRAPPED))
RULES = st.sampled_from([ANY, ANTHROPIC, RESPONSES, MISTRAL])
WRAPPING = st.sampled_from([ANY, ANTHROPIC, RESPONSES])
HOSTILE = IDS | IDS.map(lambda told: WRAPPED + told) | OWN.map(lambda told: fit(told, ANTHROPIC))


@given(HOSTILE, RULES)
def test_what_fits_is_allowed_and_always_the_same(told: str, rule: IdRule) -> None:
    put = fit(told, rule)
    assert rule.allows(put)
    assert put == fit(told, rule)
    assert put == fit(put, rule)


@given(HOSTILE, RULES)
@example("rung_7aCA", ANY)
def test_what_fits_can_be_sent(told: str, rule: IdRule) -> None:
    assert fit(told, rule).encode()


@given(OWN, RULES)
@example("toolu_01", ANTHROPIC)
@example("call_1", RESPONSES)
def test_an_id_that_is_allowed_stays(told: str, rule: IdRule) -> None:
    assume(rule.allows(told))
    assert fit(told, rule) == told


@given(OWN, WRAPPING)
@example("functions.look:0", ANTHROPIC)
@example("", ANY)
def test_an_id_comes_back_wherever_it_can_be_wrapped(told: str, rule: IdRule) -> None:
    put = fit(told, rule)
    assume(put == told or put.startswith(WRAPPED))
    assert unwrap(put) == told
    assert fit(put, ANY) == fit(told, ANY)


@given(OWN)
def test_anthropic_and_unlimited_dialects_lose_no_id(told: str) -> None:
    for rule in (ANTHROPIC, ANY):
        assert unwrap(fit(told, rule)) == told


@given(st.lists(OWN, min_size=2, max_size=8, unique=True), RULES)
def test_distinct_ids_stay_distinct(told: list[str], rule: IdRule) -> None:
    assert len({fit(one, rule) for one in told}) == len(told)


@given(OWN, st.sampled_from([ANY, ANTHROPIC]), RULES)
def test_the_way_of_an_id_makes_no_difference(told: str, before: IdRule, after: IdRule) -> None:
    assert fit(fit(told, before), after) == fit(told, after)


@given(OWN, RULES, RULES)
def test_a_limited_dialect_on_the_way_keeps_what_it_could_carry(
    told: str, before: IdRule, after: IdRule
) -> None:
    put = fit(told, before)
    assume(unwrap(put) == told)
    assert fit(put, after) == fit(told, after)


@pytest.mark.parametrize(
    "told",
    [
        "rung_",
        "rung_!",
        "rung_a",
        "rung_YQ==",
        "rung_YR",
        "rung_YWJj+/",
        "rung_gA",
        "rung_7aCA",
        "rung_" + "YQ" * 999 + "!",
    ],
)
def test_what_only_looks_wrapped_is_an_id_of_its_own(told: str) -> None:
    assert unwrap(told) == ("" if told == "rung_" else told)


def test_nothing_is_wrapped_twice() -> None:
    once = fit("a b", ANTHROPIC)
    twice = WRAPPED + "cnVuZ19ZU0Jp"
    assert unwrap(once) == "a b"
    assert unwrap(twice) == twice
    assert fit(twice, ANTHROPIC) == twice


@given(st.text(st.characters(categories=["Cs"]), min_size=1, max_size=4), RULES)
def test_half_a_character_breaks_nothing(told: str, rule: IdRule) -> None:
    assert rule.allows(fit(told, rule))
