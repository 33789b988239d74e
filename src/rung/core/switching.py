"""What it costs to change the model in the middle of a conversation, and where a turn should start.

A provider keeps what it has read of a conversation for some minutes and reads it again for a tenth
of the price and less. Another model has to read all of it anew. With N tokens in the cache, d new
ones and an answer of o tokens, a turn costs N * read + d * write + o * output where it is warm and
(N + d) * write + o * output where it is cold. Amounts are nano-dollars.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter

from rung.core.climbs import NEVER, Hazard, Visits, visits
from rung.core.money import MTOK, readable
from rung.core.types import Price

LEAST_CACHED = 1_024
"""Prompts of fewer tokens are cached by no provider
(https://docs.claude.com/en/docs/build-with-claude/prompt-caching: 512 to 4,096 by model;
https://platform.openai.com/docs/guides/prompt-caching: 1,024)."""

NEW_TOKENS = 1_500
"""What a turn adds to a prompt where nothing is known of the conversation yet."""

ANSWER_TOKENS = 400
"""What is written on a turn where nothing is known of the conversation yet."""

LIVES_TURNS = 10.0
"""For how many turns a cache lives where a conversation's pace is not known yet."""

LEAST_TURNS, MOST_TURNS = 10, 40
"""Within these, a conversation is taken to go on for as many turns as it has had."""

MARGIN = 0.05
"""What has to be saved before a conversation moves down, as a share of one turn's cost where it
sits: it does not move to and fro over guesses."""

WAITS = (1, 2, 4)
"""For so many turns it may wait above, to go down when what is hard now may be over."""

TurnCost = Callable[[int, int, int, bool], int]
"""Nano-dollars of one call: tokens read from the cache, new tokens, tokens of the answer, and
whether the new ones are written to the cache."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A tier as a conversation finds it.

    ``held`` is how many tokens of the prompt are in its cache now, ``left`` for how many turns they
    stay there. ``hazard`` tells how often a turn that starts here climbs on, ``recent`` (0..1) how
    likely the turn before did, or would have. ``wasted`` is what is lost, in nano-dollars, by
    waiting for an answer that fails. ``caches`` says that it keeps what it reads at all.
    """

    tier: str
    cost: TurnCost
    held: int = 0
    hazard: Hazard = NEVER
    caches: bool = True
    left: float = LIVES_TURNS
    recent: float = 0.0
    wasted: float = 0.0

    @property
    def chance(self) -> float:
        """That a turn which starts here now climbs on (0..1)."""
        return self.hazard.after(self.recent)

    def price(self, read: int, new: int, written: int) -> int:
        """What one call costs here, in nano-dollars."""
        return self.cost(read, new, written, self.caches)


@dataclass(frozen=True, slots=True)
class Outlook:
    """A prompt of ``tokens`` tokens that grows by ``new`` a turn, for ``turns`` turns from now.

    ``lives`` is for how many turns a cache keeps what is not read again.
    """

    tokens: int
    new: int = NEW_TOKENS
    written: int = ANSWER_TOKENS
    turns: int = LEAST_TURNS
    lives: float = LIVES_TURNS


def turn_cost(price: Price, cached: int, new: int, out: int, caching: bool = True) -> int:
    """What a call costs by its plain prices. A missing cache price is the input price."""
    plain = price.input_nanousd_per_mtok
    read, write = price.cache_read_nanousd_per_mtok, price.cache_write_nanousd_per_mtok
    read = plain if read is None or not caching else read
    write = plain if write is None or not caching else write
    return (cached * read + new * write + out * price.output_nanousd_per_mtok) // MTOK


def costs_of(price: Price) -> TurnCost:
    """`turn_cost` at one price."""
    return partial(turn_cost, price)


def first_turn(seat: Seat, outlook: Outlook) -> int:
    """What the next turn costs at a tier, with what its cache holds now."""
    held = min(seat.held, outlook.tokens)
    return seat.price(held, outlook.tokens - held, outlook.written)


def warm_turn(seat: Seat, outlook: Outlook, missed: float = 1.0) -> int:
    """What a turn costs at a tier that has answered so many turns ago, and holds it still."""
    if not seat.caches:
        return seat.price(0, outlook.tokens, outlook.written)
    new = min(round(missed * outlook.new), outlook.tokens)
    return seat.price(outlook.tokens - new, new, outlook.written)


def switch_cost(seat: Seat, outlook: Outlook) -> int:
    """What the move to a tier costs once: reading anew what it would have in its cache."""
    return max(0, first_turn(seat, outlook) - warm_turn(seat, outlook))


def break_even_turns(here: Seat, there: Seat, outlook: Outlook) -> int | None:
    """After how many turns a move has paid back what it cost; ``None`` where it never does."""
    saved = warm_turn(here, outlook) - warm_turn(there, outlook)
    return None if saved <= 0 else math.ceil(switch_cost(there, outlook) / saved)


def break_even_rate(cheap: Seat, strong: Seat, outlook: Outlook) -> float:
    """The share of turns that may climb before starting every turn low costs more than not to.

    Each climb reads the whole prompt anew at the strong tier.
    """
    cold = strong.price(0, outlook.tokens, outlook.written)
    saved = warm_turn(strong, outlook) - warm_turn(cheap, outlook)
    return min(1.0, max(0.0, saved / cold)) if cold else 1.0


def horizon(turns: int) -> int:
    """For how many more turns a conversation of so many is reckoned with."""
    return min(MOST_TURNS, max(LEAST_TURNS, turns))


def expected_costs(seats: Sequence[Seat], outlook: Outlook) -> list[float]:
    """What the turns ahead are expected to cost, by the tier at which all of them start.

    A turn that climbs pays for every answer on its way. The first turn finds the caches as they
    are; those after it are reckoned with at half way, where prompts have grown by half.
    """
    return _costs(seats, outlook, _half_way(outlook))


def _half_way(outlook: Outlook) -> Outlook:
    return replace(outlook, tokens=outlook.tokens + outlook.turns // 2 * outlook.new)


def _costs(seats: Sequence[Seat], outlook: Outlook, half: Outlook) -> list[float]:
    """`expected_costs`, of a first turn and of all ``half.turns`` with it."""
    turns, lives = half.turns, half.lives
    now = [float(first_turn(seat, outlook)) for seat in seats]
    later = [warm_turn(seat, half) for seat in seats]
    costs = []
    for place in range(len(seats)):
        total = now[place] + (turns - 1) * later[place]
        chance, hazard = 1.0, Hazard(1.0, 1.0)
        for above, higher in enumerate(seats[place + 1 :], place + 1):
            below = seats[above - 1]
            chance, hazard = chance * below.chance, hazard.times(below.hazard)
            if not (chance or hazard.usual or hazard.again):
                break
            found = visits(chance, hazard, turns, lives, higher.left if higher.held else 0.0)
            total += chance * now[above] + _visited(higher, half, found)
            total += below.wasted * (chance + found.count)
        costs.append(total)
    return costs


def _visited(seat: Seat, outlook: Outlook, found: Visits) -> float:
    """What the climbs to a tier cost, of those found alive and of those read anew."""
    cost = found.in_time * warm_turn(seat, outlook, found.missed)
    if found.late:
        cost += found.late * seat.price(0, outlook.tokens, outlook.written)
    return cost


@dataclass(frozen=True, slots=True)
class Choice:
    """Where to start. ``costs`` are what the turns ahead are expected to cost, by place.

    ``other`` is the cheapest place, where that is another; ``later`` after how many turns it is
    cheapest to go there, and what that would cost; ``None`` where that is never or now.
    """

    place: int
    costs: Sequence[float]
    other: int | None = None
    later: tuple[int, float] | None = None


def waiting_costs(
    seats: Sequence[Seat], outlook: Outlook, here: int, there: int, turns: int
) -> float:
    """What the turns ahead are expected to cost, where the move waits for so many of them.

    Until then caches expire elsewhere, and what was hard may be over.
    """
    half = _half_way(outlook)
    before = _costs(seats[here:], outlook, replace(half, turns=turns))[0]
    then = [_later(seat, half, turns) for seat in seats]
    then[here] = replace(seats[here], held=half.tokens - half.new, left=half.lives)
    rest = replace(half, turns=half.turns - turns)
    return before + _costs(then[there:], rest, rest)[0]


def _later(seat: Seat, half: Outlook, turns: int) -> Seat:
    """A tier that is not called for so many turns, as it is then found."""
    left = seat.left - turns
    held = max(0, half.tokens - (turns + 1) * half.new) if seat.held and left >= 1 else 0
    return replace(seat, held=held, left=left, recent=seat.hazard.unseen(seat.recent, turns))


def best_start(seats: Sequence[Seat], outlook: Outlook, sits: int = 0, floor: int = 0) -> Choice:
    """The tier to start from: the least expected cost, the lower tier where equal.

    ``sits`` is the place it comes from: moving down now has to save a twentieth of a turn there
    against never moving, and against moving some turns later. ``floor`` is the lowest place.
    """
    costs = expected_costs(seats, outlook)
    best = min(range(floor, len(seats)), key=costs.__getitem__)
    stays = max(sits, floor)
    if best >= stays:
        return Choice(best, costs)
    waits = [
        (turns, waiting_costs(seats, outlook, stays, best, turns))
        for turns in WAITS
        if turns < outlook.turns
    ]
    later = min(waits, key=itemgetter(1), default=(0, math.inf))
    enough = MARGIN * warm_turn(seats[stays], outlook)
    if costs[best] < min(costs[stays], later[1]) - enough:
        return Choice(best, costs)
    return Choice(stays, costs, best, later if later[1] < costs[stays] else None)


# ------------------------------------------------------------------ in words


def staying(here: Seat, outlook: Outlook, below: Seat | None = None) -> str:
    """Why a conversation stays where it is, with what the next lower tier would have to read."""
    held = f"stays at {here.tier}: {here.held:,} tokens are in its cache"
    if not here.held or below is None:
        return held if here.held else f"stays at {here.tier}"
    unread = outlook.tokens - min(below.held, outlook.tokens)
    anew = below.price(0, unread, 0)
    turns = break_even_turns(here, below, outlook)
    back = "never pay that back" if turns is None else f"pay that back after {_turns(turns)}"
    reads = f"{below.tier} would read {unread:,} anew for {readable(anew)}"
    reads += f", {back}," if turns != 0 else ""
    return f"{held}; {reads} and climb from there with a chance of {below.chance:.0%}"


def starting(seats: Sequence[Seat], choice: Choice, outlook: Outlook) -> str:
    """Why a conversation starts above the lowest tier."""
    low, here = seats[0], seats[choice.place]
    return (
        f"starts at {here.tier}: {low.hazard.overall:.0%} of turns at {low.tier} are expected to "
        f"climb; {expecting(seats, choice, outlook)}"
    )


def deciding(
    seats: Sequence[Seat], before: int, choice: Choice, outlook: Outlook, why: str = ""
) -> str:
    """What a decision came to. ``before`` is where it sat; ``why`` it was made anew."""
    now = choice.place
    verb = "stays at" if before == now else "moves down to" if now < before else "moves up to"
    low = seats[min(now, before)]
    why = why or f"from {low.tier} the next turn climbs with a chance of {low.chance:.0%}"
    return f"{verb} {seats[now].tier}: {why}; {expecting(seats, choice, outlook)}"


def expecting(seats: Sequence[Seat], choice: Choice, outlook: Outlook) -> str:
    """What the turns ahead are expected to cost, tier by tier."""
    told = [
        f"{seat.tier} {readable(round(cost))}"
        for seat, cost in zip(seats, choice.costs, strict=True)
    ]
    if choice.later is not None and choice.other is not None:
        turns, cost = choice.later
        told.append(f"{seats[choice.other].tier} {_turns(turns)} later {readable(round(cost))}")
    priced = ", waiting priced" if any(seat.wasted for seat in seats) else ""
    return f"expected over {_turns(outlook.turns)}{priced}: {', '.join(told)}"


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count} turns"
