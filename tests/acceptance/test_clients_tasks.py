"""Real clients finish a small task through a gateway whose tiers speak other dialects than they do.

The first tier speaks Chat Completions, the one above Messages. Which clients there are decides what
runs: see `support.clients`.
"""

from types import SimpleNamespace

import pytest

from rung.core.verdicts import Status
from support.clients import FORECAST, NOTE, RUN, WEATHER, each
from support.gateway import Gateway
from support.model_world import HELLO, Habits, ModelWorld, ladder

NEW_NOTE = "nineteen paper boats"
SAYS = {"aider": f"note.txt\n```\n{NEW_NOTE}\n```\n"}
RESULTS = {RUN: NOTE, WEATHER: FORECAST}
ALL = pytest.mark.parametrize("client", each())
ONE_A_DIALECT = pytest.mark.parametrize("client", each("openai-node-chat", "claude", "codex"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A gateway over two worlds whose habits each test sets."""
    folder = tmp_path_factory.mktemp("clients")
    with (
        ModelWorld() as small,
        ModelWorld() as large,
        Gateway(folder, ladder(small, large)) as gateway,
    ):
        yield SimpleNamespace(gateway=gateway, small=small, large=large)


@pytest.fixture
def finish(world, client, tmp_path):
    """Let the client do its task while the first tier has these habits; what was booked for it."""

    def run(habits):
        says = SAYS.get(client.name, HELLO)
        world.small.be(habits, says)
        world.large.be(Habits(), says)
        before = len(world.gateway.outcomes())
        transcript = client.run(world.gateway.url, tmp_path)
        assert RESULTS.get(client.prompt, NEW_NOTE) in transcript.said, transcript
        assert transcript.status == 0, transcript
        after = world.gateway.outcomes()
        return list(reversed(after[: len(after) - before]))

    return run


def climbed(outcome):
    return [attempt.tier for attempt in outcome.history] == ["small", "large"]


@ALL
def test_a_client_finishes_its_task_at_the_first_tier(world, client, finish):
    outcomes = finish(Habits())
    assert world.large.turns == []
    assert outcomes
    assert all([a.tier for a in outcome.history] == ["small"] for outcome in outcomes)
    assert all(outcome.served == 0 for outcome in outcomes)


@ALL
def test_what_the_first_tier_breaks_is_mended_by_the_next_unseen(world, client, finish):
    offers_tools = client.prompt in RESULTS
    outcomes = finish(Habits(breaks="arguments" if offers_tools else "empty"))
    (mended,) = [outcome for outcome in outcomes if climbed(outcome)]
    rejected, served = mended.history
    assert Status.FAILED in {verdict.status for verdict in rejected.verdicts}
    assert Status.FAILED not in {verdict.status for verdict in served.verdicts}
    assert mended.served == 1
    if offers_tools:
        (wrong,), (right,) = rejected.answer.tool_calls, served.answer.tool_calls
        assert wrong.name == right.name
        assert world.large.turns[0].said == "call"


@ALL
def test_a_first_tier_that_breaks_off_is_not_seen_either(client, finish):
    outcomes = finish(Habits(cut="reset"))
    # A client that names no conversation and begins all of them alike may find this one above.
    above = all(one.plan.route.entry is not None for one in outcomes)
    assert above or any(map(climbed, outcomes))


@ONE_A_DIALECT
@pytest.mark.parametrize("breaks", ["json", "name"])
def test_other_ways_to_break_a_call_are_mended_too(client, finish, breaks):
    assert len([one for one in finish(Habits(breaks=breaks)) if climbed(one)]) == 1


@ONE_A_DIALECT
def test_a_first_tier_that_is_overloaded_is_not_seen_either(client, finish):
    first, *_ = finish(Habits(errors=[529]))
    assert climbed(first)
