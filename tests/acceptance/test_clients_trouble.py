"""What agents do when the gateway has no answer for them: each climb of the ladder is paid for."""

import json
from types import SimpleNamespace

import pytest

from support.clients import each
from support.gateway import Gateway, rung
from support.model_world import HELLO, Habits, ModelWorld, ladder

AGENTS = ("claude", "codex", "opencode-chat", "opencode-messages", "opencode-responses")
CLAUDE = pytest.mark.parametrize("client", each("claude"))
CODEX = pytest.mark.parametrize("client", each("codex"))


@pytest.fixture
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    with (
        ModelWorld() as small,
        ModelWorld() as large,
        Gateway(folder, ladder(small, large)) as gateway,
    ):
        yield SimpleNamespace(gateway=gateway, small=small, large=large)


def climbs(world):
    """The requests that went up the ladder, oldest first: side requests do not."""
    found = reversed(world.gateway.outcomes())
    return [one for one in found if [a.tier for a in one.history] == ["small", "large"]]


@pytest.mark.parametrize("client", each(*AGENTS))
def test_an_agent_is_told_once_that_nothing_passed(world, client, tmp_path):
    for tier in (world.small, world.large):
        tier.be(Habits(breaks="name"))
    transcript = client.run(world.gateway.url, tmp_path)
    assert transcript.status != 0
    (outcome,) = climbs(world)
    assert outcome.served is None
    assert "that_is_not_there" in transcript.out + transcript.err


def slowly_fail(world):
    """The gateway sends heartbeats before it knows that nothing passes."""
    for tier in (world.small, world.large):
        tier.be(Habits(breaks="name", seconds=6))


@pytest.mark.slow
@CODEX
def test_codex_is_told_once_even_after_heartbeats_that_nothing_passed(world, client, tmp_path):
    slowly_fail(world)
    transcript = client.run(world.gateway.url, tmp_path)
    assert transcript.status != 0
    assert len(climbs(world)) == 1
    assert "that_is_not_there" in transcript.err


@pytest.mark.slow
@CLAUDE
def test_claude_code_that_has_had_heartbeats_asks_once_more_and_is_told(world, client, tmp_path):
    slowly_fail(world)
    transcript = client.run(world.gateway.url, tmp_path)
    assert transcript.status != 0
    assert "that_is_not_there" in transcript.said
    first, *more = world.gateway.outcomes()[::-1]
    assert all(one.request.resend_of == first.request.id for one in more)
    assert len(more) <= 1


@CLAUDE
def test_claude_code_asks_again_after_a_broken_stream_and_is_billed_once(world, client, tmp_path):
    for tier in (world.small, world.large):
        tier.be(Habits(cut="reset", breaks="empty" if tier is world.small else ""))
    transcript = client.run(world.gateway.url, tmp_path, prompt="Say hello.")
    assert transcript.said == HELLO, transcript
    first, again = climbs(world)
    assert (first.request.streamed, again.request.streamed) == (True, False)
    assert again.request.resend_of == first.request.id
    assert first.history[-1].failure is not None
    assert again.served == 1
    bill = json.loads(rung(world.gateway.folder, "bill", "--json").stdout)["total"]
    assert (bill["requests"], bill["resent"], bill["attempts"]) == (1, 1, 4)
