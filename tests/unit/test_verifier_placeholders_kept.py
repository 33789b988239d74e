"""placeholders_kept: a translation with all of them passes, one lost, added or changed fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import ConfigError
from rung.core.verdicts import Status
from rung.verifiers.catalogue import KINDS, build
from rung.verifiers.placeholders_kept import PlaceholdersKept, placeholders
from support.gates import seconds, status, verdict

TEXT = (
    "Translate: Hello {name}, you owe %s for %(item)d {{ thing }} at ${price:.2f} "
    "<b class='x'>today</b>{0}<br/>"
)
GOOD = (
    "Hallo {name}, Sie schulden %s für %(item)d {{thing}} zu ${price:.2f} "
    "<b class='y'>heute</b>{0}<br>"
)
MUTATIONS = [
    ("{name}", "{Name}"),
    ("{name}", "{ Name }"),
    ("{name}", "Ann"),
    ("{name}", "{name} {name}"),
    ("{name}", "{vorname}"),
    ("%s", "%d"),
    ("%s", ""),
    ("%(item)d", "%(ding)d"),
    ("{{thing}}", "{thing}"),
    ("{{thing}}", "{{ding}}"),
    ("${price:.2f}", "{price:.2f}"),
    ("<b class", "<i class"),
    ("</b>", ""),
    ("{0}", "{1}"),
    ("<br>", "<hr>"),
]


async def test_a_translation_that_keeps_them_passes():
    found = await verdict(PlaceholdersKept(), GOOD, TEXT)
    assert found.status is Status.PASSED, found.reason
    assert len(placeholders(TEXT)) == 9


@pytest.mark.parametrize(("old", "new"), MUTATIONS)
async def test_each_mutation_fails(old, new):
    answer = GOOD.replace(old, new, 1)
    assert answer != GOOD
    found = await verdict(PlaceholdersKept(), answer, TEXT)
    assert found.status is Status.FAILED, found.reason


async def test_the_reason_names_what_is_lost_and_what_is_new():
    found = await verdict(PlaceholdersKept(), "Hallo {nom}", "Hello {name}")
    assert '"{name}"' in found.reason
    assert 'no "{nom}"' in found.reason


async def test_uncounted_once_is_enough():
    gate = build("own", KINDS["placeholders_kept"], {"counted": False})
    assert await status(gate, "{a}", "{a} or {a}") is Status.PASSED
    assert await status(PlaceholdersKept(), "{a}", "{a} or {a}") is Status.FAILED
    with pytest.raises(ConfigError):
        build("own", KINDS["placeholders_kept"], {"counted": 1})


@pytest.mark.parametrize("text", ["50% off", "100%sure", "a < b > c", '{"a": 1}', "f(x) { }", "$5"])
async def test_what_is_no_placeholder_is_not_taken_for_one(text):
    assert (await verdict(PlaceholdersKept(), "x", text)).vacuous


@given(st.lists(st.sampled_from(["{a}", "%s", "<b>", "${x}", "word", "{{y}}", "\n"]), max_size=12))
async def test_any_order_of_the_same_passes(pieces):
    answer = " ".join(reversed(pieces))
    assert await status(PlaceholdersKept(), answer, " ".join(pieces)) is Status.PASSED


@pytest.mark.parametrize(
    "text", ["{" * 1_900_000, "<a " * 600_000, "%" * 1_900_000, "{a}" * 600_000]
)
async def test_long_answers_end_in_time(text):
    took, found = await seconds(PlaceholdersKept(), text, text)
    assert took < 10, found.reason
