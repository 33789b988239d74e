"""What a process remembers of conversations, and where that sends their next turn."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rung import conversations, marks
from rung.conversations import Remembered, Settings, Tiers
from rung.core.engine import Accept
from rung.core.features import features
from rung.core.outcome import Outcome
from rung.core.plan import Excluded, Lead, Plan, Policy, Route, Rung, Step
from rung.core.standing import Turn
from rung.core.switching import costs_of
from rung.core.types import (
    Answer,
    Attempt,
    Directions,
    Failure,
    Fault,
    Kind,
    Lane,
    Price,
    Request,
    Usage,
    UsageSource,
)
from support.transcripts import SYSTEM, Transcript

USD = 1_000_000_000
PRICES = {
    "local": Price("configured as free"),
    "cheap": Price("list", USD // 10, USD // 2, USD // 100, USD // 8),
    "strong": Price("list", 2 * USD, 10 * USD, USD // 10, 5 * USD // 2),
}
LADDER = ("cheap", "strong")
LONG = SYSTEM + " All there is to know. " * 14_000


class World:
    """A gateway without one: plans by what the conversation leads to, and books what happened."""

    def __init__(self, *ladder: str, archive=None, **settings) -> None:
        self.now = 1_000_000.0
        tiers = ladder or LADDER
        self.policy = Policy("default", tuple(Rung(tier) for tier in tiers))
        self.memory = Remembered(
            Settings(**settings),
            Tiers({"default": tiers}, {name: costs_of(PRICES[name]) for name in tiers}),
            lambda: self.now,
            archive,
        )
        self.requests = 0

    def lead(self, agent: Transcript, **changes) -> Lead:
        request = self.memory.named(agent.request(**changes))
        known = self.memory.known(request)
        return self.memory.lead(known, request, self.policy, features(request))

    def turn(self, agent: Transcript, *answers: str, seconds: float = 20.0, **changes) -> Outcome:
        """One turn. ``answers``: the tiers that answer, in order; "-tier" fails with an error."""
        plan_changes = changes.pop("plan", {})
        caching = changes.pop("caching", True)
        request = self.memory.named(agent.request(**changes))
        lead = self.lead(agent, **changes)
        tiers = [rung.tier for rung in self.policy.rungs]
        entry = lead.entry or tiers[0]
        called = answers or (entry,)
        plan = Plan("default", tuple(map(Step, tiers)), route=Route(entry=lead.entry, why=lead.why))
        plan = replace(plan, **plan_changes)
        known = self.memory.known(request)
        if plan.private:
            self.memory.keep_here(request)
        attempts = tuple(
            self._attempt(name, request, known.cached if caching else None) for name in called
        )
        outcome = Outcome(
            request,
            plan,
            attempts,
            Accept(len(called) - 1, verified=True),
            served=len(called) - 1,
            verified=True,
            started_unix=self.now,
            seconds=1.0,
        )
        self.memory.note(outcome)
        agent.edit()
        self.now += seconds
        return outcome

    def _attempt(self, name: str, request: Request, cached) -> Attempt:
        self.requests += 1
        tier = name.removeprefix("-")
        sent = features(request).input_tokens
        read = min((cached or {}).get(tier, 0), sent)
        used = Usage(
            sent, 300, read, sent - read if cached is not None else 0, 0, UsageSource.PROVIDER
        )
        failed = Failure(Fault.RATE_LIMITED, "slow down") if name.startswith("-") else None
        return Attempt(
            id=f"a-{self.requests}",
            tier=tier,
            kind=Kind.FIRST,
            started_at=0.0,
            ended_at=1.0,
            answer=None if failed else Answer("yes"),
            failure=failed,
            usage=Usage() if failed else used,
            price=PRICES[tier],
        )


def long(**changes) -> Transcript:
    """An agent with a prompt of some 80,000 tokens."""
    return Transcript(system=(LONG,), **changes)


def failing(agent: Transcript, times: int) -> Transcript:
    for _ in range(times):
        agent.refused_edit()
    return agent


def climbed_slowly(world: World, agent: Transcript) -> list[Outcome]:
    """Climb where caches die between turns, so that the conversation stays above."""
    turns = [world.turn(agent, seconds=200) for _ in range(3)]
    return [*turns, world.turn(agent, "cheap", "strong", seconds=200)]


def raised(world: World, agent: Transcript) -> None:
    """Raise a conversation that sits on the lowest tier, where it then stays for a while."""
    world.turn(failing(agent, 3), "strong")


# ------------------------------------------------------------------ staying


def test_a_first_turn_is_led_nowhere():
    assert World().lead(long()) == Lead()


def test_a_conversation_stays_at_the_tier_it_climbed_to_and_says_what_leaving_would_cost():
    world, agent = World(), long()
    climbed_slowly(world, agent)
    world.turn(agent, seconds=200)
    lead = world.lead(agent)
    assert lead.entry == "strong"
    assert "tokens are in its cache; cheap would read" in lead.why
    assert "anew for $0.0" in lead.why
    assert "and climb from there with a chance of 23%; expected over 10 turns: cheap $" in lead.why


def test_without_an_escalation_it_stays_low_and_keeps_that_cache():
    world, agent = World(), long()
    world.turn(agent)
    assert world.lead(agent).entry == "cheap"


def test_a_fallback_is_no_climb_and_the_next_turn_goes_back():
    world, agent = World(), long()
    world.turn(agent)
    world.turn(agent, "-cheap", "strong")
    lead = world.lead(agent)
    assert lead.entry == "cheap"
    assert "cheap could not answer the turn before" in lead.why


def test_conversations_side_by_side_do_not_mix():
    world, one, other = World(), long(), long(session="s-2")
    world.turn(other)
    world.turn(one, "cheap", "strong")
    world.turn(other)
    assert (world.lead(one).entry, world.lead(other).entry) == ("strong", "cheap")


def test_a_sub_agent_does_not_follow_the_main_loop_up():
    world, main = World(), long()
    climbed_slowly(world, main)
    assert world.lead(long(directions=Directions(agent="a-1"))) == Lead()
    assert world.lead(main).entry == "strong"


def test_small_errands_of_a_session_are_led_nowhere():
    world, title = World(), Transcript(system=("Generate a title.",), tools=())
    world.turn(long(), "cheap", "strong")
    world.turn(title)
    assert world.lead(title) == Lead()


def test_without_stickiness_every_turn_begins_at_the_bottom():
    world, agent = World(sticky=False), long()
    world.turn(agent, "cheap", "strong")
    assert world.lead(agent) == Lead()


def test_a_pinned_turn_is_led_nowhere_and_moves_nothing():
    world, agent = World(), long()
    world.turn(agent)
    pinned = {"directions": Directions(tier="strong")}
    assert world.lead(agent, **pinned) == Lead()
    world.turn(agent, "strong", **pinned)
    assert world.lead(agent).entry == "cheap"


def test_what_kept_it_from_its_tier_for_one_turn_does_not_move_it():
    world, agent = World(), long()
    world.turn(agent)
    raised(world, agent)
    ceiling = {"route": Route(entry="cheap", ceiling="cheap"), "steps": (Step("cheap"),)}
    world.turn(agent, "cheap", plan=ceiling)
    too_slow = {"steps": (Step("cheap"),), "excluded": (Excluded("strong", "too slow"),)}
    world.turn(agent, "cheap", plan=too_slow)
    assert world.lead(agent).entry == "strong"


# ------------------------------------------------------------------ deciding anew


def calm(world: World) -> None:
    """Let the tiers be known for hardly ever failing."""
    for number in range(60):
        world.turn(long(session=f"other-{number}"))


def test_where_caches_live_the_turn_after_a_climb_starts_low_again():
    world, agent = World(), long()
    world.turn(agent)
    world.turn(agent, "cheap", "strong")
    lead = world.lead(agent)
    assert lead.entry == "cheap"
    assert lead.why.startswith(
        "moves down to cheap: from cheap the next turn climbs with a chance of 33%; expected over"
    )


def test_returns_that_fail_become_ever_rarer():
    world, agent = World(), long()
    tries = [0, 0, 0]
    for number in range(90):
        entry = world.lead(agent).entry or "cheap"
        tries[number // 30] += entry == "cheap"
        world.turn(agent, *((entry, "strong") if entry == "cheap" else (entry,)))
    assert tries[0] >= 2 * tries[1] >= 2 * tries[2]
    assert tries[2] <= 2


def test_climbs_that_follow_each_other_are_learned_from_other_conversations():
    """Each of them climbs twice in a row; after the first climb the next is near certain."""
    world, agent = World(), long()
    for number in range(40):
        other = long(session=f"other-{number}")
        for answers in (("cheap",), ("cheap", "strong"), ("cheap", "strong"), ("strong",)):
            world.turn(other, *answers)
    world.turn(agent)
    world.turn(agent, "cheap", "strong")
    lead = world.lead(agent)
    assert lead.entry == "strong"
    assert "with a chance of 9" in lead.why


def test_what_nobody_waits_for_and_errands_are_counted_apart():
    world = World()
    for number in range(40):
        other = long(session=f"o-{number}", directions=Directions(lane=Lane.BATCH))
        for _ in range(3):
            world.turn(other, "cheap", "strong")
    agent = long()
    world.turn(agent)
    world.turn(agent, "cheap", "strong")
    assert "a chance of 33%" in world.lead(agent).why


def test_a_price_on_seconds_keeps_those_above_who_wait_and_nobody_else():
    entries = []
    for lane in (Lane.INTERACTIVE, Lane.BACKGROUND):
        world, agent = World(second_nanousd=USD // 10), long(directions=Directions(lane=lane))
        world.turn(agent)
        world.turn(agent, "cheap", "strong")
        entries.append(world.lead(agent).entry)
    assert entries == ["strong", "cheap"]


def test_where_caches_die_between_turns_a_climb_is_for_good():
    """Every climb would read all of it anew: one turn in ten is too often."""
    world, agent = World(), long()
    for _ in range(3):
        world.turn(agent, seconds=200)
    world.turn(agent, "cheap", "strong", seconds=200)
    for _ in range(6):
        assert world.lead(agent).entry == "strong"
        world.turn(agent, seconds=200)


def test_an_expired_cache_is_decided_anew():
    world, agent = World(), long()
    world.turn(agent)
    world.now += 301
    lead = world.lead(agent)
    assert lead.why.startswith("stays at cheap: cheap holds nothing of it any more; expected over")


def test_an_expired_cache_and_compaction_above_are_decided_anew():
    world, agent = World(), long()
    climbed_slowly(world, agent)
    world.now += 3_000
    assert "strong holds nothing of it any more; expected over" in world.lead(agent).why
    short = Transcript(system=(LONG[:40_000],), asked="This session is being continued.")
    assert "its prompt was compacted; expected over" in world.lead(short).why


def test_a_compacted_prompt_is_decided_anew():
    world, agent = World(), long()
    world.turn(agent)
    short = Transcript(system=(LONG[:40_000],))
    short.edit()
    lead = world.lead(short)
    assert lead.entry == "cheap"
    assert "its prompt was compacted" in lead.why


def test_prompts_too_small_for_a_cache_are_free_to_go_anywhere():
    world, agent = World(), Transcript()
    world.turn(agent)
    assert world.lead(agent) == Lead()
    world.turn(agent, "cheap", "strong")
    assert world.lead(agent) == Lead()


def test_a_cache_that_was_read_after_a_longer_pause_is_known_to_last_longer():
    world, agent = World(), long()
    world.turn(agent, "cheap", "strong")
    request = world.memory.named(agent.request())
    held = world.memory.known(request).cached["strong"]
    world.now += 1_500
    assert world.memory.known(request).cached == {}
    late = Attempt(
        "a-x",
        "strong",
        Kind.FIRST,
        0.0,
        1.0,
        answer=Answer("yes"),
        usage=Usage(held, 300, held, 0, 0, UsageSource.PROVIDER),
        price=PRICES["strong"],
    )
    plan = Plan("default", (Step("strong"),), route=Route(entry="strong"))
    world.memory.note(
        Outcome(
            request,
            plan,
            (late,),
            Accept(0, verified=True),
            0,
            verified=True,
            started_unix=world.now,
            seconds=1.0,
        )
    )
    world.now += 1_400
    assert world.memory.known(request).cached["strong"] == held


def test_tiers_that_report_no_cache_hold_nothing():
    world, agent = World(), long()
    world.turn(agent, "cheap", "strong", caching=False)
    assert world.memory.known(world.memory.named(agent.request())).cached == {}


def test_conversations_start_high_where_nearly_all_before_them_climbed():
    world = World()
    world.memory._tiers.costs["cheap"] = costs_of(PRICES["strong"])  # type: ignore[index]
    for number in range(60):
        world.turn(long(session=f"s-{number}"), "cheap", "strong")
    lead = world.lead(long(session="new"))
    assert lead.entry == "strong"
    assert "of turns at cheap are expected to climb" in lead.why


# ------------------------------------------------------------------ the environment


def test_trouble_raises_the_next_turn_by_one_tier_and_it_stays_there():
    world, agent = World("local", "cheap", "strong"), Transcript()
    world.turn(agent, "local")
    lead = world.lead(failing(agent, 3))
    assert lead == Lead("cheap", "raised from local to cheap: 3 tool errors in a row")
    world.turn(agent)
    assert world.lead(agent).entry == "cheap"


def test_a_climb_while_it_is_raised_comes_back_to_where_it_was_raised():
    world, agent = World("local", "cheap", "strong"), long()
    world.turn(agent, "local")
    world.turn(failing(agent, 3), "cheap")
    assert "it was raised there on the turn before" in world.lead(agent).why
    world.turn(agent, "cheap", "strong")
    for _ in range(9):
        assert world.lead(agent).entry == "cheap"
        world.turn(agent)
    assert world.lead(agent).entry == "local"


def test_the_same_trouble_raises_once_and_more_of_it_again():
    world, agent = World("local", "cheap", "strong"), Transcript()
    world.turn(agent, "local")
    failing(agent, 3)
    request = agent.request()
    world.turn(agent, "cheap")
    agent.messages = [*request.messages[1:]]
    assert world.lead(failing(agent, 2)).entry == "cheap"
    assert world.lead(failing(agent, 1)).entry == "strong"


def test_less_trouble_than_asked_for_raises_nothing():
    world, agent = World(), Transcript()
    world.turn(agent)
    assert world.lead(failing(agent, 2)).entry != "strong"


def test_raising_can_be_turned_off_and_ends_at_the_top():
    for world in (World(raise_after=0), World("strong")):
        agent = Transcript()
        world.turn(agent)
        assert "raised" not in world.lead(failing(agent, 9)).why


def test_trouble_that_comes_with_the_first_turn_is_not_its_tiers_fault():
    assert World().lead(failing(Transcript(), 5)) == Lead()


# ------------------------------------------------------------------ privacy


def test_what_was_private_once_stays_so_for_all_of_its_session():
    world, agent = World(), Transcript()
    world.turn(agent, plan={"private": "it says so"})
    for other in (agent, Transcript(directions=Directions(agent="a-1")), Transcript(tools=())):
        assert world.memory.known(world.memory.named(other.request())).private
    assert not world.memory.known(world.memory.named(Transcript(session="s-2").request())).private


# ------------------------------------------------------------------ what is read back


class Archive:
    def __init__(self, turns=(), *, private: bool = False) -> None:
        self.turns, self.private, self.asked = list(turns), private, 0

    def conversation(self, key: str, limit: int) -> tuple[list[Turn], bool]:
        self.asked += limit > 0
        return self.turns if limit else [], self.private


async def recalled(world: World, agent: Transcript) -> None:
    await world.memory.recall(world.memory.named(agent.request()))


async def test_another_process_goes_on_where_the_first_left_off():
    first, agent = World(), long()
    archive = Archive(map(conversations.turn_of, climbed_slowly(first, agent)), private=True)
    second = World(archive=archive)
    second.now = first.now
    await recalled(second, agent)
    assert second.lead(agent).entry == "strong"
    assert second.memory.known(second.memory.named(agent.request())).private


async def test_a_first_turn_and_what_was_seen_whole_read_nothing():
    archive = Archive()
    world, agent = World(archive=archive), Transcript()
    await recalled(world, agent)
    world.turn(agent)
    await recalled(world, agent)
    assert archive.asked == 0


async def test_a_sub_agent_that_begins_elsewhere_is_as_private_as_its_session():
    world = World(archive=Archive(private=True))
    agent = Transcript(directions=Directions(agent="a-1"))
    await recalled(world, agent)
    assert world.memory.known(world.memory.named(agent.request())).private


async def test_turns_that_another_process_answered_are_read():
    archive = Archive()
    world, agent = World(archive=archive), Transcript()
    world.turn(agent)
    agent.edit().edit()
    await recalled(world, agent)
    await recalled(world, agent)
    assert archive.asked == 1


async def test_requests_at_once_share_one_reading():
    archive = Archive()
    world, agent = World(archive=archive), Transcript().edit()
    await asyncio.gather(*(recalled(world, agent) for _ in range(5)))
    assert archive.asked == 1


async def test_one_waiter_that_leaves_does_not_take_the_reading_with_it():
    archive = Archive()
    world, agent = World(archive=archive), Transcript().edit()
    one = asyncio.ensure_future(recalled(world, agent))
    other = asyncio.ensure_future(recalled(world, agent))
    await asyncio.sleep(0)
    one.cancel()
    await other
    assert archive.asked == 1


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(conversations, "MOST_REMEMBERED", 10)
    monkeypatch.setattr(marks, "MOST_PRIVATE", 10)
    world = World()
    for number in range(30):
        world.turn(Transcript(session=f"s-{number}"), plan={"private": "it says so"})
    assert len(world.memory._standings) == len(world.memory._private) == 10


def test_an_answer_that_is_served_again_moves_nothing():
    world, agent = World(), long()
    outcome = world.turn(agent)
    known = world.memory.known(outcome.request)
    world.now += 1_000
    world.memory.note(replace(outcome, cached_of="r-0", started_unix=world.now))
    world.now -= 1_000
    assert world.memory.known(outcome.request) == known


@pytest.mark.parametrize("usage", [Usage(), Usage(5, 5, 10**15, 10**15, 0, UsageSource.PROVIDER)])
def test_providers_that_count_nonsense_break_nothing(usage):
    world, agent = World(), long()
    outcome = world.turn(agent)
    attempts = (replace(outcome.attempts[0], usage=usage),)
    world.memory.note(replace(outcome, attempts=attempts))
    world.lead(agent)
